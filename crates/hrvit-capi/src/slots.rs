//! Handles: numbers that name a slot of a fixed table and the generation of what is in it.
//!
//! | bits | hold |
//! |---|---|
//! | 0 to 3 | the kind of the table; odd, so that no object of a C program has this address |
//! | 4 to 11 | the slot |
//! | 12 and up | the generation, from 1: one more whenever the slot is emptied, never used twice |
//!
//! A slot whose generations are used up is not filled again: 2^20 openings on a 32-bit machine.

use crate::lock::{Guard, Lock};
use crate::status::*;

/// Models that can be open at a time.
pub(crate) const MODELS: usize = if cfg!(feature = "std") { 64 } else { 2 };
/// Engines that can be open at a time.
pub(crate) const ENGINES: usize = if cfg!(feature = "std") { 64 } else { 2 };

const SLOT_SHIFT: u32 = 4;
const GENERATION_SHIFT: u32 = 12;
const LAST_GENERATION: usize = (usize::MAX >> GENERATION_SHIFT) - 1;

/// Content of a slot and its generation.
pub(crate) struct Slot<T> {
    generation: usize,
    content: Content<T>,
}

/// An option whose `Empty` is zeros, so that an empty table takes no room in a program's image.
#[repr(u8)]
#[allow(dead_code, reason = "the numbers are what it is for")]
enum Content<T> {
    Empty = 0,
    Open(T) = 1,
}

impl<T> Content<T> {
    fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }
}

/// A table of handles of one kind: odd and below 16, another one for every table. (No field: a
/// table of zeros takes no room in a program's image.)
pub(crate) struct Slots<T, const KIND: usize, const N: usize> {
    slots: [Lock<Slot<T>>; N],
}

/// The content of an open handle, for as long as it is held.
pub(crate) struct Held<'s, T>(Guard<'s, Slot<T>>);

/// A way to lock a slot; `None` where it is held by another.
type Locking<'s, T> = fn(&'s Lock<Slot<T>>) -> Option<Guard<'s, Slot<T>>>;

impl<T> Held<'_, T> {
    /// The content that was found when it was taken.
    pub fn get(&mut self) -> Result<&mut T, hrvit_status> {
        match &mut self.0.content {
            Content::Open(content) => Ok(content),
            Content::Empty => Err(HRVIT_ERROR_HANDLE),
        }
    }

    /// Empties the slot: its handle is an open one no longer.
    pub fn remove(mut self) -> Option<T> {
        self.0.generation = self.0.generation.saturating_add(1);
        match core::mem::replace(&mut self.0.content, Content::Empty) {
            Content::Open(content) => Some(content),
            Content::Empty => None,
        }
    }
}

impl<T, const KIND: usize, const N: usize> Slots<T, KIND, N> {
    /// Nothing is open.
    pub const fn new() -> Self {
        const { assert!(N <= 256 && KIND % 2 == 1 && KIND < 1 << SLOT_SHIFT, "the bits of a handle") };
        Self { slots: [const { Lock::new(Slot { generation: 0, content: Content::Empty }) }; N] }
    }

    /// Opens `content`; gives it back where no slot is free.
    pub fn insert(&self, content: T) -> Result<usize, T> {
        for (at, slot) in self.slots.iter().enumerate() {
            let Some(mut slot) = slot.take() else { continue };
            if slot.content.is_empty() && slot.generation <= LAST_GENERATION {
                slot.content = Content::Open(content);
                return Ok((slot.generation + 1) << GENERATION_SHIFT | at << SLOT_SHIFT | KIND);
            }
        }
        Err(content)
    }

    /// The content of `handle`, as soon as nobody else holds it (without `std`: at once, or busy).
    pub fn wait(&self, handle: usize) -> Result<Held<'_, T>, hrvit_status> {
        self.held(handle, Lock::wait)
    }

    /// The content of `handle`, if nobody else holds it.
    pub fn take(&self, handle: usize) -> Result<Held<'_, T>, hrvit_status> {
        self.held(handle, Lock::take)
    }

    fn held<'s>(&'s self, handle: usize, lock: Locking<'s, T>) -> Result<Held<'s, T>, hrvit_status> {
        if handle & ((1 << SLOT_SHIFT) - 1) != KIND {
            return Err(HRVIT_ERROR_HANDLE);
        }
        let at = handle >> SLOT_SHIFT & 0xff;
        let slot = lock(self.slots.get(at).ok_or(HRVIT_ERROR_HANDLE)?).ok_or(HRVIT_ERROR_BUSY)?;
        if slot.generation.checked_add(1) != Some(handle >> GENERATION_SHIFT) || slot.content.is_empty() {
            return Err(HRVIT_ERROR_HANDLE);
        }
        Ok(Held(slot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content<const KIND: usize, const N: usize>(slots: &Slots<u32, KIND, N>, handle: usize) -> Result<u32, hrvit_status> {
        slots.take(handle).and_then(|mut held| held.get().copied())
    }

    #[test]
    fn a_handle_is_known_until_it_is_closed_and_never_again() {
        let slots = Slots::<u32, 5, 2>::new();
        let (first, second) = (slots.insert(7).unwrap(), slots.insert(8).unwrap());
        assert_eq!((content(&slots, first), content(&slots, second), slots.insert(9)), (Ok(7), Ok(8), Err(9)));
        assert_eq!(slots.take(first).unwrap().remove(), Some(7));
        assert_eq!(content(&slots, first), Err(HRVIT_ERROR_HANDLE));
        let third = slots.insert(9).unwrap();
        assert_eq!((content(&slots, first), content(&slots, third)), (Err(HRVIT_ERROR_HANDLE), Ok(9)));
    }

    #[test]
    fn numbers_that_were_never_handles_are_none() {
        let slots = Slots::<u32, 5, 2>::new();
        let handle = slots.insert(7).unwrap();
        for wrong in [0, 1, 5, handle ^ 2, handle + (2 << SLOT_SHIFT), handle + (1 << GENERATION_SHIFT), usize::MAX, handle - 1] {
            assert_eq!(content(&slots, wrong), Err(HRVIT_ERROR_HANDLE), "{wrong:#x}");
        }
    }

    #[test]
    fn what_is_held_is_busy() {
        let slots = Slots::<u32, 5, 2>::new();
        let handle = slots.insert(7).unwrap();
        let held = slots.take(handle).unwrap();
        assert_eq!(content(&slots, handle), Err(HRVIT_ERROR_BUSY));
        drop(held);
        assert_eq!(content(&slots, handle), Ok(7));
    }

    #[test]
    fn a_slot_without_generations_is_not_filled_again() {
        let slots = Slots::<u32, 3, 1>::new();
        slots.slots[0].take().unwrap().generation = LAST_GENERATION;
        let last = slots.insert(1).unwrap();
        assert_eq!(content(&slots, last).and_then(|_| Ok(slots.take(last)?.remove())), Ok(Some(1)));
        assert_eq!((slots.insert(2), content(&slots, last)), (Err(2), Err(HRVIT_ERROR_HANDLE)));
    }
}
