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
mod scalar;

pub use hardswish::{hardswish_s8, hardswish_s16};
pub use mean::{mean_finish, mean_s8};
pub use rescale::{narrow_s16, rescale_add32, rescale_s16, store_s8};
pub use sum::{add_s16, add_s32, relu_s32};
pub use table::table_s8;
