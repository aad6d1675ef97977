//! The build script's plan, and the memory for it.

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The build script's plan, as the function that [`crate::planned!`] declares hands it out.
#[derive(Debug)]
pub struct Planned {
    /// The machine's name, as in the log.
    pub name: &'static str,
    /// Memory for the engine.
    pub arena: &'static mut [u8],
    /// Memory for the label map; empty with a classifier.
    pub labels: &'static mut [u8],
    /// Memory for the head of a streamed image; empty where weights are not streamed.
    pub head: &'static mut [u8],
    /// The image that is linked in.
    pub embedded: Option<&'static [u8]>,
    /// Lowest address of the stack, above which nothing but the stack lies.
    pub stack_lowest: usize,
    /// Frames that a profile measures.
    pub frames: u32,
}

/// Declares in a machine's crate the constants that its build script planned, and the statics of
/// the arena's sections. `fn planned() -> Planned` zeroes the statics and hands them out. To be
/// called once; a second call panics.
#[macro_export]
macro_rules! planned {
    () => {
        include!(concat!(env!("OUT_DIR"), "/plan.rs"));

        fn planned() -> $crate::Planned {
            use $crate::declare::{Arena, ConstStaticCell, clear};

            #[unsafe(link_section = ".arena")]
            static ARENA: ConstStaticCell<Arena<ARENA_BYTES>> = ConstStaticCell::new(Arena::new());
            #[unsafe(link_section = ".arena.head")]
            static HEAD: ConstStaticCell<Arena<HEAD_BYTES>> = ConstStaticCell::new(Arena::new());
            #[unsafe(link_section = ".arena_labels")]
            static LABELS: ConstStaticCell<[u8; LABEL_BYTES]> = ConstStaticCell::new([0; LABEL_BYTES]);
            unsafe extern "C" {
                static mut __sarena: u32;
                static mut __earena: u32;
                static mut __slabels: u32;
                static mut __elabels: u32;
                static _stack_end: u32;
            }
            // SAFETY: the sections have only these statics, all zeros, which are taken afterwards.
            unsafe { clear([(&raw mut __sarena, &raw mut __earena), (&raw mut __slabels, &raw mut __elabels)]) };
            $crate::Planned {
                name: NAME,
                arena: ARENA.take().bytes_mut(),
                labels: LABELS.take(),
                head: HEAD.take().bytes_mut(),
                embedded: EMBEDDED,
                stack_lowest: (&raw const _stack_end).addr(),
                frames: FRAMES,
            }
        }
    };
}

/// Names that [`crate::planned!`] writes into other crates.
#[doc(hidden)]
pub mod declare {
    pub use hrvit_core::Arena;
    pub use static_cell::ConstStaticCell;

    pub use super::clear;
}

/// Writes zeros to each memory from its start up to its end: that of statics that start-up code
/// does not initialise. Panics when it is called again.
///
/// # Safety
/// In between lies memory of statics whose initial value is all zeros and that nothing has used
/// yet.
pub unsafe fn clear(memories: [(*mut u32, *mut u32); 2]) {
    static CLEARED: AtomicBool = AtomicBool::new(false);
    // Not a swap: nothing else runs yet.
    assert!(!CLEARED.load(Relaxed), "the machine's memory was handed out before");
    CLEARED.store(true, Relaxed);
    for (start, end) in memories {
        let words = (end.addr().saturating_sub(start.addr())) / 4;
        // SAFETY: the caller vouches for the memory.
        unsafe { core::ptr::write_bytes(start, 0, words) }
    }
}
