//! Runs the golden frame and shows the label map as text.
#![no_std]
#![no_main]

// SAFETY: the start-up code jumps to this name, once; nothing else has it.
#[unsafe(no_mangle)]
extern "C" fn main() -> ! {
    raspi3::machine().run(runner::Segment)
}
