//! The sums of a depthwise convolution: one token, 4 channels at a time.

use core::arch::naked_asm;

/// Channels of a block.
pub(crate) const BLOCK: usize = 4;

/// Four weights: those of channels 0 and 2, 1 and 3, as halves of a word.
pub(crate) type Weights = [u32; 2];

/// Widens the weights of a block, `stride` bytes from a tap to the next.
///
/// # Safety
/// The processor has the DSP extension. `taps` is not 0; the weights of [`BLOCK`] channels are
/// readable for each of them, and as many [`Weights`] writable.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn widen(weights: *const i8, stride: usize, taps: usize, out: *mut Weights) {
    naked_asm!(
        ".cpu cortex-m7",
        "push {{r4, lr}}",
        "2:",
        "ldr r4, [r0]",
        "add r0, r1",
        "sxtb16 r12, r4",
        "sxtb16 r4, r4, ror #8",
        "strd r12, r4, [r3], #8",
        "subs r2, #1",
        "bne 2b",
        "pop {{r4, pc}}",
    )
}

/// Operands of [`blocks`]. The assembly reads the fields at their offsets.
#[repr(C)]
pub(crate) struct Taps {
    /// Pointers to the taps' tokens, `taps` of them.
    pub(crate) tokens: *const *const i8,
    /// Bytes to add to each of them.
    pub(crate) offset: usize,
    /// `[blocks, taps]`.
    pub(crate) weights: *const Weights,
    /// Number of taps, not 0.
    pub(crate) taps: usize,
    /// First channel of the last block, which may overlap with the one before it.
    pub(crate) last: usize,
    /// The sums, four words from a channel's to the next.
    pub(crate) tile: *mut i32,
    /// Their start values.
    pub(crate) bias: *const i32,
}

/// Adds a tap to the sums r4 to r7: the tap's token, less what is to be added to it, in a register.
macro_rules! tap {
    ($token:literal) => {
        concat!(
            "ldr r9, [",
            $token,
            ", r2]\nldrd r10, r11, [r3], #8\nsxtb16 r8, r9\nsxtb16 r9, r9, ror #8\n",
            "smlabb r4, r8, r10, r4\nsmlabb r5, r9, r11, r5\nsmlatt r6, r8, r10, r6\nsmlatt r7, r9, r11, r7"
        )
    };
}

/// Sums of 4 channels or more of one token.
///
/// # Safety
/// The processor has the DSP extension. The memory that the fields of [`Taps`] describe is
/// readable, and one sum for each channel writable.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn blocks(taps: &Taps) {
    naked_asm!(
        ".cpu cortex-m7",
        "push {{r0, r3-r11, lr}}",
        "sub sp, #4",
        "ldr r3, [r0, #8]",
        "mov r12, #0",
        "1:",
        "str r12, [sp]",
        "ldrd r1, r2, [r0]",
        "add r2, r12",
        "ldr lr, [r0, #24]",
        "add lr, lr, r12, lsl #2",
        "ldm lr, {{r4-r7}}",
        "ldr r12, [r0, #12]",
        "lsrs r12, r12, #1",
        "bcc 2f",
        "ldr lr, [r1], #4",
        tap!("lr"),
        "cmp r12, #0",
        "beq 3f",
        "2:",
        "ldrd lr, r0, [r1], #8",
        tap!("lr"),
        tap!("r0"),
        "subs r12, #1",
        "bne 2b",
        "3:",
        "ldrd r12, r0, [sp]",
        "ldrd r10, lr, [r0, #16]",
        "add lr, lr, r12, lsl #4",
        "str r4, [lr]",
        "str r5, [lr, #16]",
        "str r6, [lr, #32]",
        "str r7, [lr, #48]",
        "cmp r12, r10",
        "beq 4f",
        "add r12, #4",
        "cmp r12, r10",
        "it hi",
        "movhi r12, r10",
        "b 1b",
        "4:",
        "add sp, #8",
        "pop {{r3-r11, pc}}",
    )
}
