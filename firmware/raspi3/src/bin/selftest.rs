//! Compares every step of the golden frame with the host, and measures the stack.
#![no_std]
#![no_main]

// SAFETY: the start-up code jumps to this name, once; nothing else has it.
#[unsafe(no_mangle)]
extern "C" fn main() -> ! {
    raspi3::machine().run(runner::SelfTest)
}
