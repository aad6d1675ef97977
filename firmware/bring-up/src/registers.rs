//! Access to registers.

use core::fmt;

/// Somebody who answers reads of registers and takes writes.
pub trait Registers {
    /// The word at `address`.
    fn load(&mut self, address: u32) -> u32;
    /// Writes a word.
    fn store(&mut self, address: u32, value: u32);
    /// The byte at `address`: takes one byte from a register that is a queue.
    fn load_byte(&mut self, address: u32) -> u8;
    /// Writes one byte: puts it into a register that is a queue.
    fn store_byte(&mut self, address: u32, value: u8);
    /// Returns after `microseconds` at the earliest.
    fn wait(&mut self, microseconds: u32);
    /// Data and instruction synchronisation: what was written before holds for every instruction
    /// after it.
    fn barrier(&mut self);
    /// Says what the processor's clock is from now on; [`Registers::wait`] depends on it. Called
    /// before the clock gets faster, and after it got slower.
    fn clock(&mut self, hertz: u32);
}

/// Event that a sequence waited for in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stuck(pub &'static str);

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "waited in vain for {}", self.0)
    }
}

impl core::error::Error for Stuck {}
