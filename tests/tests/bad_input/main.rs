//! Input that is damaged, hostile or simply wrong: always an error that says what is wrong, or a
//! run that goes through; never a panic.

mod fields;
mod image;
mod seal;
mod setup;
