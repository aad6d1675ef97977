//! Bilinear resizing, and the label map with and without margins.

use hrvit_kernels::{Kernels, ShapeError};

use super::Entry;
use super::operands::{Block, Operands};
use crate::Verdict;

pub(super) const ENTRIES: &[Entry] = &[("bilinear_add_s16", bilinear_add_s16), ("argmax_s16", argmax_s16), ("argmax_margin_s16", argmax_margin_s16)];

/// Mixes of one call, mostly.
const WORK: usize = 6_000;

/// Two source rows of `[columns, channels]` and where the output row lies between them.
pub(super) struct Source<T> {
    pub(super) upper: Block<T>,
    pub(super) lower: Block<T>,
    pub(super) upper_weight: i32,
    pub(super) lower_weight: i32,
    pub(super) channels: usize,
    pub(super) factor: usize,
    /// Columns of the output.
    pub(super) columns: usize,
}

impl<T> Source<T> {
    /// Rows made by `row` from their lengths, of at most `most` channels.
    pub(super) fn draw(operands: &mut Operands<'_>, most: usize, mut row: impl FnMut(&mut Operands<'_>, usize) -> Block<T>) -> Self {
        let channels = if operands.choices.u8() % 16 == 15 { operands.size(most) } else { operands.size(70) };
        let factor = operands.choices.pick(&[1, 2, 4, 8]);
        let source_columns = operands.repeats(20, factor * channels, WORK);
        let [upper, lower] = [(); 2].map(|()| operands.len(source_columns * channels));
        let unit = 2 * factor as i32;
        let upper_weight = operands.choices.below(2 * factor + 1) as i32;
        let right = (upper_weight, unit - upper_weight);
        let wrong = [(upper_weight + 1, unit - upper_weight), (-1, unit + 1), (unit + 1, -1), (i32::MAX, i32::MIN), (i32::MIN, i32::MAX)];
        let (upper_weight, lower_weight) = operands.parameter(right, &wrong);
        let (upper, lower) = (row(operands, upper), row(operands, lower));
        let columns = source_columns * factor;
        Self { upper, lower, upper_weight, lower_weight, channels: operands.count(channels), factor: operands.count(factor), columns }
    }

    /// The first column and the elements of a part of the output.
    pub(super) fn part(&self, operands: &mut Operands<'_>) -> (usize, usize) {
        let first = operands.choices.below(self.columns + 1);
        let columns = match operands.choices.u8() % 4 {
            0 => operands.choices.below(self.columns - first + 1),
            _ => self.columns - first,
        };
        let channels = self.upper.len() / (self.columns / self.factor.clamp(1, 8)).max(1);
        (operands.count(first), operands.len(columns * channels))
    }
}

/// Rows of logits: any, or of few values, which make ties.
fn logits(operands: &mut Operands<'_>, len: usize) -> Block<i16> {
    if operands.choices.one_in(4) { operands.integers(len, -1, 1) } else { operands.words(len) }
}

fn bilinear_add_s16(operands: &mut Operands<'_>) -> Verdict {
    let source = Source::draw(operands, 256, |operands, len| operands.words(len));
    let (first, len) = source.part(operands);
    // A sum is at most `scale * (2 * factor)^2 * 2^15`.
    let unit = 1i64 << 15 << (2 * source.factor.clamp(1, 8).ilog2() + 2);
    let most = i64::from(i32::MAX) / unit;
    let scale = match operands.choices.u8() % 4 {
        _ if !operands.within() => operands.bits() as i32,
        0 => most as i32,
        1 => -(most as i32),
        _ => operands.int(-most, most) as i32,
    };
    let start = operands.wide(len, (i64::from(i32::MAX) - i64::from(scale).abs() * unit).max(0));
    let Source { upper, lower, upper_weight, lower_weight, channels, factor, .. } = source;
    operands.agree(&start, |kernels, acc| kernels.bilinear_add_s16(&upper, &lower, upper_weight, lower_weight, channels, factor, scale, first, acc))
}

fn argmax_s16(operands: &mut Operands<'_>) -> Verdict {
    let source = Source::draw(operands, 256, logits);
    let len = operands.len(source.columns);
    let start = operands.integers(len, 0, 255);
    let Source { upper, lower, upper_weight, lower_weight, channels, factor, .. } = source;
    operands.agree(&start, |kernels, labels| kernels.argmax_s16(&upper, &lower, upper_weight, lower_weight, channels, factor, labels))
}

/// Labels and margins, each in a block of its own, which start as random bytes.
pub(super) fn agree_margins(
    operands: &mut Operands<'_>,
    columns: usize,
    call: impl Fn(Kernels, &mut [u8], u8, &mut [u8]) -> Result<(), ShapeError>,
) -> Verdict {
    let k = match operands.choices.u8() % 4 {
        0 => operands.choices.u8() % 32,
        _ => operands.choices.pick(&[0, 7, 12, 14, 17]),
    };
    let k = operands.parameter(k, &[32, u8::MAX]);
    let [labels, margins] = [(); 2].map(|()| operands.len(columns));
    let start = operands.integers(labels + margins, 0, 255);
    operands.agree(&start, |kernels, out| {
        let (to_labels, to_margins) = out.split_at_mut(labels);
        let (mut labels, mut margins) = (to_labels.to_vec(), to_margins.to_vec());
        let result = call(kernels, &mut labels, k, &mut margins);
        to_labels.copy_from_slice(&labels);
        to_margins.copy_from_slice(&margins);
        result
    })
}

fn argmax_margin_s16(operands: &mut Operands<'_>) -> Verdict {
    let source = Source::draw(operands, 256, logits);
    let Source { upper, lower, upper_weight, lower_weight, channels, factor, columns } = source;
    agree_margins(operands, columns, |kernels, labels, k, margins| {
        kernels.argmax_margin_s16(&upper, &lower, upper_weight, lower_weight, channels, factor, labels, k, margins)
    })
}
