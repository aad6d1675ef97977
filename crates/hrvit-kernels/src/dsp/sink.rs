//! Ways of storing accumulators: [`Epilogue`](crate::epilogue::Epilogue) on two rows at a time.
//!
//! Where `shift > 32` the rounding rule is `(t + 1) >> 1` with `t = (upper half of acc * mult) >> (shift - 33)`; a zero point is added before that last shift, which
//! is part of the saturating instruction.

use core::arch::asm;

use crate::requant::Range8;

/// Two rows of accumulators of some channels, and what these are requantised with: a shift of 33 to 62, no `pre_shift`.
#[derive(Clone, Copy)]
pub(crate) struct Sums<'a> {
    /// The first row; the second lies 256 bytes further on.
    pub(crate) tile: *const i32,
    pub(crate) mult: &'a [i32],
    pub(crate) shift: &'a [u8],
}

/// A way of storing.
pub(crate) trait Sink: Copy {
    /// What is stored.
    type Out;

    /// Whether [`Sink::pair`] can do it: saturation is to a power of two.
    fn pairs(self) -> bool;

    /// Requantises two rows and stores them.
    ///
    /// # Safety
    /// The processor has the DSP extension; there are as many sums in both rows, elements from both outputs on, and shifts, as multipliers, and not none;
    /// [`Sink::pairs`] holds.
    unsafe fn pair(self, sums: Sums<'_>, out: [*mut Self::Out; 2]);
}

/// The loop over channels: lines that store `t` of the first row in `{a}` and of the second in `{b}`, further operands.
macro_rules! pair {
    ($sums:ident, $out:ident, [$($store:literal),*], { $($operands:tt)* }) => {
        asm!(
            "2:",
            "ldrb {shift}, [{shifts}], #1",
            "ldr {mult}, [{mults}], #4",
            "ldr {a}, [{tile}], #4",
            "ldr {b}, [{tile}, #252]",
            "sub {shift}, #33",
            "smmul {a}, {a}, {mult}",
            "smmul {b}, {b}, {mult}",
            "asr {a}, {shift}",
            "asr {b}, {shift}",
            $($store,)*
            "cmp {mults}, {end}",
            "bne 2b",
            shifts = inout(reg) $sums.shift.as_ptr() => _, mults = inout(reg) $sums.mult.as_ptr() => _, tile = inout(reg) $sums.tile => _,
            end = in(reg) $sums.mult.as_ptr_range().end, out0 = inout(reg) $out[0] => _, out1 = inout(reg) $out[1] => _,
            shift = out(reg) _, mult = out(reg) _, a = out(reg) _, b = out(reg) _, $($operands)* options(nostack),
        )
    };
}

/// `out = clamp(rq + zero, lo, hi)`.
#[derive(Clone, Copy)]
pub(crate) struct Store8(pub(crate) Range8);

impl Sink for Store8 {
    type Out = i8;

    fn pairs(self) -> bool {
        (-65536..=65536).contains(&self.0.zero)
    }

    #[inline(always)]
    unsafe fn pair(self, sums: Sums<'_>, out: [*mut i8; 2]) {
        let Range8 { zero, lo, hi } = self.0;
        let twice = 2 * zero + 1;
        if lo == -128 && hi == 127 {
            // SAFETY: by the contract.
            unsafe {
                pair!(
                    sums, out,
                    [
                        "add {a}, {twice}", "add {b}, {twice}", "ssat {a}, #8, {a}, asr #1", "ssat {b}, #8, {b}, asr #1",
                        "strb {a}, [{out0}], #1", "strb {b}, [{out1}], #1"
                    ],
                    { twice = in(reg) twice, }
                );
            }
            return;
        }
        // The limits as the halves of a word: the codes of both rows are clamped together.
        let (lo, hi) = ((lo as u32 & 0xffff) * 0x1_0001, (hi as u32 & 0xffff) * 0x1_0001);
        // SAFETY: by the contract.
        unsafe {
            pair!(
                sums, out,
                [
                    "add {a}, {twice}", "add {b}, {twice}", "ssat {a}, #8, {a}, asr #1", "ssat {b}, #8, {b}, asr #1", "pkhbt {a}, {a}, {b}, lsl #16",
                    "ssub16 {b}, {a}, {lo}", "sel {a}, {a}, {lo}", "ssub16 {b}, {hi}, {a}", "sel {a}, {a}, {hi}",
                    "strb {a}, [{out0}], #1", "lsr {a}, #16", "strb {a}, [{out1}], #1"
                ],
                { twice = in(reg) twice, lo = in(reg) lo, hi = in(reg) hi, }
            );
        }
    }
}

/// Declares a way of storing that has no parameters: lines that store `t` of both rows.
macro_rules! plain_sink {
    ($(#[$doc:meta])* $name:ident, $out:ty, [$($store:literal),* $(,)?]) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub(crate) struct $name;

        impl Sink for $name {
            type Out = $out;

            fn pairs(self) -> bool {
                true
            }

            #[inline(always)]
            unsafe fn pair(self, sums: Sums<'_>, out: [*mut $out; 2]) {
                // SAFETY: by the contract.
                unsafe { pair!(sums, out, [$($store),*], {}) };
            }
        }
    };
}

plain_sink! {
    /// `out = clamp(rq, -32768, 32767)`.
    Store16, i16,
    ["add {a}, #1", "add {b}, #1", "ssat {a}, #16, {a}, asr #1", "ssat {b}, #16, {b}, asr #1", "strh {a}, [{out0}], #2", "strh {b}, [{out1}], #2"]
}
plain_sink! {
    /// `out = clamp(out + rq, -32768, 32767)`.
    Add16, i16,
    [
        "add {a}, #1", "add {b}, #1", "ldrsh {mult}, [{out0}]", "ldrsh {shift}, [{out1}]", "add {a}, {mult}, {a}, asr #1", "add {b}, {shift}, {b}, asr #1",
        "ssat {a}, #16, {a}", "ssat {b}, #16, {b}", "strh {a}, [{out0}], #2", "strh {b}, [{out1}], #2",
    ]
}
plain_sink! {
    /// `out += rq`.
    Add32, i32,
    [
        "add {a}, #1", "add {b}, #1", "ldr {mult}, [{out0}]", "ldr {shift}, [{out1}]", "add {a}, {mult}, {a}, asr #1", "add {b}, {shift}, {b}, asr #1",
        "str {a}, [{out0}], #4", "str {b}, [{out1}], #4",
    ]
}

/// `out = table[clamp(rq + zero, 0, table.len() - 1)]`; the table is not empty and shorter than 2^31.
#[derive(Clone, Copy)]
pub(crate) struct Table8<'a> {
    pub(crate) table: &'a [i8],
    pub(crate) zero: i32,
}

impl Sink for Table8<'_> {
    type Out = i8;

    /// Tables of 1024 or 2048 entries.
    fn pairs(self) -> bool {
        matches!(self.table.len(), 1024 | 2048) && (-65536..=65536).contains(&self.zero)
    }

    #[inline(always)]
    unsafe fn pair(self, sums: Sums<'_>, out: [*mut i8; 2]) {
        let (twice, table) = (2 * self.zero + 1, self.table.as_ptr());
        // SAFETY: by the contract; `usat` leaves indices of as many bits as the length of the table has.
        unsafe {
            if self.table.len() == 1024 {
                pair!(
                    sums, out,
                    [
                        "add {a}, {twice}", "add {b}, {twice}", "usat {a}, #10, {a}, asr #1", "usat {b}, #10, {b}, asr #1",
                        "ldrb {a}, [{table}, {a}]", "ldrb {b}, [{table}, {b}]", "strb {a}, [{out0}], #1", "strb {b}, [{out1}], #1"
                    ],
                    { twice = in(reg) twice, table = in(reg) table, }
                );
            } else {
                pair!(
                    sums, out,
                    [
                        "add {a}, {twice}", "add {b}, {twice}", "usat {a}, #11, {a}, asr #1", "usat {b}, #11, {b}, asr #1",
                        "ldrb {a}, [{table}, {a}]", "ldrb {b}, [{table}, {b}]", "strb {a}, [{out0}], #1", "strb {b}, [{out1}], #1"
                    ],
                    { twice = in(reg) twice, table = in(reg) table, }
                );
            }
        }
    }
}
