//! Bytes moved and cleared, 16 at a time; the last of them in part.

use core::arch::{asm, naked_asm};

/// Copies `len` bytes.
///
/// # Safety
/// The processor has MVE. The bytes are readable, as many writable, and the two places apart.
#[inline(always)]
pub(crate) unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: by the contract; the loop has `len` lanes in all.
    unsafe {
        asm!(
            "wlstp.8 lr, {len}, 3f",
            "2:",
            "vldrb.u8 q0, [{from}], #16",
            "vstrb.8 q0, [{to}], #16",
            "letp lr, 2b",
            "3:",
            len = in(reg) len, from = inout(reg) from => _, to = inout(reg) to => _, out("lr") _, out("q0") _, options(nostack),
        );
    }
}

/// Sets `len` bytes to zero.
///
/// # Safety
/// The processor has MVE. The bytes are writable.
#[inline(always)]
pub(crate) unsafe fn clear(bytes: *mut u8, len: usize) {
    // SAFETY: by the contract; the loop has `len` lanes in all.
    unsafe {
        asm!(
            "vmov.i32 q0, #0",
            "wlstp.8 lr, {len}, 3f",
            "2:",
            "vstrb.8 q0, [{to}], #16",
            "letp lr, 2b",
            "3:",
            len = in(reg) len, to = inout(reg) bytes => _, out("lr") _, out("q0") _, options(nostack),
        );
    }
}

/// Copies `runs` runs of `len` bytes, `strides[0]` apart where they are read, `strides[1]` where
/// they are written.
///
/// # Safety
/// The processor has MVE. `len` and `runs` are not 0. The runs are readable, as many writable, and
/// the two places apart.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn copy_runs(from: *const u8, to: *mut u8, strides: &[usize; 2], len: usize, runs: usize) {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r4-r7, lr}}",
        "ldrd r4, r5, [r2]",
        "ldr r12, [sp, #20]",
        "cmp r3, #16",
        "bhi 4f",
        "vctp.8 r3",
        "dls lr, r12",
        "2:",
        "vpstt",
        "vldrbt.u8 q0, [r0]",
        "vstrbt.8 q0, [r1]",
        "add r0, r4",
        "add r1, r5",
        "le lr, 2b",
        "pop {{r4-r7, pc}}",
        "4:",
        "mov r6, r0",
        "mov r7, r1",
        "dlstp.8 lr, r3",
        "5:",
        "vldrb.u8 q0, [r6], #16",
        "vstrb.8 q0, [r7], #16",
        "letp lr, 5b",
        "add r0, r4",
        "add r1, r5",
        "subs r12, #1",
        "bne 4b",
        "pop {{r4-r7, pc}}",
    )
}
