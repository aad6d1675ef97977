//! Elementwise float operators: Hardswish, activations of sums, sums, means and conversions.

pub mod activate;
pub mod convert;
pub mod mean;
pub mod sum;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod elements;
#[cfg(feature = "orders")]
mod emulated;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;
