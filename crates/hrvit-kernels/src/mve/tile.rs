//! Accumulators between two inner loops.

use core::mem::MaybeUninit;

use crate::requant::Requant;

/// Rows of a tile.
pub(crate) const ROWS: usize = 3;

/// Channels of a tile: rows lie 256 bytes apart, which is what the offsets inside the assembly
/// assume.
pub(crate) const COLUMNS: usize = 64;

/// `[ROWS, COLUMNS]` accumulators, of which a kernel writes those that it stores afterwards.
#[repr(C, align(16))]
pub(crate) struct Tile([[MaybeUninit<i32>; COLUMNS]; ROWS]);

impl Tile {
    /// Nothing written yet.
    #[inline(always)]
    pub(crate) const fn new() -> Self {
        Self([[MaybeUninit::uninit(); COLUMNS]; ROWS])
    }

    /// The first accumulator.
    #[inline(always)]
    pub(crate) fn start(&mut self) -> *mut i32 {
        self.0.as_mut_ptr().cast()
    }
}

/// Requantisation of at most [`COLUMNS`] neighbouring channels.
#[derive(Clone, Copy)]
pub(crate) struct Channels<'a> {
    pub(crate) bias: &'a [i32],
    pub(crate) mult: &'a [i32],
    pub(crate) shift: &'a [u8],
}

impl<'a> Channels<'a> {
    /// Channels `first..first + len` of an operator, all of which have a bias, a multiplier and a
    /// shift (checked by its entry).
    #[inline(always)]
    pub(crate) fn of(bias: &'a [i32], requant: Requant<'a>, first: usize, len: usize) -> Option<Self> {
        let range = first..first + len;
        Some(Self { bias: bias.get(range.clone())?, mult: requant.mult.get(range.clone())?, shift: requant.shift.get(range)? })
    }
}
