//! The inner products: 2 rows of widened activations with pairs of channels, 4 rows with one
//! channel.

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

/// Widens `groups` groups of four rows, the first two and the others by turns.
///
/// # Safety
/// The processor has the DSP extension. `groups` is not 0, so many groups of 4 activations are
/// readable from each of the rows on, and twice as many writable.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn widen_four(rows: &[*const i8; 4], out: *mut Group, groups: usize) {
    naked_asm!(
        ".cpu cortex-m7",
        "push {{r4-r11, lr}}",
        "mov r12, r1",
        "mov lr, r2",
        "ldm r0, {{r0-r3}}",
        "2:",
        "ldr r5, [r0], #4",
        "ldr r7, [r1], #4",
        "ldr r9, [r2], #4",
        "ldr r11, [r3], #4",
        "sxtb16 r4, r5",
        "sxtb16 r5, r5, ror #8",
        "sxtb16 r6, r7",
        "sxtb16 r7, r7, ror #8",
        "sxtb16 r8, r9",
        "sxtb16 r9, r9, ror #8",
        "sxtb16 r10, r11",
        "sxtb16 r11, r11, ror #8",
        "stm r12!, {{r4-r11}}",
        "subs lr, #1",
        "bne 2b",
        "pop {{r4-r11, pc}}",
    )
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
    /// Start values of the first row's sums, one for each channel; a multiple of 4.
    pub(crate) start: *const i32,
    /// Bytes from there to what those of the second row start from.
    pub(crate) below: usize,
    /// Sums of the first row; the second row's lie 256 bytes further on. A multiple of 4.
    pub(crate) tile: *mut i32,
    /// End of the first row's sums, an even number and not 0 of channels after `tile`.
    pub(crate) tile_end: *const i32,
}

/// Sums of products of 2 rows with all pairs of channels: r4 to r7 are the four sums, r8 to r11 the
/// activations of a group, r12 and lr the weights of a channel.
///
/// # Safety
/// The processor has the DSP extension. The activations, not none, the weights of all channels and
/// what their sums start from are readable, and the sums of [`Dots`] writable.
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

/// Operands of [`quads`] and [`more_quads`]. The assembly reads the fields at their offsets.
#[repr(C)]
pub(crate) struct Quads {
    /// Groups of the first two of four rows, beside those of the others; an even number of them.
    pub(crate) a: *const [Group; 2],
    pub(crate) a_end: *const [Group; 2],
    /// Weights of the first channel, as many as there are activations.
    pub(crate) weights: *const i8,
    /// Bytes from the end of a channel's weights to those of the next.
    pub(crate) skip: usize,
    /// Start values of the sums, one for each channel: for [`quads`].
    pub(crate) bias: *const i32,
    /// Sums of four rows, those of a channel beside each other.
    pub(crate) tile: *mut [i32; 4],
    /// End of the sums, not 0 channels after `tile`.
    pub(crate) tile_end: *const [i32; 4],
}

/// Adds the products of four steps of depth of four rows: their activations from r0 on, the weights
/// of a channel from r1 on. The first of them are added to what these registers hold.
macro_rules! quad {
    () => {
        quad!("r4", "r5", "r6")
    };
    ($first:literal, $second:literal, $third:literal) => {
        concat!(
            "ldr lr, [r1], #4\nldm r0!, {{r8-r11}}\nsxtb16 r12, lr\nsxtb16 lr, lr, ror #8\n",
            "smlad r4, r8, r12, ",
            $first,
            "\nsmlad r5, r10, r12, ",
            $second,
            "\nsmlad r4, r9, lr, r4\nsmlad r5, r11, lr, r5\nldm r0!, {{r8-r11}}\n",
            "smlad r6, r8, r12, ",
            $third,
            "\nsmlad r7, r10, r12, r7\nsmlad r6, r9, lr, r6\nsmlad r7, r11, lr, r7"
        )
    };
}

/// A function over [`Quads`]: r4 to r7 are the four sums, r2 is where they go. Arguments are the
/// lines before the loop, and the groups that they take, in bytes.
macro_rules! quads {
    ($(#[$doc:meta])* $name:ident, $taken:literal, [$($start:expr),*]) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// The processor has the DSP extension. The activations, not none, the weights of all
        /// channels and what their sums start from are readable, and the sums of [`Quads`]
        /// writable.
        #[unsafe(naked)]
        pub(crate) unsafe extern "C" fn $name(quads: &Quads) {
            naked_asm!(
                ".cpu cortex-m7",
                "push {{r4-r11, lr}}",
                "sub sp, #24",
                "ldrd r4, r3, [r0]",
                "ldrd r1, r5, [r0, #8]",
                "ldrd r6, r2, [r0, #16]",
                "ldr r7, [r0, #24]",
                "strd r6, r4, [sp]",
                "strd r5, r7, [sp, #8]",
                // Entry of the loop: its second half if half a turn is left over, its end if there
                // is nothing left.
                "adr r5, 2f",
                "adr r6, 3f",
                "adr.w r7, 4f",
                "sub r4, r3, r4",
                concat!("subs r4, #", $taken),
                "it eq",
                "moveq r5, r7",
                "tst r4, #64",
                "it ne",
                "movne r5, r6",
                "orr r5, #1",
                "str r5, [sp, #16]",
                "1:",
                "ldrd r12, r0, [sp]",
                $($start,)*
                "ldr pc, [sp, #16]",
                ".p2align 2",
                "2:",
                quad!(),
                quad!(),
                ".p2align 2",
                "3:",
                quad!(),
                quad!(),
                "cmp r0, r3",
                "bne 2b",
                "4:",
                "ldrd r12, lr, [sp, #8]",
                "stm r2!, {{r4-r7}}",
                "add r1, r12",
                "cmp r2, lr",
                "bne 1b",
                "add sp, #24",
                "pop {{r4-r11, pc}}",
            )
        }
    };
}

quads! {
    /// Sums of products of 4 rows with all channels, from the biases on.
    quads, "64", ["ldr r7, [r12], #4", "str r12, [sp]", quad!("r7", "r7", "r7"), quad!()]
}
quads! {
    /// [`quads`], added to what is there.
    more_quads, "0", ["ldm r2, {{r4-r7}}"]
}
