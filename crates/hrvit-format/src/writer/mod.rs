//! Writes a model image, from a quantiser's numbers or from another image. For hosts only. Every
//! image that it returns has passed [`crate::Model::load`].

mod assemble;
mod data;
mod group;
mod place;
mod rewrite;
mod write;

pub use data::{HalfOp, ImageData, OpData, StepData};
pub use rewrite::{repack, with_golden};
pub use write::write_image;
