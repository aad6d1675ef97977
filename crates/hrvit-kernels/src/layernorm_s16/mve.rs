//! LayerNorm on MVE: the sums over vectors of 8 channels, the affine over vectors of 4.

use core::arch::naked_asm;

use super::Norm;
use crate::isa::Mve;
use crate::math::SEED;

/// Operands of the functions over tokens. The assembly reads the fields at their offsets.
#[repr(C)]
struct Tokens {
    /// Not 0.
    channels: usize,
    /// Not 0.
    eps: [u32; 2],
    /// Where the seed of index 32 lies, less 64 bytes.
    seeds: *const u16,
    finer: u32,
    gain: *const i32,
    offset: *const i32,
    lo: i32,
    hi: i32,
    /// The affine's shift, less than 0.
    shift: i32,
    /// End of the tokens, which are not none.
    end: *const i16,
}

/// A function over [`Tokens`]: lines that saturate a normalised value, lines that store four outputs, and what a channel's output shifts an address by.
///
/// The sums are r8 and r5:r4, the variance r7:r6, then [`crate::math::rsqrt`] of it: r9 is first the upper half of the shifted variance, then r; r4 first the leading zeros,
/// then k, then the shift of `xh = vrshl(vqdmulh(r3 * x + r8, r9), r4)`. Vectors shift by 32 or more, so where k is less, `channels` (r3) and the negative sum (r8) are
/// shifted left. Then var is below 2^(2 k - 32) and |d| below 2^7 sqrt(var), which leaves it far below 2^31.
macro_rules! tokens {
    ($(#[$doc:meta])* $name:ident, $out:ty, [$($saturate:literal),*], [$($store:literal),*], $size:literal) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// The processor has MVE. Tokens, gains and offsets are readable, `out` is writable and holds as many elements as there are tokens' channels; it may be the tokens.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(tokens: &Tokens, x: *const i16, out: *mut $out) {
            naked_asm!(
                ".cpu cortex-m55",
                "push {{r4-r11, lr}}",
                "vpush {{d8-d9}}",
                "ldrd r3, r4, [r0, #28]",
                "vdup.32 q2, r3",
                "vdup.32 q3, r4",
                "mov r12, r2",
                "1:",
                "mov r11, r1",
                "ldr r3, [r0]",
                "mov r8, #0",
                "mov r4, #0",
                "mov r5, #0",
                "dlstp.16 lr, r3",
                "2:",
                "vldrh.u16 q0, [r1], #16",
                "vaddva.s16 r8, q0",
                "vmlalva.s16 r4, r5, q0, q0",
                "letp lr, 2b",
                "umull r6, r7, r3, r4",
                "mla r7, r3, r5, r7",
                "smull r9, r10, r8, r8",
                "subs r6, r6, r9",
                "sbc r7, r7, r10",
                "ldrd r9, r10, [r0, #4]",
                "adds r6, r6, r9",
                "adc r7, r7, r10",
                "clz r4, r7",
                "cmp r7, #0",
                "itt eq",
                "clzeq r4, r6",
                "addeq r4, #32",
                "bic r4, r4, #1",
                // Shifts by 32 or more, or by less than none, leave nothing.
                "rsb r5, r4, #32",
                "lsl r9, r7, r4",
                "lsr r10, r6, r5",
                "orr r9, r9, r10",
                "sub r5, r4, #32",
                "lsl r10, r6, r5",
                "orr r9, r9, r10",
                "ldrd r5, r1, [r0, #12]",
                "lsr r10, r9, #25",
                "ldrh r10, [r5, r10, lsl #1]",
                "mul r5, r10, r10",
                "umull r6, r7, r9, r5",
                "rsbs r6, r6, #0",
                "mov r5, #0xc0000000",
                "sbc r7, r5, r7",
                "lsr r6, r6, #16",
                "orr r6, r6, r7, lsl #16",
                "lsr r7, r7, #16",
                "umull r5, r9, r10, r6",
                "mla r9, r10, r7, r9",
                "cmp r9, #0",
                "it mi",
                "mvnmi r9, #0x80000000",
                "rsb r5, r1, #52",
                "sub r4, r5, r4, lsr #1",
                "rsbs r5, r4, #32",
                "ittt pl",
                "lslpl r3, r3, r5",
                "lslpl r8, r8, r5",
                "addpl r4, r5",
                "rsb r8, r8, #0",
                "rsb r4, r4, #31",
                "vdup.32 q4, r3",
                "mov r1, r11",
                "ldrd r5, r6, [r0, #20]",
                "ldr r7, [r0, #36]",
                "ldr r10, [r0]",
                "dlstp.32 lr, r10",
                "3:",
                "vldrh.s32 q0, [r1], #8",
                "vmlas.i32 q0, q4, r8",
                "vqdmulh.s32 q0, q0, r9",
                "vrshl.s32 q0, r4",
                $($saturate,)*
                "vldrw.u32 q1, [r5], #16",
                "vmul.i32 q0, q0, q1",
                "vldrw.u32 q1, [r6], #16",
                "vadd.i32 q0, q0, q1",
                "vrshl.s32 q0, r7",
                $($store,)*
                "letp lr, 3b",
                "add r1, r11, r10, lsl #1",
                concat!("add r12, r12, r10, lsl #", $size),
                "mov r2, r12",
                "ldr r5, [r0, #40]",
                "cmp r1, r5",
                "bne 1b",
                "vpop {{d8-d9}}",
                "pop {{r4-r11, pc}}",
            )
        }
    };
}

tokens! {
    /// To s8, where normalised values need no saturation.
    narrow_s8, i8, [], ["vmax.s32 q0, q0, q2", "vmin.s32 q0, q0, q3", "vstrb.32 q0, [r2], #4"], "0"
}
tokens! {
    /// To s8.
    wide_s8, i8, ["vqmovnb.s32 q0, q0", "vmovlb.s16 q0, q0"], ["vmax.s32 q0, q0, q2", "vmin.s32 q0, q0, q3", "vstrb.32 q0, [r2], #4"], "0"
}
tokens! {
    /// To s16, where normalised values need no saturation.
    narrow_s16, i16, [], ["vqmovnb.s32 q0, q0", "vstrh.32 q0, [r2], #8"], "1"
}
tokens! {
    /// To s16.
    wide_s16, i16, ["vqmovnb.s32 q0, q0", "vmovlb.s16 q0, q0"], ["vqmovnb.s32 q0, q0", "vstrh.32 q0, [r2], #8"], "1"
}

/// Most channels whose `xh` of 10 fractional bits needs no saturation: `|d| / sqrt(var) < sqrt(channels)`, so that `|xh| < 2^10 * sqrt(1000) < 2^15`.
const SMALL: usize = 1000;

/// Whether `xh` needs no saturation.
fn is_narrow(norm: &Norm<'_>) -> bool {
    norm.gain.len() <= SMALL && norm.finer() == 0
}

/// Seeds of the reciprocal square root, in memory.
static SEEDS: [u16; SEED.len()] = SEED;

/// Tokens from `x` to `end`, by one of the functions above.
///
/// # Safety
/// As for these functions; there are as many offsets as gains.
unsafe fn run<T>(
    function: unsafe extern "C" fn(&Tokens, *const i16, *mut T),
    x: *const i16,
    end: *const i16,
    norm: &Norm<'_>,
    [lo, hi]: [i32; 2],
    out: *mut T,
) {
    if x == end {
        return;
    }
    let tokens = Tokens {
        channels: norm.gain.len(),
        eps: [norm.eps as u32, (norm.eps >> 32) as u32],
        seeds: SEEDS.as_ptr().wrapping_sub(32),
        finer: norm.finer(),
        gain: norm.gain.as_ptr(),
        offset: norm.offset.as_ptr(),
        lo,
        hi,
        shift: -i32::from(norm.shift),
        end,
    };
    // SAFETY: by the contract.
    unsafe { function(&tokens, x, out) }
}

/// Tokens to s8.
pub(super) fn tokens_s8(_: Mve, x: &[i16], norm: &Norm<'_>, lo: i32, hi: i32, out: &mut [i8]) {
    let x = x.as_ptr_range();
    // SAFETY: the token proves MVE; the entry has checked that `x` is whole tokens, that there are as many offsets as gains, not none, as many outputs as inputs, and
    // `eps`. |xh * gain + offset| < 2^30 + 2^30.
    unsafe { run(if is_narrow(norm) { narrow_s8 } else { wide_s8 }, x.start, x.end, norm, [lo, hi], out.as_mut_ptr()) }
}

/// Tokens to s16.
pub(super) fn tokens_s16(_: Mve, x: &[i16], norm: &Norm<'_>, out: &mut [i16]) {
    let x = x.as_ptr_range();
    // SAFETY: as in `tokens_s8`.
    unsafe { run(if is_narrow(norm) { narrow_s16 } else { wide_s16 }, x.start, x.end, norm, [0; 2], out.as_mut_ptr()) }
}

/// Tokens to s16, in place.
pub(super) fn tokens_s16_in_place(_: Mve, x: &mut [i16], norm: &Norm<'_>) {
    let x = x.as_mut_ptr_range();
    // SAFETY: as in `tokens_s8`; every vector is read before it is written.
    unsafe { run(if is_narrow(norm) { narrow_s16 } else { wide_s16 }, x.start.cast_const(), x.end.cast_const(), norm, [0; 2], x.start) }
}
