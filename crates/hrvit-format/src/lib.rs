//! The HRViT model image and the description of the network it holds.
#![cfg_attr(not(any(test, feature = "std")), no_std)]
#![forbid(unsafe_code)]

pub mod graph;
pub mod spec;

pub use graph::{Op, OpKind, Step, StepOps};
pub use spec::{Activation, BRANCHES, Head, Network, Size, Spec, SpecError, VARIANTS};
