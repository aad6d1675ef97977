//! Primitives of the f16 kernels, see [`floats`](crate::floats). Conversions (`fcvtl`, `fcvtn`) are
//! in every AArch64 processor, arithmetic is in f32.

use core::arch::{aarch64::*, asm};

use half::f16;

use super::{load_f32x4, load_s16x8, load_u16x4, load_u16x8, store_f32x4, store_s16x8, store_u16x8};
use crate::epilogue_f16::{ActivationF16, EpilogueF16};
use crate::floats::{first_row, functions};
use crate::math_f32::{EXP2, EXP2_MIN, GELU, GELU_MAX, GELU_SQUARES};
use crate::slices::window;

/// Lanes of two vectors: what one vector of f16 becomes.
pub(crate) const LANES: usize = 8;

/// 8 values in f32.
pub(crate) type Eight = [float32x4_t; 2];

/// Applies a function of vectors to the two that 8 lanes are.
macro_rules! each {
    ($function:expr, $($x:expr),+) => { [$function($($x[0]),+), $function($($x[1]),+)] };
}

crate::floats::lanewise! {
    "neon", each, {
        add: vaddq_f32, sub: vsubq_f32, mul: vmulq_f32, div: vdivq_f32, min: vminq_f32, max: vmaxq_f32, abs: vabsq_f32,
        fma: vfmaq_f32, fms: vfmsq_f32, round: vrndnq_f32,
        // The integer times 2^23: where the exponent is.
        scale: |x, power| vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(x), vcvtq_n_s32_f32::<23>(power))),
    }
}
crate::floats::activations::activations!("neon", exp2_polynomials, gelu_polynomials);
crate::floats::shared::shared!("neon");

functions! {
    "neon";
    /// One value 8 times.
    fn splat(x: f32) -> Eight {
        [vdupq_n_f32(x); 2]
    }

    /// 8 values, widened.
    fn load(values: &[f16; LANES]) -> Eight {
        // SAFETY: reads the 16 bytes of the reference, aligned for u16 as f16 is.
        let values = vreinterpretq_f16_u16(unsafe { load_u16x8(values.as_ptr().cast()) });
        [vcvt_f32_f16(vget_low_f16(values)), vcvt_high_f32_f16(values)]
    }

    /// Stores 8 values, rounded to nearest even; never an infinity or a NaN.
    fn store(values: &mut [f16; LANES], x: Eight) {
        /// Bits of the largest f16.
        const MOST: u16 = 0x7bff;
        let narrow = vreinterpretq_u16_f16(vcvt_high_f16_f32(vcvt_f16_f32(x[0]), x[1]));
        // Bits of infinities and NaN lie above those of the largest number of their sign: of
        // negative ones as u16, of the others as s16.
        let narrow = vreinterpretq_s16_u16(vminq_u16(narrow, vdupq_n_u16(0x8000 | MOST)));
        let narrow = vreinterpretq_u16_s16(vminq_s16(narrow, vdupq_n_s16(MOST as i16)));
        // SAFETY: writes the 16 bytes of the reference, aligned for u16 as f16 is.
        unsafe { store_u16x8(values.as_mut_ptr().cast(), narrow) }
    }

    /// 8 values.
    fn load_f32(values: &[f32; LANES]) -> Eight {
        // SAFETY: reads the 32 bytes of the reference.
        unsafe { [load_f32x4(values.as_ptr()), load_f32x4(values.as_ptr().add(4))] }
    }

    /// Stores 8 values.
    fn store_f32(values: &mut [f32; LANES], x: Eight) {
        // SAFETY: writes the 32 bytes of the reference.
        unsafe {
            store_f32x4(values.as_mut_ptr(), x[0]);
            store_f32x4(values.as_mut_ptr().add(4), x[1]);
        }
    }

    /// The 4 values from `first` on, widened; zeros beyond the end.
    fn load_four(values: &[f16], first: usize) -> float32x4_t {
        let load = |four: &[f16; 4]| {
            // SAFETY: reads the 8 bytes of the reference, aligned for u16 as f16 is.
            vcvt_f32_f16(vreinterpret_f16_u16(unsafe { load_u16x4(four.as_ptr().cast()) }))
        };
        match window(values, first) {
            Some(four) => load(four),
            None => load(&core::array::from_fn(|i| values.get(first + i).copied().unwrap_or(f16::ZERO))),
        }
    }

    /// The sum of all lanes.
    fn sum(x: Eight) -> f32 {
        vaddvq_f32(vaddq_f32(x[0], x[1]))
    }

    /// The largest lane.
    fn largest(x: Eight) -> f32 {
        vmaxvq_f32(vmaxq_f32(x[0], x[1]))
    }

    /// `1 / sqrt(x)`, each rounded once.
    fn reciprocal_root(x: f32) -> f32 {
        1.0 / vgetq_lane_f32::<0>(vsqrtq_f32(vdupq_n_f32(x)))
    }

    /// 8 codes.
    fn load_s16(codes: &[i16; LANES]) -> Eight {
        // SAFETY: reads the 16 bytes of the reference.
        let codes = unsafe { load_s16x8(codes.as_ptr()) };
        [vcvtq_f32_s32(vmovl_s16(vget_low_s16(codes))), vcvtq_f32_s32(vmovl_high_s16(codes))]
    }

    /// Stores 8 values as codes, rounded to nearest even and saturated.
    fn store_s16(codes: &mut [i16; LANES], x: Eight) {
        let [low, high] = x.map(|x| vcvtnq_s32_f32(x));
        // SAFETY: writes the 16 bytes of the reference.
        unsafe { store_s16x8(codes.as_mut_ptr(), vqmovn_high_s32(vqmovn_s32(low), high)) }
    }
}

/// Coefficients of a polynomial from the second highest power on, each for four vectors.
const fn lower<const N: usize, const LOWER: usize>(coefficients: &[f32; N]) -> [[f32; 16]; LOWER] {
    let (mut lower, mut power) = ([[0.0; 16]; LOWER], 0);
    while power < LOWER {
        lower[LOWER - 1 - power] = [coefficients[power]; 16];
        power += 1;
    }
    lower
}

/// Steps of the polynomials of vectors: what is added to, what is multiplied, and with what.
macro_rules! steps {
    ($(($sum:literal $x:literal $t:literal))+) => {
        concat!($("fmla ", $sum, ".4s, ", $x, ".4s, {", $t, ":v}.4s\n",)+)
    };
}

/// Lines for two coefficients more.
macro_rules! two_more {
    () => {
        concat!(
            "ld1 {{v0.4s, v1.4s, v2.4s, v3.4s}}, [{lower}], #64\n",
            steps!(("v0" "v4" "t0") ("v1" "v5" "t1") ("v2" "v6" "t2") ("v3" "v7" "t3")),
            "ld1 {{v4.4s, v5.4s, v6.4s, v7.4s}}, [{lower}], #64\n",
            steps!(("v4" "v0" "t0") ("v5" "v1" "t1") ("v6" "v2" "t2") ("v7" "v3" "t3")),
        )
    };
}

/// A polynomial of four vectors. `fmla` overwrites what it adds to: coefficients are loaded there,
/// for all four vectors at once, which takes no copy of each.
macro_rules! polynomial_of_four {
    ($lower:expr, $highest:expr, $t:ident, $($two_more:expr),+) => {{
        let (a, b, c, d): (float32x4_t, float32x4_t, float32x4_t, float32x4_t);
        asm!(
            "ld1 {{v0.4s, v1.4s, v2.4s, v3.4s}}, [{lower}], #64",
            "ld1 {{v4.4s, v5.4s, v6.4s, v7.4s}}, [{lower}], #64",
            steps!(("v0" "{highest:v}" "t0") ("v1" "{highest:v}" "t1") ("v2" "{highest:v}" "t2") ("v3" "{highest:v}" "t3")),
            steps!(("v4" "v0" "t0") ("v5" "v1" "t1") ("v6" "v2" "t2") ("v7" "v3" "t3")),
            $($two_more,)+
            lower = inout(reg) $lower.as_ptr() => _, highest = in(vreg) vdupq_n_f32($highest),
            t0 = in(vreg) $t[0][0], t1 = in(vreg) $t[0][1], t2 = in(vreg) $t[1][0], t3 = in(vreg) $t[1][1],
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") a, out("v5") b, out("v6") c, out("v7") d,
            options(pure, readonly, nostack, preserves_flags),
        );
        [[a, b], [c, d]]
    }};
}

functions! {
    "neon";
    /// Polynomials of `exp2`.
    fn exp2_polynomials(x: [Eight; 2]) -> [Eight; 2] {
        static LOWER: [[f32; 16]; EXP2.len() - 1] = lower(&EXP2);
        // SAFETY: NEON by the attribute; the block reads the 4 times 64 bytes of `LOWER`.
        unsafe { polynomial_of_four!(LOWER, EXP2[EXP2.len() - 1], x, two_more!()) }
    }

    /// Polynomials of `gelu`.
    fn gelu_polynomials(x: [Eight; 2]) -> [Eight; 2] {
        static LOWER: [[f32; 16]; GELU.len() - 1] = lower(&GELU);
        // SAFETY: NEON by the attribute; the block reads the 6 times 64 bytes of `LOWER`.
        unsafe { polynomial_of_four!(LOWER, GELU[GELU.len() - 1], x, two_more!(), two_more!()) }
    }
}
