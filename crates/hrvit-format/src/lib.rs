//! The HRViT model image, and the description of the network in it.
//!
//! [`Model::load`] checks an image once and reads it in place. [`Network`] describes a network, and
//! [`graph`] lists its steps and operators. `docs/model-format.md` lists the bytes of an image.
#![cfg_attr(not(any(feature = "std", test)), no_std)]
#![forbid(unsafe_code)]
#![deny(clippy::missing_errors_doc)]

mod ablation;
pub mod aligned;
mod arrays;
mod bytes;
mod checks;
pub mod clip;
pub mod error;
pub mod fp16;
mod golden;
pub mod graph;
mod head;
mod logit;
pub mod meta;
mod model;
#[cfg(feature = "std")]
mod model_buf;
mod narrowings;
pub mod network;
pub mod op;
pub mod parts;
pub mod precision;
pub mod preprocess;
pub mod record;
mod records;
mod sections;
mod sentence;
pub mod size;
pub mod slots;
pub mod spec;
mod spec_error;
pub mod step;
mod validate;
mod validate_fp16;
#[cfg(feature = "std")]
pub mod writer;

pub use hrvit_kernels::{
    Packing,
    contract::{INTERPOLATED, LOGITS_S16, MAX_QV_S16, MAX_THREE_S8, MAX_THREE_S16},
};

pub use ablation::{Ablation, Between};
pub use bytes::{crc32, crc32_after};
pub use error::{LoadError, OpField};
pub use fp16::CodeScale;
pub use golden::{DriftBound, Golden, GoldenRanges, GoldenResult, StepMagnitude};
pub use graph::{Op, OpKind, Step, StepId, StepOps};
pub use head::ModelHead;
pub use logit::{Logit, LogitFormat};
pub use meta::Meta;
pub use model::Model;
#[cfg(feature = "std")]
pub use model_buf::{ModelBuf, ReadCause, ReadError};
pub use narrowings::Narrowings;
pub use network::{Head, Network};
pub use parts::{Parts, WideParts};
pub use precision::Precision;
pub use preprocess::{ColourOrder, Fit, Preprocess};
pub use records::Records;
pub use sections::START_BYTES;
pub use size::Size;
pub use spec::{Activation, BRANCHES, Spec, SpecError, VARIANTS};
pub use step::{OpParams, StepParams};
pub use validate::{MAX_TABLE, POOLED_MAX};
