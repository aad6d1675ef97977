//! The functions of [`math_f32`](crate::math_f32) on vectors, bit by bit the same for one group of
//! values and for two.

use core::arch::{aarch64::*, asm};

use super::floats::{Eight, max, splat};
use crate::epilogue_f16::ActivationF16;
use crate::math_f32::{EXP2, EXP2_MIN, GELU, GELU_MAX, GELU_SQUARES};

/// [`exp2`](crate::math_f32::exp2).
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn exp2(x: Eight) -> Eight {
    x.map(|x| {
        let x = vmaxq_f32(x, vdupq_n_f32(EXP2_MIN));
        let whole = vrndnq_f32(x);
        scale(polynomial(&EXP2, vsubq_f32(x, whole)), whole)
    })
}

/// `power * 2^whole` of an integer, as long as both are normal numbers.
#[inline]
#[target_feature(enable = "neon")]
fn scale(power: float32x4_t, whole: float32x4_t) -> float32x4_t {
    // The integer times 2^23: where the exponent is.
    vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(power), vcvtq_n_s32_f32::<23>(whole)))
}

/// [`gelu`](crate::math_f32::gelu).
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn gelu(x: Eight) -> Eight {
    x.map(|x| {
        let t = vminq_f32(vabsq_f32(x), vdupq_n_f32(GELU_MAX));
        without(x, t, squared(polynomial(&GELU, t)))
    })
}

/// A root of the normal distribution's tail to its power.
#[inline]
#[target_feature(enable = "neon")]
fn squared(root: float32x4_t) -> float32x4_t {
    (0..GELU_SQUARES).fold(root, |root, _| vmulq_f32(root, root))
}

/// `max(x, 0) - t * tail`.
#[inline]
#[target_feature(enable = "neon")]
fn without(x: float32x4_t, t: float32x4_t, tail: float32x4_t) -> float32x4_t {
    vfmsq_f32(vmaxq_f32(x, vdupq_n_f32(0.0)), t, tail)
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
    ($lower:expr, $highest:expr, [$t0:expr, $t1:expr, $t2:expr, $t3:expr], $($two_more:expr),+) => {{
        let (a, b, c, d): (float32x4_t, float32x4_t, float32x4_t, float32x4_t);
        asm!(
            "ld1 {{v0.4s, v1.4s, v2.4s, v3.4s}}, [{lower}], #64",
            "ld1 {{v4.4s, v5.4s, v6.4s, v7.4s}}, [{lower}], #64",
            steps!(("v0" "{highest:v}" "t0") ("v1" "{highest:v}" "t1") ("v2" "{highest:v}" "t2") ("v3" "{highest:v}" "t3")),
            steps!(("v4" "v0" "t0") ("v5" "v1" "t1") ("v6" "v2" "t2") ("v7" "v3" "t3")),
            $($two_more,)+
            lower = inout(reg) $lower.as_ptr() => _, highest = in(vreg) vdupq_n_f32($highest),
            t0 = in(vreg) $t0, t1 = in(vreg) $t1, t2 = in(vreg) $t2, t3 = in(vreg) $t3,
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") a, out("v5") b, out("v6") c, out("v7") d,
            options(pure, readonly, nostack, preserves_flags),
        );
        [a, b, c, d]
    }};
}

/// [`exp2`] of two times 8 values.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn exp2_of_two(x: [Eight; 2]) -> [Eight; 2] {
    static LOWER: [[f32; 16]; EXP2.len() - 1] = lower(&EXP2);
    let x = [x[0][0], x[0][1], x[1][0], x[1][1]].map(|x| vmaxq_f32(x, vdupq_n_f32(EXP2_MIN)));
    let whole = x.map(|x| vrndnq_f32(x));
    let [f0, f1, f2, f3] = [0, 1, 2, 3].map(|i| vsubq_f32(x[i], whole[i]));
    // SAFETY: NEON by the attribute; the block reads the 4 times 64 bytes of `LOWER`.
    let [a, b, c, d] = unsafe { polynomial_of_four!(LOWER, EXP2[EXP2.len() - 1], [f0, f1, f2, f3], two_more!()) };
    let [wa, wb, wc, wd] = whole;
    [[scale(a, wa), scale(b, wb)], [scale(c, wc), scale(d, wd)]]
}

/// [`gelu`] of two times 8 values.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn gelu_of_two(x: [Eight; 2]) -> [Eight; 2] {
    static LOWER: [[f32; 16]; GELU.len() - 1] = lower(&GELU);
    let [t0, t1, t2, t3] = [x[0][0], x[0][1], x[1][0], x[1][1]].map(|x| vminq_f32(vabsq_f32(x), vdupq_n_f32(GELU_MAX)));
    // SAFETY: NEON by the attribute; the block reads the 6 times 64 bytes of `LOWER`.
    let roots = unsafe { polynomial_of_four!(LOWER, GELU[GELU.len() - 1], [t0, t1, t2, t3], two_more!(), two_more!()) };
    let [a, b, c, d] = roots.map(|root| squared(root));
    [[without(x[0][0], t0, a), without(x[0][1], t1, b)], [without(x[1][0], t2, c), without(x[1][1], t3, d)]]
}

/// [`hardswish`](crate::math_f32::hardswish).
#[inline]
#[target_feature(enable = "neon")]
fn hardswish(x: Eight) -> Eight {
    x.map(|x| {
        let ramp = vminq_f32(vmaxq_f32(vaddq_f32(x, vdupq_n_f32(3.0)), vdupq_n_f32(0.0)), vdupq_n_f32(6.0));
        vmulq_f32(x, vmulq_n_f32(ramp, 1.0 / 6.0))
    })
}

/// The activation.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn activate(act: ActivationF16, x: Eight) -> Eight {
    match act {
        ActivationF16::None => x,
        ActivationF16::Relu => max(x, splat(0.0)),
        ActivationF16::Gelu => gelu(x),
        ActivationF16::ReluGelu => gelu(max(x, splat(0.0))),
        ActivationF16::Hardswish => hardswish(x),
    }
}

/// The sum of `coefficients[i] * x^i`.
#[inline]
#[target_feature(enable = "neon")]
fn polynomial<const N: usize>(coefficients: &[f32; N], x: float32x4_t) -> float32x4_t {
    let mut sum = vdupq_n_f32(coefficients[N - 1]);
    for coefficient in coefficients[..N - 1].iter().rev() {
        sum = vfmaq_f32(vdupq_n_f32(*coefficient), sum, x);
    }
    sum
}
