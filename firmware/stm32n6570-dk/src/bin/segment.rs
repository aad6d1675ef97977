//! Runs the golden frame and shows the label map as text.
#![no_std]
#![no_main]

#[cortex_m_rt::entry]
fn main() -> ! {
    stm32n6570_dk::run(runner::Segment)
}
