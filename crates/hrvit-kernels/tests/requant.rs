//! The rounding rule against 128-bit arithmetic and against the instruction pair that vector
//! backends use.

mod common;

use common::{Rng, rq};
use hrvit_kernels::{Range8, requant};
use proptest::prelude::*;

/// SQDMULH: `(2 * a * b) >> 32`, truncating, saturating where both are the minimum.
fn sqdmulh(a: i32, b: i32) -> i32 {
    i32::try_from((i64::from(a) * i64::from(b)) >> 31).unwrap_or(i32::MAX)
}

/// SRSHL by `-n`: rounding right shift without intermediate overflow.
fn srshr(a: i32, n: u32) -> i32 {
    ((i64::from(a) + (1i64 << (n - 1))) >> n) as i32
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn equals_128_bit_arithmetic(acc in any::<i32>(), pre in 0u8..=8, mult in 1i32 << 30..=i32::MAX, shift in 32u8..=62) {
        let acc = acc >> pre;
        prop_assert_eq!(i64::from(requant(acc, pre, mult, shift)), rq(acc.into(), pre, mult, shift));
    }

    #[test]
    fn any_parameter_is_harmless(acc in any::<i32>(), pre in any::<u8>(), mult in any::<i32>(), shift in any::<u8>()) {
        requant(acc, pre, mult, shift);
    }
}

#[test]
fn equals_sqdmulh_then_srshl() {
    let mut rng = Rng(1);
    for case in 0..1_000_000u32 {
        let shift = rng.range(32, 62) as u8;
        let mult = if case % 5 == 0 { 1 << 30 } else { rng.range(1 << 30, (1 << 31) - 1) as i32 };
        let acc = match case % 4 {
            // An odd multiple of half an output unit: a tie where the multiplier is 2^30.
            0 if shift <= 60 => ((2 * rng.range(-(1 << 29), 1 << 29) + 1) << (shift - 31)) as i32,
            1 => rng.range(-1000, 1000) as i32,
            2 => [i32::MIN, i32::MIN + 1, -1, 0, 1, i32::MAX][rng.range(0, 5) as usize],
            _ => rng.next() as i32,
        };
        let got = requant(acc, 0, mult, shift);
        assert_eq!(got, srshr(sqdmulh(acc, mult), u32::from(shift) - 31), "acc {acc} mult {mult} shift {shift}");
        assert_eq!(i64::from(got), rq(acc.into(), 0, mult, shift), "acc {acc} mult {mult} shift {shift}");
    }
}

#[test]
fn ties_round_towards_plus_infinity() {
    // 2^30 >> 32 is 1/4: 2 is half an output unit.
    let quarter = |acc| requant(acc, 0, 1 << 30, 32);
    assert_eq!([-10, -6, -2, 2, 6, 10].map(quarter), [-2, -1, 0, 1, 2, 3]);
}

#[test]
fn pre_shift_reaches_multipliers_above_one_half() {
    // 2^1 * 2^30 / 2^31 is out of reach of the shift alone; with pre_shift 1 the factor 1/2 is
    // exact.
    assert_eq!(requant(1000, 1, 1 << 30, 32), 500);
    assert_eq!(requant(-1001, 3, 1 << 30, 33), -1001);
}

#[test]
fn dead_channel_is_zero() {
    assert_eq!([i32::MIN + 1, -1, 0, 1, (1 << 30) - 1].map(|acc| requant(acc, 0, 1 << 30, 62)), [0, 0, 0, 0, 0]);
}

#[test]
fn store_clamps_after_the_zero_point() {
    let range = Range8 { zero: -100, lo: -128, hi: 100 };
    assert_eq!([-1 << 30, -29, -28, 0, 200, 201, 1 << 30].map(|value| range.store(value)), [-128, -128, -128, -100, 100, 100, 100]);
}
