//! Elementwise operators in one loop over channels and tokens, for a shift of 33 to 62 and outputs
//! that saturate to their width: see [`super::sink`] for the rounding.

use core::arch::naked_asm;

/// Operands of the functions here. The assembly reads the fields at their offsets.
#[repr(C)]
pub(crate) struct Words<X, Y> {
    /// Inputs, those of a token beside each other, up to `x_end`; not none.
    pub(crate) x: *const X,
    /// Outputs, as many.
    pub(crate) out: *mut Y,
    /// One multiplier for each channel.
    pub(crate) mult: *const i32,
    /// One shift for each channel.
    pub(crate) shift: *const u8,
    /// For [`hardswish`]: one for each channel.
    pub(crate) three: *const i32,
    /// End of the multipliers, not none.
    pub(crate) mult_end: *const i32,
    pub(crate) pre_shift: u32,
    /// Twice the zero point of the outputs, and 1.
    pub(crate) twice: i32,
    /// End of the inputs: whole tokens.
    pub(crate) x_end: *const X,
}

/// A function over [`Words`]: what makes an accumulator in r9, and what stores the requantised one.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $x:ty, $y:ty, [$($load:literal),*], [$($store:literal),*]) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// The processor has the DSP extension. The memory that the fields of [`Words`] describe is
        /// readable, the outputs writable too; shifts are 33 to 62.
        #[unsafe(naked)]
        pub(crate) unsafe extern "C" fn $name(words: &Words<$x, $y>) {
            naked_asm!(
                ".cpu cortex-m7",
                "push {{r4-r11, lr}}",
                "ldrd r1, r2, [r0]",
                "ldrd r6, r7, [r0, #20]",
                "ldr r8, [r0, #28]",
                "1:",
                "ldrd r3, r4, [r0, #8]",
                "ldr r5, [r0, #16]",
                "2:",
                $($load,)*
                "ldrb r10, [r4], #1",
                "ldr r11, [r3], #4",
                "sub r10, #33",
                "lsl r9, r7",
                "smmul r9, r9, r11",
                "asr r9, r10",
                $($store,)*
                "cmp r3, r6",
                "bne 2b",
                "ldr r9, [r0, #32]",
                "cmp r1, r9",
                "bne 1b",
                "pop {{r4-r11, pc}}",
            )
        }
    };
}

words! {
    /// `out = clamp(rq(x) + zero, -128, 127)`.
    narrow, i16, i8, ["ldrsh r9, [r1], #2"], ["add r9, r8", "ssat r9, #8, r9, asr #1", "strb r9, [r2], #1"]
}
words! {
    /// `out = clamp(rq(x), -32768, 32767)`; `twice` is 1.
    rescale, i16, i16, ["ldrsh r9, [r1], #2"], ["add r9, r8", "ssat r9, #16, r9, asr #1", "strh r9, [r2], #2"]
}
words! {
    /// `out += rq(x)`; `twice` is 1.
    rescale_add, i16, i32, ["ldrsh r9, [r1], #2"], ["add r9, r8", "ldr r12, [r2]", "add r9, r12, r9, asr #1", "str r9, [r2], #4"]
}
words! {
    /// `out = clamp(rq(x * clamp((x << 8) + three, 0, 2 * three)) + zero, -128, 127)`.
    hardswish, i8, i8,
    [
        "ldrsb r9, [r1], #1", "ldr r12, [r5], #4", "add lr, r12, r9, lsl #8", "bic lr, lr, lr, asr #31", "cmp lr, r12, lsl #1", "it gt", "lslgt lr, r12, #1",
        "mul r9, r9, lr"
    ],
    ["add r9, r8", "ssat r9, #8, r9, asr #1", "strb r9, [r2], #1"]
}

/// Operands of [`hardswish_of_sums`]. The assembly reads the fields in this order.
#[repr(C)]
pub(crate) struct Uniform {
    /// Inputs, up to `x_end`; not none.
    pub(crate) x: *const i16,
    /// Outputs, as many.
    pub(crate) out: *mut i8,
    pub(crate) mult: i32,
    /// Less 33.
    pub(crate) shift: u32,
    pub(crate) three: i32,
    pub(crate) x_end: *const i16,
    pub(crate) pre_shift: u32,
    /// Twice the zero point of the outputs, and 1.
    pub(crate) twice: i32,
}

/// `out = clamp(rq(x * clamp(x + three, 0, 2 * three)) + zero, -128, 127)`, one multiplier for all.
///
/// # Safety
/// The processor has the DSP extension. The memory that the fields of [`Uniform`] describe is
/// readable, the outputs writable; the shift is 33 to 62.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn hardswish_of_sums(uniform: &Uniform) {
    naked_asm!(
        ".cpu cortex-m7",
        "push {{r4-r10, lr}}",
        "ldm r0, {{r1-r8}}",
        "lsl lr, r5, #1",
        "2:",
        "ldrsh r9, [r1], #2",
        "add r10, r9, r5",
        "bic r10, r10, r10, asr #31",
        "cmp r10, lr",
        "it gt",
        "movgt r10, lr",
        "mul r9, r9, r10",
        "lsl r9, r7",
        "smmul r9, r9, r3",
        "asr r9, r4",
        "add r9, r8",
        "ssat r9, #8, r9, asr #1",
        "strb r9, [r2], #1",
        "cmp r1, r6",
        "bne 2b",
        "pop {{r4-r10, pc}}",
    )
}
