//! The attention with logits by `fmlal`, which multiplies f16 and adds in f32: the same to the last
//! bit.

use half::f16;

use super::{StripF16, neon};
use crate::isa::NeonI8mm;
use crate::neon::product_f16::Fmlal;

/// Computes the strip. `scratch` holds [`scratch`](super::scratch) elements.
pub(super) fn run(_: NeonI8mm, args: &StripF16<'_>, scratch: &mut [f32], out: &mut [f16]) {
    #[target_feature(enable = "neon")]
    fn run(args: &StripF16<'_>, scratch: &mut [f32], out: &mut [f16]) {
        // SAFETY: the token proves NEON and `fmlal`.
        unsafe { neon::strip::<Fmlal>(args, scratch, out) }
    }
    // SAFETY: as above.
    unsafe { run(args, scratch, out) }
}
