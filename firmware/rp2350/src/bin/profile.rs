//! Measures every step.
#![no_std]
#![no_main]

#[cortex_m_rt::entry]
fn main() -> ! {
    rp2350::run(runner::Profile)
}
