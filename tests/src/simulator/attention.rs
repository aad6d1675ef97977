//! Cross-shaped attention with its parallel path, and the diversity-enhancing shortcut.

use hrvit_format::OpKind;

use super::arithmetic::{requantise, round_shift, saturate16};
use super::operator::{Operator, Operators};
use super::{Tensor, convolution, elementwise, normalise};

/// `x + to_out(Hardswish(attention + DW3x3(Hardswish(v)))) + DES(x)`, strips `window` tokens high
/// (horizontal heads) or wide (vertical heads); without the parallel path, DES or the
/// last Hardswish where the step has no such operators.
pub fn block(operators: &Operators<'_>, exp: &[u16], window: usize, x: &Tensor) -> Tensor {
    let normed = normalise::layer_norm(&operators.only(OpKind::AttnNorm), x);
    let qkv_op = operators.only(OpKind::Qkv);
    let qkv = convolution::dense(&qkv_op, &normed, |rq, _| qkv_op.store(rq));
    let q = Tensor::build(x.map(), x.channels, |y, column, c| qkv.at(y, column, c));
    // Keys are the values, or lie between q and v.
    let k = Tensor::build(x.map(), x.channels, |y, column, c| qkv.at(y, column, x.channels + c));
    let v = Tensor::build(x.map(), x.channels, |y, column, c| qkv.at(y, column, qkv.channels - x.channels + c));

    let attended = attend(operators, exp, window, &q, [&k, &v]);
    let parallel = operators.find(OpKind::ParallelAct).map(|act| parallel(&act, &operators.only(OpKind::ParallelDepthwise), &v));

    let sum = |y, column, c| saturate16(attended.at(y, column, c) + parallel.as_ref().map_or(0, |parallel| parallel.at(y, column, c)));
    let summed = if let Some(narrow) = operators.find(OpKind::AttnNarrow) {
        Tensor::build(x.map(), x.channels, |y, column, c| narrow.store(narrow.requantise(sum(y, column, c), c)))
    } else {
        let act = operators.only(OpKind::AttnAct);
        let three = i64::from(act.params.three[0]);
        Tensor::build(x.map(), x.channels, |y, column, c| {
            let (sum, u) = (sum(y, column, c), (sum(y, column, c) + three).clamp(0, 2 * three));
            act.store(act.requantise(sum * u, 0))
        })
    };
    let projected = convolution::dense(&operators.only(OpKind::ToOut), &summed, |rq, _| rq);
    let Some(right) = operators.find(OpKind::DesRight) else { return elementwise::residual(x, &[&projected]) };
    elementwise::residual(x, &[&projected, &diversity(&right, &operators.only(OpKind::DesLeft), x)])
}

/// `DW3x3(Hardswish(v))`, in the scale of the attention sum.
fn parallel(act: &Operator<'_>, depthwise: &Operator<'_>, v: &Tensor) -> Tensor {
    let bent = Tensor::build(v.map(), v.channels, |y, column, c| {
        let (code, three) = (v.at(y, column, c), i64::from(act.params.three[c]));
        // 3.0 has eight fractional bits where codes have 8.
        let unit = if act.wide { 1 } else { 256 };
        let u = (code * unit + three).clamp(0, 2 * three);
        act.store(act.requantise(code * u, c))
    });
    convolution::depthwise(depthwise, &bent, |rq, _| rq)
}

/// Attention of every head over every strip, s16 in the scale of the attention sum.
fn attend(operators: &Operators<'_>, exp: &[u16], window: usize, q: &Tensor, [k, v]: [&Tensor; 2]) -> Tensor {
    let (scores, values) = (operators.only(OpKind::Scores), operators.only(OpKind::Values));
    let heads = usize::from(scores.shape.cout);
    let dim = q.channels / heads;
    let mut out = Tensor::build(q.map(), q.channels, |_, _, _| 0);
    for head in 0..heads {
        let horizontal = head < heads / 2;
        let along = if horizontal { q.rows } else { q.columns };
        for strip in 0..along.div_ceil(window) {
            let tokens: Vec<(usize, usize)> = (0..q.rows)
                .flat_map(|y| (0..q.columns).map(move |x| (y, x)))
                .filter(|&(y, x)| if horizontal { y / window == strip } else { x / window == strip })
                .collect();
            for &(y, x) in &tokens {
                let query = &q.token(y, x)[head * dim..(head + 1) * dim];
                let of_head = |map: &Tensor| -> Vec<Vec<i32>> { tokens.iter().map(|&(y, x)| map.token(y, x)[head * dim..(head + 1) * dim].to_vec()).collect() };
                let (keys, values_of) = (of_head(k), of_head(v));
                let softmax = if scores.wide { wide_softmax } else { softmax };
                for (i, o) in softmax(&scores, exp, head, query, (&keys[..], &values_of[..])).into_iter().enumerate() {
                    let c = head * dim + i;
                    out.values[(y * q.columns + x) * q.channels + c] = saturate16(values.requantise(o, c)) as i32;
                }
            }
        }
    }
    out
}

/// One query against the keys of its strip, and the mean of its values; 8 fractional bits.
fn softmax(scores: &Operator<'_>, exp: &[u16], head: usize, query: &[i32], (keys, values): (&[Vec<i32>], &[Vec<i32>])) -> Vec<i64> {
    let record = scores.params.record;
    let logit = |key: &[i32]| -> i64 { query.iter().zip(key).map(|(&q, &v)| i64::from(q) * i64::from(v)).sum() };
    let logits: Vec<i64> = keys.iter().map(|key| logit(key)).collect();
    let most = *logits.iter().max().expect("a strip has a key");
    let codes: Vec<i64> = logits
        .iter()
        .map(|l| {
            let t = requantise(most - l, 0, scores.params.mult[head], scores.params.shift[head]);
            if t >= 1024 {
                return 0;
            }
            let entry = i64::from(exp[(t % 64) as usize]);
            match (t / 64) as u32 + 15 - u32::from(record.code_bits) {
                0 => entry,
                n if n >= 16 => 0,
                n => round_shift(entry, n),
            }
        })
        .collect();
    let sum: i64 = codes.iter().sum();
    assert!(0 < sum && sum < 1 << 32, "sum of codes {sum}");
    // z = leading zeros of the sum in 32 bits.
    let z = (0..32).find(|z| sum << z >= 1 << 31).expect("the sum is positive");
    let r = ((1i64 << 62) / (sum << z)).min((1 << 31) - 1);
    let channel = |i: usize| -> i64 {
        let acc: i64 = codes.iter().zip(values).map(|(e, value)| e * i64::from(value[i])).sum();
        assert!(acc.abs() < 1 << 31, "weighted sum {acc}");
        let o = round_shift(acc * r, 54 - z);
        assert!((-32768..=32767).contains(&o), "weighted mean {o}");
        o
    };
    (0..query.len()).map(channel).collect()
}

/// [`softmax`] of 16-bit codes: the exponent table is interpolated, sums have 64 bits, the mean has
/// 2 fractional bits.
fn wide_softmax(scores: &Operator<'_>, exp: &[u16], head: usize, query: &[i32], (keys, values): (&[Vec<i32>], &[Vec<i32>])) -> Vec<i64> {
    let logit = |key: &[i32]| -> i64 { query.iter().zip(key).map(|(&q, &v)| i64::from(q) * i64::from(v)).sum() };
    let logits: Vec<i64> = keys.iter().map(|key| logit(key)).collect();
    assert!(logits.iter().all(|l| l.abs() < 1 << 30), "a logit beyond 30 bits");
    let most = *logits.iter().max().expect("a strip has a key");
    let entry = |f: i64| i64::from(if f == 64 { exp[0] / 2 } else { exp[f as usize] });
    let codes: Vec<i64> = logits
        .iter()
        .map(|l| {
            let t = requantise(most - l, 0, scores.params.mult[head], scores.params.shift[head]);
            let (n, f, g) = (t / 4096, t / 64 % 64, t % 64);
            let y = 64 * entry(f) - g * (entry(f) - entry(f + 1));
            if n >= 16 { 0 } else { round_shift(y, n as u32 + 6) }
        })
        .collect();
    let sum: i64 = codes.iter().sum();
    assert!(0 < sum && sum < 1 << 32, "sum of codes {sum}");
    let z = (0..32).find(|z| sum << z >= 1 << 31).expect("the sum is positive");
    let r = ((1i64 << 62) / (sum << z)).min((1 << 31) - 1);
    let channel = |i: usize| -> i64 {
        let acc: i64 = codes.iter().zip(values).map(|(e, value)| e * i64::from(value[i])).sum();
        let normalised = (acc * (1 << z)).div_euclid(1 << 14);
        assert!(normalised.abs() < 1 << 31, "weighted sum {acc}");
        let o = round_shift(normalised * r, 46);
        assert!((-32768..=32767).contains(&o), "weighted mean {o}");
        o
    };
    (0..query.len()).map(channel).collect()
}

/// The diversity-enhancing shortcut, in the scale of the residual stream.
fn diversity(right: &Operator<'_>, left: &Operator<'_>, x: &Tensor) -> Tensor {
    let (k, p) = (usize::from(left.shape.cout), usize::from(right.shape.cout));
    assert_eq!(k * p, x.channels);
    let mut out = Tensor::build(x.map(), x.channels, |_, _, _| 0);
    for (token, out) in x.values.chunks_exact(k * p).zip(out.values.chunks_exact_mut(k * p)) {
        let mut hidden = vec![vec![0i64; p]; k];
        for (i, row) in hidden.iter_mut().enumerate() {
            for (o, h) in row.iter_mut().enumerate() {
                let sum: i64 = (0..p).map(|j| i64::from(token[i * p + j]) * i64::from(right.params.weights[o * p + j])).sum();
                let rq = right.requantise(i64::from(right.params.bias[o]) + sum, o);
                *h = right.params.table16[right.index(rq)].into();
            }
        }
        for o in 0..k {
            for q in 0..p {
                let sum: i64 = (0..k).map(|i| hidden[i][q] * i64::from(left.params.weights[o * k + i])).sum();
                out[o * p + q] = left.requantise(i64::from(left.params.bias[o]) + sum, o) as i32;
            }
        }
    }
    out
}
