//! The diversity-enhancing shortcut against index loops over `[k, p]`.
#![allow(clippy::needless_range_loop, reason = "the naive definitions name every index, as the formulas do")]

mod common;

use common::{CHANNELS, Rates, Rng, index};
use hrvit_kernels::{Des, Kernels, ShapeError};

const SCALAR: Kernels = Kernels::SCALAR;

/// `p = 2^ceil(e / 2)` with `e = floor(log2 channels)`, `k = channels / p`.
fn view(channels: usize) -> (usize, usize) {
    let p = 1 << channels.ilog2().div_ceil(2);
    (channels / p, p)
}

fn naive(args: &Des<'_>, right: &Rates, left: &Rates) -> Vec<i64> {
    let (k, p) = (args.k, args.p);
    let mut out = Vec::new();
    for t in 0..args.x.len() / (k * p) {
        let mut h = vec![vec![0i64; p]; k];
        for (i, row) in h.iter_mut().enumerate() {
            for (o, h) in row.iter_mut().enumerate() {
                let acc: i64 = (0..p).map(|j| i64::from(args.x[t * k * p + i * p + j]) * i64::from(args.right[o * p + j])).sum();
                let acc = i32::try_from(acc + i64::from(args.right_bias[o])).expect("the test keeps the accumulator's proof");
                *h = i64::from(index(args.table, args.zero, right.rq(acc.into(), o)));
            }
        }
        for o in 0..k {
            for q in 0..p {
                let acc: i64 = (0..k).map(|i| h[i][q] * i64::from(args.left[o * k + i])).sum();
                let acc = i32::try_from(acc + i64::from(args.left_bias[o])).expect("the test keeps the accumulator's proof");
                out.push(left.rq(acc.into(), o));
            }
        }
    }
    out
}

#[test]
fn every_view_of_every_channel_count() {
    let mut rng = Rng(40);
    for (k, p) in CHANNELS.map(view).into_iter().chain([(1, 1), (1, 5), (7, 1), (3, 5), (32, 32)]) {
        for tokens in [0, 1, 3] {
            let x = rng.words(tokens * k * p);
            let (right, left) = (rng.weights(p * p), rng.weights(k * k));
            let (right_bias, left_bias) = (rng.ints(p, 1 << 24), rng.ints(k, 1 << 24));
            let (right_rates, left_rates) = (rng.rates(p, 25, 10), rng.rates(k, 25, 14));
            let table = rng.words(1024);
            let args = Des {
                x: &x,
                k,
                p,
                right: &right,
                right_bias: &right_bias,
                right_requant: right_rates.view(),
                zero: 500,
                table: &table,
                left: &left,
                left_bias: &left_bias,
                left_requant: left_rates.view(),
            };
            let before = rng.ints(x.len(), 1 << 20);
            let (mut hidden, mut out) = (vec![0; k * p + 3], before.clone());
            SCALAR.des_s16(&args, &mut hidden, &mut out).unwrap();
            let want: Vec<i32> = naive(&args, &right_rates, &left_rates).iter().zip(&before).map(|(z, before)| (z + i64::from(*before)) as i32).collect();
            assert_eq!(out, want, "k {k} p {p} tokens {tokens}");
            assert_eq!(hidden[k * p..], [0; 3], "scratch beyond k * p is not touched");
        }
    }
}

#[test]
fn widest_token_of_extremes() {
    for (value, weight) in [(-32768i16, -127i8), (-32768, 127), (32767, 127)] {
        let (x, w, bias) = (vec![value; 1024], vec![weight; 1024], vec![0; 32]);
        let rates = Rates { mult: vec![i32::MAX; 32], shift: vec![44; 32], pre_shift: 0 };
        let table: Vec<i16> = (0..4096).map(|i| (i * 16 - 32768) as i16).collect();
        let args = Des {
            x: &x,
            k: 32,
            p: 32,
            right: &w,
            right_bias: &bias,
            right_requant: rates.view(),
            zero: 2048,
            table: &table,
            left: &w,
            left_bias: &bias,
            left_requant: rates.view(),
        };
        let mut out = vec![0; 1024];
        SCALAR.des_s16(&args, &mut vec![0; 1024], &mut out).unwrap();
        assert_eq!(out, naive(&args, &rates, &rates).iter().map(|z| *z as i32).collect::<Vec<_>>());
    }
}

#[test]
fn wrong_shapes_are_named() {
    let (x, right, left, bias, mult, shift) = ([0i16; 24], [0i8; 16], [0i8; 9], [0i32; 4], [1 << 30; 4], [40u8; 4]);
    let requant = |n: usize| hrvit_kernels::Requant { mult: &mult[..n], shift: &shift[..n], pre_shift: 0 };
    let good = Des {
        x: &x,
        k: 3,
        p: 4,
        right: &right,
        right_bias: &bias,
        right_requant: requant(4),
        zero: 0,
        table: &[0],
        left: &left,
        left_bias: &bias[..3],
        left_requant: requant(3),
    };
    let run = |args: &Des<'_>, hidden: usize, out: usize| SCALAR.des_s16(args, &mut vec![0; hidden], &mut vec![0; out]);
    assert_eq!(run(&good, 12, 24), Ok(()));
    assert_eq!(run(&good, 11, 24), Err(ShapeError::Scratch));
    assert_eq!(run(&good, 12, 23), Err(ShapeError::Output));
    assert_eq!(run(&Des { x: &x[1..], ..good }, 12, 23), Err(ShapeError::Input));
    assert_eq!(run(&Des { k: 0, ..good }, 12, 24), Err(ShapeError::Parameter));
    assert_eq!(run(&Des { right: &right[1..], ..good }, 12, 24), Err(ShapeError::Weights));
    assert_eq!(run(&Des { left: &left[1..], ..good }, 12, 24), Err(ShapeError::Weights));
    assert_eq!(run(&Des { left_bias: &bias, ..good }, 12, 24), Err(ShapeError::Channels));
    assert_eq!(run(&Des { right_requant: requant(3), ..good }, 12, 24), Err(ShapeError::Channels));
    assert_eq!(run(&Des { table: &[], ..good }, 12, 24), Err(ShapeError::Table));
}
