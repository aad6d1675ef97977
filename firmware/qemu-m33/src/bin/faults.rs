//! Streams weights from a flash that fails on purpose: every fault must end in an error.
#![no_std]
#![no_main]

#[cortex_m_rt::entry]
fn main() -> ! {
    qemu_m33::machine().run_faults()
}
