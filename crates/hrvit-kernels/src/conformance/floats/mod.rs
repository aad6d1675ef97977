//! The float kernels: within a bound of their definition, finite, nothing around them overwritten.
//!
//! **The bound.** An f16 result is at most one unit in the last place from the definition's, plus
//! [`RELATIVE`] times a magnitude. For a sum of products this is the sum of their magnitudes and
//! the bias's. It counts twice before an activation, whose slope is below 2. An f32 sum has no unit
//! in the last place, and its own magnitude added. Each family says what its magnitude is. If the
//! definition needs no rounding that depends on the order of sums, results are equal: conversions,
//! sums of two, patches, labels, margins.

mod elements;
mod products;
mod tokens;

use half::f16;

use super::{Arena, Label, Rng, Suite};
use crate::epilogue_f16::{ActivationF16, EpilogueF16};
use crate::error::ShapeError;
use crate::family::Family;
use crate::kernels::Kernels;
use crate::math_f32::widen;

/// All float kernels of a round.
pub(super) fn run(suite: &mut Suite<'_>, scratch: &mut [u8]) {
    for each in [products::run, tokens::run, elements::run] {
        each(suite, scratch);
    }
}

/// Largest difference of a sum, as a part of its magnitude. Instruction sets may sum in another
/// order, with or without fused products, but in f32.
const RELATIVE: f32 = 1.0 / 1_048_576.0;

/// One unit in the last place of an f16 of this magnitude.
fn ulp(x: f16) -> f32 {
    /// The unit of subnormals and the least normal numbers.
    const LEAST: f32 = f32::from_bits((127 - 24) << 23);
    let exponent = (x.to_bits() >> 10) & 31;
    LEAST * (1u32 << exponent.saturating_sub(1)) as f32
}

/// Whether an f16 result is within its bound; `slack` is asked where the two differ.
fn near(want: f16, got: f16, slack: impl FnOnce() -> f32) -> bool {
    got.is_finite() && (want == got || (widen(want) - widen(got)).abs() <= ulp(want) + slack())
}

/// Whether a f32 sum is within its bound, [`RELATIVE`] of `magnitude` and its own.
fn near_sum(want: f32, got: f32, magnitude: impl FnOnce() -> f32) -> bool {
    got.is_finite() && (want == got || (want - got).abs() <= RELATIVE * (magnitude() + want.abs()))
}

/// Kind of operands.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// Between 2^-6 and 4 in magnitude.
    Usual,
    /// 0, the least subnormal, the least normal, 1 and the largest numbers.
    Extreme,
    /// The largest numbers only, of one sign.
    Largest,
    /// Any finite number.
    Any,
}

impl Kind {
    /// Mostly usual ones.
    fn pick(rng: &mut Rng) -> Self {
        match rng.next() & 7 {
            0 => Self::Extreme,
            1 => Self::Largest,
            2 => Self::Any,
            _ => Self::Usual,
        }
    }

    /// One operand.
    fn value(self, rng: &mut Rng) -> f16 {
        const EXTREMES: [u16; 6] = [0, 1, 0x3ff, 0x400, 0x3c00, 0x7bff];
        let bits = rng.next() as u16;
        let sign = bits & 0x8000;
        match self {
            Self::Usual => f16::from_bits(sign | ((9 << 10) + (bits & 0x1fff))),
            Self::Extreme => f16::from_bits(sign | EXTREMES.get(bits as usize % EXTREMES.len()).copied().unwrap_or_default()),
            Self::Largest => f16::MAX,
            Self::Any => f16::from_bits(sign | (bits % 0x7c00)),
        }
    }

    /// One operand in f32: a bias, a gain, a sum.
    fn wide(self, rng: &mut Rng) -> f32 {
        /// `2^64`.
        const MOST: f32 = f32::from_bits((127 + 64) << 23);
        match self {
            Self::Extreme if rng.next() & 7 == 0 => {
                if rng.next() & 1 == 0 {
                    MOST
                } else {
                    -MOST
                }
            }
            _ => widen(self.value(rng)) * 1.000_976_6,
        }
    }
}

impl Suite<'_> {
    /// [`Suite::check`] of an output in f16: `slack` is what an element may be off besides one unit
    /// in its last place.
    fn check_f16(
        &mut self,
        label: Label,
        arena: &mut Arena<'_>,
        len: usize,
        slack: impl Fn(usize) -> f32,
        call: impl Fn(Kernels, &mut [f16]) -> Result<(), ShapeError>,
    ) {
        let same = |at, want, got| near(want, got, || slack(at));
        let outcome = self.compare(arena, len, &mut |rng| Kind::Usual.value(rng), &same, &call);
        self.report(label, outcome);
    }

    /// [`Suite::check`] of sums in f32 of these magnitudes.
    fn check_f32(
        &mut self,
        label: Label,
        arena: &mut Arena<'_>,
        len: usize,
        magnitude: impl Fn(usize) -> f32,
        call: impl Fn(Kernels, &mut [f32]) -> Result<(), ShapeError>,
    ) {
        let same = |at, want, got| near_sum(want, got, || magnitude(at));
        let outcome = self.compare(arena, len, &mut |rng| Kind::Usual.wide(rng), &same, &call);
        self.report(label, outcome);
    }

    /// Checks a product kernel of `len` outputs with one way of storing; `magnitude` is that of an
    /// output's sum.
    fn check_stored(
        &mut self,
        (family, sizes): (Family, [usize; 4]),
        way: usize,
        arena: &mut Arena<'_>,
        len: usize,
        magnitude: impl Fn(usize) -> f32,
        call: impl Fn(Kernels, EpilogueF16<'_>) -> Result<(), ShapeError>,
    ) {
        /// Names of the ways, activations first.
        const WAYS: [&str; 7] = ["store", "store relu", "store gelu", "store relu gelu", "store hardswish", "add", "sum"];
        let way = way % WAYS.len();
        let label = Label { family, name: WAYS.get(way).copied().unwrap_or_default(), sizes };
        let slack = 2.0 * RELATIVE;
        match (ActivationF16::ALL.get(way), way) {
            (Some(&act), _) => self.check_f16(label, arena, len, |at| slack * magnitude(at), |kernels, out| call(kernels, EpilogueF16::Store { out, act })),
            (None, 5) => self.check_f16(label, arena, len, |at| slack * magnitude(at), |kernels, out| call(kernels, EpilogueF16::Add { out })),
            _ => self.check_f32(label, arena, len, magnitude, |kernels, out| call(kernels, EpilogueF16::Sum { out })),
        }
    }
}
