//! Compares the kernels of every instruction set of this processor with their definition.
#![no_std]
#![no_main]

#[cortex_m_rt::entry]
fn main() -> ! {
    emulated::run_conformance(qemu_m33::NAME)
}
