//! Ways of storing requantised accumulators: [`Epilogue`] on blocks of 16 channels, four at a time,
//! and on the rows of AVX2's tiles.

use core::mem::MaybeUninit;

use super::rows::Rows;
use super::stores::{Add16, Add32, Store8, Store16, Table8};
use super::{Lanes, Place, block};
use crate::epilogue::Epilogue;

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

impl Sink for Store8 {
    #[inline(always)]
    unsafe fn four<V: Lanes>(self, v: V, place: Place<i8>, rq: [V::Block; 4]) {
        // SAFETY: the caller vouches for the place, here and below.
        unsafe { v.store_bytes(place, v.codes(v.words(rq), self.zero, self.range)) }
    }
}

impl Sink for Store16 {
    #[inline(always)]
    unsafe fn four<V: Lanes>(self, v: V, place: Place<i16>, rq: [V::Block; 4]) {
        // SAFETY: as above.
        unsafe { v.store_words(place, v.words(rq)) }
    }
}

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

impl Sink for Table8<'_> {
    #[inline(always)]
    unsafe fn four<V: Lanes>(self, v: V, place: Place<i8>, rq: [V::Block; 4]) {
        // SAFETY: as above; every index lies in the table.
        unsafe { v.store_entries(place, self.table, v.clamp_words(v.words(rq), self.zero, [0, self.last])) }
    }
}
