//! Accumulators between the inner loop and the requantisation.

use super::rates::Rate;
use super::sink::{Add16, Add32, Sink, Store8, Store16, Sums, Table8};
use crate::epilogue::Epilogue;
use crate::isa::Dsp;
use crate::requant::Requant;

/// Channels of a tile: rows lie 256 bytes apart, which is what the offsets inside the assembly assume.
pub(crate) const COLUMNS: usize = 64;

/// Two rows of accumulators.
pub(crate) type Tile = [[i32; COLUMNS]; 2];

/// How the accumulators of an operator become outputs.
pub(crate) struct Finish<'a> {
    dsp: Dsp,
    requant: Requant<'a>,
    epilogue: Epilogue<'a>,
    /// Two rows can be done by [`Sink::pair`].
    pairs: bool,
    /// Some of the shifts are 32.
    doubles: bool,
}

impl<'a> Finish<'a> {
    /// By `epilogue`.
    pub(crate) fn new(dsp: Dsp, requant: Requant<'a>, epilogue: Epilogue<'a>) -> Self {
        let (possible, saturates) = match &epilogue {
            Epilogue::Store8 { range, .. } => (Store8(*range).pairs(), true),
            Epilogue::Table8 { table, zero, .. } => (Table8 { table, zero: *zero }.pairs(), true),
            Epilogue::Store16 { .. } | Epilogue::Add16 { .. } => (true, true),
            Epilogue::Add32 { .. } => (true, false),
        };
        let doubles = requant.shift.contains(&32);
        // A multiplier is 2^30 or more, so that the result of a sum whose double saturates is far beyond 16 bits, as is that of the saturated double.
        let normal = !doubles || (saturates && requant.mult.iter().all(|mult| *mult >= 1 << 30));
        let pairs = possible && normal && requant.shift.iter().all(|shift| (32..=62).contains(shift));
        Self { dsp, requant, epilogue, pairs, doubles }
    }

    /// Requantises and stores `len` channels from `channel` on: the rows of the tile, from `column` on, to the elements from `at` on. One row is given as two
    /// equal ones to the same place; the tile is not the same afterwards. Nothing is stored where a range lies outside of its operand, which no caller asks for.
    #[inline(never)] // one for all operators
    pub(crate) fn store(&mut self, tile: &mut Tile, column: usize, channel: usize, len: usize, at: [usize; 2]) {
        let column = column.min(COLUMNS);
        let len = len.min(COLUMNS - column);
        let end = at[0].max(at[1]) + len;
        let Requant { mult, shift, pre_shift } = self.requant;
        if pre_shift != 0 {
            for sum in tile.iter_mut().flat_map(|row| row.iter_mut().skip(column).take(len)) {
                *sum = sum.wrapping_shl(pre_shift.into());
            }
        }
        if self.pairs
            && len != 0
            && end <= self.epilogue.out_len()
            && let Some((mult, shift)) = mult.get(channel..channel + len).zip(shift.get(channel..channel + len))
        {
            let mut shifts;
            let shift = if self.doubles {
                shifts = [0; COLUMNS];
                double(tile, column, shift, &mut shifts)
            } else {
                shift
            };
            let sums = Sums { tile: tile.as_ptr().cast::<i32>().wrapping_add(column), mult, shift };
            // SAFETY: `new` was given a token that proves the DSP extension, and has asked the sink and checked the shifts. There are `len` multipliers and shifts, and as
            // many sums in both rows and elements from both places on, by the lines above.
            return unsafe {
                match &mut self.epilogue {
                    Epilogue::Store8 { out, range } => pair(Store8(*range), sums, out, at),
                    Epilogue::Store16 { out } => pair(Store16, sums, out, at),
                    Epilogue::Add16 { out } => pair(Add16, sums, out, at),
                    Epilogue::Add32 { out } => pair(Add32, sums, out, at),
                    Epilogue::Table8 { out, table, zero } => pair(Table8 { table, zero: *zero }, sums, out, at),
                }
            };
        }
        let Some((mult, shift)) = mult.get(channel..).zip(shift.get(channel..)) else { return };
        let rows = if at[0] == at[1] { 1 } else { 2 };
        for (sums, at) in tile.iter_mut().zip(at).take(rows) {
            let Some(sums) = sums.get_mut(column..column + len) else { return };
            for ((sum, mult), shift) in sums.iter_mut().zip(mult).zip(shift) {
                *sum = Rate::new(self.dsp, *mult, *shift).apply(*sum);
            }
            self.epilogue.put(at, sums);
        }
    }
}

/// Doubles the sums of channels whose shift is 32, and makes it 33: the shifts of all, in `shifts`.
#[inline(never)]
fn double<'s>(tile: &mut Tile, column: usize, shift: &[u8], shifts: &'s mut [u8; COLUMNS]) -> &'s [u8] {
    for (c, (to, shift)) in shifts.iter_mut().zip(shift).enumerate() {
        *to = (*shift).max(33);
        if *shift == 32 {
            for sum in tile.iter_mut().filter_map(|sums| sums.get_mut(column + c)) {
                *sum = sum.saturating_mul(2);
            }
        }
    }
    shifts.get(..shift.len()).unwrap_or_default()
}

/// [`Sink::pair`] on the elements of `out` from `at` on.
///
/// # Safety
/// As for [`Sink::pair`].
#[inline(always)]
unsafe fn pair<S: Sink>(sink: S, sums: Sums<'_>, out: &mut [S::Out], at: [usize; 2]) {
    let out = out.as_mut_ptr();
    // SAFETY: by the contract.
    unsafe { sink.pair(sums, at.map(|at| out.wrapping_add(at))) };
}
