//! The attention on 16-bit codes on AVX2: the definition, compiled for it.

use super::{StripS16, scalar};
use crate::isa::Avx2;

/// Computes the strip.
pub(super) fn run(_: Avx2, args: &StripS16<'_>, scores: &mut [i32], out: &mut [i16]) {
    // SAFETY: the token proves AVX2.
    unsafe { strip(args, scores, out) }
}

#[target_feature(enable = "avx2")]
fn strip(args: &StripS16<'_>, scores: &mut [i32], out: &mut [i16]) {
    scalar::run(args, scores, out);
}
