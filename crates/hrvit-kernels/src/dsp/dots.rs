//! The inner products: 2 rows of widened activations with pairs of channels, 4 rows with one channel.

use core::arch::{asm, naked_asm};

use crate::isa::Dsp;

/// Four activations of two rows: elements 0 and 2, 1 and 3 of the first row, as halves of a word, then those of the second.
pub(crate) type Group = [u32; 4];

/// Widens whole groups of some pairs of rows, as many as `out` has.
#[inline(always)]
pub(crate) fn widen<const PAIRS: usize, const ROWS: usize>(_: Dsp, rows: [&[i8]; ROWS], out: &mut [[Group; PAIRS]]) {
    let rows = rows.map(|row| row.as_chunks::<4>().0);
    for (at, out) in out.iter_mut().enumerate() {
        for (rows, out) in rows.as_chunks::<2>().0.iter().zip(out) {
            let [a, b] = rows.map(|row| u32::from_le_bytes(row.get(at).copied().unwrap_or_default().map(|a| a as u8)));
            *out = [even(a), odd(a), even(b), odd(b)];
        }
    }
}

/// Bytes 0 and 2 as two halves.
#[inline(always)]
pub(super) fn even(bytes: u32) -> u32 {
    let halves;
    // SAFETY: every caller has a token that proves the DSP extension, as have those of `odd`.
    unsafe { asm!("sxtb16 {}, {}", lateout(reg) halves, in(reg) bytes, options(pure, nomem, nostack, preserves_flags)) };
    halves
}

/// Bytes 1 and 3 as two halves.
#[inline(always)]
pub(super) fn odd(bytes: u32) -> u32 {
    let halves;
    // SAFETY: see `even`.
    unsafe { asm!("sxtb16 {}, {}, ror #8", lateout(reg) halves, in(reg) bytes, options(pure, nomem, nostack, preserves_flags)) };
    halves
}

/// Operands of [`s8`]. The assembly reads the fields at their offsets.
#[repr(C)]
pub(crate) struct Dots {
    pub(crate) a: *const Group,
    pub(crate) a_end: *const Group,
    /// Weights of the first two channels, as many as there are activations.
    pub(crate) weights: [*const i8; 2],
    /// Bytes from the end of a channel's weights to those of the next but one.
    pub(crate) skip: usize,
    /// What the sums of the first row start from, one for each channel; a multiple of 4.
    pub(crate) start: *const i32,
    /// Bytes from there to what those of the second row start from.
    pub(crate) below: usize,
    /// Where the sums of the first row go, those of the second 256 bytes further on; a multiple of 4.
    pub(crate) tile: *mut i32,
    /// End of the first row's sums, an even number and not 0 of channels after `tile`.
    pub(crate) tile_end: *const i32,
}

/// Sums of products of 2 rows with all pairs of channels: r4 to r7 are the four sums, r8 to r11 the activations of a group, r12 and lr the weights of a channel.
///
/// # Safety
/// The processor has the DSP extension. The activations, not none, the weights of all channels and what
/// their sums start from are readable, and the sums of [`Dots`] writable.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn s8(dots: &Dots) {
    naked_asm!(
        ".cpu cortex-m7",
        "push {{r4-r11, lr}}",
        "sub sp, #28",
        "ldm r0, {{r4-r12}}",
        "mov r1, r6",
        "mov r2, r7",
        "mov r3, r5",
        "stm sp, {{r4, r8-r12}}",
        "1:",
        "ldr r0, [sp]",
        "ldrd r12, lr, [sp, #8]",
        "ldrd r4, r5, [r12], #8",
        "str r12, [sp, #8]",
        "add r12, lr",
        "ldrd r6, r7, [r12, #-8]",
        "2:",
        "ldm r0!, {{r8-r11}}",
        "ldr lr, [r1], #4",
        "sxtb16 r12, lr",
        "sxtb16 lr, lr, ror #8",
        "smlad r4, r8, r12, r4",
        "smlad r6, r10, r12, r6",
        "smlad r4, r9, lr, r4",
        "smlad r6, r11, lr, r6",
        "ldr lr, [r2], #4",
        "sxtb16 r12, lr",
        "sxtb16 lr, lr, ror #8",
        "smlad r5, r8, r12, r5",
        "smlad r7, r10, r12, r7",
        "smlad r5, r9, lr, r5",
        "smlad r7, r11, lr, r7",
        "cmp r0, r3",
        "beq 3f",
        "ldm r0!, {{r8-r11}}",
        "ldr lr, [r1], #4",
        "sxtb16 r12, lr",
        "sxtb16 lr, lr, ror #8",
        "smlad r4, r8, r12, r4",
        "smlad r6, r10, r12, r6",
        "smlad r4, r9, lr, r4",
        "smlad r6, r11, lr, r6",
        "ldr lr, [r2], #4",
        "sxtb16 r12, lr",
        "sxtb16 lr, lr, ror #8",
        "smlad r5, r8, r12, r5",
        "smlad r7, r10, r12, r7",
        "smlad r5, r9, lr, r5",
        "smlad r7, r11, lr, r7",
        "cmp r0, r3",
        "bne 2b",
        "3:",
        "ldrd r12, lr, [sp, #16]",
        "ldr r8, [sp, #4]",
        "strd r4, r5, [r12], #8",
        "strd r6, r7, [r12, #248]",
        "add r1, r8",
        "add r2, r8",
        "str r12, [sp, #16]",
        "cmp r12, lr",
        "bne 1b",
        "add sp, #28",
        "pop {{r4-r11, pc}}",
    )
}

/// Operands of [`quads`]. The assembly reads the fields at their offsets, and moves `start` and `tile`.
#[repr(C)]
pub(crate) struct Quads {
    /// Groups of the first two of four rows, beside those of the others.
    pub(crate) a: *const [Group; 2],
    pub(crate) a_end: *const [Group; 2],
    /// Weights of the first channel, as many as there are activations.
    pub(crate) weights: *const i8,
    /// Bytes from the end of a channel's weights to those of the next.
    pub(crate) skip: usize,
    /// What the sums of the first row start from, one for each channel.
    pub(crate) start: *const i32,
    /// Bytes from there to what those of the second row start from, and from those of the third to those of the fourth.
    pub(crate) below: usize,
    /// Bytes from there to what those of the third row start from.
    pub(crate) right: usize,
    /// Where the sums of the first row go, those of the second 256 bytes further on, those of the third 128 bytes, of the fourth 384.
    pub(crate) tile: *mut i32,
    /// End of the first row's sums, not 0 channels after `tile`.
    pub(crate) tile_end: *const i32,
}

/// Adds the products of four steps of depth of four rows: their activations from r0 on, the weights of a channel from r1 on.
macro_rules! quad {
    () => {
        concat!(
            "ldr lr, [r1], #4\nldm r0!, {{r8-r11}}\nsxtb16 r12, lr\nsxtb16 lr, lr, ror #8\n",
            "smlad r4, r8, r12, r4\nsmlad r5, r10, r12, r5\nsmlad r4, r9, lr, r4\nsmlad r5, r11, lr, r5\nldm r0!, {{r8-r11}}\n",
            "smlad r6, r8, r12, r6\nsmlad r7, r10, r12, r7\nsmlad r6, r9, lr, r6\nsmlad r7, r11, lr, r7\ncmp r0, r3"
        )
    };
}

/// Sums of products of 4 rows with all channels: r4 to r7 are the four sums.
///
/// # Safety
/// The processor has the DSP extension. The activations, not none, the weights of all channels and what
/// their sums start from are readable, and the sums of [`Quads`] writable.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn quads(quads: &mut Quads) {
    naked_asm!(
        ".cpu cortex-m7",
        "push {{r4-r11, lr}}",
        "mov r2, r0",
        "ldrd r3, r1, [r2, #4]",
        "1:",
        "ldrd r12, lr, [r2, #16]",
        "ldr r0, [r2, #24]",
        "ldr r5, [r12, lr]",
        "ldr r6, [r12, r0]",
        "add r0, lr",
        "ldr r7, [r12, r0]",
        "ldr r4, [r12], #4",
        "str r12, [r2, #16]",
        "ldr r0, [r2]",
        "2:",
        quad!(),
        "beq 3f",
        quad!(),
        "bne 2b",
        "3:",
        "ldrd r12, lr, [r2, #28]",
        "ldr r8, [r2, #12]",
        "str r5, [r12, #256]",
        "str r6, [r12, #128]",
        "str r7, [r12, #384]",
        "str r4, [r12], #4",
        "str r12, [r2, #28]",
        "add r1, r8",
        "cmp r12, lr",
        "bne 1b",
        "pop {{r4-r11, pc}}",
    )
}
