//! Start-up sequences of boards, written for any [`Registers`]: those of the chip, or those of a
//! model on the host that checks every access.
//!
//! [`cortex`] is what processors need; `n6` (feature `n6`) brings up the STM32N6570-DK: supply,
//! voltage, clocks, memories, octal flash, serial port. Rules that its accesses must keep, each
//! with its source, are in `tests/model/rules.rs`; the model that finds breaches of them is in
//! `tests/model`.
#![no_std]

pub mod cortex;
#[cfg(feature = "n6")]
pub mod n6;
mod registers;
#[cfg(feature = "n6")]
mod typed;

pub use registers::{Registers, Stuck};
#[cfg(feature = "n6")]
pub use stm32_metapac as pac;
#[cfg(feature = "n6")]
pub use typed::{RegistersExt, Word};
