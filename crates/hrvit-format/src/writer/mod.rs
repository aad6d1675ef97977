//! Lays out a model image, from what a quantiser found or from another image. Hosts only; what it
//! writes has passed [`crate::Model::load`].

mod assemble;
mod data;
mod group;
mod place;
mod rewrite;
mod write;

pub use data::{HalfOp, ImageData, OpData, StepData};
pub use rewrite::{repack, with_golden};
pub use write::write_image;
