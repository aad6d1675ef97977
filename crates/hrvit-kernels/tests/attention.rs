//! Attention against its formula in wide arithmetic, and against the exact softmax of the same
//! integer logits.

mod common;

use common::{Rng, rq};
use hrvit_kernels::{Kernels, ShapeError, Strip, exp_table};

const SCALAR: Kernels = Kernels::SCALAR;

const DIMS: [usize; 6] = [8, 16, 24, 32, 5, 17];

/// The formula of the contract with explicit indices in 64 and 128 bits.
fn formula(args: &Strip<'_>) -> Vec<i16> {
    let (dim, keys) = (args.dim, args.v.len() / args.dim);
    let mut out = Vec::new();
    for query in 0..args.q.len() / dim {
        let logits: Vec<i64> = (0..keys).map(|j| (0..dim).map(|i| i64::from(args.q[query * dim + i]) * i64::from(args.v[j * dim + i])).sum()).collect();
        let maximum = *logits.iter().max().unwrap();
        let codes: Vec<i64> = logits
            .iter()
            .map(|logit| {
                let t = rq(maximum - logit, 0, args.mult, args.shift);
                let n = t / 64 + 15 - i64::from(args.bits);
                let entry = i64::from(args.exp[(t % 64) as usize]);
                if t >= 1024 || n >= 16 { 0 } else { (entry + if n == 0 { 0 } else { 1 << (n - 1) }) >> n }
            })
            .collect();
        let sum: i64 = codes.iter().sum();
        assert!(sum > 0 && sum < 1 << 32);
        let zeros = (sum as u32).leading_zeros();
        let reciprocal = ((1i128 << 62) / (i128::from(sum) << zeros)).min((1 << 31) - 1);
        for i in 0..dim {
            let acc: i64 = (0..keys).map(|j| codes[j] * i64::from(args.v[j * dim + i])).sum();
            assert!(i32::try_from(acc).is_ok());
            let o = (i128::from(acc) * reciprocal + (1 << (53 - zeros))).div_euclid(1 << (54 - zeros));
            out.push(i16::try_from(o).expect("o fits i16"));
        }
    }
    out
}

fn run(args: &Strip<'_>) -> Vec<i16> {
    let mut scores = vec![0; args.v.len() / args.dim];
    let mut out = vec![0; args.q.len()];
    SCALAR.attention_s8(args, &mut scores, &mut out).unwrap();
    out
}

#[test]
fn equals_the_formula() {
    let mut rng = Rng(30);
    let exp = exp_table();
    for dim in DIMS {
        for (queries, keys) in [(1, 1), (1, 2), (3, 7), (5, 49), (2, 112)] {
            for bits in [8, 15] {
                for shift in [34, 38, 41, 62] {
                    let (q, v) = (rng.codes(queries * dim), rng.weights(keys * dim));
                    let mult = rng.range(1 << 30, (1 << 31) - 1) as i32;
                    let args = Strip { q: &q, v: &v, dim, mult, shift, exp: &exp, bits };
                    assert_eq!(run(&args), formula(&args), "dim {dim} keys {keys} bits {bits} shift {shift}");
                }
            }
        }
    }
}

#[test]
fn longest_strips_of_extremes_stay_in_range() {
    let exp = exp_table();
    for (bits, keys) in [(8, 66_311), (15, 518)] {
        for (code, want) in [(127i8, 127 * 256), (-127, -127 * 256)] {
            let (q, v) = (vec![-128i8; 8], vec![code; keys * 8]);
            let args = Strip { q: &q, v: &v, dim: 8, mult: 1 << 30, shift: 40, exp: &exp, bits };
            let got = run(&args);
            assert_eq!(got, formula(&args));
            assert!(got.iter().all(|o| (i32::from(*o) - want).abs() <= 1));
        }
    }
}

#[test]
fn one_key_returns_its_value() {
    let exp = exp_table();
    let v: Vec<i8> = (0..16).map(|i| (i * 17 - 127) as i8).collect();
    for bits in [8, 15] {
        let args = Strip { q: &[77; 16], v: &v, dim: 16, mult: 1 << 30, shift: 38, exp: &exp, bits };
        assert_eq!(run(&args), v.iter().map(|code| i16::from(*code) * 256).collect::<Vec<_>>());
    }
}

#[test]
fn exponent_table_is_the_rounded_power() {
    for (f, entry) in exp_table().into_iter().enumerate() {
        assert_eq!(f64::from(entry), (32640.0 * (-(f as f64) / 64.0).exp2()).round(), "entry {f}");
    }
}

/// Signal to noise of the kernel against the softmax of the same integer logits in double
/// precision, for logits of standard deviation `std`.
fn sqnr(rng: &mut Rng, dim: usize, keys: usize, bits: u8, std: f64) -> f64 {
    let queries = 32;
    let q: Vec<i8> = (0..queries * dim).map(|_| (rng.normal() * 32.0).round().clamp(-128.0, 127.0) as i8).collect();
    let v: Vec<i8> = (0..keys * dim).map(|_| (rng.normal() * 32.0).round().clamp(-127.0, 127.0) as i8).collect();
    // Integer logits have a standard deviation of 32 * 32 * sqrt(dim): this many natural units
    // each.
    let natural = std / (1024.0 * (dim as f64).sqrt());
    let factor = natural * std::f64::consts::LOG2_E * 64.0;
    let shift = 30 - factor.log2().floor() as i32;
    let mult = (factor * f64::from(shift).exp2()).floor() as i32;
    let exp = exp_table();
    let got = run(&Strip { q: &q, v: &v, dim, mult, shift: shift.try_into().unwrap(), exp: &exp, bits });
    let (mut signal, mut noise) = (0.0, 0.0);
    for query in 0..queries {
        let weights: Vec<f64> =
            (0..keys).map(|j| ((0..dim).map(|i| f64::from(q[query * dim + i]) * f64::from(v[j * dim + i])).sum::<f64>() * natural).exp()).collect();
        let sum: f64 = weights.iter().sum();
        for i in 0..dim {
            let exact = weights.iter().enumerate().map(|(j, weight)| weight * f64::from(v[j * dim + i])).sum::<f64>() / sum;
            signal += exact * exact;
            noise += (exact - f64::from(got[query * dim + i]) / 256.0).powi(2);
        }
    }
    10.0 * (signal / noise).log10()
}

#[test]
fn near_the_exact_softmax_of_the_same_logits() {
    let mut rng = Rng(31);
    let mut failures = Vec::new();
    for dim in [8, 16, 24, 32] {
        for keys in [49, 112, 448] {
            for std in [0.1, 0.3, 1.0] {
                let (narrow, wide) = (sqnr(&mut rng, dim, keys, 8, std), sqnr(&mut rng, dim, keys, 15, std));
                println!("dim {dim:2} keys {keys:3} std {std}: {narrow:.1} dB with 8 bits, {wide:.1} dB with 15");
                if narrow < 45.0 || wide < 47.0 {
                    failures.push((dim, keys, std, narrow, wide));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{failures:?}");
}

#[test]
fn wrong_parameters_are_named() {
    let exp = exp_table();
    let (q, v) = ([0i8; 16], [0i8; 24]);
    let good = Strip { q: &q, v: &v, dim: 8, mult: 1 << 30, shift: 38, exp: &exp, bits: 8 };
    let run = |args: &Strip<'_>, scores: usize, out: usize| SCALAR.attention_s8(args, &mut vec![0; scores], &mut vec![0; out]);
    assert_eq!(run(&good, 3, 16), Ok(()));
    assert_eq!(run(&good, 2, 16), Err(ShapeError::Scratch));
    assert_eq!(run(&good, 3, 15), Err(ShapeError::Output));
    assert_eq!(run(&Strip { dim: 0, ..good }, 3, 16), Err(ShapeError::Parameter));
    assert_eq!(run(&Strip { dim: 7, ..good }, 3, 16), Err(ShapeError::Input));
    assert_eq!(run(&Strip { v: &[], ..good }, 3, 16), Err(ShapeError::Input));
    assert_eq!(run(&Strip { bits: 16, ..good }, 3, 16), Err(ShapeError::Parameter));
    assert_eq!(run(&Strip { exp: &exp[1..], ..good }, 3, 16), Err(ShapeError::Table));
    assert_eq!(run(&Strip { exp: &[0; 64], ..good }, 3, 16), Err(ShapeError::Table));
    assert_eq!(run(&Strip { exp: &[40_000; 64], ..good }, 3, 16), Err(ShapeError::Table));
    let long = vec![0i8; 519 * 8];
    assert_eq!(run(&Strip { v: &long, bits: 15, ..good }, 519, 16), Err(ShapeError::Input));
    assert_eq!(run(&Strip { v: &long, ..good }, 519, 16), Ok(()));
}
