//! LayerNorm and its reciprocal square root against double precision.
#![allow(clippy::needless_range_loop, reason = "the naive definitions name every index, as the formulas do")]

mod common;

use common::{CHANNELS, Rng};
use hrvit_kernels::{Kernels, Norm, ShapeError, rsqrt};

const SCALAR: Kernels = Kernels::SCALAR;

/// Relative error of `r / 2^k` against `2^10 / sqrt(var)`.
fn rsqrt_error(var: u64) -> f64 {
    let (r, k) = rsqrt(var);
    assert!(r < 1 << 31 && (21..=52).contains(&k), "var {var}: r {r} k {k}");
    f64::from(r) * (var as f64).sqrt() / (f64::from(k) + 10.0).exp2() - 1.0
}

#[test]
fn rsqrt_error_over_every_leading_pattern() {
    // 20 leading bits at every even and odd shift cover each seed step in 2^12 places or more. The
    // extremes beyond them are the ends of the steps.
    let (mut low, mut high) = (0f64, 0f64);
    for lead in 1u64 << 19..1 << 20 {
        for shift in [0, 1, 7, 12, 29, 43, 44] {
            for rest in [0, (1u64 << shift) - 1] {
                let error = rsqrt_error((lead << shift) | rest);
                (low, high) = (low.min(error), high.max(error));
            }
        }
    }
    println!("rsqrt: relative error {low:e} ..= {high:e}");
    assert!(low >= -9.1e-5 && high <= 1e-9, "{low:e} ..= {high:e}");
}

#[test]
fn rsqrt_of_small_numbers() {
    for var in 1..1 << 19 {
        let error = rsqrt_error(var);
        assert!((-9.1e-5..=1e-9).contains(&error), "var {var}: {error:e}");
    }
    assert_eq!(rsqrt(0), rsqrt(1));
    assert!((-9.1e-5..=1e-9).contains(&rsqrt_error(u64::MAX)));
}

/// Parameters whose output has `codes` units per standard deviation.
struct Params {
    gain: Vec<i32>,
    offset: Vec<i32>,
    eps: u64,
    shift: u8,
    fraction: u8,
}

impl Params {
    fn new(rng: &mut Rng, channels: usize, codes: f64, offset: f64) -> Self {
        // The largest gain just stays below 2^15.
        let shift = (32_767.0 * 1024.0 / (1.5 * codes)).log2().floor() as u8;
        let unit = f64::from(shift).exp2();
        let gain = (0..channels).map(|_| ((0.5 + rng.unit()) * codes / 1024.0 * unit).round() as i32).collect();
        let offset = (0..channels).map(|_| (rng.normal() * offset * unit).round() as i32).collect();
        Self { gain, offset, eps: 1, shift, fraction: 10 }
    }

    fn norm(&self) -> Norm<'_> {
        Norm { gain: &self.gain, offset: &self.offset, eps: self.eps, shift: self.shift, fraction: self.fraction }
    }

    /// The normalised and scaled value in double precision, not rounded.
    fn real(&self, token: &[i16]) -> Vec<f64> {
        let channels = token.len() as f64;
        let mean = token.iter().map(|x| f64::from(*x)).sum::<f64>() / channels;
        let var = token.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / channels + self.eps as f64 / channels.powi(2);
        let affine = self.gain.iter().zip(&self.offset);
        let unit = f64::from(self.shift).exp2();
        token
            .iter()
            .zip(affine)
            .map(|(x, (gain, offset))| ((f64::from(*x) - mean) / var.sqrt() * f64::from(self.fraction).exp2() * f64::from(*gain) + f64::from(*offset)) / unit)
            .collect()
    }
}

/// A token of normal values with a few outlier channels.
fn token(rng: &mut Rng, channels: usize, std: f64) -> Vec<i16> {
    let mean = rng.normal() * std;
    (0..channels)
        .map(|c| {
            let outlier = if c % 37 == 5 { 6.0 } else { 1.0 };
            (mean + rng.normal() * std * outlier).round().clamp(-32768.0, 32767.0) as i16
        })
        .collect()
}

#[test]
fn s8_within_one_code_of_double_precision() {
    let mut rng = Rng(20);
    let (mut differing, mut total) = (0, 0);
    for channels in CHANNELS {
        for std in [3.0, 40.0, 700.0, 5000.0] {
            for _ in 0..40 {
                let params = Params::new(&mut rng, channels, 20.0, 10.0);
                let x = token(&mut rng, channels, std);
                let mut out = vec![0; channels];
                SCALAR.layernorm_s8(&x, &params.norm(), -128, 127, &mut out).unwrap();
                for (got, real) in out.iter().zip(params.real(&x)) {
                    let want = (real + 0.5).floor().clamp(-128.0, 127.0) as i32;
                    let error = (i32::from(*got) - want).abs();
                    assert!(error <= 1, "got {got}, double precision {real}");
                    differing += error;
                    total += 1;
                }
            }
        }
    }
    println!("layernorm_s8: {differing} of {total} codes differ by one");
    // The 10 fractional bits of xh are off by 1/4096 on average. Through a gain of 20 codes that
    // moves one code in 205 across a rounding boundary.
    assert!(f64::from(differing) <= 0.006 * f64::from(total));
}

#[test]
fn s16_error_is_that_of_ten_fractional_bits() {
    let mut rng = Rng(21);
    for channels in CHANNELS {
        let codes = 3000.0;
        let params = Params::new(&mut rng, channels, codes, 100.0);
        let x: Vec<i16> = (0..20).flat_map(|_| token(&mut rng, channels, 900.0)).collect();
        let mut out = vec![0; x.len()];
        SCALAR.layernorm_s16(&x, &params.norm(), &mut out).unwrap();
        let (mut signal, mut noise) = (0.0, 0.0);
        for (x, out) in x.chunks_exact(channels).zip(out.chunks_exact(channels)) {
            for (got, real) in out.iter().zip(params.real(x)) {
                let want = real.clamp(-32768.0, 32767.0);
                // Half a unit of xh through the largest gain, half a unit of y, and the reciprocal
                // square root.
                assert!((f64::from(*got) - want).abs() <= 1.5 * codes / 2048.0 + 0.5 + 1e-4 * want.abs(), "got {got}, double precision {real}");
                signal += want * want;
                noise += (f64::from(*got) - want).powi(2);
            }
        }
        assert!(10.0 * (signal / noise).log10() > 68.0, "SQNR at {channels} channels");
    }
}

/// The formula of the contract in 128-bit arithmetic, only the reciprocal square root shared.
fn formula(x: &[i16], norm: &Norm<'_>, lo: i128, hi: i128) -> Vec<i128> {
    let channels = norm.gain.len();
    let mut out = Vec::new();
    for t in 0..x.len() / channels {
        let token = &x[t * channels..(t + 1) * channels];
        let sum: i128 = token.iter().map(|x| i128::from(*x)).sum();
        let squares: i128 = token.iter().map(|x| i128::from(*x).pow(2)).sum();
        let var = channels as i128 * squares - sum * sum + i128::from(norm.eps);
        let (r, k) = rsqrt(var.try_into().unwrap());
        let k = k + 10 - u32::from(norm.fraction);
        for c in 0..channels {
            let d = channels as i128 * i128::from(token[c]) - sum;
            let xh = (d * i128::from(r) + (1 << (k - 1))).div_euclid(1 << k).clamp(-32768, 32767);
            let y = (xh * i128::from(norm.gain[c]) + i128::from(norm.offset[c]) + (1 << (norm.shift - 1))).div_euclid(1 << norm.shift);
            out.push(y.clamp(lo, hi));
        }
    }
    out
}

#[test]
fn every_form_equals_the_formula() {
    let mut rng = Rng(22);
    for channels in CHANNELS.into_iter().chain([1, 2, 7]) {
        for (shift, fraction) in [(1, 10), (9, 11), (15, 13), (30, 15), (9, 10), (15, 15)] {
            let gain = rng.ints(channels, 32_767);
            let offset = rng.ints(channels, (1 << 30) - 1);
            let norm = Norm { gain: &gain, offset: &offset, eps: rng.range(1, 1 << 40) as u64, shift, fraction };
            let x = rng.words(3 * channels);
            let mut narrow = vec![0i8; x.len()];
            SCALAR.layernorm_s8(&x, &norm, -127, 120, &mut narrow).unwrap();
            assert_eq!(narrow.iter().map(|y| i128::from(*y)).collect::<Vec<_>>(), formula(&x, &norm, -127, 120));
            let mut wide = vec![0i16; x.len()];
            SCALAR.layernorm_s16(&x, &norm, &mut wide).unwrap();
            assert_eq!(wide.iter().map(|y| i128::from(*y)).collect::<Vec<_>>(), formula(&x, &norm, -32768, 32767));
            let mut in_place = x.clone();
            SCALAR.layernorm_s16_in_place(&mut in_place, &norm).unwrap();
            assert_eq!(in_place, wide);
        }
    }
}

#[test]
fn constant_tokens_give_the_offset() {
    for channels in CHANNELS {
        for value in [-32768i16, -1, 0, 1, 32767] {
            let params = Params { gain: vec![32_767; channels], offset: vec![12 << 14; channels], eps: 1, shift: 14, fraction: 10 };
            let mut out = vec![0; channels];
            SCALAR.layernorm_s8(&vec![value; channels], &params.norm(), -128, 127, &mut out).unwrap();
            assert_eq!(out, vec![12; channels]);
        }
    }
}

#[test]
fn widest_tokens_reach_the_largest_normalised_value() {
    // One channel at one extreme, all others at the other: |xh| = sqrt(C - 1), the most there is.
    for channels in CHANNELS {
        for (one, rest) in [(32767i16, -32767i16), (-32768, 32767), (32767, -32768)] {
            let mut x = vec![rest; channels];
            x[channels / 2] = one;
            let params = Params { gain: vec![1 << 10; channels], offset: vec![0; channels], eps: 1, shift: 10, fraction: 10 };
            let mut out = vec![0; channels];
            SCALAR.layernorm_s16(&x, &params.norm(), &mut out).unwrap();
            let want = params.real(&x);
            assert!(out.iter().zip(want).all(|(got, want)| (f64::from(*got) - want).abs() <= 3.5), "{channels} channels");
        }
        let alternating: Vec<i16> = (0..channels).map(|c| if c % 2 == 0 { 32767 } else { -32767 }).collect();
        let params = Params { gain: vec![32_767; channels], offset: vec![(1 << 30) - 1; channels], eps: 1 << 62, shift: 1, fraction: 10 };
        let mut out = vec![0; channels];
        SCALAR.layernorm_s16(&alternating, &params.norm(), &mut out).unwrap();
        assert!(out.iter().all(|y| *y == 32767));
    }
}

#[test]
fn wrong_parameters_are_named() {
    let (gain, offset, x) = ([1i32; 4], [0i32; 4], [0i16; 8]);
    let good = Norm { gain: &gain, offset: &offset, eps: 1, shift: 10, fraction: 10 };
    let run = |norm: &Norm<'_>, x: &[i16], len: usize| SCALAR.layernorm_s16(x, norm, &mut vec![0; len]);
    assert_eq!(run(&good, &x, 8), Ok(()));
    assert_eq!(run(&good, &x, 7), Err(ShapeError::Output));
    assert_eq!(run(&good, &x[1..], 7), Err(ShapeError::Input));
    assert_eq!(run(&Norm { eps: 0, ..good }, &x, 8), Err(ShapeError::Parameter));
    assert_eq!(run(&Norm { shift: 0, ..good }, &x, 8), Err(ShapeError::Parameter));
    assert_eq!(run(&Norm { shift: 31, ..good }, &x, 8), Err(ShapeError::Parameter));
    assert_eq!(run(&Norm { fraction: 9, ..good }, &x, 8), Err(ShapeError::Parameter));
    assert_eq!(run(&Norm { fraction: 16, ..good }, &x, 8), Err(ShapeError::Parameter));
    assert_eq!(run(&Norm { offset: &offset[1..], ..good }, &x, 8), Err(ShapeError::Channels));
    assert_eq!(run(&Norm { gain: &[], offset: &[], ..good }, &x, 8), Err(ShapeError::Channels));
    assert_eq!(SCALAR.layernorm_s8(&x, &good, -129, 0, &mut [0; 8]), Err(ShapeError::Parameter));
    assert_eq!(SCALAR.layernorm_s8(&x, &good, 1, 0, &mut [0; 8]), Err(ShapeError::Parameter));
}
