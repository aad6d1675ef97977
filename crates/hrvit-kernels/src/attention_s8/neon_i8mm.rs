//! Attention with `smmla`: see [`super::neon`].

use super::Strip;
use super::neon::drive;
use crate::gemm_s8::neon_i8mm::Smmla;
use crate::isa::NeonI8mm;

/// See [`Kernels::attention_s8`](crate::Kernels::attention_s8).
pub(super) fn run(token: NeonI8mm, args: &Strip<'_>, scores: &mut [i32], out: &mut [i16]) {
    // SAFETY: the token proves `smmla`.
    unsafe { strip(args, token.in_order(), scores, out) }
}

#[target_feature(enable = "neon,i8mm")]
fn strip(args: &Strip<'_>, in_order: bool, scores: &mut [i32], out: &mut [i16]) {
    // SAFETY: this function's attribute.
    unsafe { drive::<Smmla>(args, in_order, scores, out) }
}
