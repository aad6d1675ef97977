//! Elementwise operators against their formulas in 64 bits.

mod common;

use common::{Rates, Rng, clamp8, clamp16, index};
use hrvit_kernels::*;

const SCALAR: Kernels = Kernels::SCALAR;

const RANGE: Range8 = Range8 { zero: -90, lo: -128, hi: 127 };

#[test]
fn hardswish_s8_of_every_code() {
    let mut rng = Rng(50);
    for channels in [1, 3, 16, 48] {
        let mut three = rng.ints(channels, 1 << 20).iter().map(|three| three.abs().max(1)).collect::<Vec<_>>();
        (three[0], three[channels - 1]) = (1, 1 << 22);
        let v: Vec<i8> = (-128..=127i8).flat_map(|code| vec![code; channels]).collect();
        let rates = rng.rates(channels, 28, 7);
        let mut out = vec![0; v.len()];
        SCALAR.hardswish_s8(&v, &three, rates.view(), RANGE, &mut out).unwrap();
        for (i, (v, got)) in v.iter().zip(out).enumerate() {
            let (c, v) = (i % channels, i64::from(*v));
            let t = i64::from(three[c]);
            assert_eq!(got, clamp8(rates.rq(v * (256 * v + t).clamp(0, 2 * t), c), RANGE), "code {v} three {t}");
        }
    }
}

#[test]
fn hardswish_s16_of_every_code() {
    let x: Vec<i16> = (-32768..=32767).collect();
    for three in [1, 3, 1000, 32767] {
        let rates = Rates { mult: vec![1_234_567_890], shift: vec![50], pre_shift: 0 };
        let mut out = vec![0; x.len()];
        SCALAR.hardswish_s16(&x, three, rates.scalar(), RANGE, &mut out).unwrap();
        for (x, got) in x.iter().zip(out) {
            let (x, t) = (i64::from(*x), i64::from(three));
            assert_eq!(got, clamp8(rates.rq(x * (x + t).clamp(0, 2 * t), 0), RANGE), "code {x} three {t}");
        }
    }
}

#[test]
fn hardswish_s16_rounds_the_real_function_once() {
    // scale = 3 / T, as the host chooses it.
    let (three, x) = (12_000, (-32768..=32767).collect::<Vec<i16>>());
    let (scale, scale_out): (f64, f64) = (3.0 / f64::from(three), 0.06);
    let factor = scale * scale / 6.0 / scale_out;
    let shift = 30 - factor.log2().floor() as i32;
    let requant = TensorRequant { mult: (factor * f64::from(shift).exp2()).round() as i32, shift: shift as u8, pre_shift: 0 };
    let mut out = vec![0; x.len()];
    SCALAR.hardswish_s16(&x, three, requant, Range8 { zero: -100, lo: -128, hi: 127 }, &mut out).unwrap();
    for (x, got) in x.iter().zip(out) {
        let real = f64::from(*x) * scale;
        let want = (real * (real + 3.0).clamp(0.0, 6.0) / 6.0 / scale_out - 100.0).clamp(-128.0, 127.0);
        assert!((f64::from(got) - want).abs() <= 0.500_001, "code {x}: {got}, real {want}");
    }
}

#[test]
fn tables_saturate_at_both_ends() {
    let mut rng = Rng(51);
    let mut acc = rng.ints(1000, i64::from(i32::MAX));
    acc.extend([i32::MIN + 1, i32::MAX, 0, -1, 1]);
    for len in [1, 2, 1024, 4096] {
        let (table, rates) = (rng.codes(len), rng.rates(1, 31, 11));
        let mut out = vec![0; acc.len()];
        SCALAR.table_s8(&acc, rates.scalar(), len as i32 / 2, &table, &mut out).unwrap();
        assert_eq!(out, acc.iter().map(|acc| index(&table, len as i32 / 2, rates.rq((*acc).into(), 0))).collect::<Vec<_>>());
    }
    assert_eq!(SCALAR.table_s8(&acc, rng.rates(1, 31, 11).scalar(), 0, &[], &mut vec![0; acc.len()]), Err(ShapeError::Table));
}

#[test]
fn rescaling_is_per_channel() {
    let mut rng = Rng(52);
    for channels in [1, 5, 16, 33] {
        let x = rng.words(7 * channels);
        for pre_shift in [0, 3] {
            let rates = Rates { pre_shift, ..rng.rates(channels, 16, 14) };
            let rq = |i: usize| rates.rq(x[i].into(), i % channels);
            let mut narrow = vec![0; x.len()];
            SCALAR.narrow_s16(&x, rates.view(), RANGE, &mut narrow).unwrap();
            assert_eq!(narrow, (0..x.len()).map(|i| clamp8(rq(i), RANGE)).collect::<Vec<_>>());
            let mut wide = vec![0; x.len()];
            SCALAR.rescale_s16(&x, rates.view(), &mut wide).unwrap();
            assert_eq!(wide, (0..x.len()).map(|i| clamp16(rq(i))).collect::<Vec<_>>());
            let before = rng.ints(x.len(), 1 << 30);
            let mut sum = before.clone();
            SCALAR.rescale_add32(&x, rates.view(), &mut sum).unwrap();
            assert_eq!(sum, (0..x.len()).map(|i| (i64::from(before[i]) + rq(i)) as i32).collect::<Vec<_>>());
        }
    }
}

#[test]
fn residual_saturates() {
    let mut x = [32767i16, -32768, 0, 100, -100, 32000, 5];
    SCALAR.add_s16(&mut x, &[1, -1, 70_000, -100, i32::MIN, i32::MAX, 0]).unwrap();
    assert_eq!(x, [32767, -32768, 32767, 0, -32768, 32767, 5]);
}

#[test]
fn sums_relu_and_store() {
    let mut acc = [-5, 0, 5, i32::MIN, i32::MAX];
    SCALAR.relu_s32(&mut acc);
    assert_eq!(acc, [0, 0, 5, 0, i32::MAX]);
    SCALAR.add_s32(&mut acc, &[1, -2, 3, 4, -5]).unwrap();
    assert_eq!(acc, [1, -2, 8, 4, i32::MAX - 5]);
    let mut rng = Rng(53);
    let (acc, rates) = (rng.ints(500, i64::from(i32::MAX)), rng.rates(1, 31, 8));
    let mut out = vec![0; acc.len()];
    SCALAR.store_s8(&acc, rates.scalar(), RANGE, &mut out).unwrap();
    assert_eq!(out, acc.iter().map(|acc| clamp8(rates.rq((*acc).into(), 0), RANGE)).collect::<Vec<_>>());
}

#[test]
fn mean_rounds_to_a_sixteenth() {
    let mut rng = Rng(54);
    for (tokens, channels) in [(1, 1), (3, 5), (49, 16), (1000, 3)] {
        let codes = rng.codes(tokens * channels);
        let mut sums = vec![0; channels];
        // Row by row, as the engine calls it.
        codes.chunks(channels).for_each(|token| SCALAR.mean_s8(&mut sums, token, -128).unwrap());
        let mut out = vec![0; channels];
        SCALAR.mean_finish(&sums, tokens as u32, &mut out).unwrap();
        for (c, got) in out.iter().enumerate() {
            let sum: i64 = (0..tokens).map(|t| i64::from(codes[t * channels + c]) + 128).sum();
            assert_eq!(i64::from(*got), (16 * sum + tokens as i64 / 2) / tokens as i64);
            assert!((0..=4080).contains(got));
        }
    }
    let mut out = [0; 1];
    SCALAR.mean_finish(&[-7], 2, &mut out).unwrap();
    assert_eq!(out, [-56 + 1 - 1]);
    assert_eq!(SCALAR.mean_finish(&[0], 0, &mut out), Err(ShapeError::Parameter));
    assert_eq!(SCALAR.mean_s8(&mut [], &[], 0), Err(ShapeError::Channels));
    assert_eq!(SCALAR.mean_s8(&mut [0; 2], &[0; 3], 0), Err(ShapeError::Input));
}

#[test]
fn wrong_lengths_are_named() {
    let (mult, shift) = ([1 << 30; 4], [40u8; 4]);
    let requant = Requant { mult: &mult, shift: &shift, pre_shift: 0 };
    let scalar = TensorRequant { mult: 1 << 30, shift: 40, pre_shift: 0 };
    assert_eq!(SCALAR.narrow_s16(&[0; 8], requant, RANGE, &mut [0; 7]), Err(ShapeError::Output));
    assert_eq!(SCALAR.narrow_s16(&[0; 7], requant, RANGE, &mut [0; 7]), Err(ShapeError::Input));
    assert_eq!(SCALAR.narrow_s16(&[0; 8], requant, Range8 { zero: 0, lo: -128, hi: 128 }, &mut [0; 8]), Err(ShapeError::Parameter));
    assert_eq!(SCALAR.rescale_s16(&[0; 8], Requant { shift: &shift[1..], ..requant }, &mut [0; 8]), Err(ShapeError::Channels));
    assert_eq!(SCALAR.rescale_add32(&[], Requant { mult: &[], shift: &[], pre_shift: 0 }, &mut []), Err(ShapeError::Channels));
    assert_eq!(SCALAR.hardswish_s8(&[0; 8], &[1, 1, 1, 0], requant, RANGE, &mut [0; 8]), Err(ShapeError::Parameter));
    assert_eq!(SCALAR.hardswish_s8(&[0; 8], &[1, 1, 1, (1 << 22) + 1], requant, RANGE, &mut [0; 8]), Err(ShapeError::Parameter));
    assert_eq!(SCALAR.hardswish_s8(&[0; 8], &[1; 3], requant, RANGE, &mut [0; 8]), Err(ShapeError::Channels));
    assert_eq!(SCALAR.hardswish_s16(&[0; 8], 0, scalar, RANGE, &mut [0; 8]), Err(ShapeError::Parameter));
    assert_eq!(SCALAR.hardswish_s16(&[0; 8], 32768, scalar, RANGE, &mut [0; 8]), Err(ShapeError::Parameter));
    assert_eq!(SCALAR.hardswish_s16(&[0; 8], 5, scalar, RANGE, &mut [0; 7]), Err(ShapeError::Output));
    assert_eq!(SCALAR.store_s8(&[0; 8], TensorRequant { pre_shift: 31, ..scalar }, RANGE, &mut [0; 8]), Err(ShapeError::Parameter));
    assert_eq!(SCALAR.table_s8(&[0; 8], scalar, 0, &[0], &mut [0; 9]), Err(ShapeError::Output));
    assert_eq!(SCALAR.add_s16(&mut [0; 2], &[0; 3]), Err(ShapeError::Input));
    assert_eq!(SCALAR.add_s32(&mut [0; 2], &[0; 3]), Err(ShapeError::Input));
}
