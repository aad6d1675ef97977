//! Weights are read where the image lies.

use runner::{Image, Program, clock::Counter};

use crate::{Loaded, Machine, ending::exit};

impl<T: Counter> Machine<T> {
    /// Runs `program` and ends QEMU with its exit code.
    pub fn run(self, program: impl Program) -> ! {
        let image = match (self.planned.embedded, self.loaded) {
            (Some(image), _) => Image::Embedded(image),
            (None, Loaded::One(memory)) => Image::Mapped(memory),
            (None, Loaded::Two(memory)) => Image::two(memory),
        };
        exit(runner::run(program, self.start(), image))
    }
}
