//! Measures every step.
#![no_std]
#![no_main]

#[cortex_m_rt::entry]
fn main() -> ! {
    qemu_m33::machine().run(runner::Profile)
}
