//! Measures every step.
#![no_std]
#![no_main]

#[cortex_m_rt::entry]
fn main() -> ! {
    stm32n6570_dk::run(runner::Profile)
}
