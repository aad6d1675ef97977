//! Edits of a valid image: any field, any array, magnitudes at the edge of what the loader allows.

use std::mem::{offset_of, size_of};

use hrvit_format::Model;
use hrvit_format::aligned::AlignedBytes;
use hrvit_format::record::{Arrays, NONE, OpRecord, Section, StepRecord};
use hrvit_tests::rng::Rng;

use super::bases::Base;
use super::layout::{Layout, mend_crcs, put, record};
use crate::Choices;

/// Edits of one input.
const MOST_EDITS: usize = 24;

/// `base` after edits, its CRCs mended. An edit that the loader refuses is mostly taken back, so
/// that what is valid is explored in depth.
pub fn edited(choices: &mut Choices<'_>, base: &Base) -> AlignedBytes {
    let mut image = base.image.clone();
    for _ in 0..1 + choices.below(MOST_EDITS) {
        if choices.rest().is_empty() {
            break;
        }
        let before = image.clone();
        edit(choices, &mut image, &base.arrays);
        mend_crcs(&mut image);
        if Model::load(&image).is_err() && !choices.one_in(64) {
            image = before;
        }
    }
    image
}

fn edit(choices: &mut Choices<'_>, image: &mut [u8], arrays: &[Arrays]) {
    let layout = Layout::of(image);
    match choices.u8() % 16 {
        0..=6 => edit_array(choices, image, &layout, arrays),
        7..=11 => edit_op(choices, image, &layout),
        12 => edit_step(choices, image, &layout),
        13 => edit_meta(choices, image, &layout),
        14 => edit_table(choices, image, &layout),
        _ => edit_byte(choices, image),
    }
}

/// One of the operator's arrays, in whole or in part.
fn edit_array(choices: &mut Choices<'_>, image: &mut [u8], layout: &Layout, arrays: &[Arrays]) {
    let pick = usize::from(choices.u16());
    let Some((index, at)) = layout.op(pick) else { return };
    let (Some(op), Some(arrays), Some(step)) = (record::<OpRecord>(image, at), arrays.get(index), layout.step_of(image, index)) else { return };
    let half = step.precision == 2;
    let array = choices.pick(&[Array::Weights, Array::Weights, Array::Bias, Array::Mult, Array::Shift, Array::Three, Array::Table]);
    let (offset, count, width) = array.of(&op, arrays, half);
    if offset == NONE {
        return;
    }
    let group = layout.section(Section::Weights).start + step.offset as usize;
    let (some, mode, number) = (choices.one_in(2), choices.u8(), choices.u32());
    let mut rng = Rng::new(number.into());
    for index in 0..count {
        if some && rng.int(0, 3) != 0 {
            continue;
        }
        let value = if half { half_value(array, mode, index, number, &mut rng) } else { array.value(&op, mode, index, number, &mut rng) };
        let bytes = value.to_le_bytes();
        put(image, group + offset as usize + index * width, &bytes[..width]);
    }
}

/// An array of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Array {
    Weights,
    Bias,
    Mult,
    Shift,
    Three,
    Table,
}

impl Array {
    /// Offset in the group, elements, bytes of an element.
    fn of(self, op: &OpRecord, arrays: &Arrays, half: bool) -> (u32, usize, usize) {
        match self {
            Self::Weights if half => (op.weights, arrays.weights / 2, 2),
            Self::Weights => (op.weights, arrays.weights, 1),
            Self::Bias => (op.bias, arrays.bias, 4),
            Self::Mult => (op.mult, arrays.mult, 4),
            Self::Shift => (op.shift, arrays.shift, 1),
            Self::Three => (op.three, arrays.three, 4),
            Self::Table => (op.table, op.table_len as usize, arrays.table_entry.max(1)),
        }
    }

    /// An integer at an edge, or anywhere inside.
    fn value(self, op: &OpRecord, mode: u8, index: usize, number: u32, rng: &mut Rng) -> i64 {
        let odd = index % 2 == 1;
        let (lo, hi) = (i64::from(op.lo), i64::from(op.hi.max(op.lo)));
        match self {
            Self::Weights => edge(mode, odd, 127, rng),
            Self::Bias => {
                let depth = if op.kernel == 0 { 1 } else { i64::from(op.kernel).pow(2) * i64::from(op.cin) };
                let input = [128, 32768, 4080][mode as usize / 8 % 3];
                edge(mode, odd, ((i64::from(i32::MAX) >> op.pre_shift.min(30)) - depth * input * 127).max(0), rng)
            }
            Self::Mult if op.norm_shift > 0 => edge(mode, odd, 0x7fff, rng),
            Self::Mult => [i64::from(i32::MAX), 1 << 30, (1 << 30) | i64::from(number >> 2), rng.int(1 << 30, i32::MAX.into())][usize::from(mode % 4)],
            Self::Shift => [32, 62, 31 + i64::from(number % 33), rng.int(32, 62)][usize::from(mode % 4)],
            Self::Three => [1, 1 << 22, 1 << 17, 32767, i64::from(number & 0x3f_ffff), rng.int(1, 1 << 22)][usize::from(mode % 6)],
            Self::Table => match mode % 4 {
                0 => hi,
                1 => lo,
                2 => [lo, hi][usize::from(odd)],
                _ => rng.int(lo, hi),
            },
        }
    }
}

/// A number within `most` of zero: the edges, alternating edges, zero, or any.
fn edge(mode: u8, odd: bool, most: i64, rng: &mut Rng) -> i64 {
    match mode % 8 {
        0 => most,
        1 => -most,
        2 if odd => most,
        2 => -most,
        3 => [-most, most][rng.int(0, 1) as usize],
        4 => 0,
        5 => rng.int(-most.min(3), most.min(3)),
        _ => rng.int(-most, most),
    }
}

/// Bits of an f16 weight or an f32 of another array.
fn half_value(array: Array, mode: u8, index: usize, number: u32, rng: &mut Rng) -> i64 {
    if array == Array::Weights {
        let sign = if index % 2 == 1 { 0x8000 } else { 0 };
        return [0x7bff, 0xfbff, 0x7bff | sign, 1, 0, i64::from(number as u16), rng.int(0, 0xffff), rng.int(0x2800, 0x3c00) | sign][usize::from(mode % 8)];
    }
    let largest = 18_446_744_073_709_551_616.0f32;
    let real = [largest, -largest, 1e-38, 65504.0, -0.0, f32::from_bits(number), rng.bell() as f32, (rng.bell() * 1e4) as f32];
    i64::from(real[usize::from(mode % 8)].to_bits())
}

/// Fields of an operator record that are not fixed by its kind and shape, and their bytes.
const OP_FIELDS: [(usize, usize); 14] = [
    (offset_of!(OpRecord, code_bits), 1),
    (offset_of!(OpRecord, pre_shift), 1),
    (offset_of!(OpRecord, norm_shift), 1),
    (offset_of!(OpRecord, norm_fraction), 1),
    (offset_of!(OpRecord, zero), 2),
    (offset_of!(OpRecord, lo), 2),
    (offset_of!(OpRecord, hi), 2),
    (offset_of!(OpRecord, pad), 2),
    (offset_of!(OpRecord, weights), 4),
    (offset_of!(OpRecord, bias), 4),
    (offset_of!(OpRecord, table), 4),
    (offset_of!(OpRecord, table_len), 4),
    (offset_of!(OpRecord, eps), 8),
    (offset_of!(OpRecord, in_scale), 4),
];

fn edit_op(choices: &mut Choices<'_>, image: &mut [u8], layout: &Layout) {
    let pick = usize::from(choices.u16());
    let Some((_, at)) = layout.op(pick) else { return };
    let (field, width) = choices.pick(&OP_FIELDS);
    let at = at + field;
    if field == offset_of!(OpRecord, pre_shift) || field == offset_of!(OpRecord, norm_shift) {
        put(image, at, &[choices.u8() % 33]);
    } else if field == offset_of!(OpRecord, norm_fraction) {
        put(image, at, &[9 + choices.u8() % 8]);
    } else if field == offset_of!(OpRecord, code_bits) {
        put(image, at, &[choices.pick(&[8, 15, 0, 9])]);
    } else {
        edit_number(choices, image, at, width);
    }
}

fn edit_step(choices: &mut Choices<'_>, image: &mut [u8], layout: &Layout) {
    let steps: Vec<usize> = layout.steps().collect();
    if !steps.is_empty() {
        let at = choices.pick(&steps) + choices.below(size_of::<StepRecord>());
        let width = 1 + choices.below(4);
        edit_number(choices, image, at, width);
    }
}

fn edit_meta(choices: &mut Choices<'_>, image: &mut [u8], layout: &Layout) {
    let section = layout.section(Section::Meta);
    let at = section.start + choices.below(section.len().min(80));
    put(image, at, &[choices.u8()]);
}

/// The exponent table.
fn edit_table(choices: &mut Choices<'_>, image: &mut [u8], layout: &Layout) {
    let section = layout.section(Section::Tables);
    let at = section.start + 2 * choices.below(section.len() / 2);
    let Some(old) = record::<u16>(image, at) else { return };
    let new = old.wrapping_add_signed((choices.u8() as i8).into());
    put(image, at, &new.to_le_bytes());
}

fn edit_byte(choices: &mut Choices<'_>, image: &mut [u8]) {
    let at = choices.below(image.len());
    put(image, at, &[choices.u8()]);
}

/// Another number in the place of a little-endian one of `width` bytes, at most 8.
fn edit_number(choices: &mut Choices<'_>, image: &mut [u8], at: usize, width: usize) {
    let Some(bytes) = image.get(at..at + width) else { return };
    let mut old = [0; 8];
    old[..width].copy_from_slice(bytes);
    let old = i64::from_le_bytes(old);
    let power = 1i64 << (choices.u8() % 64);
    let new = match choices.u8() % 12 {
        0 => old.wrapping_add((choices.u8() as i8).into()),
        1 => power,
        2 => power.wrapping_sub(1),
        3 => power.wrapping_neg(),
        4 => i64::from(choices.u8() as i8),
        5 => old ^ power,
        6 => choices.u64() as i64,
        7 => f32::NAN.to_bits().into(),
        8 => f32::MIN_POSITIVE.to_bits().into(),
        9 => old.wrapping_mul(2),
        10 => old / 2,
        _ => !old,
    };
    put(image, at, &new.to_le_bytes()[..width]);
}
