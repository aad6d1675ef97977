//! The one rounding rule: from an i32 accumulator to the integer of the next tensor.

use crate::contract::MAX_PRE_SHIFT;
use crate::error::{ShapeError, require};

/// Multipliers and shifts per output channel; `mult` and `shift` have one entry per channel.
///
/// Ranges: `mult` in `2^30..2^31`, `shift` in `32..=62`, `pre_shift` in `0..=30` such that
/// `|acc| << pre_shift < 2^31`.
#[derive(Clone, Copy, Debug)]
pub struct Requant<'a> {
    /// `M` of the rule, one per channel.
    pub mult: &'a [i32],
    /// `s` of the rule, one per channel.
    pub shift: &'a [u8],
    /// Left shift of every accumulator before the multiplication.
    pub pre_shift: u8,
}

impl Requant<'_> {
    /// One multiplier and one shift for each of `channels`, and a valid `pre_shift`.
    pub(crate) fn check(&self, channels: usize) -> Result<(), ShapeError> {
        require(self.mult.len() == channels && self.shift.len() == channels, ShapeError::Channels)?;
        require(self.pre_shift <= MAX_PRE_SHIFT, ShapeError::Parameter)
    }
}

/// One multiplier for a whole tensor; ranges as for [`Requant`].
#[derive(Clone, Copy, Debug)]
pub struct TensorRequant {
    /// `M` of the rule.
    pub mult: i32,
    /// `s` of the rule.
    pub shift: u8,
    /// Left shift of the accumulator before the multiplication.
    pub pre_shift: u8,
}

impl TensorRequant {
    /// [`requant`] with these parameters.
    #[inline(always)]
    pub fn apply(self, acc: i32) -> i32 {
        requant(acc, self.pre_shift, self.mult, self.shift)
    }

    /// A valid `pre_shift`.
    pub(crate) fn check(&self) -> Result<(), ShapeError> {
        require(self.pre_shift <= MAX_PRE_SHIFT, ShapeError::Parameter)
    }
}

/// `((acc << pre_shift) * mult + 2^(shift - 1)) >> shift` in i64: one rounding, ties towards plus
/// infinity, not clamped.
///
/// `mult` in `2^30..2^31`, `shift` in `32..=62`, `|acc| << pre_shift < 2^31`; then the result lies
/// within `+-2^30`. Numbers outside give a meaningless result, the same on every target, and no
/// panic.
#[inline(always)]
pub fn requant(acc: i32, pre_shift: u8, mult: i32, shift: u8) -> i32 {
    let product = i64::from(acc.wrapping_shl(u32::from(pre_shift))).wrapping_mul(i64::from(mult));
    let half = 1i64.wrapping_shl(u32::from(shift).wrapping_sub(1));
    product.wrapping_add(half).wrapping_shr(u32::from(shift)) as i32
}

/// Zero point and clamp of an s8 tensor: `-128 <= lo <= hi <= 127`.
#[derive(Clone, Copy, Debug)]
pub struct Range8 {
    /// Code of the real value 0.
    pub zero: i32,
    /// Smallest code.
    pub lo: i32,
    /// Largest code.
    pub hi: i32,
}

impl Range8 {
    /// `clamp(value + zero, lo, hi)`.
    #[inline(always)]
    pub fn store(self, value: i32) -> i8 {
        value.wrapping_add(self.zero).max(self.lo).min(self.hi) as i8
    }

    /// `-128 <= lo <= hi <= 127`.
    pub(crate) fn check(self) -> Result<(), ShapeError> {
        require(i32::from(i8::MIN) <= self.lo && self.lo <= self.hi && self.hi <= i32::from(i8::MAX), ShapeError::Parameter)
    }
}

/// `clamp(value, -32768, 32767)`.
#[inline(always)]
pub(crate) fn saturate16(value: i32) -> i16 {
    value.max(i32::from(i16::MIN)).min(i32::from(i16::MAX)) as i16
}

/// `table[clamp(value + zero, 0, table.len() - 1)]`; the table is not empty and shorter than 2^31
/// (checked by every entry).
#[inline(always)]
pub(crate) fn look_up<T: Copy + Default>(table: &[T], zero: i32, value: i32) -> T {
    let last = table.len().wrapping_sub(1) as i32;
    let index = value.wrapping_add(zero).min(last).max(0) as usize;
    table.get(index).copied().unwrap_or_default()
}

/// A table that [`look_up`] may index.
pub(crate) fn check_table<T>(table: &[T]) -> Result<(), ShapeError> {
    require(!table.is_empty() && table.len() <= i32::MAX as usize, ShapeError::Table)
}
