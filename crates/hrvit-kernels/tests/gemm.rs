//! Products against an index loop in 64 bits, over sizes around every block edge and every way of
//! storing.

mod common;

use common::{CANARY, Rates, Rng, clamp8, clamp16, index};
use hrvit_kernels::{Epilogue, Gemm, GemmS16, Kernels, Range8, ShapeError};

const SCALAR: Kernels = Kernels::SCALAR;

const DEPTHS: [usize; 16] = [1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 27, 31, 32, 33, 64, 288];
const ROWS: [usize; 5] = [0, 1, 2, 3, 5];
const COUTS: [usize; 8] = [1, 2, 3, 4, 5, 8, 16, 19];

/// `bias[c] + sum of a[row][i] * weights[c][i]`, requantised, `[rows, cout]`.
fn naive<A: Copy + Into<i64>>(a: &[A], depth: usize, weights: &[i8], bias: &[i32], rates: &Rates) -> Vec<i64> {
    let mut out = Vec::new();
    for row in 0..a.len() / depth {
        for c in 0..bias.len() {
            let mut acc = i64::from(bias[c]);
            for i in 0..depth {
                acc += a[row * depth + i].into() * i64::from(weights[c * depth + i]);
            }
            assert!(i32::try_from(acc).is_ok(), "operands of the test break the accumulator's proof");
            out.push(rates.rq(acc, c));
        }
    }
    out
}

/// Runs `product` with every epilogue and compares whole buffers with `expected`.
fn every_epilogue(rng: &mut Rng, expected: &[i64], product: impl Fn(Epilogue<'_>) -> Result<(), ShapeError>) {
    let range = Range8 { zero: -3, lo: -120, hi: 127 };
    let mut out = vec![CANARY; expected.len()];
    product(Epilogue::Store8 { out: &mut out, range }).unwrap();
    assert_eq!(out, expected.iter().map(|rq| clamp8(*rq, range)).collect::<Vec<_>>());

    let mut out = vec![0i16; expected.len()];
    product(Epilogue::Store16 { out: &mut out }).unwrap();
    assert_eq!(out, expected.iter().map(|rq| clamp16(*rq)).collect::<Vec<_>>());

    let before = rng.words(expected.len());
    let mut out = before.clone();
    product(Epilogue::Add16 { out: &mut out }).unwrap();
    assert_eq!(out, expected.iter().zip(&before).map(|(rq, before)| clamp16(rq + i64::from(*before))).collect::<Vec<_>>());

    let before = rng.ints(expected.len(), 1 << 29);
    let mut out = before.clone();
    product(Epilogue::Add32 { out: &mut out }).unwrap();
    assert_eq!(out, expected.iter().zip(&before).map(|(rq, before)| (rq + i64::from(*before)) as i32).collect::<Vec<_>>());

    for len in [1, 2, 255, 1024] {
        let table = rng.codes(len);
        let zero = len as i32 / 3;
        let mut out = vec![CANARY; expected.len()];
        product(Epilogue::Table8 { out: &mut out, table: &table, zero }).unwrap();
        assert_eq!(out, expected.iter().map(|rq| index(&table, zero, *rq)).collect::<Vec<_>>());
    }
}

#[test]
fn s8_at_every_block_edge() {
    let mut rng = Rng(2);
    for depth in DEPTHS {
        for rows in ROWS {
            for cout in COUTS {
                let (a, weights, bias) = (rng.codes(rows * depth), rng.weights(cout * depth), rng.ints(cout, 100_000));
                let rates = rng.rates(cout, 19, 8);
                let expected = naive(&a, depth, &weights, &bias, &rates);
                let args = Gemm { a: &a, depth, weights: &weights, bias: &bias, requant: rates.view() };
                every_epilogue(&mut rng, &expected, |epilogue| SCALAR.gemm_s8(&args, epilogue));
            }
        }
    }
}

#[test]
fn s16_at_every_block_edge() {
    let mut rng = Rng(3);
    for depth in DEPTHS {
        for cout in COUTS {
            let (a, weights, bias) = (rng.words(3 * depth), rng.weights(cout * depth), rng.ints(cout, 1 << 20));
            let rates = rng.rates(cout, 28, 9);
            let expected = naive(&a, depth, &weights, &bias, &rates);
            let args = GemmS16 { a: &a, depth, weights: &weights, bias: &bias, requant: rates.view() };
            every_epilogue(&mut rng, &expected, |epilogue| SCALAR.gemm_s16(&args, epilogue));
        }
    }
}

#[test]
fn s8_longest_product_of_extremes() {
    // 4608 = 9 * 512: the classifier's 3x3; every product is the largest there is.
    for (code, weight) in [(-128i8, -127i8), (-128, 127), (127, 127), (127, -127)] {
        let (a, weights, bias) = (vec![code; 4608], vec![weight; 4608 * 3], vec![1 << 30, -(1 << 30), 0]);
        let rates = Rates { mult: vec![i32::MAX, 1 << 30, 1_500_000_000], shift: vec![47, 46, 45], pre_shift: 0 };
        let expected = naive(&a, 4608, &weights, &bias, &rates);
        let args = Gemm { a: &a, depth: 4608, weights: &weights, bias: &bias, requant: rates.view() };
        every_epilogue(&mut Rng(4), &expected, |epilogue| SCALAR.gemm_s8(&args, epilogue));
    }
}

#[test]
fn s16_classifier_of_twelve_bits() {
    let mut rng = Rng(5);
    let a: Vec<i16> = (0..2048).map(|_| rng.range(0, 4080) as i16).collect();
    let (weights, bias) = (rng.weights(2048 * 7), rng.ints(7, 1 << 20));
    let rates = rng.rates(7, 27, 15);
    let expected = naive(&a, 2048, &weights, &bias, &rates);
    let args = GemmS16 { a: &a, depth: 2048, weights: &weights, bias: &bias, requant: rates.view() };
    every_epilogue(&mut rng, &expected, |epilogue| SCALAR.gemm_s16(&args, epilogue));
}

#[test]
fn pre_shift_applies_to_every_channel() {
    let mut rng = Rng(6);
    let (a, weights, bias) = (rng.codes(4 * 8), rng.weights(5 * 8), rng.ints(5, 1000));
    let rates = Rates { pre_shift: 4, ..rng.rates(5, 17, 15) };
    let expected = naive(&a, 8, &weights, &bias, &rates);
    let args = Gemm { a: &a, depth: 8, weights: &weights, bias: &bias, requant: rates.view() };
    every_epilogue(&mut rng, &expected, |epilogue| SCALAR.gemm_s8(&args, epilogue));
}

#[test]
fn wrong_shapes_are_named() {
    let (a, weights, bias, mult, shift) = ([0i8; 12], [0i8; 8], [0i32; 2], [1 << 30; 2], [40u8; 2]);
    let requant = hrvit_kernels::Requant { mult: &mult, shift: &shift, pre_shift: 0 };
    let good = Gemm { a: &a, depth: 4, weights: &weights, bias: &bias, requant };
    let run = |args: &Gemm<'_>, len: usize| SCALAR.gemm_s8(args, Epilogue::Store16 { out: &mut vec![0; len] });
    assert_eq!(run(&good, 6), Ok(()));
    assert_eq!(run(&good, 5), Err(ShapeError::Output));
    assert_eq!(run(&Gemm { depth: 0, ..good }, 6), Err(ShapeError::Parameter));
    assert_eq!(run(&Gemm { a: &a[1..], ..good }, 6), Err(ShapeError::Input));
    assert_eq!(run(&Gemm { weights: &weights[1..], ..good }, 6), Err(ShapeError::Weights));
    assert_eq!(run(&Gemm { bias: &[], ..good }, 6), Err(ShapeError::Channels));
    assert_eq!(run(&Gemm { bias: &bias[1..], ..good }, 6), Err(ShapeError::Channels));
    assert_eq!(run(&Gemm { requant: hrvit_kernels::Requant { pre_shift: 31, ..requant }, ..good }, 6), Err(ShapeError::Parameter));
    assert_eq!(SCALAR.gemm_s8(&good, Epilogue::Table8 { out: &mut [0; 6], table: &[], zero: 0 }), Err(ShapeError::Table));
    let range = Range8 { zero: 0, lo: 1, hi: 0 };
    assert_eq!(SCALAR.gemm_s8(&good, Epilogue::Store8 { out: &mut [0; 6], range }), Err(ShapeError::Parameter));
}
