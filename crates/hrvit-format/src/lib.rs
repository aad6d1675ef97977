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
pub mod network;
pub mod op;
pub mod partial;
pub mod parts;
pub mod precision;
pub mod record;
mod sentence;
pub mod size;
pub mod slots;
pub mod spec;
mod spec_error;
pub mod step;
mod validate;
#[cfg(feature = "std")]
pub mod writer;

pub use hrvit_kernels::Packing;

pub use error::{LoadError, OpField};
pub use graph::{Op, OpKind, Step, StepId, StepOps};
pub use half::CodeScale;
pub use image::{Golden, GoldenResult, Model, crc32, crc32_after};
pub use meta::Meta;
pub use network::{Head, Network};
pub use parts::{Parts, WideParts};
pub use precision::Precision;
pub use size::Size;
pub use spec::{Activation, BRANCHES, Spec, SpecError, VARIANTS};
pub use step::{OpParams, StepParams};
pub use validate::{INTERPOLATED, LOGITS_S16, MAX_QV_S16, MAX_TABLE, MAX_THREE_S8, MAX_THREE_S16, POOLED_MAX};
