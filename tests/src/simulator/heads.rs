//! SegFormer head with its label map, and the classification head.

use hrvit_format::{BRANCHES, OpKind, Size};

use super::arithmetic::saturate16;
use super::operator::Operators;
use super::{Tensor, convolution, elementwise};

/// The two source positions of output position `position`, each with its weight out of
/// `2 * factor`. The source coordinate is `(position + 1/2) / factor - 1/2`, not below 0, in units
/// of `1 / (2 * factor)`.
fn corners(position: usize, factor: usize, len: usize) -> [(usize, i64); 2] {
    let unit = 2 * factor as i64;
    let coordinate = (2 * position as i64 + 1 - factor as i64).max(0);
    let (near, weight) = (coordinate / unit, coordinate % unit);
    let last = len as i64 - 1;
    [(near.min(last) as usize, unit - weight), ((near + 1).min(last) as usize, weight)]
}

/// Element `c` at `(y, x)` of `map` enlarged by `factor`, times `(2 * factor)^2`.
fn enlarged(map: &Tensor, (y, x, c): (usize, usize, usize), factor: usize) -> i64 {
    let mut sum = 0;
    for (row, row_weight) in corners(y, factor, map.rows) {
        for (column, column_weight) in corners(x, factor, map.columns) {
            sum += row_weight * column_weight * map.at(row, column, c);
        }
    }
    sum
}

/// Logits at a quarter of the input.
pub fn logits(operators: &Operators<'_>, size: Size, x: &[Tensor; BRANCHES]) -> Tensor {
    let terms: Vec<Tensor> = (0u8..)
        .zip(x)
        .map(|(source, x)| {
            let narrow = operators.reading(OpKind::HeadNarrow, source).expect("every branch is read");
            let pointwise = operators.reading(OpKind::HeadPointwise, source).expect("every branch is projected");
            convolution::dense(&pointwise, &elementwise::narrow(&narrow, x), |rq, _| saturate16(rq))
        })
        .collect();
    let act = operators.only(OpKind::HeadAct);
    let codes = Tensor::build(size.map(0), usize::from(act.shape.cout), |y, column, c| {
        // 256 times the real sum: 256 z0 + 16 z1 + 4 z2 + z3.
        let z = |branch: usize| enlarged(&terms[branch], (y, column, c), 1 << branch);
        let sum = 256 * terms[0].at(y, column, c) + 16 * z(1) + 4 * z(2) + z(3);
        act.store(act.requantise(sum, 0))
    });
    convolution::dense(&operators.only(OpKind::HeadClassifier), &codes, |rq, _| saturate16(rq))
}

/// Class of every pixel: argmax of the logits enlarged by 4, the lowest class among equals.
pub fn label_map(logits: &Tensor) -> Tensor {
    Tensor::build((4 * logits.rows, 4 * logits.columns), 1, |y, x, _| {
        let mut best = (i64::MIN, 0);
        for class in 0..logits.channels {
            let z = enlarged(logits, (y, x, class), 4);
            if z > best.0 {
                best = (z, class as i64);
            }
        }
        best.1
    })
}

/// `store8(relu(bottleneck) + relu(downsampled map of the branch before))`.
pub fn increase(operators: &Operators<'_>, x: &Tensor, before: Option<&Tensor>) -> Tensor {
    let (conv1, conv2) = (operators.only(OpKind::IncreaseConv1), operators.only(OpKind::IncreaseConv2));
    let codes = elementwise::narrow(&operators.only(OpKind::IncreaseNarrow), x);
    let squeezed = convolution::dense(&conv1, &codes, |rq, _| conv1.store(rq));
    let mixed = convolution::dense(&conv2, &squeezed, |rq, _| conv2.store(rq));
    let expanded = convolution::dense(&operators.only(OpKind::IncreaseConv3), &mixed, |rq, _| rq);
    let shortcut = convolution::dense(&operators.only(OpKind::IncreaseShortcut), &codes, |rq, _| rq);
    let down = before.map(|before| convolution::dense(&operators.only(OpKind::IncreaseDownsample), before, |rq, _| rq));
    let act = operators.only(OpKind::IncreaseAct);
    Tensor::build(x.map(), expanded.channels, |y, column, c| {
        let bottleneck = (expanded.at(y, column, c) + shortcut.at(y, column, c)).max(0);
        let down = down.as_ref().map_or(0, |down| down.at(y, column, c).max(0));
        act.store(act.requantise(bottleneck + down, 0))
    })
}

/// Logits `[classes]` from the mean over the last map.
pub fn classify(operators: &Operators<'_>, map: &Tensor) -> Tensor {
    let conv = operators.only(OpKind::FinalConv);
    let features = convolution::dense(&conv, map, |rq, _| conv.store(rq));
    let tokens = (features.rows * features.columns) as i64;
    let zero = i64::from(conv.params.record.zero);
    let mean = Tensor::build((1, 1), features.channels, |_, _, c| {
        let sum: i64 = (0..features.rows).flat_map(|y| (0..features.columns).map(move |x| (y, x))).map(|(y, x)| features.at(y, x, c) - zero).sum();
        // With four fractional bits where codes have 8.
        let units = if conv.wide { 1 } else { 16 };
        (units * sum + tokens / 2) / tokens
    });
    let most = if conv.wide { conv.params.record.hi.into() } else { 4080 };
    assert!(mean.values.iter().all(|mean| (0..=most).contains(mean)), "a mean outside its codes");
    convolution::dense(&operators.only(OpKind::FinalLinear), &mean, |rq, _| saturate16(rq))
}
