//! Accumulators between the inner loop and the requantisation.

use super::rates::{Rate, shifted};
use crate::isa::Dsp;
use crate::requant::Requant;

/// Channels of a tile: rows lie 256 bytes apart, which is what the offsets inside the assembly assume.
pub(crate) const COLUMNS: usize = 64;

/// Two rows of accumulators.
pub(crate) type Tile = [[i32; COLUMNS]; 2];

/// Requantises the channels from `first` on of two rows (or one, where `below` is empty), as many as there are outputs, and stores them by `put`.
#[inline(always)]
pub(crate) fn store<T>(dsp: Dsp, tile: &Tile, requant: Requant<'_>, first: usize, [out, below]: [&mut [T]; 2], put: &impl Fn(&mut T, i32)) {
    let Requant { mult, shift, pre_shift } = requant;
    let Some((mult, shift)) = mult.get(first..).zip(shift.get(first..)) else { return };
    let rates = mult.iter().zip(shift);
    let [sums, sums_below] = tile;
    if below.is_empty() {
        for ((sum, (mult, shift)), out) in sums.iter().zip(rates).zip(out) {
            put(out, Rate::new(dsp, *mult, *shift).apply(shifted(*sum, pre_shift)));
        }
        return;
    }
    for (((sum, sum_below), (mult, shift)), (out, below)) in sums.iter().zip(sums_below).zip(rates).zip(out.iter_mut().zip(below)) {
        let rate = Rate::new(dsp, *mult, *shift);
        put(out, rate.apply(shifted(*sum, pre_shift)));
        put(below, rate.apply(shifted(*sum_below, pre_shift)));
    }
}
