//! Compares the kernels of every instruction set of this processor with their definition.
#![no_std]
#![no_main]

use static_cell::ConstStaticCell;

static SCRATCH: ConstStaticCell<[u8; runner::conformance::SCRATCH]> = ConstStaticCell::new([0; runner::conformance::SCRATCH]);

#[cortex_m_rt::entry]
fn main() -> ! {
    qemu_m55::exit(runner::conformance::run("qemu-m55", SCRATCH.take()))
}
