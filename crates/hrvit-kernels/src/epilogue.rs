//! What becomes of a requantised accumulator: the last line of every product kernel.

use crate::error::ShapeError;
use crate::requant::{Range8, check_table, look_up, saturate16};

/// Where results go and how they are stored. `rq` is the requantised accumulator of the output's channel.
#[derive(Debug)]
pub enum Epilogue<'a> {
    /// `out = clamp(rq + zero, lo, hi)`.
    Store8 {
        /// Output, s8.
        out: &'a mut [i8],
        /// Zero point and clamp.
        range: Range8,
    },
    /// `out = clamp(rq, -32768, 32767)`.
    Store16 {
        /// Output, s16.
        out: &'a mut [i16],
    },
    /// `out = clamp(out + rq, -32768, 32767)`: a residual branch in the scale of its stream.
    Add16 {
        /// Output, s16.
        out: &'a mut [i16],
    },
    /// `out += rq`: a term of a sum; the sum of all terms stays below 2^31.
    Add32 {
        /// Output, i32.
        out: &'a mut [i32],
    },
    /// `out = table[clamp(rq + zero, 0, table.len() - 1)]`: an activation by table.
    Table8 {
        /// Output, s8.
        out: &'a mut [i8],
        /// Activation, 1 entry or more.
        table: &'a [i8],
        /// Index of the real value 0.
        zero: i32,
    },
}

/// A product kernel, generic over how it stores: `put(slot, rq)` is called once for each output.
pub(crate) trait Kernel {
    /// Computes every output of `out`.
    fn run<T>(&self, out: &mut [T], put: impl Fn(&mut T, i32));
}

impl Epilogue<'_> {
    /// Elements of the output.
    pub(crate) fn out_len(&self) -> usize {
        match self {
            Self::Store8 { out, .. } | Self::Table8 { out, .. } => out.len(),
            Self::Store16 { out } | Self::Add16 { out } => out.len(),
            Self::Add32 { out } => out.len(),
        }
    }

    /// The range or the table is usable.
    pub(crate) fn check(&self) -> Result<(), ShapeError> {
        match self {
            Self::Store8 { range, .. } => range.check(),
            Self::Table8 { table, .. } => check_table(table),
            Self::Store16 { .. } | Self::Add16 { .. } | Self::Add32 { .. } => Ok(()),
        }
    }

    /// Runs `kernel` with this way of storing.
    #[inline(always)]
    pub(crate) fn drive(self, kernel: &impl Kernel) {
        match self {
            Self::Store8 { out, range } => kernel.run(out, |slot, rq| *slot = range.store(rq)),
            Self::Store16 { out } => kernel.run(out, |slot, rq| *slot = saturate16(rq)),
            Self::Add16 { out } => kernel.run(out, |slot, rq| *slot = saturate16(i32::from(*slot).wrapping_add(rq))),
            Self::Add32 { out } => kernel.run(out, |slot, rq| *slot = slot.wrapping_add(rq)),
            Self::Table8 { out, table, zero } => kernel.run(out, |slot, rq| *slot = look_up(table, zero, rq)),
        }
    }
}
