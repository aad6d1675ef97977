//! Element by element: narrowing, residual sums.

use super::Tensor;
use super::arithmetic::saturate16;
use super::operator::Operator;

/// A stage norm as one of its readers wants it: s16 to s8 per channel, or as it is.
pub fn narrow(operator: &Operator<'_>, x: &Tensor) -> Tensor {
    if operator.wide {
        return x.clone();
    }
    Tensor::build(x.map(), x.channels, |y, column, c| operator.store(operator.requantise(x.at(y, column, c), c)))
}

/// `sat16(x + sum of branches)`.
pub fn residual(x: &Tensor, branches: &[&Tensor]) -> Tensor {
    Tensor::build(x.map(), x.channels, |y, column, c| saturate16(x.at(y, column, c) + branches.iter().map(|branch| branch.at(y, column, c)).sum::<i64>()))
}
