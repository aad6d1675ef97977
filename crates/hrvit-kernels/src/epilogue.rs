//! Store of a requantised accumulator: the last line of every product kernel.

use crate::error::ShapeError;
use crate::requant::{Range8, Requant, check_table, look_up, requant as rq, saturate16};

/// Accumulators that are requantised before they are stored. Of no effect on any result.
const RUN: usize = if cfg!(hrvit_scalar) { 16 } else { 1 };

/// Buffer for results, and how they are stored. `rq` is the requantised accumulator of the output's
/// channel.
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

impl Epilogue<'_> {
    /// Elements of the output.
    pub(crate) fn out_len(&self) -> usize {
        match self {
            Self::Store8 { out, .. } | Self::Table8 { out, .. } => out.len(),
            Self::Store16 { out } | Self::Add16 { out } => out.len(),
            Self::Add32 { out } => out.len(),
        }
    }

    /// The same for the output from element `at` on.
    pub(crate) fn behind(&mut self, at: usize) -> Epilogue<'_> {
        fn rest<T>(out: &mut [T], at: usize) -> &mut [T] {
            out.get_mut(at..).unwrap_or_default()
        }
        match self {
            Self::Store8 { out, range } => Epilogue::Store8 { out: rest(out, at), range: *range },
            Self::Store16 { out } => Epilogue::Store16 { out: rest(out, at) },
            Self::Add16 { out } => Epilogue::Add16 { out: rest(out, at) },
            Self::Add32 { out } => Epilogue::Add32 { out: rest(out, at) },
            Self::Table8 { out, table, zero } => Epilogue::Table8 { out: rest(out, at), table, zero: *zero },
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

    /// The definition of storing: requantises the accumulators of neighbouring channels, `channel`
    /// the first, and stores them from element `at` on. A range outside of the output, of which no
    /// caller has one, stores nothing.
    pub(crate) fn store(&mut self, at: usize, acc: &[i32], requant: Requant<'_>, channel: usize) {
        let (mult, shift) = (requant.mult.get(channel..).unwrap_or_default(), requant.shift.get(channel..).unwrap_or_default());
        for (start, ((acc, mult), shift)) in (at..).step_by(RUN).zip(acc.chunks(RUN).zip(mult.chunks(RUN)).zip(shift.chunks(RUN))) {
            let mut values = [0; RUN];
            for (((value, acc), mult), shift) in values.iter_mut().zip(acc).zip(mult).zip(shift) {
                *value = rq(*acc, requant.pre_shift, *mult, *shift);
            }
            self.put(start, values.get(..acc.len()).unwrap_or_default());
        }
    }

    /// Stores requantised accumulators from element `at` on.
    pub(crate) fn put(&mut self, at: usize, values: &[i32]) {
        fn each<T>(out: &mut [T], at: usize, values: &[i32], put: impl Fn(&mut T, i32)) {
            out.get_mut(at..).unwrap_or_default().iter_mut().zip(values).for_each(|(out, value)| put(out, *value));
        }
        match self {
            Self::Store8 { out, range } => each(out, at, values, |slot, rq| *slot = range.store(rq)),
            Self::Store16 { out } => each(out, at, values, |slot, rq| *slot = saturate16(rq)),
            Self::Add16 { out } => each(out, at, values, |slot, rq| *slot = saturate16(i32::from(*slot).wrapping_add(rq))),
            Self::Add32 { out } => each(out, at, values, |slot, rq| *slot = slot.wrapping_add(rq)),
            Self::Table8 { out, table, zero } => each(out, at, values, |slot, rq| *slot = look_up(table, *zero, rq)),
        }
    }
}
