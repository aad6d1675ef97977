//! LayerNorm on NEON, 16 channels at a time; the reciprocal square root, once per token, is the
//! shared scalar one.

use core::arch::aarch64::*;
use core::arch::asm;
use core::mem::MaybeUninit;

use super::{Norm, scalar};
use crate::isa::Neon;
use crate::neon::{load_s16x8, load_s32x4, store_s8x8, store_s8x16, store_s16x8};

/// Channels of a block.
const BLOCK: usize = 8;

/// See [`Kernels::layernorm_s8`](crate::Kernels::layernorm_s8).
pub(super) fn tokens_s8(_: Neon, x: &[i16], norm: &Norm<'_>, lo: i32, hi: i32, out: &mut [i8]) {
    // SAFETY: the token proves NEON; `out` is as long as `x`.
    unsafe {
        let codes = Codes { lo: vdupq_n_s8(lo as i8), hi: vdupq_n_s8(hi as i8) };
        tokens(x.as_ptr(), x.len(), norm, codes, out.as_mut_ptr());
    }
}

/// See [`Kernels::layernorm_s16`](crate::Kernels::layernorm_s16).
pub(super) fn tokens_s16(_: Neon, x: &[i16], norm: &Norm<'_>, out: &mut [i16]) {
    // SAFETY: the token proves NEON; `out` is as long as `x`.
    unsafe { tokens(x.as_ptr(), x.len(), norm, Words, out.as_mut_ptr()) }
}

/// See [`Kernels::layernorm_s16_in_place`](crate::Kernels::layernorm_s16_in_place).
pub(super) fn tokens_s16_in_place(_: Neon, x: &mut [i16], norm: &Norm<'_>) {
    let (len, x) = (x.len(), x.as_mut_ptr());
    // SAFETY: the token proves NEON; every block is read before it is written.
    unsafe { tokens(x, len, norm, Words, x) }
}

/// A way of storing 8 values.
trait Sink: Copy {
    type Out: Copy + Default;

    /// Stores 8 values.
    ///
    /// # Safety
    /// The processor has NEON; 8 elements may be written.
    unsafe fn put(self, out: *mut Self::Out, words: int16x8_t);

    /// Stores 16 values.
    ///
    /// # Safety
    /// The processor has NEON; 16 elements may be written.
    unsafe fn pair(self, out: *mut Self::Out, words: [int16x8_t; 2]);
}

/// s8, within a range.
#[derive(Clone, Copy)]
struct Codes {
    lo: int8x16_t,
    hi: int8x16_t,
}

impl Sink for Codes {
    type Out = i8;

    #[inline(always)]
    unsafe fn put(self, out: *mut i8, words: int16x8_t) {
        // SAFETY: the caller has NEON and vouches for 8 elements.
        unsafe { store_s8x8(out, vmin_s8(vmax_s8(vqmovn_s16(words), vget_low_s8(self.lo)), vget_low_s8(self.hi))) }
    }

    #[inline(always)]
    unsafe fn pair(self, out: *mut i8, words: [int16x8_t; 2]) {
        // SAFETY: the caller has NEON and vouches for 16 elements.
        unsafe { store_s8x16(out, vminq_s8(vmaxq_s8(vqmovn_high_s16(vqmovn_s16(words[0]), words[1]), self.lo), self.hi)) }
    }
}

/// s16.
#[derive(Clone, Copy)]
struct Words;

impl Sink for Words {
    type Out = i16;

    #[inline(always)]
    unsafe fn put(self, out: *mut i16, words: int16x8_t) {
        // SAFETY: the caller vouches for 8 elements.
        unsafe { store_s16x8(out, words) }
    }

    #[inline(always)]
    unsafe fn pair(self, out: *mut i16, words: [int16x8_t; 2]) {
        // SAFETY: the caller vouches for 16 elements.
        unsafe {
            store_s16x8(out, words[0]);
            store_s16x8(out.add(BLOCK), words[1]);
        }
    }
}

/// All tokens of `x`, which has `len` elements; `out` may be where `x` is.
#[inline(always)]
unsafe fn tokens<S: Sink>(x: *const i16, len: usize, norm: &Norm<'_>, sink: S, out: *mut S::Out) {
    let channels = norm.gain.len();
    let (whole, width) = (channels / BLOCK * BLOCK, channels % BLOCK);
    // SAFETY: the caller vouches for the tokens, and the channels are counted here.
    unsafe {
        match channels {
            16 => return few::<2, S>(x, len, norm, sink, out),
            32 => return few::<4, S>(x, len, norm, sink, out),
            64 => return few::<8, S>(x, len, norm, sink, out),
            128 => return few::<16, S>(x, len, norm, sink, out),
            _ => {}
        }
    }
    // SAFETY: the caller vouches for NEON and for whole tokens of `channels` elements; gains and
    // offsets have `channels` elements (checked).
    unsafe {
        let mut last = ([0i32; BLOCK], [0i32; BLOCK]);
        core::ptr::copy_nonoverlapping(norm.gain.as_ptr().add(whole), last.0.as_mut_ptr(), width);
        core::ptr::copy_nonoverlapping(norm.offset.as_ptr().add(whole), last.1.as_mut_ptr(), width);
        for first in (0..len).step_by(channels) {
            let (x, out) = (x.add(first), out.add(first));
            let mut tail = [0i16; BLOCK];
            if width != 0 {
                core::ptr::copy_nonoverlapping(x.add(whole), tail.as_mut_ptr(), width);
            }
            let shared = Shared::new(x, whole, &tail, norm);
            let eight = |c: usize| shared.eight(x.add(c), norm.gain.as_ptr().add(c), norm.offset.as_ptr().add(c));
            let mut c = 0;
            while c + 2 * BLOCK <= whole {
                sink.pair(out.add(c), [eight(c), eight(c + BLOCK)]);
                c += 2 * BLOCK;
            }
            if c < whole {
                sink.put(out.add(c), eight(c));
            }
            if width != 0 {
                let mut block = [S::Out::default(); BLOCK];
                sink.put(block.as_mut_ptr(), shared.eight(tail.as_ptr(), last.0.as_ptr(), last.1.as_ptr()));
                core::ptr::copy_nonoverlapping(block.as_ptr(), out.add(whole), width);
            }
        }
    }
}

/// Tokens of `8 * BLOCKS` channels, an even number of blocks: without a loop over them, and where
/// they are few gains and offsets stay in registers.
///
/// # Safety
/// As [`tokens`], for so many channels.
#[inline(always)]
unsafe fn few<const BLOCKS: usize, S: Sink>(x: *const i16, len: usize, norm: &Norm<'_>, sink: S, out: *mut S::Out) {
    // SAFETY: the caller vouches for NEON, the gains and offsets of all channels, and whole tokens.
    unsafe {
        // Written one by one: an array that is made as a whole is copied, by a call.
        let mut affine = [const { MaybeUninit::<Affine>::uninit() }; BLOCKS];
        for (block, to) in affine.iter_mut().enumerate() {
            to.write(Affine::new(norm.gain.as_ptr().add(block * BLOCK), norm.offset.as_ptr().add(block * BLOCK)));
        }
        let affine = |block: usize| affine[block].assume_init_ref();
        let mut first = 0;
        while first < len {
            let block = |block: usize| load_s16x8(x.add(first + block * BLOCK));
            let shared = Shared::of::<BLOCKS>(block, norm);
            // Small variances are rare.
            let normal = |at: usize| match shared.shifted {
                true => shared.normal::<true>(block(at), affine(at)),
                false => shared.normal::<false>(block(at), affine(at)),
            };
            for at in (0..BLOCKS).step_by(2) {
                sink.pair(out.add(first + at * BLOCK), [normal(at), normal(at + 1)]);
            }
            first += BLOCKS * BLOCK;
        }
    }
}

/// Gains and offsets of 8 channels.
#[derive(Clone, Copy)]
struct Affine {
    gain: int16x8_t,
    offset: [int32x4_t; 2],
}

impl Affine {
    /// Parameters that lie here.
    #[inline(always)]
    unsafe fn new(gain: *const i32, offset: *const i32) -> Self {
        // SAFETY: the caller has NEON and vouches for 8 elements of each. |gain| < 2^15.
        unsafe {
            Self {
                gain: vuzp1q_s16(vreinterpretq_s16_s32(load_s32x4(gain)), vreinterpretq_s16_s32(load_s32x4(gain.add(4)))),
                offset: [load_s32x4(offset), load_s32x4(offset.add(4))],
            }
        }
    }
}

/// Sums of a token's elements and of their squares.
struct Sums {
    sum: int32x4_t,
    squares: uint64x2_t,
}

impl Sums {
    /// Adds 8 elements.
    #[inline]
    #[target_feature(enable = "neon")]
    fn add(&mut self, x: int16x8_t) {
        self.sum = vpadalq_s16(self.sum, x);
        // Two squares are at most 2^31: right as an unsigned number.
        let pair = vmlal_high_s16(vmull_s16(vget_low_s16(x), vget_low_s16(x)), x, x);
        self.squares = vpadalq_u32(self.squares, vreinterpretq_u32_s32(pair));
    }
}

/// Statistics that the channels of one token share.
struct Shared {
    channels: int16x8_t,
    minus_sum: int32x4_t,
    r: int32x4_t,
    /// A left shift of the differences, so that the right shift is 32 or more; small variances have
    /// room for it: `|d| <= 2^7 sqrt(var)`.
    left: int32x4_t,
    shifted: bool,
    /// `31` less the right shift.
    k: int32x4_t,
    /// The last shift, negative: to the right.
    shift: int32x4_t,
}

impl Shared {
    /// Statistics of a token of `whole` channels from `x` on and a last block of others, zeros
    /// behind them.
    #[inline(always)]
    unsafe fn new(x: *const i16, whole: usize, tail: &[i16; BLOCK], norm: &Norm<'_>) -> Self {
        let channels = norm.gain.len();
        // SAFETY: the caller vouches for NEON and the channels.
        unsafe {
            let mut sums = Sums { sum: vdupq_n_s32(0), squares: vdupq_n_u64(0) };
            for c in (0..whole).step_by(BLOCK) {
                sums.add(load_s16x8(x.add(c)));
            }
            if whole != channels {
                sums.add(load_s16x8(tail.as_ptr()));
            }
            Self::from_sums(&sums, norm)
        }
    }

    /// For a token that consists of these blocks.
    #[inline(always)]
    unsafe fn of<const BLOCKS: usize>(block: impl Fn(usize) -> int16x8_t, norm: &Norm<'_>) -> Self {
        // SAFETY: the caller vouches for NEON.
        unsafe {
            let mut sums = Sums { sum: vdupq_n_s32(0), squares: vdupq_n_u64(0) };
            for at in 0..BLOCKS {
                sums.add(block(at));
            }
            Self::from_sums(&sums, norm)
        }
    }

    #[inline(always)]
    unsafe fn from_sums(sums: &Sums, norm: &Norm<'_>) -> Self {
        let channels = norm.gain.len();
        // SAFETY: the caller vouches for NEON.
        unsafe {
            let sum = vaddvq_s32(sums.sum);
            let (r, k) = norm.common().reciprocal(scalar::variance(channels, sum, vaddvq_u64(sums.squares)));
            let left = 32i32.saturating_sub(k as i32).max(0);
            Self {
                channels: vdupq_n_s16(channels as i16),
                minus_sum: vdupq_n_s32(sum.wrapping_neg()),
                r: vdupq_n_s32(r as i32),
                left: vdupq_n_s32(left),
                shifted: left != 0,
                k: vdupq_n_s32(31 - left - k as i32),
                shift: vdupq_n_s32(-i32::from(norm.shift)),
            }
        }
    }

    /// 8 channels, saturated to 16 bits.
    #[inline(always)]
    unsafe fn eight(&self, x: *const i16, gain: *const i32, offset: *const i32) -> int16x8_t {
        // SAFETY: the caller vouches for NEON and 8 elements of each.
        unsafe {
            let (x, affine) = (load_s16x8(x), Affine::new(gain, offset));
            if self.shifted { self.normal::<true>(x, &affine) } else { self.normal::<false>(x, &affine) }
        }
    }

    /// 8 channels, saturated to 16 bits. `SHIFTED` says whether differences are.
    #[inline(always)]
    unsafe fn normal<const SHIFTED: bool>(&self, x: int16x8_t, affine: &Affine) -> int16x8_t {
        // SAFETY: the caller vouches for NEON.
        unsafe {
            let mut d = [multiply_low(self.minus_sum, x, self.channels), multiply_high(self.minus_sum, x, self.channels)];
            if SHIFTED {
                d = d.map(|d| vshlq_s32(d, self.left));
            }
            let [low, high] = d.map(|d| vrshlq_s32(vqdmulhq_s32(d, self.r), self.k));
            let normal = vqmovn_high_s32(vqmovn_s32(low), high);
            let low = multiply_low(affine.offset[0], normal, affine.gain);
            let high = multiply_high(affine.offset[1], normal, affine.gain);
            vqmovn_high_s32(vqmovn_s32(vrshlq_s32(low, self.shift)), vrshlq_s32(high, self.shift))
        }
    }
}

/// `sum + a * b` of lanes 0 to 3. Written as an instruction, as the next one: compilers widen what
/// stays the same in a loop, and multiply in 32 bits.
#[inline]
#[target_feature(enable = "neon")]
fn multiply_low(mut sum: int32x4_t, a: int16x8_t, b: int16x8_t) -> int32x4_t {
    // SAFETY: NEON on registers, by this function's attribute.
    unsafe { asm!("smlal {0:v}.4s, {1:v}.4h, {2:v}.4h", inout(vreg) sum, in(vreg) a, in(vreg) b, options(pure, nomem, nostack, preserves_flags)) };
    sum
}

/// `sum + a * b` of lanes 4 to 7.
#[inline]
#[target_feature(enable = "neon")]
fn multiply_high(mut sum: int32x4_t, a: int16x8_t, b: int16x8_t) -> int32x4_t {
    // SAFETY: NEON on registers, by this function's attribute.
    unsafe { asm!("smlal2 {0:v}.4s, {1:v}.8h, {2:v}.8h", inout(vreg) sum, in(vreg) a, in(vreg) b, options(pure, nomem, nostack, preserves_flags)) };
    sum
}
