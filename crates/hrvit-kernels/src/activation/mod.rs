//! Elementwise operators: Hardswish, activations by table, rescaling, sums and means.

pub mod hardswish;
pub mod mean;
pub mod rescale;
pub mod sum;
pub mod table;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(hrvit_dsp)]
mod dsp;
#[cfg(hrvit_mve)]
mod mve;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "aarch64")]
mod neon_sums;
mod scalar;
#[cfg(target_arch = "x86_64")]
mod x86;
