//! Weights and biases of one operator as integers.

use hrvit_format::{Op, OpKind};
use hrvit_reference::wide;
use rayon::prelude::*;

use super::{
    format::Grid,
    ranges,
    techniques::{Technique, Techniques},
};

/// Largest magnitude of a weight code.
pub const WEIGHT_MAX: f64 = 127.0;
/// Largest magnitude of an integer bias that zero points may be folded into: leaves the accumulator
/// two bits for the products.
pub const BIAS_MAX: f64 = (1u64 << 29) as f64;
/// Largest magnitude of an integer bias by the choice of a scale, if weights ask for none. It
/// leaves three more bits, for accumulators that are shifted to the left.
pub const BIAS_CODES: f64 = (1u64 << 26) as f64;

/// Clips tried per output channel: 1.00, 0.98, ... 0.70 of the best of these halves.
const CLIPS: usize = 16;
/// Halves tried first: 1, 1/2, 1/4, ... of the largest weight.
const HALVES: i32 = 16;

/// Integer weights:
/// `real accumulator = scale_o * (sum q * (code - zero_c) + round(bias_o / scale_o))`.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// Codes in -127..=127, laid out as the operator's real weights.
    pub codes: Vec<i8>,
    /// Real value of one accumulator step, per output channel.
    pub scale: Vec<f64>,
    /// Real bias per output channel.
    pub bias: Vec<f64>,
}

/// Place of a weight: `(output channel, input channel)` of weight `i`, or gain `i` of a LayerNorm.
pub fn place(op: &Op, i: usize) -> (usize, usize) {
    let (cin, cout) = (usize::from(op.cin), usize::from(op.cout));
    match (op.kernel, op.depthwise) {
        (0, _) => (i, i),
        (_, true) => (i % cout, i % cout),
        _ => (i / op.depth(), i % cin),
    }
}

impl Weights {
    /// Quantises real weights for an input of grid `input`. The input's scale per channel is folded
    /// in. Each output channel then gets the scale whose clip has the smallest squared error.
    /// Errors of input channels that hardly vary count less. `variance` is that of each, or empty
    /// where it is not known. `output` is the real value of one output code per channel. Scales are
    /// coarse enough for the bias to fit [`BIAS_CODES`] and for the requantisation not to
    /// underflow.
    pub fn quantise(
        op: &Op,
        weight: &[f32],
        bias: &[f32],
        (input, variance): (&Grid, &[f64]),
        techniques: Techniques,
        output: impl Fn(usize) -> f64 + Sync,
    ) -> Self {
        let folded: Vec<f64> = weight.iter().enumerate().map(|(i, &w)| f64::from(w) * input.scale_of(place(op, i).1)).collect();
        let counts = counts(op, input, variance);
        let mut rows = vec![Row::default(); bias.len()];
        for (i, &w) in folded.iter().enumerate() {
            let (o, c) = place(op, i);
            rows[o].weights.push(w);
            rows[o].counts.push(counts.get(c).copied().unwrap_or(1.0));
        }
        // A code less its zero point.
        let largest = 2.0 * input.largest() as f64;
        let scale: Vec<f64> = rows
            .par_iter()
            .zip(bias)
            .enumerate()
            .map(|(o, (row, &b))| {
                row.clip(techniques.uses(Technique::WeightClip), largest).max(f64::from(b).abs() / BIAS_CODES).max(output(o) * 2f64.powi(-26))
            })
            .collect();
        let codes = folded.iter().enumerate().map(|(i, w)| (w / scale[place(op, i).0]).round().clamp(-WEIGHT_MAX, WEIGHT_MAX) as i8).collect();
        Self { codes, scale, bias: bias.iter().map(|&b| f64::from(b)).collect() }
    }

    /// The real weights that the codes stand for, for inputs in real units.
    pub fn real(&self, op: &Op, input: &Grid) -> Vec<f32> {
        let real = |(i, &q): (usize, &i8)| {
            let (o, c) = place(op, i);
            (f64::from(q) * self.scale[o] / input.scale_of(c)) as f32
        };
        self.codes.iter().enumerate().map(real).collect()
    }

    /// The real biases that the integer biases stand for.
    pub fn real_bias(&self) -> Vec<f32> {
        self.bias.iter().zip(&self.scale).map(|(b, s)| ((b / s).round() * s) as f32).collect()
    }

    /// Integer biases with the input's zero points folded in: `round(b / s) - sum zero_c * q`.
    pub fn integer_bias(&self, op: &Op, input: &Grid) -> Vec<i64> {
        let mut integers: Vec<i64> = self.bias.iter().zip(&self.scale).map(|(b, s)| (b / s).round() as i64).collect();
        for (i, &q) in self.codes.iter().enumerate() {
            let (o, c) = place(op, i);
            integers[o] -= i64::from(input.zero_of(c)) * i64::from(q);
        }
        integers
    }

    /// The stem's four biases `[2 * top + left][c]` for codes `pixel - 128` of colours with the
    /// given means: `round(b / s) + sum q * (128 - mean)` over the taps that lie inside the frame.
    pub fn border_bias(&self, op: &Op, means: [f64; 3]) -> Vec<i64> {
        debug_assert_eq!(op.kind, OpKind::StemConv1);
        let (side, cin) = (usize::from(op.kernel), usize::from(op.cin));
        let mut variants = Vec::new();
        for (top, left) in [(false, false), (false, true), (true, false), (true, true)] {
            let mut sums: Vec<f64> = self.bias.iter().zip(&self.scale).map(|(b, s)| b / s).collect();
            for (i, &q) in self.codes.iter().enumerate() {
                let (o, c) = place(op, i);
                let tap = i % op.depth() / cin;
                let (row, column) = (tap / side, tap % side);
                if !(top && row == 0 || left && column == 0) {
                    sums[o] += f64::from(q) * (128.0 - means[c]);
                }
            }
            variants.extend(sums.iter().map(|sum| sum.round() as i64));
        }
        variants
    }
}

/// The coarsest scale that [`Weights::quantise`] may choose for each output channel, before it
/// looks at the output: 0 where weights and bias are 0.
pub fn coarsest(op: &Op, weight: &[f32], bias: &[f32], input: &Grid) -> Vec<f64> {
    let mut scales: Vec<f64> = bias.iter().map(|&b| f64::from(b).abs() / BIAS_CODES).collect();
    for (i, &w) in weight.iter().enumerate() {
        let (o, c) = place(op, i);
        scales[o] = scales[o].max(f64::from(w).abs() * input.scale_of(c) / WEIGHT_MAX);
    }
    scales
}

/// Weight of an error of each input channel's weights. It is less than 1 if its codes vary by less
/// than a hundredth of the channels' mean variance. Empty where all count alike.
fn counts(op: &Op, input: &Grid, variance: &[f64]) -> Vec<f64> {
    if variance.len() != usize::from(op.cin) {
        return Vec::new();
    }
    let codes: Vec<f64> = variance.iter().enumerate().map(|(c, v)| v / input.scale_of(c).powi(2)).collect();
    ranges::discounts(&codes)
}

/// Weights of one output channel.
#[derive(Clone, Debug, Default)]
struct Row {
    weights: Vec<f64>,
    /// Weight of the squared error of each.
    counts: Vec<f64>,
}

impl Row {
    /// The scale with the smallest error. A clip far below the largest weight pays if that weight
    /// belongs to an input that hardly varies. The part that it leaves out, at codes up to
    /// `largest`, must fit the bias, which makes up for it.
    fn clip(&self, search: bool, largest: f64) -> f64 {
        let full = self.weights.iter().fold(0f64, |most, w| most.max(w.abs())) / WEIGHT_MAX;
        if !search || full == 0.0 {
            return full;
        }
        let left_out = |scale: f64| self.weights.iter().map(|w| (w.abs() - WEIGHT_MAX * scale).max(0.0)).sum::<f64>();
        let fits = |scale: &f64| *scale >= full || largest * left_out(*scale) <= BIAS_CODES * scale;
        let best = |scales: &mut dyn Iterator<Item = f64>| {
            let first = (f64::INFINITY, full);
            scales.map(|scale| (error_of(&self.weights, &self.counts, scale), scale)).fold(first, |best, next| if next.0 < best.0 { next } else { best }).1
        };
        let half = best(&mut (0..HALVES).map(|i| full * 0.5f64.powi(i)).filter(fits));
        best(&mut (0..CLIPS).map(|i| half * (1.0 - 0.02 * i as f64)).filter(fits))
    }
}

wide! {
    /// Squared error of weights rounded to multiples of `scale`, each times what it counts.
    fn error_of ['a] ['a] (row: &'a [f64], counts: &'a [f64], scale: f64) -> f64 {
        let error = |w: f64| (w - (w / scale).round().clamp(-WEIGHT_MAX, WEIGHT_MAX) * scale).powi(2);
        row.iter().zip(counts).map(|(&w, count)| error(w) * count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op(kind: OpKind, cin: u16, cout: u16, kernel: u8, depthwise: bool) -> Op {
        Op { kind, source: 0, cin, cout, kernel, stride: 1, depthwise }
    }

    #[test]
    fn input_scales_and_zero_points_are_folded_in() {
        let op = op(OpKind::Fc1, 2, 1, 1, false);
        let input = Grid { scale: vec![0.5, 0.01], zero: vec![3, -100], lo: -128, hi: 127 };
        let weights = Weights::quantise(&op, &[1.0, -50.0], &[2.0], (&input, &[]), Techniques::ALL, |_| 1.0);
        assert_eq!(weights.codes, [127, -127]);
        assert!((weights.scale[0] - 0.5 / 127.0).abs() < 1e-12);
        let exact = weights.integer_bias(&op, &input);
        assert_eq!(exact, [508 - 3 * 127 - 100 * 127]);
        // One input token in both worlds.
        let codes = [20i64, 57];
        let acc = exact[0] + codes.iter().zip(&weights.codes).map(|(&x, &q)| x * i64::from(q)).sum::<i64>();
        let real = 1.0 * 0.5 * (20.0 - 3.0) - 50.0 * 0.01 * (57.0 + 100.0) + 2.0;
        assert!((acc as f64 * weights.scale[0] - real).abs() < 0.1, "{acc}");
    }

    #[test]
    fn depthwise_channels_have_their_own_scales() {
        let op = op(OpKind::FfnDepthwise3, 2, 2, 3, true);
        let weight: Vec<f32> = (0..9).flat_map(|tap| [tap as f32, 100.0 * tap as f32]).collect();
        let input = Grid::symmetric(vec![1.0, 0.01]);
        let weights = Weights::quantise(&op, &weight, &[0.0; 2], (&input, &[]), Techniques::ALL, |_| 1.0);
        assert_eq!(weights.codes[16..], [127, 127]);
        assert!((weights.scale[0] / weights.scale[1] - 1.0).abs() < 1e-6);
        assert!(weights.real(&op, &input).iter().zip(&weight).all(|(a, b)| (a - b).abs() <= 0.04 * b.max(1.0)));
    }

    #[test]
    fn a_dead_channel_keeps_its_bias() {
        let op = op(OpKind::Fc1, 1, 2, 1, false);
        let weights = Weights::quantise(&op, &[0.0, 1e-12], &[5.0, 5.0], (&Grid::wide(1e-4), &[]), Techniques::ALL, |_| 1e-3);
        for (b, s) in weights.bias.iter().zip(&weights.scale) {
            assert!(*s > 0.0 && b / s <= BIAS_CODES);
        }
        assert!(weights.real_bias().iter().all(|b| (b - 5.0).abs() < 1e-6));
    }

    #[test]
    fn the_four_stem_biases_leave_out_the_taps_beyond_the_border() {
        let op = op(OpKind::StemConv1, 3, 1, 3, false);
        // Every weight 1: code 127, scale 1/127.
        let weights = Weights::quantise(&op, &[1.0; 27], &[0.0], (&Grid::wide(1.0), &[]), Techniques::ALL, |_| 1.0);
        let variants = weights.border_bias(&op, [100.0, 118.0, 128.0]);
        let per_tap = 127 * (28 + 10);
        assert_eq!(variants, [9 * per_tap, 6 * per_tap, 6 * per_tap, 4 * per_tap]);
    }

    #[test]
    fn one_large_weight_is_clipped_where_that_helps_the_others() {
        let alike = |weights: Vec<f64>| Row { counts: vec![1.0; weights.len()], weights };
        let mut row = vec![0.5 / 127.0; 4000];
        row.push(1.0);
        assert!(alike(row.clone()).clip(true, 255.0) < 1.0 / 127.0);
        assert_eq!(alike(row).clip(false, 255.0), 1.0 / 127.0);
        assert_eq!(alike(vec![1.0, -0.5]).clip(true, 255.0), 1.0 / 127.0);
        assert_eq!(alike(vec![0.0; 3]).clip(true, 255.0), 0.0);
    }

    #[test]
    fn a_large_weight_of_an_input_that_never_varies_does_not_swamp_its_row() {
        let op = op(OpKind::Fc2, 3, 1, 1, false);
        let input = Grid::byte(0.1, 0);
        let quantise = |variance: &[f64]| Weights::quantise(&op, &[0.3, 400.0, -0.2], &[0.0], (&input, variance), Techniques::ALL, |_| 1e-3);
        assert_eq!(quantise(&[]).codes, [0, 127, 0]);
        let quiet = quantise(&[1.0, 1e-20, 1.0]);
        let [first, _, last] = quiet.real(&op, &input)[..] else { panic!("{quiet:?}") };
        assert!((first - 0.3).abs() < 0.005 && (last + 0.2).abs() < 0.005 && quiet.codes[1] == 127, "{quiet:?}");
        assert_eq!(quantise(&[0.0; 3]), quantise(&[]), "nothing varies: nothing to go by");
        // The part that is left out at the largest code fits the bias that makes up for it.
        let far = Weights::quantise(&op, &[1e-6, 400.0, -1e-6], &[0.0], (&input, &[1.0, 1e-20, 1.0]), Techniques::ALL, |_| 1e-12);
        assert!(400.0 * 0.1 * 255.0 / far.scale[0] < 4.0 * BIAS_CODES, "{far:?}");
    }
}
