//! Compares every step of the golden frame with the host, and measures the stack.
#![no_std]
#![no_main]

#[cortex_m_rt::entry]
fn main() -> ! {
    qemu_m33::machine().run(runner::SelfTest)
}
