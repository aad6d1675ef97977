//! The backbone's blocks, named as in the paper. Each has `scratch` (bytes of line buffers, for the plan) and `run` (the step itself).

pub mod attention;
pub mod fusion;
pub mod mix_cfn;
pub mod patch_embed;
pub mod stage_norm;
pub mod stem;
