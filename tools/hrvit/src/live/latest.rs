//! One place for the newest of something.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A place that holds the newest value; whoever puts one in never waits.
pub struct Latest<T> {
    slot: Mutex<Slot<T>>,
    changed: Condvar,
}

struct Slot<T> {
    value: Option<T>,
    put: u64,
    dropped: u64,
    ended: bool,
}

impl<T> Default for Latest<T> {
    fn default() -> Self {
        Self { slot: Mutex::new(Slot { value: None, put: 0, dropped: 0, ended: false }), changed: Condvar::new() }
    }
}

impl<T> Latest<T> {
    fn slot(&self) -> MutexGuard<'_, Slot<T>> {
        // Every change is one assignment: a thread that panicked left nothing half done.
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a value in; one that is still there is dropped.
    pub fn put(&self, value: T) {
        let mut slot = self.slot();
        slot.put += 1;
        slot.dropped += u64::from(slot.value.replace(value).is_some());
        self.changed.notify_all();
    }

    /// Says that no value will come.
    pub fn end(&self) {
        self.slot().ended = true;
        self.changed.notify_all();
    }

    /// Takes the newest value, once there is one; none at the end.
    pub fn take(&self) -> Option<T> {
        let mut slot = self.slot();
        loop {
            if let Some(value) = slot.value.take() {
                return Some(value);
            }
            if slot.ended {
                return None;
            }
            slot = self.changed.wait(slot).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes the newest value, if there is one.
    pub fn try_take(&self) -> Option<T> {
        self.slot().value.take()
    }

    /// Values that were put in, and those of them that were dropped.
    pub fn counts(&self) -> (u64, u64) {
        let slot = self.slot();
        (slot.put, slot.dropped)
    }
}

impl<T: Clone> Latest<T> {
    /// A copy of the newest value, once `fits` says that it will do; the newest of all after
    /// `patience`.
    pub fn wait(&self, patience: Duration, fits: impl Fn(&T) -> bool) -> Option<T> {
        let waiting = |slot: &mut Slot<T>| !slot.ended && !slot.value.as_ref().is_some_and(&fits);
        let (slot, _) = self.changed.wait_timeout_while(self.slot(), patience, waiting).unwrap_or_else(PoisonError::into_inner);
        slot.value.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_wins_and_older_ones_are_counted() {
        let latest = Latest::default();
        (1..=4).for_each(|value| latest.put(value));
        assert_eq!((latest.take(), latest.try_take(), latest.counts()), (Some(4), None, (4, 3)));
        latest.put(5);
        assert_eq!(latest.wait(Duration::from_secs(9), |value| *value == 5), Some(5));
        assert_eq!(latest.wait(Duration::ZERO, |value| *value == 6), Some(5));
        latest.end();
        assert_eq!((latest.take(), latest.take()), (Some(5), None));
    }

    #[test]
    fn whoever_waits_is_woken_by_the_value_or_the_end() {
        let latest = Latest::default();
        std::thread::scope(|scope| {
            let taker = scope.spawn(|| (latest.take(), latest.take()));
            latest.put(1);
            while latest.counts().0 == 1 && latest.slot().value.is_some() {
                std::thread::yield_now();
            }
            latest.end();
            assert_eq!(taker.join().unwrap(), (Some(1), None));
        });
    }
}
