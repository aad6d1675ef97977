//! Ways of storing requantised accumulators: [`Epilogue`](crate::epilogue::Epilogue) on vectors.

use core::arch::aarch64::*;

use super::{load_s16x8, load_s32x4, store_s8x8, store_s16x8, store_s32x4};
use crate::requant::Range8;

/// A way of storing. Results are exact for every requantised accumulator within `+-2^30`.
pub(crate) trait Sink: Copy {
    /// What is stored.
    type Out: Copy + Default;

    /// Stores 8 channels.
    ///
    /// # Safety
    /// The processor has NEON, and the 8 elements from `out` on may be read and written.
    unsafe fn row(self, out: *mut Self::Out, rq: [int32x4_t; 2]);

    /// Stores 8 channels of each of two rows.
    ///
    /// # Safety
    /// As [`Sink::row`], for `out` and for `out + stride`.
    #[inline(always)]
    unsafe fn pair(self, out: *mut Self::Out, stride: usize, rq: [[int32x4_t; 2]; 2]) {
        // SAFETY: the caller vouches for both rows.
        unsafe {
            self.row(out, rq[0]);
            self.row(out.add(stride), rq[1]);
        }
    }
}

/// Largest `|zero|` of a range that vectors can store: the sum then saturates like the clamp.
const MAX_ZERO: u32 = 32_000;

/// `out = clamp(rq + zero, lo, hi)`.
#[derive(Clone, Copy)]
pub(crate) struct Store8 {
    zero: int16x8_t,
    lo: int8x16_t,
    hi: int8x16_t,
}

/// 8 results saturated to 16 bits.
#[inline]
#[target_feature(enable = "neon")]
fn narrow(rq: [int32x4_t; 2]) -> int16x8_t {
    vqmovn_high_s32(vqmovn_s32(rq[0]), rq[1])
}

impl Store8 {
    /// That of `range`, if its zero is not absurd.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(crate) fn new(range: Range8) -> Option<Self> {
        let Range8 { zero, lo, hi } = range;
        let vectors = Self { zero: vdupq_n_s16(zero as i16), lo: vdupq_n_s8(lo as i8), hi: vdupq_n_s8(hi as i8) };
        (zero.unsigned_abs() <= MAX_ZERO).then_some(vectors)
    }
}

impl Sink for Store8 {
    type Out = i8;

    #[inline(always)]
    unsafe fn row(self, out: *mut i8, rq: [int32x4_t; 2]) {
        // SAFETY: the caller has NEON and vouches for 8 bytes.
        unsafe {
            let codes = vqmovn_s16(vqaddq_s16(narrow(rq), self.zero));
            store_s8x8(out, vmin_s8(vmax_s8(codes, vget_low_s8(self.lo)), vget_low_s8(self.hi)));
        }
    }

    #[inline(always)]
    unsafe fn pair(self, out: *mut i8, stride: usize, rq: [[int32x4_t; 2]; 2]) {
        // SAFETY: the caller has NEON and vouches for two rows of 8 bytes.
        unsafe {
            let (first, second) = (vqaddq_s16(narrow(rq[0]), self.zero), vqaddq_s16(narrow(rq[1]), self.zero));
            let codes = vqmovn_high_s16(vqmovn_s16(first), second);
            let codes = vminq_s8(vmaxq_s8(codes, self.lo), self.hi);
            store_s8x8(out, vget_low_s8(codes));
            store_s8x8(out.add(stride), vget_high_s8(codes));
        }
    }
}

/// `out = clamp(rq, -32768, 32767)`.
#[derive(Clone, Copy)]
pub(crate) struct Store16;

impl Sink for Store16 {
    type Out = i16;

    #[inline(always)]
    unsafe fn row(self, out: *mut i16, rq: [int32x4_t; 2]) {
        // SAFETY: the caller has NEON and vouches for 16 bytes.
        unsafe { store_s16x8(out, narrow(rq)) }
    }
}

/// `out = clamp(out + rq, -32768, 32767)`.
#[derive(Clone, Copy)]
pub(crate) struct Add16;

impl Sink for Add16 {
    type Out = i16;

    #[inline(always)]
    unsafe fn row(self, out: *mut i16, rq: [int32x4_t; 2]) {
        // SAFETY: the caller has NEON and vouches for 16 bytes.
        unsafe {
            let old = load_s16x8(out);
            store_s16x8(out, narrow([vaddw_s16(rq[0], vget_low_s16(old)), vaddw_high_s16(rq[1], old)]));
        }
    }
}

/// `out += rq`.
#[derive(Clone, Copy)]
pub(crate) struct Add32;

impl Sink for Add32 {
    type Out = i32;

    #[inline(always)]
    unsafe fn row(self, out: *mut i32, rq: [int32x4_t; 2]) {
        // SAFETY: the caller has NEON and vouches for 32 bytes.
        unsafe {
            let high = out.add(4);
            let (low_sum, high_sum) = (vaddq_s32(load_s32x4(out), rq[0]), vaddq_s32(load_s32x4(high), rq[1]));
            store_s32x4(out, low_sum);
            store_s32x4(high, high_sum);
        }
    }
}

/// `out = table[clamp(rq + zero, 0, table.len() - 1)]`.
#[derive(Clone, Copy)]
pub(crate) struct Table8<'a> {
    table: &'a [i8],
    zero: int32x4_t,
    last: int32x4_t,
}

impl<'a> Table8<'a> {
    /// That of a table that is not empty and shorter than 2^31.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(crate) fn new(table: &'a [i8], zero: i32) -> Option<Self> {
        let last = i32::try_from(table.len().checked_sub(1)?).ok()?;
        Some(Self { table, zero: vdupq_n_s32(zero), last: vdupq_n_s32(last) })
    }

    /// Looks up 4 indices.
    #[inline(always)]
    unsafe fn look_up(self, out: *mut i8, rq: int32x4_t) {
        // SAFETY: the caller has NEON and vouches for 4 bytes; `0 <= index <= table.len() - 1` by the clamp.
        unsafe {
            let index = vmaxq_s32(vminq_s32(vaddq_s32(rq, self.zero), self.last), vdupq_n_s32(0));
            let pairs = vreinterpretq_u64_s32(index);
            for (i, pair) in [vgetq_lane_u64::<0>(pairs), vgetq_lane_u64::<1>(pairs)].into_iter().enumerate() {
                *out.add(2 * i) = *self.table.get_unchecked((pair & 0xffff_ffff) as usize);
                *out.add(2 * i + 1) = *self.table.get_unchecked((pair >> 32) as usize);
            }
        }
    }
}

impl Sink for Table8<'_> {
    type Out = i8;

    #[inline(always)]
    unsafe fn row(self, out: *mut i8, rq: [int32x4_t; 2]) {
        // SAFETY: the caller has NEON and vouches for 8 bytes.
        unsafe {
            self.look_up(out, rq[0]);
            self.look_up(out.add(4), rq[1]);
        }
    }
}
