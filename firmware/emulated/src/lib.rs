//! What the emulated machines share: logs and exit codes by semihosting, model images that QEMU loads, a serial flash made of memory.
#![no_std]

#[cfg(target_arch = "arm")]
pub mod cmsdk;
#[cfg(feature = "conformance")]
mod conformance;
#[cfg(not(feature = "streamed"))]
mod in_place;
#[cfg(feature = "streamed")]
mod streamed;

use core::marker::PhantomData;

#[cfg(feature = "conformance")]
pub use conformance::run_conformance;
use defmt_semihosting as _;
use runner::{
    NoMarker, Planned,
    clock::{Counter, Emulated},
};

/// Memory that QEMU's loader device fills with model images.
#[derive(Clone, Copy, Debug)]
pub enum Loaded {
    /// It begins with an image.
    One(&'static [u8]),
    /// Each half of it may begin with an image.
    Two(&'static [u8]),
}

/// `bytes` of memory at `address`.
///
/// # Safety
/// The machine has that memory, and nothing in its programs writes to it.
pub unsafe fn memory(address: usize, bytes: usize) -> &'static [u8] {
    // SAFETY: the caller vouches for it.
    unsafe { core::slice::from_raw_parts(address as *const u8, bytes) }
}

/// An emulated machine, whose clock reads `T`. Without feature `streamed` weights are read where the image lies, within the firmware or in the loaded memory; with
/// it they are paged in from the loaded memory as a serial flash.
#[derive(Debug)]
pub struct Machine<T> {
    planned: Planned,
    loaded: Loaded,
    counter: PhantomData<T>,
}

impl<T: Counter> Machine<T> {
    /// The machine with the memory that was planned for it, and that which QEMU fills.
    pub fn new(planned: Planned, loaded: Loaded) -> Self {
        Self { planned, loaded, counter: PhantomData }
    }

    fn start(self) -> runner::Machine<Emulated<T>, NoMarker> {
        runner::Machine { planned: self.planned, clock: Emulated::calibrate(), marker: NoMarker }
    }
}
