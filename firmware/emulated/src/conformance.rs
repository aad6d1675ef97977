//! Kernels against their definition.

use runner::conformance::{self, SCRATCH};
use semihosting::process::exit;
use static_cell::ConstStaticCell;

/// Compares the kernels of the processor with their definition and ends QEMU with the exit code.
/// Needs no model. To be called once.
pub fn run_conformance(machine: &str) -> ! {
    static MEMORY: ConstStaticCell<[u8; SCRATCH]> = ConstStaticCell::new([0; SCRATCH]);
    exit(conformance::run(machine, MEMORY.take()))
}
