//! Handles: numbers that name a slot of a fixed table and the generation of what is in it.
//!
//! | bits | hold |
//! |---|---|
//! | 0 to 3 | the kind of the table; odd, so that no object of a C program has this address |
//! | 4 to 11 | the slot |
//! | 12 and up | the generation, from 1: one more whenever the slot is emptied |
//!
//! Generations begin again after the last: on a 32-bit machine the handle of a slot comes back
//! after 2^20 - 1 openings of it, so that a device may open and close for as long as it runs.

use core::sync::atomic::{AtomicBool, Ordering};

use crate::failure::Failure;
use crate::lock::{Guard, Lock};
use crate::status::*;

/// Models that can be open at a time.
pub(crate) const MODELS: usize = if cfg!(feature = "std") { 64 } else { 2 };
/// Engines that can be open at a time.
pub(crate) const ENGINES: usize = if cfg!(feature = "std") { 64 } else { 2 };

const SLOT_SHIFT: u32 = 4;
const GENERATION_SHIFT: u32 = 12;
/// Generations of a slot: 0 to this number less one, 1 more in a handle.
const GENERATIONS: usize = usize::MAX >> GENERATION_SHIFT;

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
    /// Which slots are filled, to be asked without their locks.
    filled: [AtomicBool; N],
}

/// The content of an open handle, for as long as it is held.
pub(crate) struct Held<'s, T> {
    slot: Guard<'s, Slot<T>>,
    filled: &'s AtomicBool,
}

/// A content that found no slot.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused<T> {
    pub content: T,
    /// Handles that are open; `None` where another task holds a slot that may be free.
    most: Option<usize>,
}

impl<T> Refused<T> {
    /// Why, with the name of the contents.
    pub fn failure(&self, what: &'static str) -> Failure {
        self.most.map_or_else(|| Failure::of(HRVIT_ERROR_BUSY), |most| Failure::full(what, most))
    }
}

/// A way to lock a slot; `None` where it is held by another.
type Locking<'s, T> = fn(&'s Lock<Slot<T>>) -> Option<Guard<'s, Slot<T>>>;

impl<T> Held<'_, T> {
    /// The content that was found when it was taken.
    pub fn get(&mut self) -> Result<&mut T, hrvit_status> {
        match &mut self.slot.content {
            Content::Open(content) => Ok(content),
            Content::Empty => Err(HRVIT_ERROR_HANDLE),
        }
    }

    /// Empties the slot: its handle is an open one no longer.
    pub fn remove(mut self) -> Option<T> {
        self.slot.generation = (self.slot.generation + 1) % GENERATIONS;
        self.filled.store(false, Ordering::Release);
        match core::mem::replace(&mut self.slot.content, Content::Empty) {
            Content::Open(content) => Some(content),
            Content::Empty => None,
        }
    }
}

impl<T, const KIND: usize, const N: usize> Slots<T, KIND, N> {
    /// Nothing is open.
    pub const fn new() -> Self {
        const { assert!(N <= 256 && KIND % 2 == 1 && KIND < 1 << SLOT_SHIFT, "the bits of a handle") };
        Self { slots: [const { Lock::new(Slot { generation: 0, content: Content::Empty }) }; N], filled: [const { AtomicBool::new(false) }; N] }
    }

    /// Opens `content`; gives it back where no slot is free, or where a free one is held by another
    /// (which `std` waits for: nobody holds a free slot for long).
    pub fn insert(&self, content: T) -> Result<usize, Refused<T>> {
        let mut most = Some(N);
        for (at, (slot, filled)) in self.slots.iter().zip(&self.filled).enumerate() {
            let taken = loop {
                match slot.take() {
                    Some(taken) => break Some(taken),
                    None if filled.load(Ordering::Acquire) => break None,
                    None if cfg!(feature = "std") => core::hint::spin_loop(),
                    None => {
                        most = None;
                        break None;
                    }
                }
            };
            let Some(mut slot) = taken.filter(|slot| slot.content.is_empty()) else { continue };
            slot.content = Content::Open(content);
            filled.store(true, Ordering::Release);
            return Ok((slot.generation + 1) << GENERATION_SHIFT | at << SLOT_SHIFT | KIND);
        }
        Err(Refused { content, most })
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
        let (slot, filled) = self.slots.get(at).zip(self.filled.get(at)).ok_or(HRVIT_ERROR_HANDLE)?;
        let slot = lock(slot).ok_or(HRVIT_ERROR_BUSY)?;
        if slot.generation + 1 != handle >> GENERATION_SHIFT || slot.content.is_empty() {
            return Err(HRVIT_ERROR_HANDLE);
        }
        Ok(Held { slot, filled })
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
        assert_eq!((content(&slots, first), content(&slots, second), slots.insert(9)), (Ok(7), Ok(8), Err(Refused { content: 9, most: Some(2) })));
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
    fn a_filled_slot_that_is_held_is_full_and_a_free_one_is_waited_for() {
        let slots = Slots::<u32, 5, 1>::new();
        let handle = slots.insert(7).unwrap();
        let held = slots.take(handle).unwrap();
        assert_eq!(slots.insert(8), Err(Refused { content: 8, most: Some(1) }));
        assert_eq!(held.remove(), Some(7));
        let held = slots.slots[0].take().unwrap();
        std::thread::scope(|scope| {
            let inserted = scope.spawn(|| slots.insert(9));
            drop(held);
            assert!(inserted.join().unwrap().is_ok());
        });
    }

    #[test]
    fn generations_begin_again_after_the_last() {
        let slots = Slots::<u32, 3, 1>::new();
        let first = slots.insert(1).unwrap();
        slots.slots[0].take().unwrap().generation = GENERATIONS - 1;
        let last = (first & ((1 << GENERATION_SHIFT) - 1)) | GENERATIONS << GENERATION_SHIFT;
        assert_eq!((content(&slots, first), slots.take(last).unwrap().remove()), (Err(HRVIT_ERROR_HANDLE), Some(1)));
        assert_eq!((slots.insert(2).unwrap(), content(&slots, last)), (first, Err(HRVIT_ERROR_HANDLE)));
    }
}
