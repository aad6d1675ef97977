//! Float HRViT on the host: the judge of the project.
//!
//! | module | what it holds |
//! |---|---|
//! | [`map`] | [`Map`], a feature map or its tokens, and [`Frame`], a checked input picture |
//! | [`mod@parameters`] | names and shapes of every tensor of a checkpoint |
//! | [`checkpoint`] | reading `.pth` and `.safetensors`, synthetic weights, writing `.safetensors` |
//! | [`operators`] | the float operators that both forward passes are made of |
//! | [`model`] | the forward pass exactly as trained, with named taps |
//! | [`fold`] | the exact rewrites: from a checkpoint to the weights of the canonical graph |
//! | [`layers`] | which layers of a checkpoint an operator is made of |
//! | [`folded`] | the canonical graph in float, step by step, with a tap that may modify every operator's output |
//! | [`accounting`] | parameters, multiply-accumulates and activation bytes per operator |
//!
//! Everything is single-threaded; callers that want more cores run frames in parallel.
#![forbid(unsafe_code)]

mod wide;

pub mod accounting;
pub mod checkpoint;
mod element;
pub mod fold;
pub mod folded;
pub mod layers;
mod listed;
pub mod map;
pub mod model;
mod op_weights;
pub mod operators;
pub mod parameters;
mod pth;

#[doc(hidden)]
pub use pulp;

pub use checkpoint::{Averaged, Checkpoint, CheckpointError, Selection, Taken, Tensor};
pub use folded::{Folded, NoTap, State, Tap};
pub use listed::ClassNames;
pub use map::{Frame, FrameError, Map};
pub use model::Model;
pub use op_weights::OpWeights;
pub use parameters::{Parameter, parameters};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
