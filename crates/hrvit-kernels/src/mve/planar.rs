//! Windows of a depthwise convolution as bytes that lie one behind the other: rows are interleaved,
//! then a sum is a dot product with the weights of its channel.

use core::arch::naked_asm;

/// Channels that are interleaved at once.
pub(crate) const LANES: usize = 8;

/// Bytes of a channel's weights: 0 in every slot that is no tap.
pub(crate) const WEIGHTS: usize = 32;

/// Bytes of a channel's windows; those of the last of 32 in a 5x5 kernel, six bytes a token, end
/// at 218.
pub(crate) const WINDOWS: usize = 224;

/// Operands of [`interleave3`] and [`interleave5`]. The assembly reads the fields at their offsets.
#[repr(C)]
pub(crate) struct Rows {
    /// First token of each row, of which [`LANES`] bytes are read; [`interleave3`] reads three
    /// rows.
    pub(crate) rows: [*const i8; 5],
    /// Bytes from a token of each row to the next.
    pub(crate) steps: [usize; 5],
    /// Tokens, 1 or more.
    pub(crate) count: usize,
    /// Output of the first token of the first channel.
    pub(crate) to: *mut i8,
    /// Bytes from a channel to the next, even and below 8192.
    pub(crate) channel: usize,
}

macro_rules! interleave {
    ($(#[$doc:meta])* $name:ident, [$($body:literal),*]) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// The processor has MVE. The memory that the fields of [`Rows`] describe is readable, and
        /// the slots of all tokens in [`LANES`] channels writable.
        #[unsafe(naked)]
        pub(crate) unsafe extern "C" fn $name(rows: &Rows) {
            naked_asm!(
                ".cpu cortex-m55",
                "push {{r4-r11, lr}}",
                "vpush {{d8-d15}}",
                "ldr r9, [r0, #48]",
                "mov r8, #0",
                "vidup.u16 q5, r8, #1",
                "vmul.i16 q5, q5, r9",
                "mov r9, #2",
                "vadd.i16 q6, q5, r9",
                "vadd.i16 q7, q6, r9",
                "ldrd lr, r7, [r0, #40]",
                "ldm r0!, {{r1-r5}}",
                "ldm r0, {{r6, r8-r11}}",
                "dls lr, lr",
                "1:",
                $($body,)*
                "le lr, 1b",
                "vpop {{d8-d15}}",
                "pop {{r4-r11, pc}}",
            )
        }
    };
}

interleave! {
    /// Interleaves three rows: `to[channel][token]` are four bytes, the last of them 0.
    interleave3, [
        "vldrb.u16 q0, [r1]", "add r1, r6", "vldrb.u16 q1, [r2]", "add r2, r8", "vsli.16 q0, q1, #8", "vldrb.u16 q2, [r3]", "add r3, r9",
        "vstrh.16 q0, [r7, q5]", "vstrh.16 q2, [r7, q6]", "add r7, #4"
    ]
}
interleave! {
    /// Interleaves five rows: `to[channel][token]` are six bytes, the last of them 0.
    interleave5, [
        "vldrb.u16 q0, [r1]", "add r1, r6", "vldrb.u16 q1, [r2]", "add r2, r8", "vsli.16 q0, q1, #8", "vldrb.u16 q2, [r3]", "add r3, r9",
        "vstrh.16 q0, [r7, q5]", "vldrb.u16 q3, [r4]", "add r4, r10", "vsli.16 q2, q3, #8", "vldrb.u16 q4, [r5]", "add r5, r11",
        "vstrh.16 q2, [r7, q6]", "vstrh.16 q4, [r7, q7]", "add r7, #6"
    ]
}

/// Operands of the functions that multiply windows and store. The assembly reads the fields at
/// their offsets, and moves the first six to the next channel.
#[repr(C)]
pub(crate) struct Lanes {
    /// Windows of the first channel, [`WINDOWS`] bytes before those of the next.
    pub(crate) windows: *const i8,
    /// Weights of the first channel, [`WEIGHTS`] bytes before those of the next.
    pub(crate) weights: *const i8,
    /// One bias for each channel.
    pub(crate) bias: *const i32,
    /// One multiplier for each channel.
    pub(crate) mult: *const i32,
    /// One shift for each channel.
    pub(crate) shift: *const u8,
    /// Output of the first token and channel.
    pub(crate) out: *mut u8,
    /// Bytes from a token's output to the next.
    pub(crate) stride: usize,
    /// Output tokens, 1 to 32; of as many, rounded up to 8, times the stride, there are fewer than
    /// 32768 bytes.
    pub(crate) count: usize,
    /// Channels, 1 to [`LANES`].
    pub(crate) lanes: usize,
    /// Added to a requantised sum.
    pub(crate) zero: i32,
    /// The greatest code, or the last index of the table, below 65536.
    pub(crate) hi: u32,
    /// The least code.
    pub(crate) lo: i32,
    /// The table.
    pub(crate) table: *const i8,
}

/// Sum of a 3x3 kernel: 16 bytes from every fourth on, times the first 16 weights.
macro_rules! sum3 {
    ($acc:literal, $window:literal, $other:literal) => {
        concat!("vldrb.u8 ", $window, ", [r1], #4\nvmladav.s8 ", $acc, ", ", $window, ", q6\n")
    };
}

/// Sum of a 5x5 kernel: 32 bytes from every sixth on, times 32 weights.
macro_rules! sum5 {
    ($acc:literal, $window:literal, $other:literal) => {
        concat!(
            "vldrb.u8 ",
            $window,
            ", [r1], #6\nvmladav.s8 ",
            $acc,
            ", ",
            $window,
            ", q6\nvldrb.u8 ",
            $other,
            ", [r1, #10]\nvmladava.s8 ",
            $acc,
            ", ",
            $other,
            ", q7\n"
        )
    };
}

/// Stores the even sums of q0 and the odd ones of q1, requantised, where fewer than r12 bytes of
/// output are behind them, in three parts: two for the even ones alone, which stand where the odd
/// ones would wait for themselves, and the rest.
macro_rules! put {
    (@first table8) => {
        "vadd.i32 q0, q0, r8"
    };
    (@second table8) => {
        "vqmovunb.s32 q0, q0"
    };
    (@rest table8) => {
        "vadd.i32 q1, q1, r8\nvqmovunt.s32 q0, q1\nvmin.u16 q0, q0, q5\nvldrb.u16 q2, [r9, q0]\nvpt.s16 lt, q4, r12\nvstrbt.16 q2, [r10, q4]"
    };
    (@first store8) => {
        "vadd.i32 q0, q0, r8"
    };
    (@second store8) => {
        "vqmovnb.s32 q0, q0"
    };
    (@rest store8) => {
        "vadd.i32 q1, q1, r8\nvdup.16 q3, r9\nvqmovnt.s32 q0, q1\nvmin.s16 q0, q0, q5\nvmax.s16 q0, q0, q3\nvpt.s16 lt, q4, r12\nvstrbt.16 q0, [r10, q4]"
    };
    (@first store16) => {
        ""
    };
    (@second store16) => {
        "vqmovnb.s32 q0, q0"
    };
    (@rest store16) => {
        "vqmovnt.s32 q0, q1\nvpt.s16 lt, q4, r12\nvstrht.16 q0, [r10, q4]"
    };
    (@first add16) => {
        "vpt.s16 lt, q4, r12\nvldrht.u16 q2, [r10, q4]"
    };
    (@second add16) => {
        "vmovlb.s16 q3, q2"
    };
    (@rest add16) => {
        "vadd.i32 q0, q0, q3\nvmovlt.s16 q2, q2\nvqmovnb.s32 q0, q0\nvadd.i32 q1, q1, q2\nvqmovnt.s32 q0, q1\nvpst\nvstrht.16 q0, [r10, q4]"
    };
}

/// A function that multiplies and stores: its kind of sum and store, what r9 is, and the bytes of
/// an output.
macro_rules! lanes {
    ($(#[$doc:meta])* $name:ident, $sum:ident, $put:ident, $r9:literal, $size:literal) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// The processor has MVE. The memory that the fields of [`Lanes`] describe is readable, the
        /// outputs of `count` tokens and `lanes` channels writable, too.
        #[unsafe(naked)]
        pub(crate) unsafe extern "C" fn $name(lanes: &mut Lanes) {
            naked_asm!(
                ".cpu cortex-m55",
                "push {{r0, r4-r11, lr}}",
                "vpush {{d8-d15}}",
                "ldr r11, [r0, #24]",
                "ldrd r8, r1, [r0, #36]",
                concat!("ldr r9, [r0, #", $r9, "]"),
                "vdup.16 q5, r1",
                // Lanes of the outputs in their order: 0, 4, 2, 6, 1, 5, 3, 7.
                "mov r2, #0",
                "mov r3, #4",
                "mov r4, #2",
                "mov r5, #6",
                "vmov.16 q4[0], r2",
                "vmov.16 q4[1], r3",
                "vmov.16 q4[2], r4",
                "vmov.16 q4[3], r5",
                "add r2, #1",
                "add r3, #1",
                "add r4, #1",
                "add r5, #1",
                "vmov.16 q4[4], r2",
                "vmov.16 q4[5], r3",
                "vmov.16 q4[6], r4",
                "vmov.16 q4[7], r5",
                "vmul.i16 q4, q4, r11",
                "1:",
                "ldrd r1, r2, [r0]",
                "vldrb.u8 q6, [r2], #16",
                "vldrb.u8 q7, [r2], #16",
                "add r3, r1, #224",
                "strd r3, r2, [r0]",
                "ldrd r2, r4, [r0, #8]",
                "ldr r5, [r2], #4",
                "ldr r3, [r4], #4",
                "strd r2, r4, [r0, #8]",
                "ldrd r2, r10, [r0, #16]",
                "ldrb r7, [r2], #1",
                "rsb r7, r7, #31",
                concat!("add r4, r10, #", $size),
                "strd r2, r4, [r0, #16]",
                "ldr r12, [r0, #28]",
                "add lr, r12, #7",
                "lsr lr, lr, #3",
                "mul r12, r12, r11",
                "lsl r11, r11, #3",
                "dls lr, lr",
                "2:",
                $sum!("r0", "q2", "q3"), $sum!("r2", "q3", "q2"), $sum!("r4", "q2", "q3"), "vmov q0[2], q0[0], r0, r2",
                $sum!("r6", "q3", "q2"), $sum!("r0", "q2", "q3"), "vmov q0[3], q0[1], r4, r6",
                $sum!("r2", "q3", "q2"), "vadd.i32 q0, q0, r5", "vqdmulh.s32 q0, q0, r3",
                $sum!("r4", "q2", "q3"), "vrshl.s32 q0, r7", "vmov q1[2], q1[0], r0, r2",
                $sum!("r6", "q3", "q2"), put!(@first $put), "vmov q1[3], q1[1], r4, r6", "vadd.i32 q1, q1, r5", "vqdmulh.s32 q1, q1, r3",
                put!(@second $put), "vrshl.s32 q1, r7", put!(@rest $put),
                "sub r12, r11",
                "add r10, r11",
                "le lr, 2b",
                "ldr r0, [sp, #64]",
                "lsr r11, r11, #3",
                "ldr r1, [r0, #32]",
                "subs r1, #1",
                "str r1, [r0, #32]",
                "bne 1b",
                "vpop {{d8-d15}}",
                "pop {{r0, r4-r11, pc}}",
            )
        }
    };
}

lanes! {
    /// 3x3, an activation by table.
    table3, sum3, table8, "48", "1"
}
lanes! {
    /// 5x5, an activation by table.
    table5, sum5, table8, "48", "1"
}
lanes! {
    /// 3x3, codes of 8 bits.
    codes3, sum3, store8, "44", "1"
}
lanes! {
    /// 3x3, codes of 16 bits.
    words3, sum3, store16, "44", "2"
}
lanes! {
    /// 3x3, added to codes of 16 bits.
    sums3, sum3, add16, "44", "2"
}
