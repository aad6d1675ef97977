//! One lock for hosts and firmware. Without an operating system nobody can wait: what another
//! context holds is busy.

#[cfg(not(feature = "std"))]
use spin::{Mutex, MutexGuard};
#[cfg(feature = "std")]
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// Holds one value.
pub(crate) struct Lock<T>(Mutex<T>);

/// Gives access while it lives.
pub(crate) type Guard<'l, T> = MutexGuard<'l, T>;

impl<T> Lock<T> {
    /// Unlocked.
    pub const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// Waits for whoever holds it, who holds it for a short time. Firmware does not: an interrupt
    /// would wait for what it interrupted.
    pub fn wait(&self) -> Option<Guard<'_, T>> {
        #[cfg(not(feature = "std"))]
        return self.take();
        // Nothing is left half done by a panic: contents change in one assignment.
        #[cfg(feature = "std")]
        Some(self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Does not wait.
    pub fn take(&self) -> Option<Guard<'_, T>> {
        #[cfg(not(feature = "std"))]
        return self.0.try_lock();
        #[cfg(feature = "std")]
        match self.0.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(broken)) => Some(broken.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}
