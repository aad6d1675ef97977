//! The inner product of all products: 3 rows of activations with pairs of channels.

use core::arch::naked_asm;

/// Operands of the functions here. The assembly reads the fields at their offsets.
#[repr(C)]
pub(crate) struct Dots<A> {
    /// Three rows of `depth` activations; rows may be the same.
    pub(crate) a: [*const A; 3],
    /// Weights `[channels, depth]`.
    pub(crate) weights: *const i8,
    /// Length of a dot product, [`MIN_DEPTH`] or more.
    pub(crate) depth: usize,
    /// Sums of the first row; the second row's and the third's lie 256 and 512 bytes further on. A
    /// multiple of 4.
    pub(crate) tile: *mut i32,
    /// End of the first row's sums, an even number and not 0 of channels after `tile`.
    pub(crate) tile_end: *const i32,
}

/// Shortest dot product of these functions.
pub(crate) const MIN_DEPTH: usize = 16;

/// One product of 3 rows with all pairs of channels: r9, r11, r1 point into the rows, r5 and r7
/// into the weights of two channels, r3 to the next pair; the six sums are r0, r2, r4, r6, r8, r10.
/// The first step of depth has a full vector and starts the sums, the others are a tail-predicated
/// loop.
macro_rules! dots {
    ($(#[$doc:meta])* $name:ident, $a:ty, $step:literal, $load_a:literal, $load_w:literal, $dot:literal, $start:literal, $loop:literal) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// The processor has MVE. The rows, the weights of all channels and the sums of [`Dots`]
        /// are readable, and the sums writable.
        #[unsafe(naked)]
        pub(crate) unsafe extern "C" fn $name(dots: &Dots<$a>) {
            naked_asm!(
                ".cpu cortex-m55",
                "push {{r4-r11, lr}}",
                "vpush {{d8-d9}}",
                "ldr r3, [r0, #12]",
                "ldr r12, [r0, #16]",
                "ldrd r1, r2, [r0]",
                "ldr r4, [r0, #8]",
                "ldrd r5, r6, [r0, #20]",
                "sub sp, #20",
                "strd r1, r2, [sp]",
                "strd r4, r5, [sp, #8]",
                "str r6, [sp, #16]",
                "1:",
                "ldrd r9, r11, [sp]",
                "ldr r1, [sp, #8]",
                "mov r5, r3",
                "add r7, r3, r12",
                concat!("sub lr, r12, #", $step),
                "add r3, r7, r12",
                concat!($load_a, " q0, [r9], #16"),
                concat!($load_w, " q3, [r5], #", $step),
                concat!($start, " r0, q0, q3"),
                concat!($load_w, " q4, [r7], #", $step),
                concat!($start, " r2, q0, q4"),
                concat!($load_a, " q1, [r11], #16"),
                concat!($start, " r4, q1, q3"),
                concat!($load_a, " q2, [r1], #16"),
                concat!($start, " r6, q1, q4"),
                concat!($start, " r8, q2, q3"),
                concat!($start, " r10, q2, q4"),
                concat!("wlstp.", $loop, " lr, lr, 3f"),
                "2:",
                concat!($load_a, " q0, [r9], #16"),
                concat!($load_w, " q3, [r5], #", $step),
                concat!($dot, " r0, q0, q3"),
                concat!($load_w, " q4, [r7], #", $step),
                concat!($dot, " r2, q0, q4"),
                concat!($load_a, " q1, [r11], #16"),
                concat!($dot, " r4, q1, q3"),
                concat!($load_a, " q2, [r1], #16"),
                concat!($dot, " r6, q1, q4"),
                concat!($dot, " r8, q2, q3"),
                concat!($dot, " r10, q2, q4"),
                "letp lr, 2b",
                "3:",
                "ldrd r9, r11, [sp, #12]",
                "strd r0, r2, [r9], #8",
                "strd r4, r6, [r9, #248]",
                "strd r8, r10, [r9, #504]",
                "str r9, [sp, #12]",
                "cmp r9, r11",
                "bne 1b",
                "add sp, #20",
                "vpop {{d8-d9}}",
                "pop {{r4-r11, pc}}",
            )
        }
    };
}

dots! {
    /// Sums of products of s8 activations.
    s8, i8, "16", "vldrb.u8", "vldrb.u8", "vmladava.s8", "vmladav.s8", "8"
}
dots! {
    /// Sums of products of u8 activations and u8 weights.
    u8, u8, "16", "vldrb.u8", "vldrb.u8", "vmladava.u8", "vmladav.u8", "8"
}
dots! {
    /// Sums of products of s16 activations.
    s16, i16, "8", "vldrh.u16", "vldrb.s16", "vmladava.s16", "vmladav.s16", "16"
}

/// [`s8`] for a depth of an even number of vectors: q0 and q3 of the next step are loaded between
/// the multiplications of one, so that none waits for its operands. Between the first step and the
/// last there are two in a turn. r7 ends where the weights of the next pair begin; r3 points to the
/// sums.
macro_rules! whole {
    ($(#[$doc:meta])* $name:ident, $code:ty, $dot:literal, $start:literal) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// As for [`s8`]; the depth is a multiple of 32.
        #[unsafe(naked)]
        pub(crate) unsafe extern "C" fn $name(dots: &Dots<$code>) {
            naked_asm!(
                ".cpu cortex-m55",
                "push {{r4-r11, lr}}",
                "vpush {{d8-d9}}",
                "sub sp, #20",
                "ldrd r1, r2, [r0]",
                "ldrd r4, r7, [r0, #8]",
                "ldrd r12, r3, [r0, #16]",
                "ldr r5, [r0, #24]",
                "lsr r6, r12, #5",
                "sub r6, #1",
                "strd r4, r1, [sp]",
                "strd r2, r6, [sp, #8]",
                "str r5, [sp, #16]",
                "1:",
                "ldm sp, {{r1, r9, r11, lr}}",
                "mov r5, r7",
                "add r7, r12",
                "vldrb.u8 q0, [r9], #16",
                "vldrb.u8 q3, [r5], #16",
                whole!(@step $start),
                "wls lr, lr, 3f",
                "2:",
                whole!(@step $dot),
                whole!(@step $dot),
                "le lr, 2b",
                "3:",
                concat!($dot, " r0, q0, q3"),
                "vldrb.u8 q4, [r7], #16",
                concat!($dot, " r2, q0, q4"),
                "vldrb.u8 q1, [r11], #16",
                concat!($dot, " r4, q1, q3"),
                "vldrb.u8 q2, [r1], #16",
                concat!($dot, " r6, q1, q4"),
                "strd r0, r2, [r3], #8",
                concat!($dot, " r8, q2, q3"),
                concat!($dot, " r10, q2, q4"),
                "strd r4, r6, [r3, #248]",
                "ldr lr, [sp, #16]",
                "strd r8, r10, [r3, #504]",
                "cmp r3, lr",
                "bne 1b",
                "add sp, #20",
                "vpop {{d8-d9}}",
                "pop {{r4-r11, pc}}",
            )
        }
    };
    (@step $dot:literal) => {
        concat!(
            $dot, " r0, q0, q3\nvldrb.u8 q4, [r7], #16\n", $dot, " r2, q0, q4\nvldrb.u8 q1, [r11], #16\n", $dot, " r4, q1, q3\nvldrb.u8 q2, [r1], #16\n",
            $dot, " r6, q1, q4\nvldrb.u8 q0, [r9], #16\n", $dot, " r8, q2, q3\nvldrb.u8 q3, [r5], #16\n", $dot, " r10, q2, q4"
        )
    };
}

whole! {
    /// Sums of products of s8 activations.
    s8_whole, i8, "vmladava.s8", "vmladav.s8"
}
whole! {
    /// Sums of products of u8 activations and u8 weights.
    u8_whole, u8, "vmladava.u8", "vmladav.u8"
}

/// The sums of a pair of channels over 32 steps of depth: rows in q0 to q5, weights from r3 on,
/// whose next channel lies `$skip` bytes behind the last 16 of one. The last two sums of the pair
/// before are stored meanwhile.
macro_rules! pair_of_32 {
    ($skip:literal, $dot:literal, $start:literal) => {
        concat!(
            "vldrb.u8 q6, [r3], #16\n",
            $start,
            " r4, q2, q6\nstrd r8, r10, [r9, #504]\n",
            $start,
            " r0, q0, q6\nvldrb.u8 q7, [r3], #",
            $skip,
            "\n",
            $start,
            " r8, q4, q6\nvldrb.u8 q6, [r3], #16\n",
            $start,
            " r6, q2, q6\n",
            $dot,
            " r0, q1, q7\n",
            $dot,
            " r8, q5, q7\n",
            $dot,
            " r4, q3, q7\n",
            $start,
            " r2, q0, q6\nvldrb.u8 q7, [r3], #",
            $skip,
            "\n",
            $dot,
            " r2, q1, q7\n",
            $dot,
            " r6, q3, q7\nstrd r0, r2, [r9], #8\n",
            $start,
            " r10, q4, q6\nstrd r4, r6, [r9, #248]\n",
            $dot,
            " r10, q5, q7"
        )
    };
}

/// [`s8`] for depths of exactly 64 or 128: 32 steps of depth at a time, which leaves the rows in
/// registers, first from zero on, then added to the sums. r7 is where these steps' weights begin,
/// r5 where the sums do; the last two sums of a pair are stored while the next one is multiplied.
macro_rules! by_parts {
    ($(#[$doc:meta])* $name:ident, $code:ty, $depth:literal, $skip:literal, $dot:literal, $start:literal) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// As for [`s8`]; the depth is that of its name.
        #[unsafe(naked)]
        pub(crate) unsafe extern "C" fn $name(dots: &Dots<$code>) {
            naked_asm!(
                ".cpu cortex-m55",
                "push {{r4-r11, lr}}",
                "vpush {{d8-d15}}",
                "ldrd r1, r11, [r0]",
                "ldrd r12, r7, [r0, #8]",
                "ldrd r5, r3, [r0, #20]",
                "sub r3, r5",
                "lsr r3, #3",
                concat!("add r0, r1, #", $depth),
                "push {{r0, r3}}",
                by_parts!(@rows),
                // The stores before there are sums put back the values that lie there.
                "ldrd r8, r10, [r9, #504]",
                "ldr lr, [sp, #4]",
                "dls lr, lr",
                "2:",
                pair_of_32!($skip, $dot, $start),
                "le lr, 2b",
                "strd r8, r10, [r9, #504]",
                "1:",
                by_parts!(@rows),
                "ldrd r8, r10, [r9, #504]",
                "ldr lr, [sp, #4]",
                "dls lr, lr",
                "2:",
                "ldrd r4, r6, [r9, #256]",
                "strd r8, r10, [r9, #504]",
                "ldrd r0, r2, [r9]",
                "vldrb.u8 q6, [r3], #16",
                concat!($dot, " r0, q0, q6"),
                "ldrd r8, r10, [r9, #512]",
                concat!($dot, " r4, q2, q6"),
                concat!("vldrb.u8 q7, [r3], #", $skip),
                concat!($dot, " r8, q4, q6"),
                "vldrb.u8 q6, [r3], #16",
                concat!($dot, " r4, q3, q7"),
                concat!($dot, " r2, q0, q6"),
                concat!($dot, " r8, q5, q7"),
                concat!($dot, " r0, q1, q7"),
                concat!("vldrb.u8 q7, [r3], #", $skip),
                concat!($dot, " r2, q1, q7"),
                concat!($dot, " r6, q2, q6"),
                "strd r0, r2, [r9], #8",
                concat!($dot, " r6, q3, q7"),
                concat!($dot, " r10, q4, q6"),
                "strd r4, r6, [r9, #248]",
                concat!($dot, " r10, q5, q7"),
                "le lr, 2b",
                "strd r8, r10, [r9, #504]",
                "ldr r0, [sp]",
                "cmp r1, r0",
                "bne 1b",
                "add sp, #8",
                "vpop {{d8-d15}}",
                "pop {{r4-r11, pc}}",
            )
        }
    };
    // The next 32 steps of depth of all rows.
    (@rows) => {
        "vldrb.u8 q0, [r1], #16\nvldrb.u8 q1, [r1], #16\nvldrb.u8 q2, [r11], #16\nvldrb.u8 q3, [r11], #16\nvldrb.u8 q4, [r12], #16\nvldrb.u8 q5, [r12], #16\n\
        mov r3, r7\nadd r7, #32\nmov r9, r5"
    };
}

by_parts! {
    /// Sums of products of s8 activations.
    s8_of_64, i8, "64", "48", "vmladava.s8", "vmladav.s8"
}
by_parts! {
    /// Sums of products of s8 activations.
    s8_of_128, i8, "128", "112", "vmladava.s8", "vmladav.s8"
}
by_parts! {
    /// Sums of products of u8 activations and u8 weights.
    u8_of_64, u8, "64", "48", "vmladava.u8", "vmladav.u8"
}

/// [`s8`] for a depth of exactly 16: q3 of the next pair is loaded and the last two sums of a pair
/// are stored while the next one is multiplied.
///
/// # Safety
/// As for [`s8`].
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn s8_of_16(dots: &Dots<i8>) {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r4-r11, lr}}",
        "vpush {{d8-d9}}",
        "ldrd r1, r2, [r0]",
        "ldrd r12, r3, [r0, #8]",
        "ldrd r9, r11, [r0, #20]",
        "sub r11, r9",
        "lsr r11, #3",
        "sub r11, #1",
        "vldrb.u8 q0, [r1]",
        "vldrb.u8 q1, [r2]",
        "vldrb.u8 q2, [r12]",
        // The stores before there are sums put back the values that lie there.
        "ldrd r8, r10, [r9, #504]",
        "vldrb.u8 q3, [r3], #16",
        "wls lr, r11, 3f",
        "2:",
        "vmladav.s8 r0, q0, q3",
        "vldrb.u8 q4, [r3], #16",
        "vmladav.s8 r2, q0, q4",
        "strd r8, r10, [r9, #504]",
        "vmladav.s8 r4, q1, q3",
        "strd r0, r2, [r9], #8",
        "vmladav.s8 r6, q1, q4",
        "vmladav.s8 r8, q2, q3",
        "vldrb.u8 q3, [r3], #16",
        "vmladav.s8 r10, q2, q4",
        "strd r4, r6, [r9, #248]",
        "le lr, 2b",
        "3:",
        "vmladav.s8 r0, q0, q3",
        "vldrb.u8 q4, [r3]",
        "vmladav.s8 r2, q0, q4",
        "strd r8, r10, [r9, #504]",
        "vmladav.s8 r4, q1, q3",
        "strd r0, r2, [r9], #8",
        "vmladav.s8 r6, q1, q4",
        "vmladav.s8 r8, q2, q3",
        "vmladav.s8 r10, q2, q4",
        "strd r4, r6, [r9, #248]",
        "strd r8, r10, [r9, #504]",
        "vpop {{d8-d9}}",
        "pop {{r4-r11, pc}}",
    )
}

/// [`s8`] for a depth of exactly 8: a vector holds two channels, which meet a row in its lower or
/// in its upper half, beside zeros.
///
/// # Safety
/// As for [`s8`].
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn s8_of_8(dots: &Dots<i8>) {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r4-r11, lr}}",
        "vpush {{d8-d15}}",
        "ldrd r1, r2, [r0]",
        "ldrd r12, r3, [r0, #8]",
        "ldrd r9, r11, [r0, #20]",
        "sub r11, r9",
        "lsr r11, #3",
        "mov r4, #8",
        "vctp.8 r4",
        "vpsttt",
        "vldrbt.u8 q0, [r1]",
        "vldrbt.u8 q2, [r2]",
        "vldrbt.u8 q4, [r12]",
        "vpnot",
        "vpsttt",
        "vldrbt.u8 q1, [r1, #-8]",
        "vldrbt.u8 q3, [r2, #-8]",
        "vldrbt.u8 q5, [r12, #-8]",
        // The stores before there are sums put back the values that lie there.
        "ldrd r8, r10, [r9, #504]",
        "dls lr, r11",
        "2:",
        "vldrb.u8 q6, [r3], #16",
        "vmladav.s8 r0, q0, q6",
        "strd r8, r10, [r9, #504]",
        "vmladav.s8 r2, q1, q6",
        "vmladav.s8 r4, q2, q6",
        "vmladav.s8 r6, q3, q6",
        "strd r0, r2, [r9], #8",
        "vmladav.s8 r8, q4, q6",
        "strd r4, r6, [r9, #248]",
        "vmladav.s8 r10, q5, q6",
        "le lr, 2b",
        "strd r8, r10, [r9, #504]",
        "vpop {{d8-d15}}",
        "pop {{r4-r11, pc}}",
    )
}
/// [`s8`] for a depth of exactly 32.
///
/// # Safety
/// As for [`s8`].
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn s8_of_32(dots: &Dots<i8>) {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r4-r11, lr}}",
        "vpush {{d8-d15}}",
        "ldrd r1, r2, [r0]",
        "ldrd r12, r3, [r0, #8]",
        "ldrd r9, r11, [r0, #20]",
        "sub r11, r9",
        "lsr r11, #3",
        "vldrb.u8 q0, [r1]",
        "vldrb.u8 q1, [r1, #16]",
        "vldrb.u8 q2, [r2]",
        "vldrb.u8 q3, [r2, #16]",
        "vldrb.u8 q4, [r12]",
        "vldrb.u8 q5, [r12, #16]",
        // The stores before there are sums put back the values that lie there.
        "ldrd r8, r10, [r9, #504]",
        "dls lr, r11",
        "2:",
        pair_of_32!("16", "vmladava.s8", "vmladav.s8"),
        "le lr, 2b",
        "strd r8, r10, [r9, #504]",
        "vpop {{d8-d15}}",
        "pop {{r4-r11, pc}}",
    )
}
