//! One lock for hosts and firmware. Without an operating system nobody can wait: what another
//! context holds is busy.

#[cfg(feature = "std")]
mod imp {
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

        /// Waits for whoever holds it, who holds it for a short time.
        pub fn wait(&self) -> Option<Guard<'_, T>> {
            // Nothing is left half done by a panic: contents change in one assignment.
            Some(self.0.lock().unwrap_or_else(PoisonError::into_inner))
        }

        /// Does not wait.
        pub fn take(&self) -> Option<Guard<'_, T>> {
            match self.0.try_lock() {
                Ok(guard) => Some(guard),
                Err(TryLockError::Poisoned(broken)) => Some(broken.into_inner()),
                Err(TryLockError::WouldBlock) => None,
            }
        }
    }
}

#[cfg(not(feature = "std"))]
mod imp {
    use spin::{Mutex, MutexGuard};

    /// Holds one value.
    pub(crate) struct Lock<T>(Mutex<T>);

    /// Gives access while it lives.
    pub(crate) type Guard<'l, T> = MutexGuard<'l, T>;

    impl<T> Lock<T> {
        /// Unlocked.
        pub const fn new(value: T) -> Self {
            Self(Mutex::new(value))
        }

        /// Does not wait: an interrupt would wait for what it interrupted.
        pub fn wait(&self) -> Option<Guard<'_, T>> {
            self.0.try_lock()
        }

        /// Does not wait.
        pub fn take(&self) -> Option<Guard<'_, T>> {
            self.0.try_lock()
        }
    }
}

pub(crate) use imp::{Guard, Lock};
