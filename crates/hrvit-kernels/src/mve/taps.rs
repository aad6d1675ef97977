//! The sums of a depthwise convolution: one token, 16 channels at a time.

use core::arch::naked_asm;

/// Channels of a block.
pub(crate) const BLOCK: usize = 16;

/// Operands of [`blocks`] and [`part`]. The assembly reads the fields at their offsets.
#[repr(C)]
pub(crate) struct Taps {
    /// Pointers to the taps' tokens, `taps` of them.
    pub(crate) tokens: *const *const i8,
    /// Bytes to add to each of them.
    pub(crate) offset: usize,
    /// `[taps, weight_stride]` weights in -127..=127, from the first channel on.
    pub(crate) weights: *const i8,
    /// Number of taps.
    pub(crate) taps: usize,
    /// First channel of the last block, which may overlap with the one before it. For [`part`]: the
    /// number of channels.
    pub(crate) last: usize,
    /// Sums of the first token: one for each channel of a whole block; the next token's lie 256
    /// bytes further on.
    pub(crate) tile: *mut i32,
    /// Bytes from a token to the next.
    pub(crate) step: usize,
    /// Tokens, 1 or more; none when the function has returned.
    pub(crate) count: usize,
    /// Weights from a tap to the next.
    pub(crate) weight_stride: usize,
}

/// Two taps at once: with weights in -127..=127 the sum of two products fits 16 bits, so that only
/// one in two is widened. Products of even and odd channels are apart; q0 to q3 hold the sums of
/// every fourth channel, which `vst4` brings into order. The second tap is loaded twice, as there
/// are 8 registers.
macro_rules! taps {
    ($(#[$doc:meta])* $name:ident, $load:literal, [$($enter:literal),*], [$($next:literal),*]) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// The processor has MVE. The memory that the fields of [`Taps`] describe is readable, and
        /// the sums writable.
        #[unsafe(naked)]
        pub(crate) unsafe extern "C" fn $name(taps: &mut Taps) {
            naked_asm!(
                ".cpu cortex-m55",
                "push {{r4-r11, lr}}",
                "vpush {{d8-d15}}",
                "push {{r0, r1}}",
                "ldrd r3, r1, [r0]",
                "ldr r8, [r0, #12]",
                "ldrd r10, r12, [r0, #16]",
                "mov r0, r3",
                "lsr r7, r8, #1",
                $($enter,)*
                "7:",
                "mov r9, #0",
                "1:",
                "ldr r3, [sp]",
                "mov r4, r0",
                "add r11, r1, r9",
                "ldr r2, [r3, #8]",
                "ldr r3, [r3, #32]",
                "add r2, r9",
                "tst r8, #1",
                "bne 4f",
                "vmov.i32 q0, #0",
                "vmov.i32 q1, #0",
                "vmov.i32 q2, #0",
                "vmov.i32 q3, #0",
                "b 5f",
                "4:",
                "ldr r5, [r4], #4",
                "add r5, r11",
                concat!($load, " q6, [r5]"),
                concat!($load, " q7, [r2]"),
                "add r2, r3",
                "vmullb.s8 q4, q6, q7",
                "vmullt.s8 q5, q6, q7",
                "vmovlb.s16 q0, q4",
                "vmovlt.s16 q2, q4",
                "vmovlb.s16 q1, q5",
                "vmovlt.s16 q3, q5",
                "5:",
                "wls lr, r7, 3f",
                "2:",
                "ldrd r5, r6, [r4], #8",
                "add r5, r11",
                "add r6, r11",
                concat!($load, " q4, [r5]"),
                concat!($load, " q5, [r2]"),
                "add r2, r3",
                "vmullb.s8 q6, q4, q5",
                "vmullt.s8 q4, q4, q5",
                concat!($load, " q5, [r6]"),
                concat!($load, " q7, [r2]"),
                "add r2, r3",
                "vmullb.s8 q5, q5, q7",
                "vadd.i16 q6, q6, q5",
                concat!($load, " q5, [r6]"),
                "vmullt.s8 q5, q5, q7",
                "vadd.i16 q4, q4, q5",
                "vmovlb.s16 q5, q6",
                "vadd.i32 q0, q0, q5",
                "vmovlt.s16 q6, q6",
                "vadd.i32 q2, q2, q6",
                "vmovlb.s16 q7, q4",
                "vadd.i32 q1, q1, q7",
                "vmovlt.s16 q4, q4",
                "vadd.i32 q3, q3, q4",
                "le lr, 2b",
                "3:",
                "add r3, r12, r9, lsl #2",
                "vst40.32 {{q0, q1, q2, q3}}, [r3]",
                "vst41.32 {{q0, q1, q2, q3}}, [r3]",
                "vst42.32 {{q0, q1, q2, q3}}, [r3]",
                "vst43.32 {{q0, q1, q2, q3}}, [r3]",
                $($next,)*
                "ldr r3, [sp]",
                "add r12, #256",
                "ldrd r4, r5, [r3, #24]",
                "add r1, r4",
                "subs r5, #1",
                "str r5, [r3, #28]",
                "bne 7b",
                "add sp, #8",
                "vpop {{d8-d15}}",
                "pop {{r4-r11, pc}}",
            )
        }
    };
}

taps! {
    /// Sums of 16 channels or more.
    blocks, "vldrb.u8", [], ["cmp r9, r10", "beq 6f", "add r9, #16", "cmp r9, r10", "it hi", "movhi r9, r10", "b 1b", "6:"]
}
taps! {
    /// Sums of fewer than 16 channels: activations and weights beyond them are not read. Sums are
    /// whole blocks.
    part, "vpst\nvldrbt.u8", ["vctp.8 r10"], []
}
