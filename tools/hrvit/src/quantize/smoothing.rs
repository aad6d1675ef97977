//! Channel scales of a normalised tensor: between one scale for all and one per channel
//! (SmoothQuant's trade between activations and weights).

use hrvit_format::Op;
use hrvit_kernels::contract::MIN_FRACTION;
use hrvit_reference::operators::linear::matmul_transposed;
use rayon::prelude::*;

use super::{
    encode::{self, NormAffine},
    format::Grid,
    fraction,
    ranges::{self, Extent, Values},
    sample::Sample,
    techniques::{Technique, Techniques},
    weights::{BIAS_MAX, WEIGHT_MAX, Weights},
};

/// Exponents tried: 0 is one scale for all channels, 1 each channel's own.
const EXPONENTS: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];
/// Tokens on which the linear layer is judged.
const TOKENS: usize = 1024;

/// Margin of a 16-bit scale over the largest value seen.
const MARGIN: f64 = 1.1;
/// Bits that every gain of the LayerNorm keeps.
const GAIN_BITS: i32 = 8;

/// The linear layer behind the norm.
pub struct Reader<'a> {
    /// Its shape.
    pub op: &'a Op,
    /// Real weights `[cout, cin]`.
    pub weight: &'a [f32],
    /// Real biases.
    pub bias: &'a [f32],
    /// Number of equal groups of output channels whose errors count relative to their own energy (q
    /// and v: 2).
    pub groups: usize,
    /// Techniques beyond rounding.
    pub techniques: Techniques,
    /// Largest code, where codes have 16 bits and the zero point 0.
    pub limit: Option<i32>,
}

impl Reader<'_> {
    /// Weight of an error of each channel: squared weights, relative to the energy of what their
    /// group of outputs amounts to.
    fn weights(&self, sample: &Sample) -> Vec<f64> {
        let energy: Vec<f64> = (0..sample.channels).map(|c| sample.channel(c).map(|x| f64::from(x).powi(2)).sum()).collect();
        let mut weights = vec![0.0; sample.channels];
        for group in self.weight.chunks((self.weight.len() / self.groups).max(1)) {
            let mut squares = vec![0.0; sample.channels];
            group.iter().enumerate().for_each(|(i, &w)| squares[i % sample.channels] += f64::from(w).powi(2));
            let whole: f64 = squares.iter().zip(&energy).map(|(square, energy)| square * energy).sum();
            weights.iter_mut().zip(squares).for_each(|(weight, square)| *weight += if whole > 0.0 { square / whole } else { 0.0 });
        }
        weights
    }
}

/// How a normalised tensor is quantised.
#[derive(Clone, Debug)]
pub struct Smoothed {
    /// Its codes.
    pub grid: Grid,
    /// The exponent of its channel scales.
    pub exponent: f64,
    /// Fractional bits of the normalised values.
    pub fraction: u8,
}

/// Grid of the normalised tensor, and the exponent `a` of its scales `S^(1-a) * s_c^a`. `S` is the
/// scale of the whole tensor, `s_c` of the channel, both by range search. `a` gives the linear
/// layer the smallest error, on the integer LayerNorm's output with rounded weights. Error and
/// energy count about their means, which biases take back.
///
/// Before it come the fractional bits of the normalised values, by the same measure.
pub fn choose(sample: &Sample, extents: &[Extent], reader: &Reader<'_>) -> Smoothed {
    let plain = (vec![1.0; sample.channels], vec![0.0; sample.channels]);
    let fraction = fraction::choose(sample, (&plain.0, &plain.1), &reader.weights(sample), MIN_FRACTION);
    let whole = extents.iter().fold(Extent::EMPTY, |all, &extent| all.and(extent));
    let clip = reader.techniques.uses(Technique::RangeClip);
    let word = |extent: Extent, limit: i32| MARGIN * extent.magnitude() / f64::from(limit);
    let tensor = reader.limit.map_or_else(|| ranges::asymmetric(&Values::all(sample, clip), whole), |limit| word(whole, limit));
    let channel = |(c, &extent): (usize, &Extent)| match reader.limit {
        Some(limit) => word(extent, limit),
        None => ranges::asymmetric(&Values::channel(sample, c, clip), extent),
    };
    let channels = ranges::settled(extents.par_iter().enumerate().map(channel).collect(), |_| 0.0);
    let tensor = ranges::alive(tensor);

    let tokens = &sample.data[..sample.data.len().min(TOKENS * sample.channels)];
    let exact = product(tokens, reader.weight, reader.op);
    let variance = sample.variance();
    let exponents = if reader.techniques.uses(Technique::Smoothing) { &EXPONENTS[..] } else { &[0.0] };
    let attempt = |&exponent: &f64| -> Option<(f64, Grid, f64)> {
        let scale: Vec<f64> = channels.iter().map(|s| tensor.powf(1.0 - exponent) * s.powf(exponent)).collect();
        let scale = encodable(scale, extents, fraction, reader.limit.is_none().then(|| reader.op.depth()));
        let zero = || extents.iter().zip(&scale).map(|(&extent, &s)| ranges::centre(extent, s)).collect();
        let grid = match reader.limit {
            Some(limit) => Grid::s16(scale, -limit, limit),
            None => Grid { zero: zero(), scale, lo: -128, hi: 127 },
        };
        let normalised = normalised(tokens, &grid, fraction)?;
        let weights = Weights::quantise(reader.op, reader.weight, reader.bias, (&grid, &variance), reader.techniques, |_| 0.0);
        let error = relative_error(&exact, &product(&normalised, &weights.real(reader.op, &grid), reader.op), reader);
        Some((error, grid, exponent))
    };
    let attempts: Vec<_> = exponents.par_iter().map(attempt).collect();
    let best = attempts.into_iter().flatten().reduce(|best, next| if next.0 < best.0 { next } else { best });
    let (_, grid, exponent) = best.expect("one scale for all channels can be encoded");
    Smoothed { grid, exponent, fraction }
}

/// The finest scale of a normalised tensor: its gain has 15 bits at a shift of 1.
fn finest(fraction: u8) -> f64 {
    (1.0 - f64::from(fraction)).exp2() / f64::from(i16::MAX - 1)
}

/// Scales whose integers keep [`GAIN_BITS`] bits. All channels share one shift. The finest scale
/// bounds it by its gain of 15 bits, zero points far from 0 by their offsets of 29. A layer of
/// `depth`, whose biases take zero points back, has room for them. Scales finer than that allows
/// are made coarser. 16-bit codes have no zero points, and no depth is given.
fn encodable(mut scale: Vec<f64>, extents: &[Extent], fraction: u8, depth: Option<usize>) -> Vec<f64> {
    let middle = |extent: &Extent| 0.5 * (f64::from(extent.min) + f64::from(extent.max)).abs();
    if let Some(depth) = depth {
        let most = BIAS_MAX / (WEIGHT_MAX * depth.max(1) as f64);
        scale.iter_mut().zip(extents).for_each(|(s, extent)| *s = s.max(middle(extent) / most));
    }
    let coarsest = scale.iter().copied().fold(0.0, f64::max);
    // A gain is 2^(shift - fraction) / scale.
    let least = (coarsest / f64::from(1u32 << (15 - GAIN_BITS))).max(finest(fraction));
    scale.iter_mut().for_each(|s| *s = s.max(least));
    if depth.is_some() {
        let shift = (f64::from(i32::from(fraction) + GAIN_BITS) + coarsest.log2()).ceil().max(1.0);
        scale.iter_mut().zip(extents).for_each(|(s, extent)| *s = s.max(middle(extent) / (29.0 - shift).exp2()));
    }
    scale
}

/// Normalised values as the integer LayerNorm leaves them, in real numbers; none if its integers do
/// not fit.
fn normalised(tokens: &[f32], grid: &Grid, fraction: u8) -> Option<Vec<f32>> {
    let channels = grid.scale.len();
    let gain: Vec<f64> = (0..channels).map(|c| grid.scale_of(c).recip()).collect();
    let offset: Vec<f64> = (0..channels).map(|c| f64::from(grid.zero_of(c))).collect();
    let NormAffine { gain, offset, shift } = encode::norm_affine(&gain, &offset, fraction).ok()?;
    let unit = f64::from(fraction).exp2();
    let code = |c: usize, x: f32| {
        let rounded = (f64::from(x) * unit).round().clamp(i16::MIN.into(), i16::MAX.into()) as i64;
        let code = (rounded * i64::from(gain[c]) + i64::from(offset[c]) + (1 << (shift - 1))) >> shift;
        code.clamp(grid.lo.into(), grid.hi.into()) - i64::from(grid.zero_of(c))
    };
    let token = |token: &[f32]| token.iter().enumerate().map(|(c, &x)| (code(c, x) as f64 * grid.scale_of(c)) as f32).collect::<Vec<_>>();
    Some(tokens.chunks_exact(channels).flat_map(token).collect())
}

fn product(tokens: &[f32], weight: &[f32], op: &Op) -> Vec<f32> {
    let (cin, cout) = (usize::from(op.cin), usize::from(op.cout));
    let mut result = vec![0.0; tokens.len() / cin * cout];
    matmul_transposed(tokens, weight, cin, &mut result);
    result
}

/// Sum over the groups of squared error over energy, both about the means of their channels.
fn relative_error(exact: &[f32], found: &[f32], reader: &Reader<'_>) -> f64 {
    let cout = usize::from(reader.op.cout);
    let group = cout / reader.groups;
    let mut channels = vec![Moments::default(); cout];
    for (i, (&a, &b)) in exact.iter().zip(found).enumerate() {
        channels[i % cout].add(f64::from(a), f64::from(a) - f64::from(b));
    }
    channels
        .chunks(group)
        .map(|group| group.iter().map(Moments::error).sum::<f64>() / group.iter().map(Moments::energy).sum::<f64>().max(f64::MIN_POSITIVE))
        .sum()
}

/// Sums of a channel's values and of their errors.
#[derive(Clone, Copy, Default)]
struct Moments {
    count: f64,
    value: [f64; 2],
    error: [f64; 2],
}

impl Moments {
    fn add(&mut self, value: f64, error: f64) {
        self.count += 1.0;
        self.value = [self.value[0] + value, self.value[1] + value * value];
        self.error = [self.error[0] + error, self.error[1] + error * error];
    }

    fn about_mean(&self, [sum, squares]: [f64; 2]) -> f64 {
        (squares - sum * sum / self.count.max(1.0)).max(0.0)
    }

    fn energy(&self) -> f64 {
        self.about_mean(self.value)
    }

    fn error(&self) -> f64 {
        self.about_mean(self.error)
    }
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
        let Smoothed { grid, exponent, .. } =
            choose(&sample, &extents(&sample), &Reader { op: &op, weight: &weight, bias: &[0.0; 8], groups: 1, techniques: Techniques::ALL, limit: None });
        assert!(exponent >= 0.75, "{exponent}");
        assert!(grid.scale[0] > 10.0 * grid.scale[1]);
    }

    #[test]
    fn a_large_constant_does_not_hide_the_others() {
        let (tokens, channels) = (512, 16);
        let mut data: Vec<f32> = noise(tokens * channels, 5).iter().map(|x| 0.1 * x).collect();
        data.iter_mut().step_by(channels).for_each(|x| *x = 3.8 + 0.01 * *x);
        let weight = noise(8 * channels, 6);
        let sample = Sample { channels, data, population: 512 };
        let op = Op { kind: OpKind::Fc1, source: 0, cin: 16, cout: 8, kernel: 1, stride: 1, depthwise: false };
        let reader = Reader { op: &op, weight: &weight, bias: &[0.0; 8], groups: 1, techniques: Techniques::ALL, limit: None };
        let Smoothed { grid, exponent, fraction } = choose(&sample, &extents(&sample), &reader);
        assert!(exponent > 0.0 && grid.scale[1] < 0.01, "exponent {exponent}: {:?}", grid.scale);
        let exact = product(&sample.data, &weight, &op);
        let found = product(&normalised(&sample.data, &grid, fraction).unwrap(), &weight, &op);
        assert!(relative_error(&exact, &found, &reader) < 1e-3);
    }

    #[test]
    fn gains_and_offsets_of_any_scales_fit() {
        let wide = Extent { min: -4.0, max: 4.0 };
        let far = Extent { min: 7.999, max: 8.0 };
        for fraction in [10, 15] {
            let scale = encodable(vec![8.0 / 255.0, 1e-3 / 255.0, 1e-12], &[wide, far, far], fraction, Some(64));
            let gain: Vec<f64> = scale.iter().map(|s| s.recip()).collect();
            let offset: Vec<f64> = [wide, far, far].iter().zip(&scale).map(|(&extent, &s)| ranges::centre(extent, s).into()).collect();
            let affine = encode::norm_affine(&gain, &offset, fraction).unwrap();
            assert!(affine.gain.iter().all(|gain| *gain >= 1 << (GAIN_BITS - 1)), "{affine:?}");
            // Constants that hardly vary: what the next layer's bias takes back of them has room in
            // it.
            let still = Extent { min: 0.5, max: 0.5 + 1e-7 };
            let fine = encodable(vec![1e-9; 3], &[still; 3], fraction, Some(64));
            assert!(fine.iter().all(|&s| f64::from(ranges::centre(still, s).abs()) * WEIGHT_MAX * 64.0 <= 1.01 * BIAS_MAX), "{fine:?}");
        }
    }

    #[test]
    fn equal_channels_end_within_a_few_percent_of_each_other() {
        let sample = Sample { channels: 4, data: noise(4096, 3), population: 1024 };
        let weight = noise(16, 4);
        let op = Op { kind: OpKind::Qkv, source: 0, cin: 4, cout: 4, kernel: 1, stride: 1, depthwise: false };
        let Smoothed { grid, .. } =
            choose(&sample, &extents(&sample), &Reader { op: &op, weight: &weight, bias: &[0.0; 4], groups: 2, techniques: Techniques::ALL, limit: None });
        let (least, most) = grid.scale.iter().fold((f64::MAX, 0f64), |(a, b), &s| (a.min(s), b.max(s)));
        assert!(most / least < 1.3, "{:?}", grid.scale);
    }
}
