//! Programs that every machine runs. A machine brings a clock, memory, the model image and perhaps
//! a marker pin; the three programs are the same everywhere:
//!
//! | program | does |
//! |---|---|
//! | [`Segment`] | the golden frame through the network; its result as text |
//! | [`SelfTest`] | the same, every step compared with the host's CRC; measures the stack |
//! | [`Profile`] | several frames, with the time of every step |
//!
//! A fourth, [`conformance`], needs no model.
//!
//! Logs are defmt messages in the words of [`report`]; a program ends with the number of its
//! [`Code`].
#![no_std]

#[cfg(feature = "camera")]
pub mod camera;
pub mod clock;
pub mod code;
pub mod fake_nor;
pub mod faults;
pub mod golden;
pub mod job;
pub mod marker;
pub mod meter;
pub mod nor;
pub mod pair;
mod placement;
mod planned;
pub mod port;
mod programs;
mod reason;
pub mod report;
mod shared;
pub mod spread;
pub mod stack;
mod start;
mod thumbnail;

#[cfg(feature = "camera")]
pub use camera::Camera;
pub use clock::{Clock, Unit};
pub use code::Code;
pub use golden::Golden;
pub use job::Job;
pub use marker::{Marker, NoMarker, PinMarker};
pub use placement::Placement;
pub use planned::Planned;
#[doc(hidden)]
pub use planned::declare;
pub use port::Port;
#[cfg(feature = "conformance")]
pub use programs::conformance;
pub use programs::{Profile, Program, Segment, SelfTest};
pub use start::{Image, Machine, run, run_streamed};

/// Who does the work: one core, or with feature `two-cores` two.
#[cfg(not(feature = "two-cores"))]
pub type Workers = hrvit_core::Serial;
/// Who does the work: one core, or with feature `two-cores` two.
#[cfg(feature = "two-cores")]
pub type Workers = pair::Pair;

/// The most steps that a network may have.
pub const MAX_STEPS: usize = 256;
/// The stack that one frame may take, in bytes: 8 KB on microcontrollers; 256 KB on 64-bit
/// machines, whose kernels keep a strip of attention there.
pub const STACK_BOUND: usize = if cfg!(target_pointer_width = "64") { 256 << 10 } else { 8 << 10 };
