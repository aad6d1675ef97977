//! Memory that is lent to the library for longer than one call: images and arenas. Nothing that
//! it writes may overlap any of it, whichever handle it belongs to.
//!
//! Locks are taken in one order: the slot of a model, the slot of an engine, this register.

use crate::failure::Failure;
use crate::lock::{Guard, Lock};
use crate::memory::Place;
use crate::slots::{ENGINES, MODELS};
use crate::status::*;

/// All memory that is lent, an entry for every handle that can be open.
pub(crate) struct Register([Option<Entry>; MODELS + ENGINES]);

#[derive(Clone, Copy)]
struct Entry {
    place: Place,
    /// Is written to: an arena.
    written: bool,
}

/// An entry of the register, to be handed to [`Register::end`].
#[derive(Debug)]
pub(crate) struct Loan(pub usize);

static REGISTER: Lock<Register> = Lock::new(Register([None; MODELS + ENGINES]));

/// The register, to be held for a short time.
pub(crate) fn register() -> Result<Guard<'static, Register>, Failure> {
    REGISTER.wait().ok_or_else(|| Failure::of(HRVIT_ERROR_BUSY))
}

impl Register {
    /// Enters memory that is only read (an image), or also written (an arena). Images may overlap
    /// each other, and nothing else.
    pub fn begin(&mut self, place: Place, written: bool) -> Result<Loan, Failure> {
        self.check(place, written)?;
        let free = self.0.iter_mut().enumerate().find(|(_, slot)| slot.is_none());
        let (at, slot) = free.ok_or(HRVIT_ERROR_SLOTS)?;
        *slot = Some(Entry { place, written });
        Ok(Loan(at))
    }

    /// Takes an entry out.
    pub fn end(&mut self, loan: &Loan) {
        if let Some(slot) = self.0.get_mut(loan.0) {
            *slot = None;
        }
    }

    /// Checks memory that one call reads, or also writes.
    pub fn check(&self, place: Place, written: bool) -> Result<(), Failure> {
        let meets = |entry: &Entry| (entry.written || written) && entry.place.overlaps(place);
        if self.0.iter().flatten().any(meets) { Err(place.overlap()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_overlaps_nothing() {
        let bytes = [0u8; 64];
        let part = |from: usize, to: usize| Place::of("", &bytes[from..to]);
        let mut register = Register([None; MODELS + ENGINES]);
        let image = register.begin(part(0, 16), false).unwrap();
        let arena = register.begin(part(16, 48), true).unwrap();
        for (place, written, fine) in [(part(0, 16), false, true), (part(0, 16), true, false), (part(40, 50), false, false), (part(48, 64), true, true)] {
            assert_eq!(register.check(place, written).is_ok(), fine, "{place:?}");
        }
        register.end(&image);
        register.end(&arena);
        assert!(register.check(part(0, 64), true).is_ok());
    }
}
