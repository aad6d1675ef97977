//! The elementwise operators on vectors: conversions, and [`elements`](super::elements).

use core::arch::aarch64::*;

use half::f16;

use super::scalar;
use crate::isa::Neon;
use crate::neon::floats::{LANES, load, store};
use crate::neon::{load_s16x8, store_s16x8};

pub(super) use elements::*;

/// Operators that other instruction sets have alike.
mod elements {
    crate::activation_f16::elements::elements!(Neon, neon, "neon");
}

/// See [`Kernels::s16_to_f16`](crate::Kernels::s16_to_f16).
pub(super) fn s16_to_f16(_: Neon, x: &[i16], scale: f32, out: &mut [f16]) {
    #[target_feature(enable = "neon")]
    fn run(x: &[i16], scale: f32, out: &mut [f16]) {
        let ((x, x_tail), (out, out_tail)) = (x.as_chunks::<LANES>(), out.as_chunks_mut());
        for (x, out) in x.iter().zip(out) {
            // SAFETY: reads the 16 bytes of the reference.
            let x = unsafe { load_s16x8(x.as_ptr()) };
            let x = [vcvtq_f32_s32(vmovl_s16(vget_low_s16(x))), vcvtq_f32_s32(vmovl_high_s16(x))];
            store(out, x.map(|x| vmulq_n_f32(x, scale)));
        }
        scalar::s16_to_f16(x_tail, scale, out_tail);
    }
    // SAFETY: the token proves NEON; so below.
    unsafe { run(x, scale, out) }
}

/// See [`Kernels::f16_to_s16`](crate::Kernels::f16_to_s16).
pub(super) fn f16_to_s16(_: Neon, x: &[f16], scale: f32, out: &mut [i16]) {
    #[target_feature(enable = "neon")]
    fn run(x: &[f16], scale: f32, out: &mut [i16]) {
        let ((x, x_tail), (out, out_tail)) = (x.as_chunks(), out.as_chunks_mut::<LANES>());
        for (x, out) in x.iter().zip(out) {
            // Rounds to nearest, ties to even; saturates twice.
            let [low, high] = load(x).map(|x| vcvtnq_s32_f32(vdivq_f32(x, vdupq_n_f32(scale))));
            // SAFETY: writes the 16 bytes of the reference.
            unsafe { store_s16x8(out.as_mut_ptr(), vqmovn_high_s32(vqmovn_s32(low), high)) };
        }
        scalar::f16_to_s16(x_tail, scale, out_tail);
    }
    // SAFETY: as above.
    unsafe { run(x, scale, out) }
}
