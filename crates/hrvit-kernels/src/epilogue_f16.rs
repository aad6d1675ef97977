//! Store of a float sum: the last line of every f16 product kernel.

use half::f16;

use crate::math_f32::{gelu, hardswish, narrow, widen};

/// Activation applied to a sum before it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivationF16 {
    /// The sum itself.
    None,
    /// `max(x, 0)`.
    Relu,
    /// [`gelu`].
    Gelu,
    /// `gelu(max(x, 0))`.
    ReluGelu,
    /// [`hardswish`].
    Hardswish,
}

impl ActivationF16 {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::None, Self::Relu, Self::Gelu, Self::ReluGelu, Self::Hardswish];

    /// The definition of the activation.
    #[inline(always)]
    pub(crate) fn apply(self, x: f32) -> f32 {
        match self {
            Self::None => x,
            Self::Relu => x.max(0.0),
            Self::Gelu => gelu(x),
            Self::ReluGelu => gelu(x.max(0.0)),
            Self::Hardswish => hardswish(x),
        }
    }
}

/// Buffer for results, and how they are stored. `acc` is the f32 sum of the output, its bias
/// included; f16 outputs are rounded to nearest even and saturate to `+-65504` ([`narrow`]).
#[derive(Debug)]
pub enum EpilogueF16<'a> {
    /// `out = narrow(act(acc))`.
    Store {
        /// Output.
        out: &'a mut [f16],
        /// Activation.
        act: ActivationF16,
    },
    /// `out = narrow(out + acc)`: a residual branch.
    Add {
        /// Output.
        out: &'a mut [f16],
    },
    /// `out += acc`: a term of a sum; at most 2^64 in magnitude before.
    Sum {
        /// Output.
        out: &'a mut [f32],
    },
}

impl EpilogueF16<'_> {
    /// Elements of the output.
    pub(crate) fn out_len(&self) -> usize {
        match self {
            Self::Store { out, .. } | Self::Add { out } => out.len(),
            Self::Sum { out } => out.len(),
        }
    }

    /// The same for the output from element `at` on.
    pub(crate) fn behind(&mut self, at: usize) -> EpilogueF16<'_> {
        fn rest<T>(out: &mut [T], at: usize) -> &mut [T] {
            out.get_mut(at..).unwrap_or_default()
        }
        match self {
            Self::Store { out, act } => EpilogueF16::Store { out: rest(out, at), act: *act },
            Self::Add { out } => EpilogueF16::Add { out: rest(out, at) },
            Self::Sum { out } => EpilogueF16::Sum { out: rest(out, at) },
        }
    }

    /// The definition of storing: sums of neighbouring channels from element `at` on. A range
    /// outside of the output, of which no caller has one, stores nothing.
    pub(crate) fn store(&mut self, at: usize, acc: &[f32]) {
        fn each<T>(out: &mut [T], at: usize, acc: &[f32], put: impl Fn(&mut T, f32)) {
            out.get_mut(at..).unwrap_or_default().iter_mut().zip(acc).for_each(|(out, acc)| put(out, *acc));
        }
        match self {
            Self::Store { out, act } => {
                let act = *act;
                each(out, at, acc, |slot, acc| *slot = narrow(act.apply(acc)));
            }
            Self::Add { out } => each(out, at, acc, |slot, acc| *slot = narrow(widen(*slot) + acc)),
            Self::Sum { out } => each(out, at, acc, |slot, acc| *slot += acc),
        }
    }
}
