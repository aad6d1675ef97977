//! Start-up sequences of boards, written for any [`Registers`]: those of the chip, or those of a model on the host that checks every access.
//!
//! [`n6`] brings up the STM32N6570-DK: supply, voltage, clocks, memories, octal flash, serial port. Rules that its accesses must keep, each with its source,
//! are in `tests/model/rules.rs`; the model that finds breaches of them is in `tests/model`.
#![no_std]

mod registers;

pub use registers::{Registers, RegistersExt, Stuck, Word};
pub use stm32_metapac as pac;
