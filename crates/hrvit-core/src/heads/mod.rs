//! Heads on top of the backbone.

pub mod classifier;
pub mod labels;
pub mod narrow;
pub mod segformer;
