//! Measures every step.
#![no_std]
#![no_main]

#[cortex_m_rt::entry]
fn main() -> ! {
    stm32h747i_disco::run(runner::Profile)
}
