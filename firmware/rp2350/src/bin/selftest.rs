//! Compares every step of the golden frame with the host, and measures the stack.
#![no_std]
#![no_main]

#[cortex_m_rt::entry]
fn main() -> ! {
    rp2350::run(runner::SelfTest)
}
