//! Kernels on 16-bit floats: within a bound of their definition, and finite.
//!
//! The bounds are those of the kernels' conformance suite: an f16 result is at most one unit in the
//! last place from the definition's, plus [`RELATIVE`] times a magnitude. A sum in f32 has the
//! latter only. A magnitude is the sum of the terms' own.

pub(super) mod elements;
pub(super) mod products;
pub(super) mod resize;
pub(super) mod tokens;

use hrvit_kernels::math_f32::widen;
use hrvit_kernels::{ActivationF16, EpilogueF16, Kernels, ShapeError, f16};

use super::operands::{Block, Operands};
use crate::Verdict;

/// Of the magnitude of a sum, what it may differ by.
const RELATIVE: f32 = 1.0 / 1_048_576.0;

/// The largest operand in f32, `2^64`.
const MOST: f32 = 18_446_744_073_709_551_616.0;

/// One unit in the last place of an f16 of this magnitude; of subnormals, their unit.
fn unit_in_last_place(x: f16) -> f32 {
    let exponent = i32::from((x.to_bits() >> 10) & 31);
    2f32.powi(exponent.max(1) - 25)
}

/// Whether an f16 result is within its bound; `slack` is asked where the two differ.
fn near(want: f16, got: f16, slack: impl FnOnce() -> f32) -> bool {
    got.is_finite() && (want == got || (widen(want) - widen(got)).abs() <= unit_in_last_place(want) + slack())
}

/// Whether a sum in f32 is within its bound.
fn near_sum(want: f32, got: f32, magnitude: impl FnOnce() -> f32) -> bool {
    got.is_finite() && (want == got || (want - got).abs() <= RELATIVE * (magnitude() + want.abs()))
}

/// Kinds of operands.
#[derive(Clone, Copy)]
enum Kind {
    /// Between 2^-6 and 4 in magnitude.
    Usual,
    /// 0, the least subnormal, the least normal, 1 and the largest numbers.
    Extreme,
    /// The largest number only.
    Largest,
    /// -1, 0 and 1.
    Few,
    /// Any finite number.
    Any,
    /// Any bits: outside of ranges.
    Bits,
}

impl Kind {
    fn draw(operands: &mut Operands<'_>) -> Self {
        let kind = operands.choices.u8() % 8;
        match kind {
            _ if !operands.within() => Self::Bits,
            4 => Self::Extreme,
            5 => Self::Largest,
            6 => Self::Few,
            7 => Self::Any,
            _ => Self::Usual,
        }
    }

    /// One operand.
    fn value(self, operands: &mut Operands<'_>) -> f16 {
        const EXTREMES: [u16; 6] = [0, 1, 0x3ff, 0x400, 0x3c00, 0x7bff];
        let bits = operands.bits();
        let (sign, bits, index) = (bits as u16 & 0x8000, (bits >> 16) as u16, (bits >> 32) as usize);
        f16::from_bits(match self {
            Self::Usual => sign | ((9 << 10) + (bits & 0x1fff)),
            Self::Extreme => sign | EXTREMES[index % EXTREMES.len()],
            Self::Largest => f16::MAX.to_bits(),
            Self::Few => [0, 0x3c00, 0xbc00][index % 3],
            Self::Any => sign | (bits % 0x7c00),
            Self::Bits => sign | bits >> 1,
        })
    }

    /// One operand in f32: a bias, a gain, a sum.
    fn wide(self, operands: &mut Operands<'_>) -> f32 {
        let bits = operands.bits();
        match self {
            Self::Bits => f32::from_bits(bits as u32),
            Self::Extreme if bits.is_multiple_of(8) => MOST,
            Self::Extreme if bits % 8 == 1 => -MOST,
            _ => widen(self.value(operands)) * 1.000_976_6,
        }
    }

    /// A block of [`Kind::value`].
    fn values(self, operands: &mut Operands<'_>, len: usize) -> Block<f16> {
        operands.block(len, |operands, _| self.value(operands))
    }

    /// A block of [`Kind::wide`].
    fn wides(self, operands: &mut Operands<'_>, len: usize) -> Block<f32> {
        operands.block(len, |operands, _| self.wide(operands))
    }
}

/// The magnitude of a number of a block, 0 beyond its end.
fn magnitude(of: &[f32], at: usize) -> f32 {
    of.get(at).map_or(0.0, |x| x.abs())
}

impl Operands<'_> {
    /// [`Operands::agree`] of an output in f16: `slack` is what an element may be off besides one
    /// unit in its last place.
    fn agree_f16(&self, start: &Block<f16>, slack: impl Fn(usize) -> f32, call: impl Fn(Kernels, &mut [f16]) -> Result<(), ShapeError>) -> Verdict {
        self.agree_within(start, |at, want, got| near(want, got, || slack(at)), call)
    }

    /// [`Operands::agree`] of sums in f32, `terms` being the magnitude of what is added to an
    /// element.
    fn agree_sums(&self, start: &Block<f32>, terms: impl Fn(usize) -> f32, call: impl Fn(Kernels, &mut [f32]) -> Result<(), ShapeError>) -> Verdict {
        self.agree_within(start, |at, want, got| near_sum(want, got, || terms(at) + magnitude(start, at)), call)
    }

    /// [`Operands::agree`] for a product of `len` outputs, stored in one of all ways; `terms` is
    /// the magnitude of an output's sum.
    fn agree_stored_f16(&mut self, len: usize, terms: impl Fn(usize) -> f32, call: impl Fn(Kernels, EpilogueF16<'_>) -> Result<(), ShapeError>) -> Verdict {
        let (kind, way) = (Kind::draw(self), self.choices.below(ActivationF16::ALL.len() + 2));
        match ActivationF16::ALL.get(way) {
            Some(&act) => {
                let start = kind.values(self, len);
                // The slope of an activation is below 2.
                self.agree_f16(&start, |at| 2.0 * RELATIVE * terms(at), |kernels, out| call(kernels, EpilogueF16::Store { out, act }))
            }
            None if way == ActivationF16::ALL.len() => {
                let start = kind.values(self, len);
                let terms = |at| terms(at) + start.get(at).map_or(0.0, |x| widen(*x).abs());
                self.agree_f16(&start, |at| 2.0 * RELATIVE * terms(at), |kernels, out| call(kernels, EpilogueF16::Add { out }))
            }
            None => {
                let start = kind.wides(self, len);
                self.agree_sums(&start, terms, |kernels, out| call(kernels, EpilogueF16::Sum { out }))
            }
        }
    }
}
