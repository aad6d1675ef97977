//! Ways of storing requantised accumulators: [`Epilogue`] on blocks of 16 channels, four at a time,
//! and on the rows of AVX2's tiles.

use core::mem::MaybeUninit;

use super::rows::Rows;
use super::{Lanes, Place, block};
use crate::epilogue::Epilogue;
use crate::requant::Range8;

/// A way of storing. Results are exact for every requantised accumulator within `+-2^30`.
pub(crate) trait Sink: Rows {
    /// Stores four blocks.
    ///
    /// # Safety
    /// Every element that `place` names may be read and written.
    unsafe fn four<V: Lanes>(self, v: V, place: Place<Self::Out>, rq: [V::Block; 4]);
}

/// A kernel that is generic over how it stores.
pub(crate) trait Kernel: Sized {
    /// Computes every output.
    fn run<S: Sink>(self, sink: S, out: &mut [S::Out]);

    /// Computes what vectors cannot store exactly.
    fn otherwise(self, epilogue: Epilogue<'_>);
}

/// Runs `kernel` with the way of storing that `epilogue` names.
#[inline(always)]
pub(crate) fn drive(epilogue: Epilogue<'_>, kernel: impl Kernel) {
    match epilogue {
        Epilogue::Store16 { out } => kernel.run(Store16, out),
        Epilogue::Add16 { out } => kernel.run(Add16, out),
        Epilogue::Add32 { out } => kernel.run(Add32, out),
        Epilogue::Store8 { out, range } => match Store8::new(range) {
            Some(sink) => kernel.run(sink, out),
            None => kernel.otherwise(Epilogue::Store8 { out, range }),
        },
        Epilogue::Table8 { out, table, zero } => match Table8::new(table, zero, &mut MaybeUninit::uninit()) {
            Some(sink) => kernel.run(sink, out),
            None => kernel.otherwise(Epilogue::Table8 { out, table, zero }),
        },
    }
}

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
    pub(super) zeros: [i16; 16],
    pub(super) least: [i8; 32],
    pub(super) largest: [i8; 32],
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

impl Sink for Store8 {
    #[inline(always)]
    unsafe fn four<V: Lanes>(self, v: V, place: Place<i8>, rq: [V::Block; 4]) {
        // SAFETY: the caller vouches for the place, here and below.
        unsafe { v.store_bytes(place, v.codes(v.words(rq), self.zero, self.range)) }
    }
}

/// `out = clamp(rq, -32768, 32767)`.
#[derive(Clone, Copy)]
pub(crate) struct Store16;

impl Sink for Store16 {
    #[inline(always)]
    unsafe fn four<V: Lanes>(self, v: V, place: Place<i16>, rq: [V::Block; 4]) {
        // SAFETY: as above.
        unsafe { v.store_words(place, v.words(rq)) }
    }
}

/// `out = clamp(out + rq, -32768, 32767)`.
#[derive(Clone, Copy)]
pub(crate) struct Add16;

impl Sink for Add16 {
    #[inline(always)]
    unsafe fn four<V: Lanes>(self, v: V, place: Place<i16>, mut rq: [V::Block; 4]) {
        // SAFETY: as above.
        unsafe {
            for (i, rq) in rq.iter_mut().enumerate() {
                let old = v.old_i16(place, i);
                *rq = block!(v, |half| v.add(rq[half], old[half]));
            }
            v.store_words(place, v.words(rq));
        }
    }
}

/// `out += rq`.
#[derive(Clone, Copy)]
pub(crate) struct Add32;

impl Sink for Add32 {
    #[inline(always)]
    unsafe fn four<V: Lanes>(self, v: V, place: Place<i32>, rq: [V::Block; 4]) {
        for (i, rq) in rq.into_iter().enumerate() {
            // SAFETY: as above.
            unsafe {
                let old = v.old_i32(place, i);
                v.store_i32(place, i, block!(v, |half| v.add(rq[half], old[half])));
            }
        }
    }
}

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

impl Sink for Table8<'_> {
    #[inline(always)]
    unsafe fn four<V: Lanes>(self, v: V, place: Place<i8>, rq: [V::Block; 4]) {
        // SAFETY: as above; every index lies in the table.
        unsafe { v.store_entries(place, self.table, v.clamp_words(v.words(rq), self.zero, [0, self.last])) }
    }
}
