//! Streams weights from a flash that fails on purpose: every fault must end in an error.
#![no_std]
#![no_main]

// SAFETY: the start-up code jumps to this name, once; nothing else has it.
#[unsafe(no_mangle)]
extern "C" fn main() -> ! {
    raspi3::machine().run_faults()
}
