//! Shared by the end-to-end tests: random models, and a second implementation of the integer
//! contract to judge the engine by.

pub mod flash;
pub mod mixed_image;
pub mod pth;
pub mod random_image;
#[cfg(doctest)]
mod readmes;
pub mod rng;
pub mod run;
pub mod simulator;
pub mod specs;
pub mod unpack;
