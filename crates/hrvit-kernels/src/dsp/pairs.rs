//! The products: 4 rows of widened activations with 2 channels, whose weights are widened once for
//! several fours of rows.

use core::arch::naked_asm;

use super::tile::ROWS;

/// Four steps of depth of four rows: elements 0 and 2 of each row as halves of a word, then 1
/// and 3.
pub(crate) type Group = [[u32; ROWS]; 2];

/// Most steps of depth that are widened at once: the assembly has room for weights of so many.
pub(crate) const STEPS: usize = 64;

/// Up to four rows of activations. The assembly loads the fields at once.
#[repr(C)]
pub(crate) struct Four<A> {
    pub(crate) first: *const A,
    /// Bytes from a row to the next.
    pub(crate) stride: usize,
    /// Rows that there are, 1 or more. Those that are missing are the last again: their sums are
    /// nobody's.
    pub(crate) rows: usize,
}

/// A function that widens `groups` groups of four rows: a loop with the rows at r0 to r3, the
/// groups at r12 and their number in lr.
macro_rules! four {
    ($(#[$meta:meta])* $name:ident, $a:ty, [$($line:literal),*]) => {
        $(#[$meta])*
        ///
        /// # Safety
        /// The processor has the DSP extension. `groups` is not 0, so many groups of 4 activations
        /// are readable from each of the rows on, and as many writable.
        #[unsafe(naked)]
        pub(crate) unsafe extern "C" fn $name(four: &Four<$a>, out: *mut Group, groups: usize) {
            naked_asm!(
                ".cpu cortex-m7",
                "push {{r4-r11, lr}}",
                "mov r12, r1",
                "mov lr, r2",
                "ldm r0, {{r0, r4, r5}}",
                "mov r1, r0",
                "cmp r5, #2",
                "it hs",
                "addhs r1, r0, r4",
                "mov r2, r1",
                "cmp r5, #3",
                "it hs",
                "addhs r2, r1, r4",
                "mov r3, r2",
                "cmp r5, #4",
                "it hs",
                "addhs r3, r2, r4",
                "2:",
                $($line,)*
                "subs lr, #1",
                "bne 2b",
                "pop {{r4-r11, pc}}",
            )
        }
    };
}

four! {
    /// Widens activations of 8 bits.
    widen_four, i8,
    [
        "ldr r8, [r0], #4", "ldr r9, [r1], #4", "ldr r10, [r2], #4", "ldr r11, [r3], #4", "sxtb16 r4, r8", "sxtb16 r5, r9", "sxtb16 r6, r10", "sxtb16 r7, r11",
        "sxtb16 r8, r8, ror #8", "sxtb16 r9, r9, ror #8", "sxtb16 r10, r10, ror #8", "sxtb16 r11, r11, ror #8", "stm r12!, {{r4-r11}}"
    ]
}
four! {
    /// Brings activations of 16 bits in the order of widened ones.
    #[cfg(feature = "int16x8")]
    arrange_four, i16,
    [
        "ldr r4, [r0], #4", "ldr r5, [r0], #4", "ldr r6, [r1], #4", "ldr r7, [r1], #4", "pkhbt r8, r4, r5, lsl #16", "pkhbt r9, r6, r7, lsl #16",
        "pkhtb r10, r5, r4, asr #16", "pkhtb r11, r7, r6, asr #16", "strd r10, r11, [r12, #16]", "strd r8, r9, [r12], #8",
        "ldr r4, [r2], #4", "ldr r5, [r2], #4", "ldr r6, [r3], #4", "ldr r7, [r3], #4", "pkhbt r8, r4, r5, lsl #16", "pkhbt r9, r6, r7, lsl #16",
        "pkhtb r10, r5, r4, asr #16", "pkhtb r11, r7, r6, asr #16", "strd r10, r11, [r12, #16]", "strd r8, r9, [r12], #24"
    ]
}

/// Operands of [`products`]. The assembly loads them at once.
#[repr(C)]
pub(crate) struct Pairs {
    /// Fours of rows, one behind the other, some steps of depth of each.
    pub(crate) a: *const Group,
    /// Sums of the first channel and four.
    pub(crate) sums: *mut [i32; ROWS],
    /// `span` bytes further on.
    pub(crate) sums_end: *mut [i32; ROWS],
    /// Bytes of a pair's widened weights: 4 for each step of depth.
    pub(crate) wide: usize,
    /// Weights of the first channel.
    pub(crate) weights: *const i8,
    /// Bytes from the weights of a pair's first channel to those of the second.
    pub(crate) second: usize,
    /// Bytes from the weights of a pair to those of the next.
    pub(crate) next: usize,
    /// Start values of the sums, one for each channel.
    pub(crate) bias: *const i32,
    /// End of them, not 0 pairs after `bias`.
    pub(crate) bias_end: *const i32,
    /// 0: sums start from the biases. Otherwise they are added to what is there.
    pub(crate) add: usize,
    /// Bytes of the sums of all fours.
    pub(crate) span: usize,
    /// Bytes from the sums of a four to those of the next.
    pub(crate) stride: usize,
}

/// Two steps of depth of four rows with two channels, by their place in a turn. Activations lie at
/// r0, the first channel's weights 316 bytes behind r1. The second's are in r3, which the next ones
/// replace. r4 to r7 become the first channel's sums, r8 to r11 the second's. They start from these
/// registers, or from those that are named.
macro_rules! steps {
    ($at:literal) => {
        steps!($at, "r4", "r5", "r6", "r8", "r9", "r10")
    };
    ($at:literal, $first:literal, $second:literal) => {
        steps!($at, $first, $first, $first, $second, $second, $second)
    };
    ($at:literal, $a0:literal, $a1:literal, $a2:literal, $b0:literal, $b1:literal, $b2:literal) => {
        concat!(
            "ldrd r12, lr, [r0, #16*",
            $at,
            "]\nldr r2, [r1, #316+8*",
            $at,
            "]\n",
            "smlad r8, r12, r3, ",
            $b0,
            "\nsmlad r9, lr, r3, ",
            $b1,
            "\nsmlad r4, r12, r2, ",
            $a0,
            "\nsmlad r5, lr, r2, ",
            $a1,
            "\n",
            "ldrd r12, lr, [r0, #16*",
            $at,
            "+8]\nsmlad r10, r12, r3, ",
            $b2,
            "\nsmlad r6, r12, r2, ",
            $a2,
            "\n",
            "smlad r11, lr, r3, r11\nldr r3, [r1, #316+8*",
            $at,
            "+12]\nsmlad r7, lr, r2, r7"
        )
    };
}

/// Sums of products of all fours of rows with all pairs of channels.
///
/// A turn takes 16 steps of depth. Loads of one word stand before a multiplication that does not
/// need it, so that both issue at once. Widened weights lie on the stack, up to 316 bytes above its
/// end: they are at their end where r1 is equal to sp. Two words behind them are read and not used.
///
/// # Safety
/// The processor has the DSP extension. The steps of depth are a multiple of 8 and not 0, of which
/// activations and weights are readable; the memory that the fields of [`Pairs`] describe is
/// readable, and that of weights and sums writable.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn products(pairs: &Pairs) {
    naked_asm!(
        ".cpu cortex-m7",
        "push {{r4-r11, lr}}",
        "sub sp, #280",
        "ldm r0, {{r1-r12}}",
        // A four begins with its biases or sums, and enters the loop behind the two steps that the
        // biases take, or in its middle if half a turn is left over.
        "adr.w r0, 3f",
        "adr.w lr, 6f",
        "cmp r10, #0",
        "adr.w r10, 21f",
        "beq 8f",
        "adr.w r0, 2f",
        "adr.w lr, 7f",
        "adr.w r10, 22f",
        "8:",
        "tst r4, #32",
        "it ne",
        "movne r0, lr",
        "orr r10, #1",
        "orr r0, #1",
        "str r0, [sp, #8]",
        "push {{r1-r12}}",
        "sub r4, sp, r4",
        "str r4, [sp, #12]",
        // The weights and biases of a pair.
        "9:",
        "ldrd r1, r2, [sp, #16]",
        "add r2, r1",
        "ldr r0, [sp, #12]",
        "add r0, #316",
        "add r3, sp, #316",
        "24:",
        "ldr r6, [r1], #4",
        "ldr r7, [r2], #4",
        "ldr r10, [r1], #4",
        "ldr r11, [r2], #4",
        "sxtb16 r4, r6",
        "sxtb16 r5, r7",
        "sxtb16 r6, r6, ror #8",
        "sxtb16 r7, r7, ror #8",
        "sxtb16 r8, r10",
        "sxtb16 r9, r11",
        "sxtb16 r10, r10, ror #8",
        "sxtb16 r11, r11, ror #8",
        "stm r0!, {{r4-r11}}",
        "cmp r0, r3",
        "bne 24b",
        "ldr r12, [sp, #28]",
        "ldrd r4, r5, [r12], #8",
        "str r12, [sp, #28]",
        "strd r4, r5, [sp, #48]",
        "ldr r0, [sp]",
        "23:",
        "ldr r1, [sp, #12]",
        "ldr r3, [r1, #320]",
        "ldr pc, [sp, #36]",
        "21:",
        "ldrd r7, r11, [sp, #48]",
        steps!("0", "r7", "r11"),
        "ldr pc, [sp, #56]",
        "22:",
        "ldr r12, [sp, #4]",
        "ldm r12, {{r4-r11}}",
        "ldr pc, [sp, #56]",
        "6:",
        "sub r0, #64",
        "sub r1, #32",
        "b 5f",
        "7:",
        "sub r0, #64",
        "sub r1, #32",
        "b 4f",
        ".p2align 2",
        "2:",
        steps!("0"),
        "3:",
        steps!("1"),
        steps!("2"),
        steps!("3"),
        "4:",
        steps!("4"),
        "5:",
        steps!("5"),
        steps!("6"),
        "ldrd r12, lr, [r0, #112]",
        "ldr r2, [r1, #372]",
        "smlad r8, r12, r3, r8",
        "add r0, #128",
        "smlad r9, lr, r3, r9",
        "smlad r4, r12, r2, r4",
        "smlad r5, lr, r2, r5",
        "ldrd r12, lr, [r0, #-8]",
        "add r1, #64",
        "smlad r10, r12, r3, r10",
        "cmp sp, r1",
        "smlad r11, lr, r3, r11",
        "ldr r3, [r1, #320]",
        "smlad r6, r12, r2, r6",
        "smlad r7, lr, r2, r7",
        "bne 2b",
        "ldrd r12, lr, [sp, #4]",
        "stm r12, {{r4-r11}}",
        "ldr r3, [sp, #44]",
        "add r12, r3",
        "str r12, [sp, #4]",
        "cmp r12, lr",
        "bne 23b",
        "ldr r0, [sp, #40]",
        "add lr, #32",
        "sub r0, lr, r0",
        "strd r0, lr, [sp, #4]",
        "ldr r0, [sp, #16]",
        "ldrd r1, r2, [sp, #24]",
        "ldr r3, [sp, #32]",
        "add r0, r1",
        "str r0, [sp, #16]",
        "cmp r2, r3",
        "bne 9b",
        "add sp, #328",
        "pop {{r4-r11, pc}}",
    )
}
