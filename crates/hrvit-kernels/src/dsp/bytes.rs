//! Bytes moved, two words at a time; what is left one by one.

use core::arch::naked_asm;

/// Copies `runs` runs of `len` bytes, `strides[0]` apart where they are read, `strides[1]` where
/// they are written.
///
/// # Safety
/// The processor accesses unaligned words, as all with the DSP extension do. `len` and `runs` are
/// not 0. The runs are readable, as many writable, and the two places apart.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn copy_runs(from: *const u8, to: *mut u8, strides: &[usize; 2], len: usize, runs: usize) {
    naked_asm!(
        ".cpu cortex-m7",
        "push {{r4-r9, lr}}",
        "ldrd r4, r5, [r2]",
        "ldr r6, [sp, #28]",
        "1:",
        "mov r7, r0",
        "mov r8, r1",
        "subs r9, r3, #8",
        "blo 3f",
        "2:",
        "ldr r12, [r7], #4",
        "ldr lr, [r7], #4",
        "str r12, [r8], #4",
        "str lr, [r8], #4",
        "subs r9, #8",
        "bhs 2b",
        "3:",
        "adds r9, #8",
        "beq 5f",
        "4:",
        "ldrb r12, [r7], #1",
        "strb r12, [r8], #1",
        "subs r9, #1",
        "bne 4b",
        "5:",
        "add r0, r4",
        "add r1, r5",
        "subs r6, #1",
        "bne 1b",
        "pop {{r4-r9, pc}}",
    )
}
