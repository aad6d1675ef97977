//! Ways of storing accumulators: [`Epilogue`](crate::epilogue::Epilogue) on two rows at a time.
//!
//! The rounding rule for `shift > 32` is `(t + 1) >> 1` with
//! `t = (upper half of acc * mult) >> (shift - 33)`; a zero point is added before that last shift,
//! which is part of the saturating instruction. With `shift = 32`, t is twice the rounded upper
//! half.

use core::arch::naked_asm;

use crate::epilogue::Epilogue;
use crate::isa::Dsp;
use crate::requant::Requant;

/// Two rows of accumulators of some channels, what these are requantised with, and where they go.
/// The assembly loads all of it at once.
#[repr(C)]
struct Put {
    /// The first row; the second lies 256 bytes further on.
    tile: *const i32,
    mult: *const i32,
    shift: *const u8,
    out: [*mut u8; 2],
    /// End of the multipliers, which are not none.
    mult_end: *const i32,
    /// Twice the zero point, and 1.
    twice: i32,
    /// The lower limit in both halves, or the table.
    lo: usize,
    /// The upper limit in both halves, or the last index of the table.
    hi: usize,
    pre_shift: u32,
}

/// A function that requantises two rows and stores them: what stores `t` of the first row, in r8,
/// at r3, and of the second, in r9, at r4. Twice the zero point is in r10, the limits are in r11
/// and r12; r6 and r7 are free.
macro_rules! put {
    ($(#[$doc:meta])* $name:ident, [$($store:literal),* $(,)?]) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// The processor has the DSP extension. Memory that [`Put`] describes is readable, the outputs
        /// writable too. Both may be the same for equal rows.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(put: &Put) {
            naked_asm!(
                ".cpu cortex-m7",
                "push {{r4-r11, lr}}",
                "ldm r0, {{r0-r5, r10-r12, lr}}",
                "cmp lr, #0",
                "bne 6f",
                "2:",
                put!(@load),
                put!(@requantise),
                $($store,)*
                "cmp r1, r5",
                "bne 2b",
                "pop {{r4-r11, pc}}",
                put!(@round),
                // The same with a shift before it.
                "6:",
                put!(@load),
                "lsl r8, lr",
                "lsl r9, lr",
                put!(@requantise),
                $($store,)*
                "cmp r1, r5",
                "bne 6b",
                "pop {{r4-r11, pc}}",
                put!(@round),
            )
        }
    };
    (@load) => {
        "ldrb r6, [r2], #1\nldr r7, [r1], #4\nldr r8, [r0], #4\nldr r9, [r0, #252]"
    };
    // Shifts of 33 or more: the upper halves of the products, shifted; else as `@round` does.
    (@requantise) => {
        "subs r6, #33\nbmi 5f\nsmmul r8, r8, r7\nsmmul r9, r9, r7\nasr r8, r6\nasr r9, r6\n4:"
    };
    (@round) => {
        "5:\nsmmulr r8, r8, r7\nsmmulr r9, r9, r7\nlsl r8, #1\nlsl r9, #1\nb 4b"
    };
}

put! {
    /// `out = clamp(rq + zero, -128, 127)`.
    codes8,
    ["qadd r8, r8, r10", "qadd r9, r9, r10", "ssat r8, #8, r8, asr #1", "ssat r9, #8, r9, asr #1", "strb r8, [r3], #1", "strb r9, [r4], #1"]
}
put! {
    /// `out = clamp(rq + zero, lo, hi)`: the codes of both rows are clamped together.
    clamped8,
    [
        "qadd r8, r8, r10", "qadd r9, r9, r10", "ssat r8, #8, r8, asr #1", "ssat r9, #8, r9, asr #1", "pkhbt r8, r8, r9, lsl #16",
        "ssub16 r9, r8, r11", "sel r8, r8, r11", "ssub16 r9, r12, r8", "sel r8, r8, r12",
        "strb r8, [r3], #1", "lsr r8, #16", "strb r8, [r4], #1"
    ]
}
put! {
    /// `out = clamp(rq, -32768, 32767)`.
    codes16,
    ["add r8, #1", "add r9, #1", "ssat r8, #16, r8, asr #1", "ssat r9, #16, r9, asr #1", "strh r8, [r3], #2", "strh r9, [r4], #2"]
}
put! {
    /// `out = clamp(out + rq, -32768, 32767)`.
    sums16,
    [
        "add r8, #1", "add r9, #1", "ldrsh r7, [r3]", "ldrsh r6, [r4]", "add r8, r7, r8, asr #1", "add r9, r6, r9, asr #1",
        "ssat r8, #16, r8", "ssat r9, #16, r9", "strh r8, [r3], #2", "strh r9, [r4], #2",
    ]
}
put! {
    /// `out += rq`.
    sums32,
    [
        "add r8, #1", "add r9, #1", "ldr r7, [r3]", "ldr r6, [r4]", "add r8, r7, r8, asr #1", "add r9, r6, r9, asr #1",
        "str r8, [r3], #4", "str r9, [r4], #4",
    ]
}
put! {
    /// `out = table[clamp(rq + zero, 0, 2047)]`.
    looked_up_in_2048,
    [
        "qadd r8, r8, r10", "qadd r9, r9, r10", "usat r8, #11, r8, asr #1", "usat r9, #11, r9, asr #1",
        "ldrb r8, [r11, r8]", "ldrb r9, [r11, r9]", "strb r8, [r3], #1", "strb r9, [r4], #1"
    ]
}
put! {
    /// `out = table[clamp(rq + zero, 0, hi)]`.
    looked_up,
    [
        "qadd r8, r8, r10", "qadd r9, r9, r10", "usat r8, #30, r8, asr #1", "usat r9, #30, r9, asr #1",
        "cmp r8, r12", "it gt", "movgt r8, r12", "cmp r9, r12", "it gt", "movgt r9, r12",
        "ldrb r8, [r11, r8]", "ldrb r9, [r11, r9]", "strb r8, [r3], #1", "strb r9, [r4], #1"
    ]
}

/// How the accumulators of an operator become outputs.
pub(crate) struct Store {
    put: Put,
    function: unsafe extern "C" fn(&Put),
    mult: *const i32,
    shift: *const u8,
    out: *mut u8,
    /// Bytes of an output, as the power of two.
    size: u32,
}

impl Store {
    /// By `epilogue`, without the biases.
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
        let put = Put { tile: mult, mult, shift, out: [out; 2], mult_end: mult, twice: zero as i32, lo, hi, pre_shift: requant.pre_shift.into() };
        Self { put, function, mult, shift, out, size }
    }

    /// Requantises and stores `len` channels, not none, from `channel` on: two rows, the second 256
    /// bytes after the first at `tile`, to the elements from `at` on. One row is two equal ones to
    /// the same
    /// place.
    ///
    /// # Safety
    /// The operands of [`Store::of`] live and have these channels and elements; as many sums are
    /// readable from both rows on.
    #[inline(always)]
    pub(crate) unsafe fn pair(&mut self, tile: *const i32, channel: usize, len: usize, at: [usize; 2]) {
        let put = &mut self.put;
        put.tile = tile;
        put.mult = self.mult.wrapping_add(channel);
        put.mult_end = put.mult.wrapping_add(len);
        put.shift = self.shift.wrapping_add(channel);
        put.out = at.map(|at| self.out.wrapping_add(at << self.size));
        // SAFETY: by the contract; `of` was given a token that proves the DSP extension.
        unsafe { (self.function)(put) };
    }
}
