//! The inner products of attention: 2 rows of widened activations with pairs of channels.

use core::arch::{asm, naked_asm};
use core::mem::MaybeUninit;

use crate::isa::Dsp;

/// Four activations of two rows: elements 0 and 2, 1 and 3 of the first row, as halves of a word,
/// then those of the second.
pub(crate) type Group = [u32; 4];

/// Widens whole groups of two rows, as many as `out` has.
pub(crate) fn widen(_: Dsp, first: &[i8], second: &[i8], out: &mut [MaybeUninit<Group>]) {
    let (first, _) = first.as_chunks::<4>();
    let (second, _) = second.as_chunks::<4>();
    for ((first, second), out) in first.iter().zip(second).zip(out) {
        let (a, b) = (u32::from_le_bytes(first.map(|a| a as u8)), u32::from_le_bytes(second.map(|b| b as u8)));
        out.write([even(a), odd(a), even(b), odd(b)]);
    }
}

/// Bytes 0 and 2 as two halves.
#[inline(always)]
fn even(bytes: u32) -> u32 {
    let halves;
    // SAFETY: every caller has a token that proves the DSP extension, as have those of `odd`.
    unsafe { asm!("sxtb16 {}, {}", lateout(reg) halves, in(reg) bytes, options(pure, nomem, nostack, preserves_flags)) };
    halves
}

/// Bytes 1 and 3 as two halves.
#[inline(always)]
fn odd(bytes: u32) -> u32 {
    let halves;
    // SAFETY: see `even`.
    unsafe { asm!("sxtb16 {}, {}, ror #8", lateout(reg) halves, in(reg) bytes, options(pure, nomem, nostack, preserves_flags)) };
    halves
}

/// Operands of [`s8`]. The assembly reads the fields at their offsets.
#[repr(C)]
pub(crate) struct Dots {
    /// An even number of groups.
    pub(crate) a: *const Group,
    pub(crate) a_end: *const Group,
    /// Weights of the first two channels, as many as there are activations.
    pub(crate) weights: [*const i8; 2],
    /// Bytes from the end of a channel's weights to those of the next but one.
    pub(crate) skip: usize,
    /// Sums of the first row; the second row's lie 256 bytes further on. A multiple of 4.
    pub(crate) tile: *mut i32,
    /// End of the first row's sums, an even number and not 0 of channels after `tile`.
    pub(crate) tile_end: *const i32,
}

/// Sums of products of 2 rows with all pairs of channels: r4 to r7 are the four sums, r8 to r11 the
/// activations of a group, r12 and lr the weights of a channel.
///
/// # Safety
/// The processor has the DSP extension. The activations, not none, and the weights of all channels
/// are readable, and the sums of [`Dots`] writable.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn s8(dots: &Dots) {
    naked_asm!(
        ".cpu cortex-m7",
        "push {{r4-r11, lr}}",
        "sub sp, #20",
        "ldm r0, {{r4-r10}}",
        "mov r1, r6",
        "mov r2, r7",
        "mov r3, r5",
        "stm sp, {{r4, r8-r10}}",
        "1:",
        "ldr r0, [sp]",
        "mov r4, #0",
        "mov r5, #0",
        "mov r6, #0",
        "mov r7, #0",
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
        "ldrd r12, lr, [sp, #8]",
        "ldr r8, [sp, #4]",
        "strd r4, r5, [r12], #8",
        "strd r6, r7, [r12, #248]",
        "add r1, r8",
        "add r2, r8",
        "str r12, [sp, #8]",
        "cmp r12, lr",
        "bne 1b",
        "add sp, #20",
        "pop {{r4-r11, pc}}",
    )
}
