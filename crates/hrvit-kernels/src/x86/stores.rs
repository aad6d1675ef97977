//! Parameters of each way of storing requantised accumulators.

use core::mem::MaybeUninit;

use crate::requant::Range8;

/// Largest `|zero|` of a range that vectors can store: the sum then saturates like the clamp.
const MAX_ZERO: u32 = 32_000;
/// Entries of a table that vectors can look up.
pub(crate) const ENTRIES: usize = 2048;

/// `out = clamp(rq + zero, lo, hi)`.
#[derive(Clone, Copy)]
pub(crate) struct Store8 {
    pub(crate) zero: i16,
    /// Smallest and largest code.
    pub(crate) range: [i8; 2],
    /// The same for each of the lanes of a tile's rows.
    pub(crate) zeros: [i16; 16],
    pub(crate) least: [i8; 32],
    pub(crate) largest: [i8; 32],
}

impl Store8 {
    /// The sink of `range`, if its zero is not absurd.
    #[inline(always)]
    pub(crate) fn new(range: Range8) -> Option<Self> {
        let (zero, lo, hi) = (range.zero as i16, range.lo as i8, range.hi as i8);
        let sink = Self { zero, range: [lo, hi], zeros: [zero; 16], least: [lo; 32], largest: [hi; 32] };
        (range.zero.unsigned_abs() <= MAX_ZERO).then_some(sink)
    }
}

/// `out = clamp(rq, -32768, 32767)`.
#[derive(Clone, Copy)]
pub(crate) struct Store16;

/// `out = clamp(out + rq, -32768, 32767)`.
#[derive(Clone, Copy)]
pub(crate) struct Add16;

/// `out += rq`.
#[derive(Clone, Copy)]
pub(crate) struct Add32;

/// `out = table[clamp(rq + zero, 0, last)]`.
#[derive(Clone, Copy)]
pub(crate) struct Table8<'a> {
    pub(crate) table: &'a [i8; ENTRIES],
    pub(crate) zero: i16,
    pub(crate) last: i16,
}

impl<'a> Table8<'a> {
    /// The sink of a table of at most [`ENTRIES`] entries, and not of none; `padded` holds it where
    /// it has fewer.
    #[inline(always)]
    pub(crate) fn new(table: &'a [i8], zero: i32, padded: &'a mut MaybeUninit<[i8; ENTRIES]>) -> Option<Self> {
        let last = table.len().checked_sub(1)?;
        // Index and zero then fit 16 bits together: their sum saturates like the clamp.
        if last >= ENTRIES || zero.unsigned_abs() > i16::MAX as u32 - ENTRIES as u32 {
            return None;
        }
        let table = table.first_chunk().unwrap_or_else(|| {
            let padded = padded.write([0; ENTRIES]);
            padded.iter_mut().zip(table).for_each(|(to, from)| *to = *from);
            padded
        });
        Some(Self { table, zero: zero as i16, last: last as i16 })
    }
}
