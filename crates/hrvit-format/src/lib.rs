//! The HRViT model image and the description of the network it holds.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

#[cfg(feature = "std")]
pub mod aligned;
pub mod error;
pub mod graph;
pub mod half;
pub mod image;
pub mod meta;
pub mod partial;
pub mod parts;
pub mod record;
pub mod slots;
pub mod spec;
pub mod step;
mod validate;
#[cfg(feature = "std")]
pub mod writer;

pub use error::{LoadError, OpField};
pub use graph::{Op, OpKind, Step, StepOps};
pub use half::CodeScale;
pub use image::{Golden, GoldenResult, Model, StepId, crc32, crc32_after};
pub use meta::Meta;
pub use parts::{Parts, WideParts};
pub use spec::{Activation, BRANCHES, Head, Network, Size, Spec, SpecError, VARIANTS};
pub use step::{OpParams, StepParams};
pub use validate::{INTERPOLATED, LOGITS_S16, MAX_QV_S16, MAX_TABLE, MAX_THREE_S8, MAX_THREE_S16, POOLED_MAX};
