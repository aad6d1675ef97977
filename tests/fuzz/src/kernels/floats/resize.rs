//! Bilinear resizing of f16, and the label map with and without margins.

use hrvit_kernels::math_f32::widen;
use hrvit_kernels::{Kernels, f16};

use super::super::Entry;
use super::super::operands::Operands;
use super::super::resize::{Source, agree_margins};
use super::Kind;
use crate::Verdict;

pub(in super::super) const ENTRIES: &[Entry] = &[("bilinear_add_f16", bilinear_add_f16), ("argmax_f16", argmax_f16), ("argmax_margin_f16", argmax_margin_f16)];

/// Two source rows of numbers of one kind.
fn source(operands: &mut Operands<'_>) -> Source<f16> {
    let kind = Kind::draw(operands);
    Source::draw(operands, 256, |operands, len| kind.values(operands, len))
}

fn bilinear_add_f16(operands: &mut Operands<'_>) -> Verdict {
    let source = source(operands);
    let (first, len) = source.part(operands);
    let Source { upper, lower, upper_weight, lower_weight, channels, factor, .. } = source;
    let largest = upper.iter().chain(&*lower).fold(0.0f32, |largest, x| largest.max(widen(*x).abs()));
    let start = Kind::draw(operands).wides(operands, len);
    let call = |kernels: Kernels, acc: &mut [f32]| kernels.bilinear_add_f16(&upper, &lower, upper_weight, lower_weight, channels, factor, first, acc);
    operands.agree_sums(&start, |_| largest, call)
}

fn argmax_f16(operands: &mut Operands<'_>) -> Verdict {
    let source = source(operands);
    let len = operands.len(source.columns);
    let start = operands.integers(len, 0, 255);
    let Source { upper, lower, upper_weight, lower_weight, channels, factor, .. } = source;
    operands.agree(&start, |kernels, labels| kernels.argmax_f16(&upper, &lower, upper_weight, lower_weight, channels, factor, labels))
}

fn argmax_margin_f16(operands: &mut Operands<'_>) -> Verdict {
    let Source { upper, lower, upper_weight, lower_weight, channels, factor, columns } = source(operands);
    agree_margins(operands, columns, |kernels, labels, k, margins| {
        kernels.argmax_margin_f16(&upper, &lower, upper_weight, lower_weight, channels, factor, labels, k, margins)
    })
}
