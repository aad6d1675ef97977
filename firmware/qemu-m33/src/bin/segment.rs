//! Runs the golden frame and shows the label map as text.
#![no_std]
#![no_main]

#[cortex_m_rt::entry]
fn main() -> ! {
    qemu_m33::machine().run(runner::Segment)
}
