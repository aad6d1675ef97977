//! The steps of the backbone.
//!
//! Each block has a function `scratch` for plans and a function `run` for the engine, which cut the
//! same `Buffers`.

pub mod attention;
pub mod fusion;
pub mod mix_cfn;
pub mod patch_embed;
pub mod stage_norm;
pub mod stem;
