//! LayerNorm over the channels of each token.

use super::Tensor;
use super::arithmetic::{round_shift, rsqrt, saturate16};
use super::operator::Operator;

/// LayerNorm with the output limits of its record.
pub fn layer_norm(operator: &Operator<'_>, x: &Tensor) -> Tensor {
    let record = operator.params.record;
    let channels = x.channels as i64;
    let mut values = Vec::with_capacity(x.values.len());
    for y in 0..x.rows {
        for column in 0..x.columns {
            let token = x.token(y, column);
            let sum: i64 = token.iter().map(|&code| i64::from(code)).sum();
            let squares: i64 = token.iter().map(|&code| i64::from(code) * i64::from(code)).sum();
            let var = (channels * squares - sum * sum) as u64 + record.eps;
            let (r, k) = rsqrt(var);
            let k = k + 10 - u32::from(record.norm_fraction);
            for (c, &code) in token.iter().enumerate() {
                let xh = saturate16(round_shift((channels * i64::from(code) - sum) * r, k));
                let (gain, offset) = (i64::from(operator.params.mult[c]), i64::from(operator.params.bias[c]));
                let out = round_shift(xh * gain + offset, record.norm_shift.into());
                values.push(out.clamp(record.lo.into(), record.hi.into()) as i32);
            }
        }
    }
    Tensor { values, ..x.clone() }
}
