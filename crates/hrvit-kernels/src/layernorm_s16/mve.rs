//! LayerNorm on MVE: the sums over vectors of 8 channels, the affine over vectors of 4.

use core::arch::asm;

use super::{Common, Norm};
use crate::isa::Mve;
use crate::slices::{rows, rows_mut};

/// What one token's channels share, as the vectors want it: `xh = vrshl(vqdmulh(channels * x - sum, r), shift)`.
struct Statistics {
    channels: i32,
    minus_sum: i32,
    r: u32,
    shift: i32,
}

/// Sums of one token.
#[inline(always)]
fn statistics(_: Mve, token: &[i16], common: Common) -> Statistics {
    let (mut sum, mut low, mut high) = (0i32, 0u32, 0u32);
    // SAFETY: the token proves MVE; the loop has `token.len()` lanes in all.
    unsafe {
        asm!(
            "dlstp.16 lr, lr",
            "2:",
            "vldrh.s16 q0, [{x}], #16",
            "vaddva.s16 r2, q0",
            "vmlalva.s16 r4, r5, q0, q0",
            "letp lr, 2b",
            x = inout(reg) token.as_ptr() => _, inout("r2") sum, inout("r4") low, inout("r5") high, inout("lr") token.len() => _,
            out("q0") _, options(nostack, readonly),
        );
    }
    let channels = token.len() as i32;
    let squares = u64::from(high) << 32 | u64::from(low);
    let mean_square = i64::from(sum) * i64::from(sum);
    let var = (channels as u64).wrapping_mul(squares).wrapping_sub(mean_square as u64);
    let (r, k) = common.reciprocal(var);
    // A vector shifts by 32 or more. Where k is less, var is below 2^(2 k - 32) and |d| below 2^7 sqrt(var): shifting left leaves it far below 2^31.
    let pre_shift = 32u32.saturating_sub(k);
    Statistics { channels: channels << pre_shift, minus_sum: sum.wrapping_neg() << pre_shift, r, shift: 31 - (k + pre_shift) as i32 }
}

/// Most channels whose `xh` of 10 fractional bits needs no saturation: `|d| / sqrt(var) < sqrt(channels)`, so that `|xh| < 2^10 * sqrt(1000) < 2^15`.
const SMALL: usize = 1000;

/// Whether `xh` needs no saturation.
fn is_narrow(norm: &Norm<'_>) -> bool {
    norm.gain.len() <= SMALL && norm.finer() == 0
}

/// The affine of one token, and whether its normalised values need no saturation: lines before the loop, the lines that store one vector, further operands.
macro_rules! affine {
    ($before:tt, $x:expr, $shared:ident, $norm:ident, $out:expr, $store:tt, $operands:tt) => {
        if NARROW {
            affine!(@loop $before, $x, $shared, $norm, $out, [], $store, $operands)
        } else {
            affine!(@loop $before, $x, $shared, $norm, $out, ["vqmovnb.s32 q0, q0", "vmovlb.s16 q0, q0"], $store, $operands)
        }
    };
    (@loop [$($before:literal),*], $x:expr, $shared:ident, $norm:ident, $out:expr, [$($saturate:literal),*], [$($store:literal),*], { $($operands:tt)* }) => {
        asm!(
            $($before,)*
            "dlstp.32 lr, lr",
            "2:",
            "vldrh.s32 q0, [r0], #8",
            "vmul.i32 q0, q0, {channels}",
            "vadd.i32 q0, q0, {minus_sum}",
            "vqdmulh.s32 q0, q0, {r}",
            "vrshl.s32 q0, {xh_shift}",
            $($saturate,)*
            "vldrw.u32 q1, [{gain}], #16",
            "vmul.i32 q0, q0, q1",
            "vldrw.u32 q1, [{offset}], #16",
            "vadd.i32 q0, q0, q1",
            "vrshl.s32 q0, {shift}",
            $($store,)*
            "letp lr, 2b",
            channels = in(reg) $shared.channels, minus_sum = in(reg) $shared.minus_sum, r = in(reg) $shared.r, xh_shift = in(reg) $shared.shift,
            gain = inout(reg) $norm.gain.as_ptr() => _, offset = inout(reg) $norm.offset.as_ptr() => _, shift = in(reg) -i32::from($norm.shift),
            inout("r0") $x => _, inout("r1") $out => _, inout("lr") $norm.gain.len() => _, $($operands)*
            out("q0") _, out("q1") _, options(nostack),
        )
    };
}

/// Tokens to s8.
pub(super) fn tokens_s8(mve: Mve, x: &[i16], norm: &Norm<'_>, lo: i32, hi: i32, out: &mut [i8]) {
    if is_narrow(norm) { to_s8::<true>(mve, x, norm, [lo, hi], out) } else { to_s8::<false>(mve, x, norm, [lo, hi], out) }
}

/// Tokens to s16.
pub(super) fn tokens_s16(mve: Mve, x: &[i16], norm: &Norm<'_>, out: &mut [i16]) {
    if is_narrow(norm) { to_s16::<true>(mve, x, norm, out) } else { to_s16::<false>(mve, x, norm, out) }
}

/// Tokens to s16, in place.
pub(super) fn tokens_s16_in_place(mve: Mve, x: &mut [i16], norm: &Norm<'_>) {
    if is_narrow(norm) { in_place::<true>(mve, x, norm) } else { in_place::<false>(mve, x, norm) }
}

/// Tokens to s8; `NARROW` as [`is_narrow`] says, here and below.
fn to_s8<const NARROW: bool>(mve: Mve, x: &[i16], norm: &Norm<'_>, limits: [i32; 2], out: &mut [i8]) {
    let (channels, common) = (norm.gain.len(), common::<NARROW>(norm));
    for (token, out) in rows(x, channels).zip(rows_mut(out, channels)) {
        let shared = statistics(mve, token, common);
        // SAFETY: the token proves MVE; the loop has `channels` lanes in all, and both rows, the gains and the offsets have as many elements by the checks of the
        // entry. |xh * gain + offset| < 2^30 + 2^30.
        unsafe {
            affine!(
                ["ldrd r2, r3, [r2]", "vdup.32 q2, r2", "vdup.32 q3, r3"],
                token.as_ptr(), shared, norm, out.as_mut_ptr(),
                ["vmax.s32 q0, q0, q2", "vmin.s32 q0, q0, q3", "vstrb.32 q0, [r1], #4"],
                { inout("r2") limits.as_ptr() => _, out("r3") _, out("q2") _, out("q3") _, }
            );
        }
    }
}

/// Tokens to s16.
fn to_s16<const NARROW: bool>(mve: Mve, x: &[i16], norm: &Norm<'_>, out: &mut [i16]) {
    let (channels, common) = (norm.gain.len(), common::<NARROW>(norm));
    for (token, out) in rows(x, channels).zip(rows_mut(out, channels)) {
        let shared = statistics(mve, token, common);
        // SAFETY: as in `to_s8`.
        unsafe { affine!([], token.as_ptr(), shared, norm, out.as_mut_ptr(), ["vqmovnb.s32 q0, q0", "vstrh.32 q0, [r1], #8"], {}) };
    }
}

/// Tokens to s16, in place.
fn in_place<const NARROW: bool>(mve: Mve, x: &mut [i16], norm: &Norm<'_>) {
    let common = common::<NARROW>(norm);
    for token in rows_mut(x, norm.gain.len()) {
        let shared = statistics(mve, token, common);
        let start = token.as_mut_ptr();
        // SAFETY: as in `to_s8`; every vector is read before it is written.
        unsafe { affine!([], start.cast_const(), shared, norm, start, ["vqmovnb.s32 q0, q0", "vstrh.32 q0, [r1], #8"], {}) };
    }
}

/// What all tokens share. No fractional bits beyond the fewest are a constant where normalised values are narrow.
fn common<const NARROW: bool>(norm: &Norm<'_>) -> Common {
    if NARROW { Common { eps: norm.eps, finer: 0 } } else { norm.common() }
}
