//! Elementwise float operators, sums, means and conversions.

use hrvit_kernels::ActivationF16;
use hrvit_kernels::math_f32::widen;

use super::super::Entry;
use super::super::elements::{elements, map, sums};
use super::super::operands::Operands;
use super::{Kind, MOST};
use crate::Verdict;

pub(in super::super) const ENTRIES: &[Entry] = &[
    ("hardswish_f16", hardswish_f16),
    ("activate_f32", activate_f32),
    ("s16_to_f16", s16_to_f16),
    ("f16_to_s16", f16_to_s16),
    ("add_f16", add_f16),
    ("widen_add_f32", widen_add_f32),
    ("add_f32", add_f32),
    ("relu_f32", relu_f32),
    ("mean_f16", mean_f16),
    ("mean_finish_f16", mean_finish_f16),
];

/// Kind of the operands, and the elements of two slices that should be as long as each other.
fn pair(operands: &mut Operands<'_>) -> (Kind, usize, usize) {
    let (kind, len) = (Kind::draw(operands), elements(operands));
    (kind, operands.len(len), operands.len(len))
}

fn hardswish_f16(operands: &mut Operands<'_>) -> Verdict {
    let (kind, x, out) = pair(operands);
    let (x, start) = (kind.values(operands, x), Kind::Usual.values(operands, out));
    operands.agree_f16(&start, |_| 0.0, |kernels, out| kernels.hardswish_f16(&x, out))
}

fn activate_f32(operands: &mut Operands<'_>) -> Verdict {
    let (kind, acc, out) = pair(operands);
    let act = operands.choices.pick(&ActivationF16::ALL);
    let (acc, start) = (kind.wides(operands, acc), Kind::Usual.values(operands, out));
    operands.agree_f16(&start, |_| 0.0, |kernels, out| kernels.activate_f32(&acc, act, out))
}

/// A scale of codes.
fn scale(operands: &mut Operands<'_>) -> f32 {
    let scale = match operands.choices.u8() % 4 {
        0 => operands.choices.pick(&[1.0, 0.01, 3.7e-4, 1e-7, f32::MIN_POSITIVE, 1e15, MOST]),
        // Powers of two times 1 to 2.
        exponents => {
            let exponent = if exponents == 1 { operands.int(1, 127 + 63) } else { operands.int(127 - 24, 127 + 4) };
            f32::from_bits((exponent as u32) << 23 | operands.bits() as u32 >> 9)
        }
    };
    operands.parameter(scale, &[0.0, -1.0, f32::NAN, f32::INFINITY, f32::MIN_POSITIVE / 2.0, 2.0 * MOST])
}

fn s16_to_f16(operands: &mut Operands<'_>) -> Verdict {
    let (_, x, out) = pair(operands);
    let (scale, x, start) = (scale(operands), operands.words(x), Kind::Usual.values(operands, out));
    operands.agree(&start, |kernels, out| kernels.s16_to_f16(&x, scale, out))
}

fn f16_to_s16(operands: &mut Operands<'_>) -> Verdict {
    let (kind, x, out) = pair(operands);
    let (scale, x, start) = (scale(operands), kind.values(operands, x), operands.words(out));
    // A product with the reciprocal of the scale may round to the other neighbour.
    operands.agree_within(&start, |_, want, got| want.abs_diff(got) <= 1, |kernels, out| kernels.f16_to_s16(&x, scale, out))
}

fn add_f16(operands: &mut Operands<'_>) -> Verdict {
    let (kind, x, y) = pair(operands);
    let (start, y) = (kind.values(operands, x), kind.wides(operands, y));
    operands.agree(&start, |kernels, x| kernels.add_f16(x, &y))
}

fn widen_add_f32(operands: &mut Operands<'_>) -> Verdict {
    let (kind, x, acc) = pair(operands);
    let (x, start) = (kind.values(operands, x), kind.wides(operands, acc));
    operands.agree(&start, |kernels, acc| kernels.widen_add_f32(&x, acc))
}

fn add_f32(operands: &mut Operands<'_>) -> Verdict {
    let (kind, acc, other) = pair(operands);
    let (start, other) = (kind.wides(operands, acc), kind.wides(operands, other));
    operands.agree(&start, |kernels, acc| kernels.add_f32(acc, &other))
}

fn relu_f32(operands: &mut Operands<'_>) -> Verdict {
    let (kind, acc, _) = pair(operands);
    let start = kind.wides(operands, acc);
    operands.agree(&start, |kernels, acc| {
        kernels.relu_f32(acc);
        Ok(())
    })
}

fn mean_f16(operands: &mut Operands<'_>) -> Verdict {
    let (tokens, channels) = map(operands);
    let (x, sums, kind) = (operands.len(tokens * channels), operands.len(channels), Kind::draw(operands));
    let (x, start) = (kind.values(operands, x), kind.wides(operands, sums));
    let terms = |at: usize| x.iter().skip(at).step_by(start.len()).map(|x| widen(*x).abs()).sum();
    operands.agree_sums(&start, terms, |kernels, sums| kernels.mean_f16(sums, &x))
}

fn mean_finish_f16(operands: &mut Operands<'_>) -> Verdict {
    let (sums, tokens, out) = sums(operands);
    let kind = Kind::draw(operands);
    let (sums, start) = (kind.wides(operands, sums), Kind::Usual.values(operands, out));
    operands.agree(&start, |kernels, out| kernels.mean_finish_f16(&sums, tokens, out))
}
