//! Float mathematics over every f16, against f64.
#![cfg(feature = "fp16")]

use hrvit_kernels::f16;
use hrvit_kernels::math_f32::{exp2, gelu, hardswish, narrow, rsqrt, widen};

/// Every finite f16.
fn all() -> impl Iterator<Item = f16> {
    (0..=u16::MAX).map(f16::from_bits).filter(|x| x.is_finite())
}

/// The distance from `got` to `want` in units in the last place of the f16 nearest to `want`,
/// saturated.
fn ulps(got: f16, want: f64) -> f64 {
    let want = want.clamp(-65504.0, 65504.0);
    let exponent = want.abs().log2().floor().max(-14.0);
    (got.to_f64() - want).abs() / (exponent - 10.0).exp2()
}

#[test]
fn every_f16_is_widened_exactly_and_narrowed_back() {
    for x in all() {
        assert_eq!(widen(x).to_bits(), x.to_f32().to_bits(), "{x:?}");
        assert_eq!(narrow(widen(x)).to_bits(), x.to_bits(), "{x:?}");
    }
}

#[test]
fn between_any_two_f16_the_nearer_is_taken_and_ties_go_to_even() {
    for x in all().filter(|x| x.is_sign_positive() && *x != f16::MAX) {
        let (low, high) = (x.to_f32(), f16::from_bits(x.to_bits() + 1).to_f32());
        let middle = (low + high) / 2.0;
        for value in [middle, f32::from_bits(middle.to_bits() - 1), f32::from_bits(middle.to_bits() + 1), (low + middle) / 2.0] {
            assert_eq!(narrow(value), f16::from_f32(value), "{value}");
            assert_eq!(narrow(-value), f16::from_f32(-value), "-{value}");
        }
    }
}

#[test]
fn beyond_the_largest_f16_is_the_largest_and_nothing_becomes_infinite_or_nan() {
    for value in [65504.1, 65519.9, 65520.0, 65536.0, 1e30, f32::MAX, f32::INFINITY] {
        assert_eq!((narrow(value), narrow(-value)), (f16::MAX, f16::MIN));
    }
    for value in [f32::MIN_POSITIVE, f32::from_bits(1), 2.9e-8] {
        assert_eq!((narrow(value).to_bits(), narrow(-value).to_bits()), (0, 0x8000));
    }
    assert!(narrow(f32::NAN).is_finite() && narrow(-f32::NAN).is_finite());
}

#[test]
fn exp2_of_every_negative_f16() {
    let mut worst = 0f64;
    for x in all().filter(|x| x.is_sign_negative()) {
        let got = f64::from(exp2(x.to_f32()));
        let want = libm::exp2(x.to_f64().max(-125.0));
        worst = worst.max((got / want - 1.0).abs());
    }
    println!("exp2: relative error {worst:e}");
    assert!(worst <= 3.1e-6, "{worst:e}");
    assert_eq!((exp2(0.0), exp2(-1.0), exp2(f32::MIN)), (1.0, 0.5, exp2(-125.0)));
}

#[test]
fn exp2_between_integers() {
    let worst = (0..3_000_000).map(|i| i as f32 * -1e-6).fold(0f64, |worst, x| worst.max((f64::from(exp2(x)) / libm::exp2(x.into()) - 1.0).abs()));
    assert!(worst <= 3.1e-6, "{worst:e}");
}

#[test]
fn gelu_of_every_f16() {
    let mut worst = 0f64;
    for x in all() {
        let got = narrow(gelu(x.to_f32()));
        let want = x.to_f64() * libm::erfc(-x.to_f64() * core::f64::consts::FRAC_1_SQRT_2) / 2.0;
        worst = worst.max(ulps(got, want));
        assert!(got.to_f64() <= x.to_f64().max(0.0), "{x:?}");
    }
    println!("gelu: {worst} ulp");
    assert!(worst <= 0.52, "{worst}");
}

#[test]
fn hardswish_of_every_f16() {
    let mut worst = 0f64;
    for x in all() {
        let want = x.to_f64() * (x.to_f64() + 3.0).clamp(0.0, 6.0) / 6.0;
        worst = worst.max(ulps(narrow(hardswish(x.to_f32())), want));
    }
    println!("hardswish: {worst} ulp");
    assert!(worst <= 0.51, "{worst}");
}

#[test]
fn rsqrt_of_every_positive_f16_and_of_all_magnitudes() {
    let floats = (0x0080_0000..0x7f00_0000u32).step_by(997).map(f32::from_bits);
    let mut worst = 0f64;
    for x in all().map(f16::to_f32).filter(|x| *x > 0.0).chain(floats) {
        worst = worst.max((f64::from(rsqrt(x)) * f64::from(x).sqrt() - 1.0).abs());
    }
    println!("rsqrt: relative error {worst:e}");
    assert!(worst <= 2e-7, "{worst:e}");
}

#[test]
fn gelu_between_f16() {
    let mut worst = 0f64;
    for x in (-3_500_000..3_500_000).map(|i| i as f32 * 2e-6) {
        let want = f64::from(x) * libm::erfc(-f64::from(x) * core::f64::consts::FRAC_1_SQRT_2) / 2.0;
        worst = worst.max(ulps(narrow(gelu(x)), want));
    }
    println!("gelu between f16: {worst} ulp");
    assert!(worst <= 0.52, "{worst}");
}

#[test]
fn the_estimate_that_the_reciprocal_root_begins_with() {
    let floats = (0x0080_0000..0x7f00_0000u32).step_by(997).map(f32::from_bits);
    let mut worst = 0f64;
    for x in all().map(f16::to_f32).filter(|x| *x > 0.0).chain(floats) {
        worst = worst.max((f64::from(micromath::F32(x).invsqrt().0) * f64::from(x).sqrt() - 1.0).abs());
    }
    println!("micromath's invsqrt: relative error {worst:e}");
    assert!(worst <= 0.035, "{worst:e}");
    assert!(rsqrt(-f32::NAN).is_nan() && rsqrt(f32::NAN).is_nan(), "no overflow");
}

/// The reason for own polynomials in [`exp2`] and [`gelu`]. With the estimate of a power alone an
/// f16 would differ by more than a unit in its last place, 2^-10.
#[test]
fn the_estimate_of_a_power_is_too_coarse_to_build_on() {
    let mut worst = 0f64;
    for x in all().filter(|x| x.is_sign_negative() && x.to_f32() > -80.0) {
        let got = micromath::F32(x.to_f32()).exp().0;
        worst = worst.max((f64::from(got) / libm::exp(x.to_f64()) - 1.0).abs());
    }
    println!("micromath's exp: relative error {worst:e}");
    assert!((1.0 / 1024.0..2.5e-3).contains(&worst), "{worst:e}: where it is finer, build on it");
}

/// Fused products and other lanes change the last bits of a sum, not its bound.
#[cfg(feature = "orders")]
#[test]
fn activations_of_every_f16_in_every_order() {
    use hrvit_kernels::{ActivationF16, Kernels, Order};
    let x: Vec<f32> = all().map(f16::to_f32).collect();
    let mut out = vec![f16::ZERO; x.len()];
    for order in Order::ALL {
        for (act, bound) in [(ActivationF16::Gelu, 0.52), (ActivationF16::Hardswish, 0.51)] {
            Kernels::in_order(order).activate_f32(&x, act, &mut out).unwrap();
            let exact = |x: f64| match act {
                ActivationF16::Gelu => x * libm::erfc(-x * core::f64::consts::FRAC_1_SQRT_2) / 2.0,
                _ => x * (x + 3.0).clamp(0.0, 6.0) / 6.0,
            };
            let worst = x.iter().zip(&out).map(|(x, out)| ulps(*out, exact(f64::from(*x)))).fold(0f64, f64::max);
            println!("{act:?} in the order of {}: {worst} ulp", order.name());
            assert!(worst <= bound, "{act:?}, {}: {worst}", order.name());
        }
    }
}
