//! The examples of READMEs, as documentation tests.

#[doc = include_str!("../../crates/hrvit-kernels/README.md")]
pub mod kernels {}
#[doc = include_str!("../../crates/hrvit-format/README.md")]
pub mod format {}
#[doc = include_str!("../../crates/hrvit-core/README.md")]
pub mod core {}
#[doc = include_str!("../../README.md")]
pub mod project {}
