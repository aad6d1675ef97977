//! Channel scales of a normalised tensor: between one scale for all and one per channel (SmoothQuant's trade between activations and weights).

use hrvit_format::Op;
use hrvit_reference::operators::linear::matmul_transposed;

use super::{
    format::Grid,
    ranges::{self, Extent, Values},
    sample::Sample,
    techniques::{Technique, Techniques},
    weights::Weights,
};

/// Exponents tried: 0 is one scale for all channels, 1 each channel's own.
const EXPONENTS: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];
/// Tokens on which the linear layer is judged.
const TOKENS: usize = 1024;

/// Margin of a 16-bit scale over the largest value seen.
const MARGIN: f64 = 1.1;

/// The linear layer behind the norm.
pub struct Reader<'a> {
    /// Its shape.
    pub op: &'a Op,
    /// Real weights `[cout, cin]`.
    pub weight: &'a [f32],
    /// Real biases.
    pub bias: &'a [f32],
    /// Number of equal groups of output channels whose errors count relative to their own energy (q and v: 2).
    pub groups: usize,
    /// What is done beyond rounding.
    pub techniques: Techniques,
    /// Largest code, where codes have 16 bits and the zero point 0.
    pub limit: Option<i32>,
}

/// Grid of the normalised tensor, and the exponent `a` of its scales `S^(1-a) * s_c^a` (S: of the whole tensor, s_c: of the channel, both by range search),
/// chosen for the smallest error of what the linear layer computes from rounded inputs with rounded weights.
pub fn choose(sample: &Sample, extents: &[Extent], reader: &Reader<'_>) -> (Grid, f64) {
    let whole = extents.iter().fold(Extent::EMPTY, |all, &extent| all.and(extent));
    let clip = reader.techniques.uses(Technique::RangeClip);
    let word = |extent: Extent, limit: i32| MARGIN * extent.magnitude() / f64::from(limit);
    let tensor = reader.limit.map_or_else(|| ranges::asymmetric(&Values::all(sample, clip), whole), |limit| word(whole, limit));
    let channel = |(c, &extent): (usize, &Extent)| match reader.limit {
        Some(limit) => word(extent, limit),
        None => ranges::asymmetric(&Values::channel(sample, c, clip), extent),
    };
    let channels: Vec<f64> = extents.iter().enumerate().map(channel).collect();

    let tokens = &sample.data[..sample.data.len().min(TOKENS * sample.channels)];
    let exact = product(tokens, reader.weight, reader.op);
    let mut best: Option<(f64, Grid, f64)> = None;
    let exponents = if reader.techniques.uses(Technique::Smoothing) { &EXPONENTS[..] } else { &[0.0] };
    for &exponent in exponents {
        let scale: Vec<f64> = channels.iter().map(|s| tensor.powf(1.0 - exponent) * s.powf(exponent)).collect();
        let zero = || extents.iter().zip(&scale).map(|(&extent, &s)| ranges::centre(extent, s)).collect();
        let grid = match reader.limit {
            Some(limit) => Grid::s16(scale, -limit, limit),
            None => Grid { zero: zero(), scale, lo: -128, hi: 127 },
        };
        let mut rounded = tokens.to_vec();
        grid.round(&mut rounded, sample.channels);
        let weights = Weights::quantise(reader.op, reader.weight, reader.bias, &grid, reader.techniques, |_| 0.0);
        let error = relative_error(&exact, &product(&rounded, &weights.real(reader.op, &grid), reader.op), reader);
        if best.as_ref().is_none_or(|(least, ..)| error < *least) {
            best = Some((error, grid, exponent));
        }
    }
    let (_, grid, exponent) = best.expect("there are exponents to choose from");
    (grid, exponent)
}

fn product(tokens: &[f32], weight: &[f32], op: &Op) -> Vec<f32> {
    let (cin, cout) = (usize::from(op.cin), usize::from(op.cout));
    let mut result = vec![0.0; tokens.len() / cin * cout];
    matmul_transposed(tokens, weight, cin, &mut result);
    result
}

/// Sum over the groups of squared error over energy.
fn relative_error(exact: &[f32], found: &[f32], reader: &Reader<'_>) -> f64 {
    let cout = usize::from(reader.op.cout);
    let group = cout / reader.groups;
    let mut error = vec![0f64; reader.groups];
    let mut energy = vec![1e-30f64; reader.groups];
    for (i, (&a, &b)) in exact.iter().zip(found).enumerate() {
        let at = (i % cout / group).min(reader.groups - 1);
        error[at] += f64::from(a - b).powi(2);
        energy[at] += f64::from(a).powi(2);
    }
    error.iter().zip(&energy).map(|(error, energy)| error / energy).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hrvit_format::OpKind;

    fn noise(n: usize, seed: u64) -> Vec<f32> {
        let mut random = crate::quantize::sample::SplitMix(seed);
        (0..n).map(|_| (0..6).map(|_| (random.next_u64() >> 40) as f32 / (1 << 24) as f32 - 0.5).sum()).collect()
    }

    fn extents(sample: &Sample) -> Vec<Extent> {
        let mut extents = vec![Extent::EMPTY; sample.channels];
        for (i, &x) in sample.data.iter().enumerate() {
            extents[i % sample.channels].add(x);
        }
        extents
    }

    #[test]
    fn a_loud_channel_that_is_barely_read_gets_its_own_scale() {
        let (tokens, channels) = (512, 16);
        let mut data = noise(tokens * channels, 1);
        data.iter_mut().step_by(channels).for_each(|x| *x *= 40.0);
        let mut weight = noise(8 * channels, 2);
        weight.iter_mut().step_by(channels).for_each(|w| *w *= 0.01);
        let sample = Sample { channels, data, population: 512 };
        let op = Op { kind: OpKind::Fc1, source: 0, cin: 16, cout: 8, kernel: 1, stride: 1, depthwise: false };
        let (grid, exponent) =
            choose(&sample, &extents(&sample), &Reader { op: &op, weight: &weight, bias: &[0.0; 8], groups: 1, techniques: Techniques::ALL, limit: None });
        assert!(exponent >= 0.75, "{exponent}");
        assert!(grid.scale[0] > 10.0 * grid.scale[1]);
    }

    #[test]
    fn equal_channels_end_within_a_few_percent_of_each_other() {
        let sample = Sample { channels: 4, data: noise(4096, 3), population: 1024 };
        let weight = noise(16, 4);
        let op = Op { kind: OpKind::Qkv, source: 0, cin: 4, cout: 4, kernel: 1, stride: 1, depthwise: false };
        let (grid, _) =
            choose(&sample, &extents(&sample), &Reader { op: &op, weight: &weight, bias: &[0.0; 4], groups: 2, techniques: Techniques::ALL, limit: None });
        let (least, most) = grid.scale.iter().fold((f64::MAX, 0f64), |(a, b), &s| (a.min(s), b.max(s)));
        assert!(most / least < 1.3, "{:?}", grid.scale);
    }
}
