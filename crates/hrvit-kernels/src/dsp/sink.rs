//! Ways of storing accumulators: [`Epilogue`](crate::epilogue::Epilogue) on four rows at a time.
//!
//! The rounding rule for `shift > 32` is `(t + 1) >> 1` with
//! `t = (upper half of acc * mult) >> (shift - 33)`; a zero point is added before that last shift,
//! which is part of the saturating instruction. With `shift = 32`, t is twice the rounded upper
//! half.

use core::arch::{asm, naked_asm};
use core::mem::MaybeUninit;

use super::tile::{PART, ROWS};
use crate::epilogue::Epilogue;
use crate::isa::Dsp;
use crate::requant::Requant;

/// Four rows of accumulators of some channels, what these are requantised with, and where they go.
/// The assembly loads all of it at once.
#[repr(C)]
struct Put {
    /// End of the multipliers, which are not none.
    mult_end: *const i32,
    /// The lower limit in both halves, or the table.
    lo: usize,
    /// The upper limit in both halves, or the last index of the table.
    hi: usize,
    /// Four accumulators of each channel.
    tile: *const i32,
    mult: *const i32,
    shift: *const u8,
    /// Outputs of the rows.
    out: [*mut u8; 3],
    /// Twice the zero point, and 1.
    twice: i32,
    /// Outputs of the fourth row.
    last: *mut u8,
}

/// A line for each of four rows: what stands before, between and behind its register, twice.
macro_rules! each {
    ($before:literal, $between:literal, $behind:literal) => {
        concat!(
            $before, "r8", $between, "r8", $behind, "\n", $before, "r9", $between, "r9", $behind, "\n", $before, "r10", $between, "r10", $behind, "\n",
            $before, "r11", $between, "r11", $behind
        )
    };
}

/// Stores four rows by this instruction, of so many bytes.
macro_rules! store {
    ($store:literal, $size:literal) => {
        concat!($store, " r8, [r3], #", $size, "\n", $store, " r9, [r4], #", $size, "\n", $store, " r10, [r5], #", $size, "\n", $store, " r11, [lr], #", $size)
    };
}

/// Adds a row to what is there: what loads it, what makes the sum its width, what stores it.
macro_rules! add {
    ($load:literal, $saturate:literal, $store:literal, $size:literal) => {
        concat!(
            add!(@row "r8", "r3", $load, $saturate, $store, $size), "\n", add!(@row "r9", "r4", $load, $saturate, $store, $size), "\n",
            add!(@row "r10", "r5", $load, $saturate, $store, $size), "\n", add!(@row "r11", "lr", $load, $saturate, $store, $size)
        )
    };
    (@row $sum:literal, $out:literal, $load:literal, $saturate:literal, $store:literal, $size:literal) => {
        concat!("add ", $sum, ", #1\n", $load, " r7, [", $out, "]\nadd r7, r7, ", $sum, ", asr #1\n", $saturate, $store, " r7, [", $out, "], #", $size)
    };
}

/// A function that requantises four rows and stores them: what stores `t` of the rows, in r8 to
/// r11, at r3, r4, r5 and lr. Twice the zero point is in r12, the limits are on the stack; r6 and
/// r7 are free.
macro_rules! put {
    ($(#[$doc:meta])* $name:ident, [$($store:expr),* $(,)?]) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// The processor has the DSP extension. Memory that [`Put`] describes is readable, the
        /// outputs writable too.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(put: &Put) {
            naked_asm!(
                ".cpu cortex-m7",
                "push {{r4-r11, lr}}",
                "ldm r0!, {{r4-r6}}",
                "push {{r4-r6}}",
                "ldm r0, {{r0-r5, r12, lr}}",
                "2:",
                "ldrb r6, [r2], #1",
                "ldr r7, [r1], #4",
                "ldm r0!, {{r8-r11}}",
                "subs r6, #33",
                "bmi 5f",
                // Shifts of 33 or more: the upper halves of the products, shifted.
                each!("smmul ", ", ", ", r7"),
                each!("asr ", ", ", ", r6"),
                "4:",
                $($store,)*
                "ldr r7, [sp]",
                "cmp r1, r7",
                "bne 2b",
                "add sp, #12",
                "pop {{r4-r11, pc}}",
                "5:",
                each!("smmulr ", ", ", ", r7"),
                each!("lsl ", ", ", ", #1"),
                "b 4b",
            )
        }
    };
}

put! {
    /// `out = clamp(rq + zero, -128, 127)`.
    codes8, [each!("qadd ", ", ", ", r12"), each!("ssat ", ", #8, ", ", asr #1"), store!("strb", "1")]
}
put! {
    /// `out = clamp(rq + zero, lo, hi)`: the codes of two rows are clamped together.
    clamped8,
    [
        each!("qadd ", ", ", ", r12"), each!("ssat ", ", #8, ", ", asr #1"), "pkhbt r8, r8, r9, lsl #16", "pkhbt r10, r10, r11, lsl #16",
        "ldrd r6, r7, [sp, #4]", "ssub16 r9, r8, r6", "sel r8, r8, r6", "ssub16 r9, r7, r8", "sel r8, r8, r7",
        "ssub16 r9, r10, r6", "sel r10, r10, r6", "ssub16 r9, r7, r10", "sel r10, r10, r7",
        "lsr r9, r8, #16", "lsr r11, r10, #16", store!("strb", "1")
    ]
}
put! {
    /// `out = clamp(rq, -32768, 32767)`.
    codes16, [each!("add ", ", ", ", #1"), each!("ssat ", ", #16, ", ", asr #1"), store!("strh", "2")]
}
put! {
    /// `out = clamp(out + rq, -32768, 32767)`.
    sums16, [add!("ldrsh", "ssat r7, #16, r7\n", "strh", "2")]
}
put! {
    /// `out += rq`.
    sums32, [add!("ldr", "", "str", "4")]
}
put! {
    /// `out = table[clamp(rq + zero, 0, 2047)]`.
    looked_up_in_2048,
    [each!("qadd ", ", ", ", r12"), each!("usat ", ", #11, ", ", asr #1"), "ldr r7, [sp, #4]", each!("ldrb ", ", [r7, ", "]"), store!("strb", "1")]
}
put! {
    /// `out = table[clamp(rq + zero, 0, hi)]`.
    looked_up,
    [
        each!("qadd ", ", ", ", r12"), each!("usat ", ", #30, ", ", asr #1"), "ldrd r7, r6, [sp, #4]",
        "cmp r8, r6", "it gt", "movgt r8, r6", "cmp r9, r6", "it gt", "movgt r9, r6",
        "cmp r10, r6", "it gt", "movgt r10, r6", "cmp r11, r6", "it gt", "movgt r11, r6",
        each!("ldrb ", ", [r7, ", "]"), store!("strb", "1")
    ]
}

/// How the accumulators of an operator become outputs.
pub(crate) struct Store {
    put: Put,
    function: unsafe extern "C" fn(&Put),
    mult: *const i32,
    shift: *const u8,
    pre_shift: u8,
    out: *mut u8,
    /// Bytes of an output, as the power of two.
    size: u32,
    /// Outputs of rows that do not exist.
    nowhere: MaybeUninit<[u32; PART]>,
}

impl Store {
    /// By `epilogue`, without the biases.
    #[inline(never)] // one for all operators, as the next one
    pub(crate) fn of(_: Dsp, requant: Requant<'_>, epilogue: &mut Epilogue<'_>) -> Self {
        // Zero points beyond 2^29 leave nothing between the limits.
        let twice = |zero: i32| 2 * zero.clamp(-1 << 29, 1 << 29) + 1;
        let both = |limit: i32| (limit as usize & 0xffff) * 0x1_0001;
        type Function = unsafe extern "C" fn(&Put);
        let (function, out, size, [zero, lo, hi]): (Function, *mut u8, u32, [usize; 3]) = match epilogue {
            Epilogue::Store8 { out, range } => {
                let function = if range.lo == -128 && range.hi == 127 { codes8 } else { clamped8 };
                (function, out.as_mut_ptr().cast(), 0, [twice(range.zero) as usize, both(range.lo), both(range.hi)])
            }
            Epilogue::Table8 { out, table, zero } => {
                let function = if table.len() == 2048 { looked_up_in_2048 } else { looked_up };
                (function, out.as_mut_ptr().cast(), 0, [twice(*zero) as usize, table.as_ptr() as usize, table.len().wrapping_sub(1)])
            }
            Epilogue::Store16 { out } => (codes16, out.as_mut_ptr().cast(), 1, [0; 3]),
            Epilogue::Add16 { out } => (sums16, out.as_mut_ptr().cast(), 1, [0; 3]),
            Epilogue::Add32 { out } => (sums32, out.as_mut_ptr().cast(), 2, [0; 3]),
        };
        let (mult, shift) = (requant.mult.as_ptr(), requant.shift.as_ptr());
        let put = Put { mult_end: mult, lo, hi, tile: mult, mult, shift, out: [out; ROWS - 1], twice: zero as i32, last: out };
        Self { put, function, mult, shift, pre_shift: requant.pre_shift, out, size, nowhere: MaybeUninit::uninit() }
    }

    /// Requantises and stores `len` channels, 1 to [`PART`], from `channel` on: the first `rows` of
    /// four rows, to the elements from `at` on and as many again for each row, `step` elements
    /// after those of the row before. The sums of a channel lie beside each other at `tile`.
    ///
    /// # Safety
    /// The operands of [`Store::of`] live and have these channels and elements; four sums of each
    /// channel are readable and writable.
    #[inline(never)]
    pub(crate) unsafe fn four(&mut self, tile: *mut i32, channel: usize, len: usize, [at, step]: [usize; 2], rows: usize) {
        if self.pre_shift != 0 {
            // SAFETY: by the contract.
            unsafe { shift_before(tile, len, self.pre_shift) };
        }
        let nowhere = self.nowhere.as_mut_ptr().cast();
        let put = &mut self.put;
        put.tile = tile;
        put.mult = self.mult.wrapping_add(channel);
        put.mult_end = put.mult.wrapping_add(len);
        put.shift = self.shift.wrapping_add(channel);
        let row = |row: usize| if row < rows { self.out.wrapping_add((at + row * step) << self.size) } else { nowhere };
        put.out = [row(0), row(1), row(2)];
        put.last = row(3);
        // SAFETY: by the contract; `of` was given a token that proves the DSP extension. Rows that
        // do not exist go where `PART` of the largest outputs have room.
        unsafe { (self.function)(put) };
    }
}

/// Shifts four sums of `len` channels, not none, to the left.
///
/// # Safety
/// The sums are readable and writable.
#[inline(never)] // a shift before the multiplication is rare
unsafe fn shift_before(tile: *mut i32, len: usize, by: u8) {
    // SAFETY: by the contract.
    unsafe {
        asm!(
            "2:",
            "ldm {tile}, {{r2-r5}}",
            "lsl r2, {by}",
            "lsl r3, {by}",
            "lsl r4, {by}",
            "lsl r5, {by}",
            "stm {tile}!, {{r2-r5}}",
            "cmp {tile}, {end}",
            "bne 2b",
            tile = inout(reg) tile => _, end = in(reg) tile.wrapping_add(ROWS * len), by = in(reg) u32::from(by),
            out("r2") _, out("r3") _, out("r4") _, out("r5") _, options(nostack),
        );
    }
}
