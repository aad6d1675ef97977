//! Bounds that a loader proves and kernels rely on, each written once.
//!
//! A kernel checks lengths and scalar parameters on every call. It does not look at every element
//! of an array: a loader does, once. Inside these bounds all instruction sets give the same bytes;
//! outside, a result means nothing, but nothing panics and nothing is read out of bounds.
//!
//! | bound | of | keeps |
//! |---|---|---|
//! | [`MIN_MULT`], [`SHIFTS`], [`MAX_PRE_SHIFT`] | requantisation | results within `+-2^30` |
//! | [`MAX_THREE_S8`], [`MAX_THREE_S16`] | Hardswish per channel | its product in i32 |
//! | [`MIN_FRACTION`], [`MAX_FRACTION`], [`MAX_GAIN`], [`MAX_OFFSET`], [`NORM_SHIFTS`], [`EPS`], [`MAX_NORM_CHANNELS`] | LayerNorm of s16 | its sums in i32 and i64 |
//! | [`MAX_QV_S16`], [`LOGITS_S16`], [`MAX_KEYS_S16`] | attention of 16-bit codes | logits, their differences and sums of codes in 32 bits |
//! | [`max_keys`] | attention of 8-bit codes | sums of codes and values in i32 |
//! | [`MAX_KEYS_F16`], [`MAX_NORM_CHANNELS_F16`], [`MAX_PARAMETER_F16`] | half precision | results finite, means of equal values exact |
//! | [`INTERPOLATED`] | activation of 16-bit codes | an entry on either side of every code |
//!
//! The layout of packed weights is [`Packing`](crate::Packing)'s, of weights in half precision
//! `blocks_f16_index`'s.

use core::ops::RangeInclusive;

/// Smallest multiplier of a requantisation; the largest is `i32::MAX`.
pub const MIN_MULT: i32 = 1 << 30;
/// Right shifts behind the multiplication.
pub const SHIFTS: RangeInclusive<u8> = 32..=62;
/// Largest left shift of an accumulator in front of it.
pub const MAX_PRE_SHIFT: u8 = 30;

/// Largest `three` of [`Kernels::hardswish_s8`](crate::Kernels::hardswish_s8): `|v| * 2 * three`
/// stays within 2^30.
pub const MAX_THREE_S8: i32 = 1 << 22;
/// Largest `three` of the same operator on 16-bit codes.
pub const MAX_THREE_S16: i32 = 1 << 17;

/// Fewest fractional bits of a normalised value: those of [`rsqrt`](crate::rsqrt).
pub const MIN_FRACTION: u8 = 10;
/// Most fractional bits of a normalised value.
pub const MAX_FRACTION: u8 = 15;
/// Largest magnitude of a LayerNorm's gain.
pub const MAX_GAIN: u32 = (1 << 15) - 1;
/// Largest magnitude of a LayerNorm's offset.
pub const MAX_OFFSET: u32 = 1 << 29;
/// Fractional bits of a LayerNorm's gain, scaled, and of its offset.
pub const NORM_SHIFTS: RangeInclusive<u8> = 1..=30;
/// `eps` of a LayerNorm: the variance and it stay below 2^63.
pub const EPS: RangeInclusive<u64> = 1..=1 << 62;
/// Most channels of a token: the bound of the i32 sum and of `channels * x - sum`.
pub const MAX_NORM_CHANNELS: usize = 16_384;
/// Most channels of a token in half precision: up to here the sum of equal values is exact, so that
/// a constant token becomes `offset`.
pub const MAX_NORM_CHANNELS_F16: usize = 8192;

/// Largest magnitude of a 16-bit code of q and v: a mean of values has two fractional bits more.
pub const MAX_QV_S16: i64 = 8191;
/// Bound below which `dim * max|q| * max|v|` of 16-bit codes stays: differences of logits are then
/// within i32.
pub const LOGITS_S16: i64 = 1 << 30;
/// Most keys of a strip of 16-bit codes: their exponent codes add up to less than 2^32.
pub const MAX_KEYS_S16: usize = 131_072;
/// Most keys of a strip in half precision, and most elements of a head.
pub const MAX_KEYS_F16: usize = 65_536;

/// Largest parameter of a step in half precision, `eps` of its LayerNorms included: the bits of 2^64
/// as f32.
pub const MAX_PARAMETER_F16: u32 = (127 + 64) << 23;

/// Entries of an interpolated activation table: 10 bits of a code choose two neighbours.
pub const INTERPOLATED: u32 = 1025;

/// Most keys of a strip of 8-bit codes whose sums stay in i32 for exponent codes of `bits` bits.
/// `None` for a width that does not exist.
pub const fn max_keys(bits: u8) -> Option<usize> {
    match bits {
        8 => Some(66_311),
        15 => Some(518),
        _ => None,
    }
}
