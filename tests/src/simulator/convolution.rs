//! Dense and depthwise convolutions; a linear operator is a dense one of kernel 1.
//! `finish(rq, channel)` stores.

use super::Tensor;
use super::operator::Operator;

/// Input position of tap `tap` for output position `position`; `None` in the padding.
fn tapped(position: usize, tap: usize, operator: &Operator<'_>, len: usize) -> Option<usize> {
    let at = (position * usize::from(operator.shape.stride) + tap) as i64 - i64::from(operator.shape.kernel) / 2;
    usize::try_from(at).ok().filter(|&at| at < len)
}

fn out_map(operator: &Operator<'_>, input: &Tensor) -> (usize, usize) {
    let stride = usize::from(operator.shape.stride);
    (input.rows.div_ceil(stride), input.columns.div_ceil(stride))
}

/// `sum of codes times weights [cout][ky][kx][cin]`, without bias; padded taps hold `pad`.
fn dot(operator: &Operator<'_>, input: &Tensor, (y, x, cout): (usize, usize, usize), pad: i64) -> i64 {
    let kernel = usize::from(operator.shape.kernel);
    let mut acc = 0;
    for ky in 0..kernel {
        for kx in 0..kernel {
            let first = ((cout * kernel + ky) * kernel + kx) * input.channels;
            let weights = &operator.params.weights[first..first + input.channels];
            match (tapped(y, ky, operator, input.rows), tapped(x, kx, operator, input.columns)) {
                (Some(row), Some(column)) => {
                    for (code, weight) in input.token(row, column).iter().zip(weights) {
                        acc += i64::from(*code) * i64::from(*weight);
                    }
                }
                _ => acc += weights.iter().map(|&weight| pad * i64::from(weight)).sum::<i64>(),
            }
        }
    }
    acc
}

/// Dense convolution.
pub fn dense(operator: &Operator<'_>, input: &Tensor, finish: impl Fn(i64, usize) -> i64) -> Tensor {
    let params = operator.params;
    assert_eq!(input.channels, usize::from(operator.shape.cin), "{}: input channels", operator.shape.kind);
    Tensor::build(out_map(operator, input), params.bias.len(), |y, x, c| {
        let acc = i64::from(params.bias[c]) + dot(operator, input, (y, x, c), params.record.pad.into());
        finish(operator.requantise(acc, c), c)
    })
}

/// The stem's first convolution: padded taps hold code 0, and the bias has a variant for the upper
/// row and for the left column.
pub fn stem(operator: &Operator<'_>, input: &Tensor) -> Tensor {
    let channels = usize::from(operator.shape.cout);
    Tensor::build(out_map(operator, input), channels, |y, x, c| {
        let variant = 2 * usize::from(y == 0) + usize::from(x == 0);
        let acc = i64::from(operator.params.bias[variant * channels + c]) + dot(operator, input, (y, x, c), 0);
        operator.store(operator.requantise(acc, c))
    })
}

/// Depthwise convolution, weights `[ky][kx][channel]`.
pub fn depthwise(operator: &Operator<'_>, input: &Tensor, finish: impl Fn(i64, usize) -> i64) -> Tensor {
    let params = operator.params;
    let kernel = usize::from(operator.shape.kernel);
    assert_eq!(input.channels, usize::from(operator.shape.cout), "{}: channels", operator.shape.kind);
    Tensor::build(out_map(operator, input), input.channels, |y, x, c| {
        let mut acc = i64::from(params.bias[c]);
        for ky in 0..kernel {
            for kx in 0..kernel {
                let code = match (tapped(y, ky, operator, input.rows), tapped(x, kx, operator, input.columns)) {
                    (Some(row), Some(column)) => input.at(row, column, c),
                    _ => params.record.pad.into(),
                };
                acc += code * i64::from(params.weights[(ky * kernel + kx) * input.channels + c]);
            }
        }
        finish(operator.requantise(acc, c), c)
    })
}
