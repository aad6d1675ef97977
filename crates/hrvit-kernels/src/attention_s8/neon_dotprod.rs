//! Attention with `sdot`: see [`super::neon`].

use super::Strip;
use super::neon::drive;
use crate::gemm_s8::neon_dotprod::Sdot;
use crate::isa::NeonDotprod;

/// See [`Kernels::attention_s8`](crate::Kernels::attention_s8).
pub(super) fn run(token: NeonDotprod, args: &Strip<'_>, scores: &mut [i32], out: &mut [i16]) {
    // SAFETY: the token proves `sdot`.
    unsafe { strip(args, token.in_order(), scores, out) }
}

#[target_feature(enable = "neon,dotprod")]
fn strip(args: &Strip<'_>, in_order: bool, scores: &mut [i32], out: &mut [i16]) {
    // SAFETY: this function's attribute.
    unsafe { drive::<Sdot>(args, in_order, scores, out) }
}
