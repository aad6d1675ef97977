//! Scales of a step's tensors: what was seen, a margin or a search, and what the integers resolve.

use hrvit_format::{OpKind, record::Precision};
use hrvit_reference::OpWeights;

use super::{Deriver, reader::Reader};
use crate::quantize::{
    encode::{Index, TABLE8},
    format::Grid,
    operator,
    ranges::{self, Extent, Values},
    techniques::Technique,
    weights::{self, BIAS_MAX, WEIGHT_MAX},
};
/// Margin of a 16-bit scale over the largest value seen, for tensors that are read as they are.
pub(super) const WIDE_MARGIN: f64 = 1.1;
/// The same over the largest value of one channel, which other frames exceed by more than that of
/// all: two bits of sixteen.
pub(super) const CHANNEL_MARGIN: f64 = 4.0;
/// The same for tensors at the end of a linear chain, whose tails are the widest.
pub(super) const LINEAR_MARGIN: f64 = 1.2;
/// The same for residual streams and attention sums.
pub(super) const SUM_MARGIN: f64 = 1.15;
/// Largest 16-bit code.
pub(super) const WIDE_MAX: f64 = 32767.0;
/// Leaves a multiplier below one half when it is written in 31 bits.
pub(super) const JUST_ABOVE: f64 = 1.0 + 1e-6;
/// The most that a code of a sum may be of a code of the ReLU behind it.
pub(super) const SUM_STEP: f64 = 0.125;
/// Terms that a sum of i32 may have.
pub(super) const MOST_TERMS: f64 = 8.0;
/// The most that a code of a sum may be of a code of the ReLU behind it, where both have 16 bits.
pub(super) const WIDE_SUM_STEP: f64 = 1.0;
/// How much finer terms of a sum are than its 16-bit codes.
pub(super) const FINE_TERMS: f64 = 16.0;
/// Largest gain of a LayerNorm in codes per unit: 15 bits, 15 fractional ones of what is
/// normalised, a shift of at least 1, and a little less.
pub(super) const STEEPEST_GAIN: f64 = 0.999 * (1u64 << (15 + 15 - 1)) as f64;
/// Largest offset of a LayerNorm in codes: 29 bits at a shift of 1, and a little less.
pub(super) const LARGEST_OFFSET: f64 = 0.999 * (1u64 << 28) as f64;
/// Below minus this GELU is 0 in 16 bits.
pub(super) const FLAT: f64 = 5.5;

/// The finest scale of each channel that a LayerNorm's integers reach: gains of 15 bits and offsets
/// of 28, at a shift of 1.
pub(super) fn finest_norm(norm: &OpWeights) -> impl Iterator<Item = f64> {
    norm.weight.iter().zip(&norm.bias).map(|(gain, offset)| (f64::from(gain.abs()) / STEEPEST_GAIN).max(f64::from(offset.abs()) / LARGEST_OFFSET))
}

impl Deriver<'_> {
    /// Whether codes have 16 bits.
    pub(super) fn is_wide(&self) -> bool {
        self.precision == Precision::Int16x8
    }

    /// Largest 16-bit code that a dot product of `depth` has headroom for, biases included.
    pub(super) fn limit(depth: usize) -> i32 {
        let most = ((f64::from(i32::MAX) - BIAS_MAX) / (WEIGHT_MAX * depth.max(1) as f64)) as i32;
        most.min(i16::MAX.into())
    }

    /// 16-bit scale of an operator's output.
    pub(super) fn wide(&self, i: usize, margin: f64) -> f64 {
        ranges::alive(margin * self.stats[i].whole().magnitude() / WIDE_MAX)
    }

    /// The same of a layer that reads `input`, in which all that it could compute fits.
    pub(super) fn wide_of(&self, i: usize, input: &Grid, margin: f64) -> f64 {
        self.roomy(i, input).into_iter().fold(self.wide(i, margin), f64::max)
    }

    /// Grid of the logits, over the classes that may be picked: others saturate.
    pub(super) fn logits(&self, i: usize, input: &Grid) -> Grid {
        let largest = self.tensors.contenders.iter().map(|&class| self.stats[i].output[class].magnitude()).fold(0.0, f64::max);
        let roomy = self.roomy(i, input).into_iter().fold(0.0, f64::max);
        Grid::wide(ranges::alive((LINEAR_MARGIN * largest / WIDE_MAX).max(roomy)))
    }

    /// Largest magnitude of what an operator read.
    pub(super) fn read(&self, i: usize) -> Extent {
        self.stats[i].input.unwrap_or(Extent::EMPTY)
    }

    /// Whether ranges are cut.
    pub(super) fn clips(&self) -> bool {
        self.techniques.uses(Technique::RangeClip)
    }

    /// Values of an operator's output.
    pub(super) fn values(&self, i: usize) -> Values {
        Values::all(&self.stats[i].sample, self.clips())
    }

    /// The finest scale per output channel that operator `i` resolves when it reads `input`. Finer
    /// codes would only repeat steps of its accumulator, with a multiplier of one half or more.
    pub(super) fn finest(&self, i: usize, input: &Grid) -> Vec<f64> {
        let op = self.op(i);
        let steps: Vec<f64> = match (op.kind, self.folded.weights(self.step, i)) {
            (OpKind::ParallelAct, _) => (0..op.cout.into()).map(|c| input.scale_of(c) / operator::three(input.scale_of(c), self.precision)).collect(),
            (OpKind::AttnAct, _) => vec![input.scale_of(0).powi(2) / 3.0],
            (_, Some(real)) => weights::coarsest(&op, &real.weight, &real.bias, input).into_iter().map(|scale| 2.0 * scale).collect(),
            (_, None) => (0..op.cout.into()).map(|c| 2.0 * input.scale_of(c)).collect(),
        };
        steps.into_iter().map(|step| JUST_ABOVE * step).collect()
    }

    /// The finest scale per output channel in which operator `i`, reading `input`, is a term of a
    /// sum: [`MOST_TERMS`] of the largest that it could compute stay below 2^31.
    pub(super) fn roomy(&self, i: usize, input: &Grid) -> Vec<f64> {
        let (op, room) = (self.op(i), 2f64.powi(31) / MOST_TERMS);
        let Some(real) = self.folded.weights(self.step, i) else {
            return (0..op.cout.into()).map(|c| (input.largest() + 1) as f64 * input.scale_of(c) / room).collect();
        };
        // Zero points count as much again.
        let most = 2.0 * op.depth() as f64 * WEIGHT_MAX * input.largest() as f64;
        let steps = weights::coarsest(&op, &real.weight, &real.bias, input);
        steps.iter().zip(&real.bias).map(|(step, bias)| (step * most + f64::from(bias.abs())) / room).collect()
    }

    /// Scales of the output channels of an operator that reads `input`, none finer than it
    /// resolves.
    pub(super) fn settle(&self, i: usize, input: &Grid, scales: Vec<f64>) -> Vec<f64> {
        let finest = self.finest(i, input);
        self.one_for_all(ranges::settled(scales, |c| finest[c]))
    }

    /// Symmetric scales per channel of the output of an operator that reads `input`; dot products
    /// of `depth` read it.
    pub(super) fn channels(&self, i: usize, input: &Grid, depth: usize) -> Grid {
        let stats = &self.stats[i];
        if self.is_wide() {
            let limit = Self::limit(depth);
            let scales = stats.output.iter().map(|extent| WIDE_MARGIN * extent.magnitude() / f64::from(limit)).collect();
            return Grid::s16(self.settle(i, input, scales), -limit, limit);
        }
        if !self.techniques.uses(Technique::ChannelScales) {
            return Grid::symmetric(self.settle(i, input, vec![ranges::symmetric(&self.values(i), stats.whole().magnitude()); stats.output.len()]));
        }
        Grid::symmetric(self.settle(i, input, ranges::symmetric_channels(&stats.sample, &stats.output, self.clips())))
    }

    /// One scale and zero point for the output of an activation. Errors count as `reader` weighs
    /// them: where its output channels share a scale by their size, else each relative to its own
    /// output.
    pub(super) fn upper(&self, i: usize, reader: &Reader<'_>) -> Grid {
        let stats = &self.stats[i];
        let weight = if matches!(reader.op.kind, OpKind::ToOut | OpKind::Fc2) { reader.energy() } else { reader.importance(&stats.output) };
        if self.is_wide() {
            let (limit, seen) = (Self::limit(reader.op.depth()), stats.whole());
            return Grid::s16(vec![ranges::alive(WIDE_MARGIN * seen.magnitude() / f64::from(limit))], if seen.min < 0.0 { -limit } else { 0 }, limit);
        }
        let (scale, zero) = ranges::upper(&Values::weighed(&stats.sample, self.clips(), &weight), &stats.output);
        Grid::byte(ranges::alive(scale), zero)
    }

    /// [`Deriver::upper`] of an activation that requantises `input` itself.
    pub(super) fn upper_of(&self, i: usize, input: &Grid, reader: &Reader<'_>) -> Grid {
        let grid = self.upper(i, reader);
        let finest = self.finest(i, input).into_iter().fold(0.0, f64::max);
        if grid.scale_of(0) >= finest || self.is_wide() {
            return Grid { scale: vec![grid.scale_of(0).max(finest)], ..grid };
        }
        let lowest = f64::from(self.stats[i].whole().min).min(0.0);
        Grid::byte(finest, (-128 - (lowest / finest).round() as i32).min(127))
    }

    /// Scales per channel, zero point the lowest code, for the output of a ReLU, with which a
    /// positive factor per channel commutes. Dot products of `depth` read it. 0 where a channel is
    /// zero everywhere.
    pub(super) fn positive_scales(&self, i: usize, depth: usize) -> Vec<f64> {
        let stats = &self.stats[i];
        let limit = Self::limit(depth);
        let scale = |(c, &extent): (usize, &Extent)| match self.is_wide() {
            true => WIDE_MARGIN * f64::from(extent.max).max(0.0) / f64::from(limit),
            false => ranges::upper(&Values::channel(&stats.sample, c, self.clips()), &[extent]).0,
        };
        if !self.techniques.uses(Technique::ChannelScales) {
            let one = match self.is_wide() {
                true => WIDE_MARGIN * stats.whole().magnitude() / f64::from(limit),
                false => ranges::upper(&self.values(i), &[stats.whole()]).0,
            };
            return vec![one; stats.output.len()];
        }
        stats.output.iter().enumerate().map(scale).collect()
    }

    /// The grid of those scales.
    pub(super) fn positive(&self, scale: Vec<f64>, depth: usize) -> Grid {
        if self.is_wide() { Grid::s16(scale, 0, Self::limit(depth)) } else { Grid { scale, ..Grid::positive(1.0) } }
    }

    /// Output of a convolution with ReLU that reads `input`.
    pub(super) fn positive_channels(&self, i: usize, input: &Grid, depth: usize) -> Grid {
        self.positive(self.settle(i, input, self.positive_scales(i, depth)), depth)
    }

    /// Largest magnitude per channel among the outputs of the operators of the kinds asked for.
    pub(super) fn largest(&self, is_one: impl Fn(OpKind) -> bool) -> Vec<f64> {
        let mut largest = Vec::new();
        for (_, stats) in self.ops.iter().zip(self.stats).filter(|(op, _)| is_one(op.kind)) {
            largest.resize(stats.output.len(), 0.0f64);
            largest.iter_mut().zip(&stats.output).for_each(|(most, extent)| *most = most.max(extent.magnitude()));
        }
        largest
    }

    /// Output of a ReLU of a sum, and the scales of that sum. Each is a channel's output scale
    /// times one ratio for all, which leaves one multiplier. A channel's sum has at least the scale
    /// `coarse(c)`, in which its terms fit.
    pub(super) fn summed(&self, i: usize, depth: usize, coarse: impl Fn(usize) -> f64) -> (Grid, Vec<f64>) {
        let most = if self.is_wide() { WIDE_SUM_STEP } else { SUM_STEP };
        let outputs = self.one_for_all(ranges::settled(self.positive_scales(i, depth), |c| coarse(c) / most));
        let ratio = outputs.iter().enumerate().map(|(c, output)| coarse(c) / output).fold(0.0, f64::max);
        let ratio = ranges::alive(ratio).min(most);
        let sums = outputs.iter().map(|output| ratio * output).collect();
        (self.positive(outputs, depth), sums)
    }

    /// The largest of the scales in place of each, where tensors have one scale.
    pub(super) fn one_for_all(&self, scales: Vec<f64>) -> Vec<f64> {
        if self.techniques.uses(Technique::ChannelScales) {
            return scales;
        }
        let largest = scales.iter().copied().fold(0.0, f64::max);
        vec![largest; scales.len()]
    }

    /// The index of a GELU with the output `output`, whose input had the extent `seen`.
    pub(super) fn index(&self, output: &Grid, seen: Extent) -> Index {
        if self.is_wide() {
            // Below -5.5 GELU is flat: lower inputs may saturate.
            let reach = WIDE_MARGIN * f64::from(seen.max).max(f64::from(-seen.min).min(FLAT));
            return Index::interpolated(ranges::alive(reach.max(0.0) / WIDE_MAX));
        }
        ranges::index_for(output, seen, TABLE8)
    }

    /// `index` in units for which all that operator `i` could compute from `input` fits.
    pub(super) fn reached(&self, index: Index, i: usize, input: &Grid) -> Index {
        index.at_least(self.roomy(i, input).into_iter().fold(0.0, f64::max))
    }

    /// Grid of the i32 terms of a sum whose largest magnitude is `largest`, no finer than `roomy`.
    pub(super) fn term_of(&self, largest: f64, roomy: f64) -> Grid {
        Grid::term(ranges::alive(self.term_scale(largest).max(roomy)))
    }

    /// Its scale; 0 if all terms are.
    pub(super) fn term_scale(&self, largest: f64) -> f64 {
        let finer = if self.is_wide() { FINE_TERMS } else { 1.0 };
        WIDE_MARGIN * largest / (finer * WIDE_MAX)
    }
}
