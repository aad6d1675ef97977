//! Parts that the emulated machines share: logs and exit codes by semihosting, model images that
//! QEMU loads, a serial flash made of memory.
#![no_std]

#[cfg(target_arch = "arm")]
pub mod cmsdk;
#[cfg(feature = "conformance")]
mod conformance;
mod ending;
#[cfg(not(feature = "streamed"))]
mod in_place;
#[cfg(feature = "serial")]
pub mod serial;
#[cfg(feature = "streamed")]
mod streamed;

use core::marker::PhantomData;

#[cfg(feature = "conformance")]
pub use conformance::run_conformance;
#[cfg(not(feature = "serial"))]
use defmt_semihosting as _;
use runner::{
    NoMarker, Planned, Port,
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

/// One core; with feature `two-cores` two, or one that tells what a second one would save.
#[cfg(not(feature = "two-cores"))]
fn workers<T: Counter>() -> runner::Workers {
    runner::Workers::default()
}

/// One core; with feature `two-cores` two, or one that tells what a second one would save.
#[cfg(feature = "two-cores")]
fn workers<T: Counter>() -> runner::Workers {
    runner::Workers { now: Some(T::read) }
}

/// An emulated machine, whose clock reads `T`. Without feature `streamed` weights are read in
/// place, within the firmware or in the loaded memory. With it they are paged in from the loaded
/// memory as from a serial flash.
#[derive(Debug)]
pub struct Machine<T> {
    planned: Planned,
    loaded: Loaded,
    port: Option<Port>,
    #[cfg(feature = "camera")]
    camera: Option<runner::Camera>,
    counter: PhantomData<T>,
}

impl<T: Counter> Machine<T> {
    /// The machine with the memory that was planned for it, and that which QEMU fills.
    pub fn new(planned: Planned, loaded: Loaded) -> Self {
        Self {
            planned,
            loaded,
            port: None,
            #[cfg(feature = "camera")]
            camera: None,
            counter: PhantomData,
        }
    }

    /// The machine with a camera that leaves frames of NV12, 1280x720, in `buffer`.
    #[cfg(feature = "camera")]
    pub fn with_camera(self, buffer: &'static [u8]) -> Self {
        let camera = runner::Camera {
            format: hrvit_camera::Format::Nv12,
            width: 1280,
            height: 720,
            buffer,
            colours: (hrvit_camera::Matrix::default(), hrvit_camera::Range::default()),
            view: hrvit_camera::View::default(),
        };
        Self { camera: Some(camera), ..self }
    }

    /// The machine with a serial port, which the log goes over and frames may come over; `patience`
    /// as of [`Port`].
    #[cfg(feature = "serial")]
    pub fn with_serial<U: serial::Uart>(self, patience: u16) -> Self {
        serial::begin::<U, T>();
        Self { port: Some(Port { receive: U::receive, patience }), ..self }
    }

    fn start(self) -> runner::Machine<Emulated<T>, NoMarker> {
        runner::Machine {
            planned: self.planned,
            clock: Emulated::calibrate(),
            marker: NoMarker,
            port: self.port,
            #[cfg(feature = "camera")]
            camera: self.camera,
            workers: workers::<T>(),
        }
    }
}
