//! Ways of storing requantised accumulators: [`Epilogue`](crate::epilogue::Epilogue) on vectors.

use core::arch::aarch64::*;
use core::marker::PhantomData;

use super::{load_s16x8, load_s32x4, store_s8x8, store_s16x8, store_s32x4};
use crate::requant::Range8;

/// A way of storing. Results are exact for every requantised accumulator within `+-2^30`.
pub(crate) trait Sink: Copy {
    /// Element that is stored.
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
    /// The sink of `range`, if its zero is not absurd.
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
    /// Start of the table.
    table: uint64x2_t,
    entries: PhantomData<&'a [i8]>,
    zero: int32x4_t,
    last: int32x4_t,
}

impl<'a> Table8<'a> {
    /// The sink of a table that is not empty and shorter than 2^31.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(crate) fn new(table: &'a [i8], zero: i32) -> Option<Self> {
        let last = i32::try_from(table.len().checked_sub(1)?).ok()?;
        let table = vdupq_n_u64(table.as_ptr().expose_provenance() as u64);
        Some(Self { table, entries: PhantomData, zero: vdupq_n_s32(zero), last: vdupq_n_s32(last) })
    }

    /// Addresses of the entries of 4 indices.
    #[inline(always)]
    unsafe fn addresses(self, rq: int32x4_t) -> [uint64x2_t; 2] {
        // SAFETY: the caller has NEON.
        unsafe {
            let index = vmaxq_s32(vminq_s32(vaddq_s32(rq, self.zero), self.last), vdupq_n_s32(0));
            let index = vreinterpretq_u32_s32(index);
            [vaddw_u32(self.table, vget_low_u32(index)), vaddw_high_u32(self.table, index)]
        }
    }
}

impl Sink for Table8<'_> {
    type Out = i8;

    #[inline(always)]
    unsafe fn row(self, out: *mut i8, rq: [int32x4_t; 2]) {
        // SAFETY: the caller has NEON and vouches for 8 bytes; `0 <= index <= table.len() - 1` by
        // the clamp, so that every address is that of an entry.
        unsafe {
            let ([a, b], [c, d]) = (self.addresses(rq[0]), self.addresses(rq[1]));
            let mut codes = vdup_n_s8(0);
            codes = vld1_lane_s8::<0>(entry(vgetq_lane_u64::<0>(a)), codes);
            codes = vld1_lane_s8::<1>(entry(vgetq_lane_u64::<1>(a)), codes);
            codes = vld1_lane_s8::<2>(entry(vgetq_lane_u64::<0>(b)), codes);
            codes = vld1_lane_s8::<3>(entry(vgetq_lane_u64::<1>(b)), codes);
            codes = vld1_lane_s8::<4>(entry(vgetq_lane_u64::<0>(c)), codes);
            codes = vld1_lane_s8::<5>(entry(vgetq_lane_u64::<1>(c)), codes);
            codes = vld1_lane_s8::<6>(entry(vgetq_lane_u64::<0>(d)), codes);
            codes = vld1_lane_s8::<7>(entry(vgetq_lane_u64::<1>(d)), codes);
            store_s8x8(out, codes);
        }
    }
}

/// The pointer to an entry of a table whose provenance was exposed.
#[inline(always)]
fn entry(address: u64) -> *const i8 {
    core::ptr::with_exposed_provenance(address as usize)
}
