//! Bilinear resizing of f16 maps by 1, 2, 4 or 8 (`align_corners = false`):
//! [`resize`](crate::resize) on floats.
//!
//! A value of 11 bits times a weight of at most 8 is exact in f32, so that the sum of the four, in
//! the order upper near, upper far, lower near, lower far, is the same on every instruction set,
//! and so are labels and margins.

pub(crate) mod argmax;
pub(crate) mod bilinear;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod sums;

/// Fractional bits of the difference of two logits that a margin in f16 counts in: its unit is
/// 2^-12, times `2^k`.
pub const MARGIN_BITS_F16: u32 = 12;
