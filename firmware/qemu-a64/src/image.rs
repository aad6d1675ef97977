//! The model image: where it lies, and how its weights are reached.

#[cfg(not(feature = "streamed"))]
use runner::{Image, Program};
use runner::{Machine, NoMarker, clock::Emulated};

type Here = Machine<'static, Emulated<crate::cycles::Cycles>, NoMarker>;

#[cfg(all(feature = "embedded-model", feature = "streamed"))]
compile_error!("an embedded image is addressed in place: choose one of the features embedded-model and streamed");

/// RAM, filled by QEMU's loader device.
#[cfg(not(feature = "embedded-model"))]
fn memory() -> &'static [u8] {
    const MEMORY: (*const u8, usize) = (0x5000_0000 as *const u8, 256 << 20);
    // SAFETY: the machine has that memory, and nothing in this program writes to it.
    unsafe { core::slice::from_raw_parts(MEMORY.0, MEMORY.1) }
}

/// Two slots of half the memory each.
#[cfg(not(any(feature = "embedded-model", feature = "streamed")))]
pub fn run(program: impl Program, machine: Here) -> i32 {
    let (a, b) = memory().split_at(memory().len() / 2);
    runner::run(program, machine, Image::Slots([a, b]))
}

#[cfg(feature = "embedded-model")]
pub fn run(program: impl Program, machine: Here) -> i32 {
    #[repr(C, align(64))]
    struct Aligned<T>(T);
    #[unsafe(link_section = ".model")]
    static MODEL: Aligned<[u8; include_bytes!(env!("HRVIT_MODEL_FILE")).len()]> = Aligned(*include_bytes!(env!("HRVIT_MODEL_FILE")));
    runner::run(program, machine, Image::Embedded(&MODEL.0))
}

#[cfg(feature = "streamed")]
pub use streamed::{run, run_faults};

/// The memory as a serial flash.
#[cfg(all(feature = "streamed", not(feature = "embedded-model")))]
mod streamed {
    use hrvit_core::arena::Arena;
    use runner::{Program, fake_nor::FakeNor, faults, nor::Nor};
    use static_cell::ConstStaticCell;

    use super::{Here, memory};
    use crate::HEAD_BYTES;

    #[unsafe(link_section = ".arena.head")]
    static HEAD: ConstStaticCell<Arena<HEAD_BYTES>> = ConstStaticCell::new(Arena::new());
    /// Base-2 logarithm of the flash's bytes.
    const LOG: u8 = 28;

    pub fn run(program: impl Program, machine: Here) -> i32 {
        match Nor::new(FakeNor::new(memory(), LOG), 0) {
            Ok(flash) => runner::run_streamed(program, machine, flash, HEAD.take().bytes_mut()),
            Err(error) => runner::Code::Stream.because(error) as i32,
        }
    }

    pub fn run_faults(machine: Here) -> i32 {
        faults::run_faults(machine, memory(), LOG, HEAD.take().bytes_mut())
    }
}
