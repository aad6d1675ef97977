//! LayerNorm with the DSP extension: the definition's loops in 32-bit registers, the affine of four
//! channels at a time where outputs saturate to their width alone.

use core::arch::{asm, naked_asm};

use super::{Common, Norm};
use crate::dsp::rates::{Rate, shifted};
use crate::isa::Dsp;
use crate::slices::{rows, rows_mut};

/// Statistics that one token's channels share.
#[derive(Clone, Copy)]
struct Statistics {
    channels: i32,
    minus_sum: i32,
    r: i32,
    /// 33 or more.
    k: u32,
}

/// Sums of one token.
#[inline(always)]
fn statistics(_: Dsp, token: &[i16], common: Common) -> Statistics {
    let (fours, rest) = token.as_chunks::<4>();
    let (mut sum, mut low, mut high) = (0i32, 0u32, 0u32);
    if !fours.is_empty() {
        let x = fours.as_ptr_range();
        // SAFETY: the token proves the DSP extension; whole groups of four values lie from the
        // start to the end. Words may be unaligned.
        unsafe {
            asm!(
                "2:",
                "ldr {a}, [{x}], #4",
                "ldr {b}, [{x}], #4",
                "smlad {sum}, {a}, {ones}, {sum}",
                "smlald {low}, {high}, {a}, {a}",
                "smlad {sum}, {b}, {ones}, {sum}",
                "smlald {low}, {high}, {b}, {b}",
                "cmp {x}, {end}",
                "bne 2b",
                x = inout(reg) x.start => _, end = in(reg) x.end, sum = inout(reg) sum, low = inout(reg) low, high = inout(reg) high, ones = in(reg) 0x0001_0001,
                a = out(reg) _, b = out(reg) _, options(readonly, nostack),
            );
        }
    }
    let mut squares = u64::from(high) << 32 | u64::from(low);
    for x in rest {
        let x = i32::from(*x);
        sum = sum.wrapping_add(x);
        squares = squares.wrapping_add(u64::from((x * x) as u32));
    }
    let channels = token.len() as i32;
    let mean_square = i64::from(sum) * i64::from(sum);
    let var = (channels as u64).wrapping_mul(squares).wrapping_sub(mean_square as u64);
    let (r, k) = common.reciprocal(var);
    // The affine shifts by 33 or more. If k is less, var is below 2^(2 k - 22) and |d| below 2^7
    // sqrt(var): shifting left leaves it below 2^30.
    let pre_shift = 33u32.saturating_sub(k) as u8;
    Statistics { channels: shifted(channels, pre_shift), minus_sum: shifted(sum.wrapping_neg(), pre_shift), r: r as i32, k: k.max(33) }
}

impl Statistics {
    /// One normalised channel through the affine, clamped to `lo..=hi`.
    #[inline(always)]
    fn normalise(self, dsp: Dsp, x: i16, gain: i32, offset: i32, shift: u8, lo: i32, hi: i32) -> i32 {
        let xh = Rate::new(dsp, self.r, self.k as u8).apply(self.channels.wrapping_mul(i32::from(x)).wrapping_add(self.minus_sum));
        let xh = xh.max(i32::from(i16::MIN)).min(i32::from(i16::MAX));
        // Below 2^31; the rounding bit is added after all but one of the shifts.
        let sum = xh.wrapping_mul(gain).wrapping_add(offset);
        ((sum >> (shift.wrapping_sub(1) & 31)).wrapping_add(1) >> 1).max(lo).min(hi)
    }
}

/// Operands of [`affine_s8`] and [`affine_s16`]. The assembly reads the fields at their offsets.
#[repr(C)]
struct Affine<T> {
    x: *const i16,
    out: *mut T,
    gain: *const i32,
    offset: *const i32,
    channels: i32,
    minus_sum: i32,
    r: i32,
    /// `2^(k - 33)`.
    half: i32,
    /// `k - 32`.
    k: u32,
    /// One less than that of the affine.
    shift: u32,
    /// End of the offsets, which are a multiple of 4 and not none.
    end: *const i32,
}

/// One channel: `$saturate` is the bits of an output, `$store` what stores it.
macro_rules! channel {
    ($saturate:literal, $store:literal) => {
        concat!(
            "ldrsh r10, [r0], #2\nldr r11, [r2], #4\nmla r10, r10, r4, r5\nldr r12, [r3], #4\nsmmla r10, r10, r6, r7\nasr r10, r8\nssat r10, #16, r10\n",
            "mla r10, r10, r11, r12\nasr r10, r9\nadd r10, #1\nssat r10, #",
            $saturate,
            ", r10, asr #1\n",
            $store,
            "\n"
        )
    };
}

/// The affine of one token, to outputs that saturate to their width.
macro_rules! affine {
    ($name:ident, $out:ty, $saturate:literal, $store:literal) => {
        /// # Safety
        /// The processor has the DSP extension. There are as many inputs, gains and offsets as
        /// [`Affine`] says, and as many outputs writable.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(args: &Affine<$out>) {
            naked_asm!(
                ".cpu cortex-m7",
                "push {{r4-r11, lr}}",
                "ldr lr, [r0, #40]",
                "ldm r0, {{r0-r9}}",
                "2:",
                channel!($saturate, $store),
                channel!($saturate, $store),
                channel!($saturate, $store),
                channel!($saturate, $store),
                "cmp r3, lr",
                "bne 2b",
                "pop {{r4-r11, pc}}",
            )
        }
    };
}

affine!(affine_s8, i8, "8", "strb r10, [r1], #1");
affine!(affine_s16, i16, "16", "strh r10, [r1], #2");

/// Operands of the assembly for one token.
#[inline(always)]
fn operands<T>(shared: Statistics, norm: &Norm<'_>, x: *const i16, out: *mut T) -> Affine<T> {
    let offset = norm.offset.as_ptr_range();
    let k = shared.k.wrapping_sub(32);
    let shift = u32::from(norm.shift).wrapping_sub(1);
    let half = 1i32.wrapping_shl(k) >> 1;
    let Statistics { channels, minus_sum, r, .. } = shared;
    Affine { x, out, gain: norm.gain.as_ptr(), offset: offset.start, channels, minus_sum, r, half, k, shift, end: offset.end }
}

/// Tokens to s8.
pub(super) fn tokens_s8(dsp: Dsp, x: &[i16], norm: &Norm<'_>, lo: i32, hi: i32, out: &mut [i8]) {
    let (channels, common) = (norm.gain.len(), norm.common());
    let fours = channels.is_multiple_of(4) && (lo, hi) == (i8::MIN.into(), i8::MAX.into());
    for (token, out) in rows(x, channels).zip(rows_mut(out, channels)) {
        let shared = statistics(dsp, token, common);
        if fours {
            // SAFETY: the token proves the DSP extension; input and output have as many channels as
            // there are gains and offsets by the checks of the entry, a multiple of 4.
            unsafe { affine_s8(&operands(shared, norm, token.as_ptr(), out.as_mut_ptr())) };
            continue;
        }
        for ((x, out), (gain, offset)) in token.iter().zip(out).zip(norm.gain.iter().zip(norm.offset)) {
            *out = shared.normalise(dsp, *x, *gain, *offset, norm.shift, lo, hi) as i8;
        }
    }
}

/// Tokens to s16.
pub(super) fn tokens_s16(dsp: Dsp, x: &[i16], norm: &Norm<'_>, out: &mut [i16]) {
    let (channels, common) = (norm.gain.len(), norm.common());
    for (token, out) in rows(x, channels).zip(rows_mut(out, channels)) {
        let shared = statistics(dsp, token, common);
        if channels.is_multiple_of(4) {
            // SAFETY: as in `tokens_s8`.
            unsafe { affine_s16(&operands(shared, norm, token.as_ptr(), out.as_mut_ptr())) };
            continue;
        }
        for ((x, out), (gain, offset)) in token.iter().zip(out).zip(norm.gain.iter().zip(norm.offset)) {
            *out = shared.normalise(dsp, *x, *gain, *offset, norm.shift, i32::from(i16::MIN), i32::from(i16::MAX)) as i16;
        }
    }
}

/// Tokens to s16, in place.
pub(super) fn tokens_s16_in_place(dsp: Dsp, x: &mut [i16], norm: &Norm<'_>) {
    let common = norm.common();
    for token in rows_mut(x, norm.gain.len()) {
        let shared = statistics(dsp, token, common);
        if token.len().is_multiple_of(4) {
            let start = token.as_mut_ptr();
            // SAFETY: as in `tokens_s8`; every channel is read before it is written.
            unsafe { affine_s16(&operands(shared, norm, start.cast_const(), start)) };
            continue;
        }
        for (x, (gain, offset)) in token.iter_mut().zip(norm.gain.iter().zip(norm.offset)) {
            *x = shared.normalise(dsp, *x, *gain, *offset, norm.shift, i32::from(i16::MIN), i32::from(i16::MAX)) as i16;
        }
    }
}
