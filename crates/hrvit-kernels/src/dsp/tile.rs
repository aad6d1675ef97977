//! Accumulators between the inner loop and the requantisation.

use super::rates::{Rate, shifted};
use super::sink::{Sink, Sums};
use crate::isa::Dsp;
use crate::requant::Requant;

/// Channels of a tile: rows lie 256 bytes apart, which is what the offsets inside the assembly assume.
pub(crate) const COLUMNS: usize = 64;

/// Two rows of accumulators.
pub(crate) type Tile = [[i32; COLUMNS]; 2];

/// How the accumulators of an operator become outputs.
#[derive(Clone, Copy)]
pub(crate) struct Finish<'a, S> {
    dsp: Dsp,
    requant: Requant<'a>,
    sink: S,
    /// Two rows can be done by [`Sink::pair`].
    pairs: bool,
}

impl<'a, S: Sink> Finish<'a, S> {
    /// By `sink`.
    pub(crate) fn new(dsp: Dsp, requant: Requant<'a>, sink: S) -> Self {
        let pairs = sink.pairs() && requant.pre_shift == 0 && requant.shift.iter().all(|shift| (33..=62).contains(shift));
        Self { dsp, requant, sink, pairs }
    }

    /// Requantises and stores the channels from `first` on of two rows (or one, where `below` is empty), as many as `out` has: at most [`COLUMNS`].
    #[inline(always)]
    pub(crate) fn store(&self, tile: &Tile, first: usize, [out, below]: [&mut [S::Out]; 2]) {
        let Requant { mult, shift, pre_shift } = self.requant;
        let Some((mult, shift)) = mult.get(first..).zip(shift.get(first..)) else { return };
        let [sums, sums_below] = tile;
        let len = out.len().min(COLUMNS);
        if self.pairs
            && len != 0
            && below.len() == len
            && let Some((mult, shift)) = mult.get(..len).zip(shift.get(..len))
        {
            let sums = Sums { tile: tile.as_ptr().cast(), mult, shift };
            // SAFETY: the token proves the DSP extension. There are `len` multipliers and shifts by the line above, and as many outputs, at most those of a tile; the
            // shifts were checked by `new`.
            return unsafe { self.sink.pair(sums, [out.as_mut_ptr(), below.as_mut_ptr()]) };
        }
        for (sums, out) in [(sums, out), (sums_below, below)] {
            for ((sum, (mult, shift)), out) in sums.iter().zip(mult.iter().zip(shift)).zip(out) {
                self.sink.put(out, Rate::new(self.dsp, *mult, *shift).apply(shifted(*sum, pre_shift)));
            }
        }
    }
}
