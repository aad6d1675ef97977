//! The second core of QEMU `mps2-an521`. Until the system controller lets it go it waits in reset
//! (Arm 101104, SSE-200, registers INITSVTOR1 and CPUWAIT).

use core::{arch::naked_asm, ptr};

use runner::pair;
use semihosting::process;

/// System controller by its secure address: where the second core finds its vectors, and a bit for
/// each core that waits.
const INITSVTOR1: *mut u32 = 0x5002_1114 as *mut u32;
const CPUWAIT: *mut u32 = 0x5002_1118 as *mut u32;
/// Its stack.
const STACK: usize = 8 << 10;
/// Times that the first core looks whether it came up, on a machine that may have none.
const LOOKS: u32 = 1_000_000;

#[repr(C, align(8))]
struct Stack([u8; STACK]);

static mut MEMORY: Stack = Stack([0; STACK]);

/// The vectors: stack, reset, and faults, all of which end the program.
#[repr(C, align(512))]
struct Vectors {
    stack: *const u8,
    reset: unsafe extern "C" fn() -> !,
    exceptions: [extern "C" fn() -> !; 14],
}

// SAFETY: constants.
unsafe impl Sync for Vectors {}

static VECTORS: Vectors = Vectors { stack: (&raw const MEMORY).cast::<u8>().wrapping_add(STACK), reset, exceptions: [fault; 14] };

extern "C" fn fault() -> ! {
    process::exit(1)
}

/// Lets the float unit work, then goes on in Rust.
#[unsafe(naked)]
unsafe extern "C" fn reset() -> ! {
    naked_asm!(
        "ldr r0, =0xe000ed88",
        "ldr r1, [r0]",
        "orr r1, r1, #(15 << 20)",
        "str r1, [r0]",
        "dsb",
        "isb",
        "bl {attend}",
        "udf #0",
        attend = sym attend,
    )
}

extern "C" fn attend() -> ! {
    pair::attend()
}

/// Starts it, and waits until it attends or is taken not to be there.
pub fn start() {
    // SAFETY: registers of the system controller, which nothing else uses.
    unsafe {
        ptr::write_volatile(INITSVTOR1, (&raw const VECTORS).addr() as u32);
        ptr::write_volatile(CPUWAIT, 0);
    }
    for _ in 0..LOOKS {
        if pair::is_attended() {
            break;
        }
    }
}
