//! Weights are paged in: the loaded memory is a serial flash.

use core::mem;

use runner::{Code, Program, clock::Counter, fake_nor::FakeNor, faults, nor::Nor};

use crate::{Loaded, Machine, ending::exit};

impl<T: Counter> Machine<T> {
    /// Runs `program` and ends QEMU with its exit code.
    pub fn run(mut self, program: impl Program) -> ! {
        let head = mem::take(&mut self.planned.head);
        let (memory, log) = self.flash();
        exit(match Nor::new(FakeNor::new(memory, log), 0) {
            Ok(flash) => runner::run_streamed(program, self.start(), flash, head),
            Err(error) => Code::Stream.because(error) as i32,
        })
    }

    /// Streams weights from a flash that fails on purpose, and ends QEMU with the exit code.
    pub fn run_faults(mut self) -> ! {
        let head = mem::take(&mut self.planned.head);
        let (memory, log) = self.flash();
        exit(faults::run_faults(self.start(), memory, log, head))
    }

    /// The loaded memory and the base-2 logarithm of its bytes.
    fn flash(&self) -> (&'static [u8], u8) {
        let (Loaded::One(memory) | Loaded::Two(memory)) = self.loaded;
        (memory, memory.len().ilog2() as u8)
    }
}
