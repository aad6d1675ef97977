//! LayerNorm on MVE: four tokens' sums, their reciprocal roots in one vector, then the affine of
//! two tokens at a time over vectors of 4 channels.

use core::arch::naked_asm;

use super::Norm;
use crate::isa::Mve;
use crate::math::SEED;

/// Tokens whose roots are taken at once.
const BATCH: usize = 4;

/// Operands of the functions over tokens. The assembly reads the fields at their offsets.
#[repr(C, align(64))]
struct Tokens {
    /// Not 0.
    channels: usize,
    /// Not 0.
    eps: [u32; 2],
    /// Address of the seed of index 32, less 64 bytes.
    seeds: *const u16,
    /// `31 - 52` and the fractional bits beyond the fewest.
    shift_of_root: i32,
    gain: *const i32,
    offset: *const i32,
    lo: i32,
    hi: i32,
    /// The affine's shift, less than 0.
    shift: i32,
    /// End of the tokens, which are not none.
    end: *const i16,
    reserved: [u32; 5],
    /// Of each token the lower and the upper half of its variance, and its sum. At first such as a
    /// root can be taken of.
    variances: [[u32; 4]; BATCH],
    /// Of each token the negative sum, multiplier and shift of `xh = vrshl(vqdmulh(channels * x -
    /// sum, mult), shift)`, and `channels`.
    scales: [[i32; 4]; BATCH],
}

/// Makes the scales of the next tokens, up to [`BATCH`], from r1 on, of the operands at r7. They go
/// to r11, which r7 ends as. Keeps r1 and r2 alone.
///
/// The sums are r8 and r5:r4, the variance r0:r6. Of it [`crate::math::rsqrt`] is taken: q3 are its
/// leading zeros, made even, q4 the upper half of the shifted variance, q6 the
/// seed. Vectors shift by 32 or more, so where k is less, `channels` and the negative sum are
/// shifted left. Then var is below 2^(2 k - 32) and |d| below 2^7 sqrt(var), which
/// leaves it far below 2^31.
///
/// # Safety
/// The processor has MVE, and the tokens are readable. Not by the calling convention of C: for the
/// functions of this file.
#[unsafe(naked)]
unsafe extern "C" fn scales() {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r1, r2, r11, lr}}",
        "ldr r3, [r7]",
        "ldr r2, [r7, #40]",
        "ldrd r9, r10, [r7, #4]",
        "add r12, r7, #64",
        "2:",
        "mov r0, r1",
        "add r1, r1, r3, lsl #1",
        "mov r8, #0",
        "mov r4, #0",
        "mov r5, #0",
        "dlstp.16 lr, r3",
        "3:",
        "vldrh.u16 q0, [r0], #16",
        "vaddva.s16 r8, q0",
        "vmlalva.s16 r4, r5, q0, q0",
        "letp lr, 3b",
        "umull r6, r0, r3, r4",
        "mla r0, r3, r5, r0",
        "smull r4, r5, r8, r8",
        "subs r6, r6, r4",
        "sbc r0, r0, r5",
        "adds r6, r6, r9",
        "adc r0, r0, r10",
        "str r8, [r12, #8]",
        "strd r6, r0, [r12], #16",
        "cmp r1, r2",
        "beq 4f",
        "cmp r12, r11",
        "bne 2b",
        "4:",
        "add r12, r7, #64",
        "ldrd r4, r5, [r7, #12]",
        "vld40.32 {{q0, q1, q2, q3}}, [r12]",
        "vld41.32 {{q0, q1, q2, q3}}, [r12]",
        "vld42.32 {{q0, q1, q2, q3}}, [r12]",
        "vld43.32 {{q0, q1, q2, q3}}, [r12]",
        "mov r6, #32",
        "vclz.i32 q3, q1",
        "mov r8, #1",
        "vclz.i32 q4, q0",
        "mov r9, #0xc0000000",
        "vpt.i32 eq, q1, zr",
        "vaddt.i32 q3, q3, q4",
        "vbic.i32 q3, #1",
        "vshl.u32 q4, q1, q3",
        "vsub.i32 q5, q3, r6",
        "vshl.u32 q5, q0, q5",
        "vorr q4, q4, q5",
        "vshr.u32 q5, q4, #25",
        "vldrh.u32 q6, [r4, q5, uxtw #1]",
        "vmul.i32 q5, q6, q6",
        "vmulh.u32 q0, q4, q5",
        "vmul.i32 q1, q4, q5",
        // 3 * 2^62 less that product, of which the lower 16 bits are left out.
        "vmvn q0, q0",
        "vadd.i32 q0, q0, r9",
        "vpt.i32 eq, q1, zr",
        "vaddt.i32 q0, q0, r8",
        "vneg.s32 q1, q1",
        "vshr.u32 q1, q1, #16",
        "vsli.32 q1, q0, #16",
        "vshr.u32 q0, q0, #16",
        "vmulh.u32 q1, q1, q6",
        "vmul.i32 q0, q0, q6",
        "vadd.i32 q1, q1, q0",
        "vmvn.i32 q0, #0x80000000",
        "vmin.u32 q1, q1, q0",
        "vshr.u32 q4, q3, #1",
        "vadd.i32 q4, q4, r5",
        "vmov.i32 q6, #0",
        "vadd.i32 q5, q4, r8",
        "vmax.s32 q5, q5, q6",
        "vneg.s32 q0, q2",
        "vdup.32 q3, r3",
        "vshl.s32 q0, q0, q5",
        "vsub.i32 q2, q4, q5",
        "vshl.s32 q3, q3, q5",
        "vst40.32 {{q0, q1, q2, q3}}, [r11]",
        "vst41.32 {{q0, q1, q2, q3}}, [r11]",
        "vst42.32 {{q0, q1, q2, q3}}, [r11]",
        "vst43.32 {{q0, q1, q2, q3}}, [r11]",
        "pop {{r1, r2, r7, pc}}",
    )
}

/// A function over [`Tokens`]: lines that saturate the normalised values q0 and q1, lines that
/// store four outputs of both tokens, and what a channel's output shifts an address by.
///
/// r1 and r0 point into two tokens, r2 and r3 to their outputs, r7 to the next token's scales. A
/// last token without a second one is computed twice.
macro_rules! tokens {
    ($(#[$doc:meta])* $name:ident, $out:ty, [$($saturate:literal),*], [$($store:literal),*], $size:literal) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// The processor has MVE. Tokens, gains and offsets are readable, `out` is writable and
        /// holds as many elements as there are tokens' channels; it may be the tokens. There is one
        /// token alone, or the channels are a multiple of 4.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(tokens: &mut Tokens, x: *const i16, out: *mut $out) {
            naked_asm!(
                ".cpu cortex-m55",
                "push {{r4-r11, lr}}",
                "vpush {{d8-d15}}",
                "ldr r4, [r0, #40]",
                "push {{r0, r4}}",
                "1:",
                "ldr r7, [sp]",
                "add r11, r7, #128",
                "bl {scales}",
                "ldr r11, [sp]",
                "ldrd r4, r5, [r11, #28]",
                "ldr r6, [r11, #36]",
                "vdup.32 q2, r4",
                "vdup.32 q3, r5",
                "vdup.32 q7, r6",
                "2:",
                "ldm r7!, {{r4, r5, r6, r8}}",
                "vdup.32 q4, r8",
                "ldm r7!, {{r8, r9, r10, r12}}",
                "vdup.32 q5, r12",
                "ldr lr, [r11]",
                "ldr r12, [sp, #4]",
                "add r0, r1, lr, lsl #1",
                concat!("add r3, r2, lr, lsl #", $size),
                "cmp r0, r12",
                "beq 5f",
                "4:",
                "ldrd r12, r11, [r11, #20]",
                "dlstp.32 lr, lr",
                "3:",
                "vldrh.s32 q0, [r1], #8",
                "vldrh.s32 q1, [r0], #8",
                "vmlas.i32 q0, q4, r4",
                "vmlas.i32 q1, q5, r8",
                "vqdmulh.s32 q0, q0, r5",
                "vqdmulh.s32 q1, q1, r9",
                "vrshl.s32 q0, r6",
                "vrshl.s32 q1, r10",
                $($saturate,)*
                "vldrw.u32 q6, [r12], #16",
                "vmul.i32 q0, q0, q6",
                "vmul.i32 q1, q1, q6",
                "vldrw.u32 q6, [r11], #16",
                "vadd.i32 q0, q0, q6",
                "vadd.i32 q1, q1, q6",
                "vrshl.s32 q0, q0, q7",
                "vrshl.s32 q1, q1, q7",
                $($store,)*
                "letp lr, 3b",
                "ldrd r11, r12, [sp]",
                "mov r1, r0",
                "mov r2, r3",
                "cmp r0, r12",
                "bhs 6f",
                "lsls r12, r7, #26",
                "bne 2b",
                "b 1b",
                "5:",
                "mov r0, r1",
                "mov r3, r2",
                "mov r8, r4",
                "mov r9, r5",
                "mov r10, r6",
                "vmov q5, q4",
                "b 4b",
                "6:",
                "add sp, #8",
                "vpop {{d8-d15}}",
                "pop {{r4-r11, pc}}",
                scales = sym scales,
            )
        }
    };
}

tokens! {
    /// To s8, where normalised values need no saturation.
    narrow_s8, i8, [],
    ["vmax.s32 q0, q0, q2", "vmax.s32 q1, q1, q2", "vmin.s32 q0, q0, q3", "vmin.s32 q1, q1, q3", "vstrb.32 q0, [r2], #4", "vstrb.32 q1, [r3], #4"], "0"
}
tokens! {
    /// To s8.
    wide_s8, i8, ["vqmovnb.s32 q0, q0", "vqmovnb.s32 q1, q1", "vmovlb.s16 q0, q0", "vmovlb.s16 q1, q1"],
    ["vmax.s32 q0, q0, q2", "vmax.s32 q1, q1, q2", "vmin.s32 q0, q0, q3", "vmin.s32 q1, q1, q3", "vstrb.32 q0, [r2], #4", "vstrb.32 q1, [r3], #4"], "0"
}
tokens! {
    /// To s16, where normalised values need no saturation.
    narrow_s16, i16, [], ["vqmovnb.s32 q0, q0", "vqmovnb.s32 q1, q1", "vstrh.32 q0, [r2], #8", "vstrh.32 q1, [r3], #8"], "1"
}
tokens! {
    /// To s16.
    wide_s16, i16, ["vqmovnb.s32 q0, q0", "vqmovnb.s32 q1, q1", "vmovlb.s16 q0, q0", "vmovlb.s16 q1, q1"],
    ["vqmovnb.s32 q0, q0", "vqmovnb.s32 q1, q1", "vstrh.32 q0, [r2], #8", "vstrh.32 q1, [r3], #8"], "1"
}

/// Most channels whose `xh` of 10 fractional bits needs no saturation:
/// `|d| / sqrt(var) < sqrt(channels)`, so that `|xh| < 2^10 * sqrt(1000) < 2^15`.
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
/// As for these functions, but for the channels; there are as many offsets as gains.
unsafe fn run<T>(
    function: unsafe extern "C" fn(&mut Tokens, *const i16, *mut T),
    mut x: *const i16,
    end: *const i16,
    norm: &Norm<'_>,
    [lo, hi]: [i32; 2],
    mut out: *mut T,
) {
    let channels = norm.gain.len();
    let mut tokens = Tokens {
        channels,
        eps: [norm.eps as u32, (norm.eps >> 32) as u32],
        seeds: SEEDS.as_ptr().wrapping_sub(32),
        shift_of_root: 31 - 52 + norm.finer() as i32,
        gain: norm.gain.as_ptr(),
        offset: norm.offset.as_ptr(),
        lo,
        hi,
        shift: -i32::from(norm.shift),
        end,
        reserved: [0; 5],
        variances: [[1; 4]; BATCH],
        scales: [[0; 4]; BATCH],
    };
    while x != end {
        if !channels.is_multiple_of(4) {
            tokens.end = x.wrapping_add(channels);
        }
        // SAFETY: by the contract; without whole vectors of channels it is one token alone.
        unsafe { function(&mut tokens, x, out) }
        (x, out) = (tokens.end, out.wrapping_add(channels));
    }
}

/// Tokens to s8.
pub(super) fn tokens_s8(_: Mve, x: &[i16], norm: &Norm<'_>, lo: i32, hi: i32, out: &mut [i8]) {
    let x = x.as_ptr_range();
    // SAFETY: the token proves MVE; the entry has checked that `x` is whole tokens, that there are
    // as many offsets as gains, not none, as many outputs as inputs, and
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
