//! The depthwise convolution by `fmlal`, which multiplies f16 and adds in f32: nothing is widened.
//! Sums are those of the definition, in its order.

use core::arch::{aarch64::*, asm};

use half::f16;

use super::DepthwiseF16;
use super::neon::{Products, all};
use crate::epilogue_f16::EpilogueF16;
use crate::isa::NeonI8mm;
use crate::neon::floats::{Eight, LANES};
use crate::neon::load_u16x8;

/// Values and weights stay f16.
struct Long;

impl Products for Long {
    type Vector = uint16x8_t;

    #[inline(always)]
    unsafe fn load(values: &[f16; LANES]) -> uint16x8_t {
        // SAFETY: reads the 16 bytes of the reference, aligned for u16 as f16 is.
        unsafe { load_u16x8(values.as_ptr().cast()) }
    }

    #[inline(always)]
    unsafe fn fma([mut low, mut high]: Eight, x: uint16x8_t, y: uint16x8_t) -> Eight {
        // SAFETY: the caller vouches for the instructions, which touch registers only.
        unsafe {
            asm!(
                ".arch_extension fp16fml",
                "fmlal {low:v}.4s, {x:v}.4h, {y:v}.4h",
                "fmlal2 {high:v}.4s, {x:v}.4h, {y:v}.4h",
                low = inout(vreg) low, high = inout(vreg) high, x = in(vreg) x, y = in(vreg) y,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
        [low, high]
    }
}

/// Computes the rows.
pub(super) fn run(_: NeonI8mm, args: &DepthwiseF16<'_>, epilogue: EpilogueF16<'_>, out_stride: usize) {
    // SAFETY: the token proves NEON and `fmlal`.
    unsafe { all::<Long>(args, epilogue, out_stride) }
}
