//! Depthwise convolutions of 3x3 and 5x5 as pairs of rows: the rows of 4 channels are put side by
//! side as halves of words, in planes, then a word of a window meets a word of weights.
//!
//! Two rows make a plane of each channel. The last row makes two: channels 0 and 2, 1 and 3 side by
//! side, whose weights have 0 in the other's place.

use core::arch::naked_asm;

/// Channels whose rows are put side by side at once.
pub(crate) const LANES: usize = 4;

/// Words of a plane, which is what the offsets inside the assembly assume: the columns of
/// [`TOKENS`] windows of 5x5.
pub(crate) const COLUMNS: usize = 20;

/// Most output tokens of a plane, a multiple of 4.
pub(crate) const TOKENS: usize = 16;

/// Channels whose sums lie between four tokens and the next four, which is what the offsets inside
/// the assembly assume.
pub(crate) const CHANNELS: usize = 16;

/// Operands of [`pair`] and [`single`]. The assembly loads them at once.
#[repr(C)]
pub(crate) struct Rows {
    /// First token of each row, of which [`LANES`] bytes are read; [`single`] reads the first.
    pub(crate) rows: [*const i8; 2],
    /// Bytes from a token of each row to the next.
    pub(crate) steps: [usize; 2],
    /// The first plane's word of the first token.
    pub(crate) to: *mut u32,
    /// Tokens, not 0.
    pub(crate) count: usize,
}

/// Puts two rows side by side, in four planes.
///
/// # Safety
/// The processor has the DSP extension. The memory that the fields of [`Rows`] describe is
/// readable, and the words of all tokens in the planes writable.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn pair(rows: &Rows) {
    naked_asm!(
        ".cpu cortex-m7",
        "push {{r4-r11, lr}}",
        "ldm r0, {{r1-r6}}",
        "2:",
        "ldr r7, [r1]",
        "add r1, r3",
        "ldr r8, [r2]",
        "add r2, r4",
        "sxtb16 r9, r7",
        "sxtb16 r7, r7, ror #8",
        "sxtb16 r10, r8",
        "sxtb16 r8, r8, ror #8",
        "pkhbt r11, r9, r10, lsl #16",
        "pkhtb r10, r10, r9, asr #16",
        "pkhbt r12, r7, r8, lsl #16",
        "pkhtb r8, r8, r7, asr #16",
        "str r12, [r5, #80]",
        "str r10, [r5, #160]",
        "str r8, [r5, #240]",
        "str r11, [r5], #4",
        "subs r6, #1",
        "bne 2b",
        "pop {{r4-r11, pc}}",
    )
}

/// Puts the channels of one row side by side, in two planes.
///
/// # Safety
/// As for [`pair`].
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn single(rows: &Rows) {
    naked_asm!(
        ".cpu cortex-m7",
        "push {{r4-r8, lr}}",
        "ldm r0, {{r1-r6}}",
        "2:",
        "ldr r7, [r1]",
        "add r1, r3",
        "sxtb16 r8, r7",
        "sxtb16 r7, r7, ror #8",
        "str r7, [r5, #80]",
        "str r8, [r5], #4",
        "subs r6, #1",
        "bne 2b",
        "pop {{r4-r8, pc}}",
    )
}

/// Operands of [`three`] and [`five`]. The assembly loads them at once.
#[repr(C)]
pub(crate) struct Windows {
    /// The channel's plane of the first two rows; that of the next two lies four planes further on.
    pub(crate) pairs: *const u32,
    /// The plane of the last row.
    pub(crate) last: *const u32,
    /// As many words as a row has taps, for each plane.
    pub(crate) weights: *const u32,
    /// Sums of the first four tokens; those of the next lie 4 times [`CHANNELS`] words further on.
    pub(crate) sums: *mut i32,
    /// End of the sums, not 0 fours after `sums`.
    pub(crate) sums_end: *const i32,
    /// What the sums start from.
    pub(crate) bias: i32,
}

/// A function over [`Windows`]: the sums r4 to r7 of four tokens, from r0 and r1 on, which it moves
/// by four tokens, with the weights at r2.
macro_rules! sums {
    ($(#[$doc:meta])* $name:ident, [$($sum:expr),* $(,)?]) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// The processor has the DSP extension. The planes and the weights are readable, and the
        /// sums of [`Windows`] writable.
        #[unsafe(naked)]
        pub(crate) unsafe extern "C" fn $name(windows: &Windows) {
            naked_asm!(
                ".cpu cortex-m7",
                "push {{r4-r11, lr}}",
                "ldm r0, {{r0-r5}}",
                "push {{r4, r5}}",
                "1:",
                "ldr r7, [sp, #4]",
                $($sum,)*
                "stm r3!, {{r4-r7}}",
                "add r3, #240",
                "ldr r11, [sp]",
                "cmp r3, r11",
                "bne 1b",
                "add sp, #8",
                "pop {{r4-r11, pc}}",
            )
        }
    };
}

/// Adds a plane of a 3x3: six words from the register on, which moves by four, times three weights
/// in r8 to r10. The first words of a token are added to what these registers hold.
macro_rules! plane3 {
    ($from:literal, $first:literal, $second:literal, $third:literal) => {
        concat!(
            "ldrd r11, r12, [",
            $from,
            "], #8\nsmlad r4, r11, r8, ",
            $first,
            "\nsmlad r5, r12, r8, ",
            $second,
            "\nsmlad r4, r12, r9, r4\n",
            "ldrd r11, r12, [",
            $from,
            "], #8\nsmlad r6, r11, r8, ",
            $third,
            "\nsmlad r7, r12, r8, r7\nsmlad r4, r11, r10, r4\nsmlad r5, r11, r9, r5\n",
            "smlad r5, r12, r10, r5\nsmlad r6, r12, r9, r6\n",
            "ldrd r11, r12, [",
            $from,
            "]\nsmlad r6, r11, r10, r6\nsmlad r7, r11, r9, r7\nsmlad r7, r12, r10, r7"
        )
    };
}

/// Adds a plane of a 5x5: eight words from the register and offset on, times five weights, after
/// which r2 ends. The first words of a token are added to what these registers hold.
macro_rules! plane5 {
    ($from:literal, $offset:literal, $first:literal, $second:literal, $third:literal) => {
        concat!(
            "ldm r2!, {{r8-r12}}\n",
            "ldr lr, [",
            $from,
            ", #",
            $offset,
            "]\nsmlad r4, lr, r8, ",
            $first,
            "\n",
            "ldr lr, [",
            $from,
            ", #",
            $offset,
            "+4]\nsmlad r4, lr, r9, r4\nsmlad r5, lr, r8, ",
            $second,
            "\n",
            "ldr lr, [",
            $from,
            ", #",
            $offset,
            "+8]\nsmlad r4, lr, r10, r4\nsmlad r5, lr, r9, r5\nsmlad r6, lr, r8, ",
            $third,
            "\n",
            "ldr lr, [",
            $from,
            ", #",
            $offset,
            "+12]\nsmlad r4, lr, r11, r4\nsmlad r5, lr, r10, r5\nsmlad r6, lr, r9, r6\nsmlad r7, lr, r8, r7\n",
            "ldr lr, [",
            $from,
            ", #",
            $offset,
            "+16]\nsmlad r4, lr, r12, r4\nsmlad r5, lr, r11, r5\nsmlad r6, lr, r10, r6\nsmlad r7, lr, r9, r7\n",
            "ldr lr, [",
            $from,
            ", #",
            $offset,
            "+20]\nsmlad r5, lr, r12, r5\nsmlad r6, lr, r11, r6\nsmlad r7, lr, r10, r7\n",
            "ldr lr, [",
            $from,
            ", #",
            $offset,
            "+24]\nsmlad r6, lr, r12, r6\nsmlad r7, lr, r11, r7\n",
            "ldr lr, [",
            $from,
            ", #",
            $offset,
            "+28]\nsmlad r7, lr, r12, r7"
        )
    };
}

sums! {
    /// Sums of a 3x3 kernel.
    three,
    ["ldm r2!, {{r8-r10}}", plane3!("r0", "r7", "r7", "r7"), "ldm r2, {{r8-r10}}", "sub r2, #12", plane3!("r1", "r4", "r5", "r6")]
}
sums! {
    /// Sums of a 5x5 kernel.
    five,
    [
        plane5!("r0", "0", "r7", "r7", "r7"), plane5!("r0", "320", "r4", "r5", "r6"), plane5!("r1", "0", "r4", "r5", "r6"),
        "sub r2, #60", "add r0, #16", "add r1, #16"
    ]
}
