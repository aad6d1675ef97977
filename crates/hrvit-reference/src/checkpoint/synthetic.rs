//! Weights that follow from a tensor's name.

use super::tensor::Tensor;
use crate::parameters::Parameter;

/// The tensor of `parameter`: see [`super::Checkpoint::synthetic`].
pub(super) fn tensor(parameter: &Parameter, seed: u64) -> Tensor {
    let Parameter { name, shape } = parameter;
    let fan_in: usize = shape.iter().skip(1).product();
    let value = |u: f64| {
        if name.ends_with("running_mean") {
            0.2 * u
        } else if name.ends_with("running_var") {
            1.0 + 0.5 * u
        } else if name.ends_with("bias") {
            0.1 * u
        } else if shape.len() == 1 {
            1.0 + 0.25 * u
        } else {
            u * (3.0 / fan_in as f64).sqrt()
        }
    };
    let state = fnv1a(name) ^ seed;
    let data = (1..=parameter.count() as u64).map(|i| value(uniform(state, i)) as f32).collect();
    Tensor { shape: shape.clone(), data }
}

/// FNV-1a, 64 bits.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// The `i`-th output (from 1) of SplitMix64 started at `state`; its top 24 bits as a number in [-1,
/// 1).
fn uniform(state: u64, i: u64) -> f64 {
    let mut z = state.wrapping_add(i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    (z >> 40) as f64 / f64::from(1 << 23) - 1.0
}
