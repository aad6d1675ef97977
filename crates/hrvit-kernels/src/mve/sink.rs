//! Ways of storing a tile: [`Epilogue`](crate::epilogue::Epilogue) on vectors of 4 channels.
//!
//! The requantisation is `vqdmulh` (truncating) and `vrshl` by `31 - shift`: the floor of a floor,
//! so exactly the rounding rule where `shift >= 32`.

use core::arch::{asm, naked_asm};

use super::tile::{Channels, Tile};
use crate::epilogue::Epilogue;
use crate::requant::{Range8, Requant, TensorRequant};

/// `[$out] = clamp(q0 + $zero, q5, q6)`.
macro_rules! store8 {
    ($out:literal, $zero:literal) => {
        concat!("vadd.i32 q0, q0, ", $zero, "\nvmax.s32 q0, q0, q5\nvmin.s32 q0, q0, q6\nvstrb.32 q0, [", $out, "], #4")
    };
}

/// `[$out] = $table[clamp(q0 + $zero, q5, q6)]`.
macro_rules! table8 {
    ($out:literal, $zero:literal, $table:literal) => {
        concat!("vadd.i32 q0, q0, ", $zero, "\nvmin.s32 q0, q0, q6\nvmax.s32 q0, q0, q5\nvldrb.u32 q3, [", $table, ", q0]\nvstrb.32 q3, [", $out, "], #4")
    };
}

/// `[$out] = saturate(q0)`.
macro_rules! store16 {
    ($out:literal) => {
        concat!("vqmovnb.s32 q0, q0\nvstrh.32 q0, [", $out, "], #8")
    };
}

/// `[$out] = saturate([$out] + q0)`.
macro_rules! add16 {
    ($out:literal) => {
        concat!("vldrh.s32 q3, [", $out, "]\nvadd.i32 q0, q0, q3\nvqmovnb.s32 q0, q0\nvstrh.32 q0, [", $out, "], #8")
    };
}

/// `[$out] += q0`.
macro_rules! add32 {
    ($out:literal) => {
        concat!("vldrw.u32 q3, [", $out, "]\nvadd.i32 q0, q0, q3\nvstrw.32 q0, [", $out, "], #16")
    };
}

/// How the first rows of a tile are stored, or as many rows of 16-bit values. The assembly reads
/// the fields at their offsets.
#[repr(C)]
pub(crate) struct Put {
    /// Accumulators of the first of three rows; those of rows that do not exist are overwritten.
    /// For [`words8`] and [`words16`]: values of 16 bits, row after row.
    acc: *const i32,
    bias: *const i32,
    mult: *const i32,
    shift: *const u8,
    /// Not 0.
    channels: usize,
    /// Outputs of the next row.
    out: *mut u8,
    /// Bytes from the outputs of a row to those of the next.
    stride: usize,
    pre_shift: u32,
    zero: i32,
    lo: i32,
    hi: i32,
    table: *const i8,
    /// Rows to store, 1 or more; at most none when all are stored.
    rows: i32,
}

/// Registers of the functions here before their loops: accumulators r8, biases r9, multipliers r10,
/// shifts r4, channels lr, outputs r1 to r3 (narrow loads and stores take no higher base), the
/// pre-shift r7, zero r11, limits q5 and q6, rows left r6. A row that does not exist goes to the
/// accumulators of its own: r2 or r3 is then in the tile.
macro_rules! enter {
    () => {
        "push {{r4-r11, lr}}\nvpush {{d8-d15}}\n\
        ldrd r11, r5, [r0, #32]\nldrd r7, r6, [r0, #40]\nvdup.32 q5, r5\nvdup.32 q6, r7\nmov r5, r6\n\
        ldrd r8, r9, [r0]\nldrd r10, r4, [r0, #8]\nldrd lr, r1, [r0, #16]\nldrd r6, r7, [r0, #24]\nvmov.i32 q7, #31\n\
        add r2, r1, r6\nadd r3, r2, r6\nadd r6, r3\nstr r6, [r0, #20]\nldr r6, [r0, #48]\nsubs r6, #3\nstr r6, [r0, #48]"
    };
}

/// A function that stores the next three rows of accumulators, or what is left of them, and returns
/// how many rows are left: what stores four outputs.
macro_rules! rows {
    ($(#[$doc:meta])* $name:ident, $first:expr, $second:expr, $third:expr) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// The processor has MVE. Memory that [`Put`] describes is readable, accumulators and
        /// outputs are writable.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(put: &mut Put) -> i32 {
            naked_asm!(
                ".cpu cortex-m55",
                enter!(),
                "bpl 4f",
                "add r3, r8, #512",
                "cmn r6, #2",
                "it eq",
                "addeq r2, r8, #256",
                "4:",
                "cmp r7, #0",
                "bne 5f",
                "dlstp.32 lr, lr",
                "2:",
                "vldrw.u32 q1, [r10], #16\nvldrb.u32 q2, [r4], #4\nvldrw.u32 q4, [r9], #16\nvsub.i32 q2, q7, q2",
                "vldrw.u32 q0, [r8], #16", rows!(@requantise), $first,
                "vldrw.u32 q0, [r8, #240]", rows!(@requantise), $second,
                "vldrw.u32 q0, [r8, #496]", rows!(@requantise), $third,
                "letp lr, 2b",
                "3:",
                "mov r0, r6",
                "vpop {{d8-d15}}",
                "pop {{r4-r11, pc}}",
                "5:",
                "dlstp.32 lr, lr",
                "2:",
                "vldrw.u32 q1, [r10], #16\nvldrb.u32 q2, [r4], #4\nvldrw.u32 q4, [r9], #16\nvsub.i32 q2, q7, q2",
                "vldrw.u32 q0, [r8], #16", rows!(@shifted), $first,
                "vldrw.u32 q0, [r8, #240]", rows!(@shifted), $second,
                "vldrw.u32 q0, [r8, #496]", rows!(@shifted), $third,
                "letp lr, 2b",
                "b 3b",
            )
        }
    };
    (@requantise) => { "vadd.i32 q0, q0, q4\nvqdmulh.s32 q0, q0, q1\nvrshl.s32 q0, q0, q2" };
    (@shifted) => { "vadd.i32 q0, q0, q4\nvshl.s32 q0, r7\nvqdmulh.s32 q0, q0, q1\nvrshl.s32 q0, q0, q2" };
}

/// `[$out] = saturate(rq + zero)` of 8 channels, the even ones in q0, the odd ones in q1.
macro_rules! eight {
    ($out:literal) => {
        concat!(
            "vadd.i32 q0, q0, q6\nvadd.i32 q1, q1, q7\nvqdmulh.s32 q0, q0, q2\nvqdmulh.s32 q1, q1, q3\nvrshl.s32 q0, q0, q4\nvrshl.s32 q1, q1, q5\n",
            "vqmovnb.s32 q0, q0\nvqmovnt.s32 q0, q1\nvqadd.s16 q0, q0, r11\nvqmovnb.s16 q0, q0\nvstrb.16 q0, [",
            $out,
            "], #8"
        )
    };
}

rows! {
    /// `out = clamp(rq + zero, lo, hi)`.
    codes8, store8!("r1", "r11"), store8!("r2", "r11"), store8!("r3", "r11")
}
rows! {
    /// `out = clamp(rq, -32768, 32767)`.
    codes16, store16!("r1"), store16!("r2"), store16!("r3")
}
rows! {
    /// `out = clamp(out + rq, -32768, 32767)`.
    sums16, add16!("r1"), add16!("r2"), add16!("r3")
}
rows! {
    /// `out += rq`.
    sums32, add32!("r1"), add32!("r2"), add32!("r3")
}
rows! {
    /// `out = table[clamp(rq + zero, lo, hi)]`.
    looked_up8, table8!("r1", "r11", "r5"), table8!("r2", "r11", "r5"), table8!("r3", "r11", "r5")
}

/// [`codes8`] between -128 and 127, for channels in eights, a zero point of 8 bits and no
/// pre-shift: even and odd channels are apart until their sums are 16 bits, so that saturating
/// makes the rest.
///
/// # Safety
/// As for [`codes8`].
#[unsafe(naked)]
unsafe extern "C" fn whole8(put: &mut Put) -> i32 {
    naked_asm!(
        ".cpu cortex-m55",
        enter!(),
        "add r5, r8, #256",
        "add r7, r8, #512",
        "bpl 4f",
        "mov r3, r7",
        "cmn r6, #2",
        "it eq",
        "moveq r2, r5",
        "4:",
        "mov r12, #31",
        "lsr lr, lr, #3",
        "dls lr, lr",
        "2:",
        "vld20.32 {{q2, q3}}, [r10]",
        "vld21.32 {{q2, q3}}, [r10]!",
        "vldrb.u16 q4, [r4], #8",
        "vneg.s16 q4, q4",
        "vadd.i16 q4, q4, r12",
        "vmovlt.s16 q5, q4",
        "vmovlb.s16 q4, q4",
        "vld20.32 {{q6, q7}}, [r9]",
        "vld21.32 {{q6, q7}}, [r9]!",
        "vld20.32 {{q0, q1}}, [r8]",
        "vld21.32 {{q0, q1}}, [r8]!",
        eight!("r1"),
        "vld20.32 {{q0, q1}}, [r5]",
        "vld21.32 {{q0, q1}}, [r5]!",
        eight!("r2"),
        "vld20.32 {{q0, q1}}, [r7]",
        "vld21.32 {{q0, q1}}, [r7]!",
        eight!("r3"),
        "le lr, 2b",
        "mov r0, r6",
        "vpop {{d8-d15}}",
        "pop {{r4-r11, pc}}",
    )
}

/// A function that stores the next three rows of 16-bit values, which lie one after another, and
/// returns how many rows are left. A row that does not exist is the one before it: it stores the
/// same again.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $first:expr, $second:expr, $third:expr) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// The processor has MVE. Memory that [`Put`] describes is readable, outputs are
        /// writable.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(put: &mut Put) -> i32 {
            naked_asm!(
                ".cpu cortex-m55",
                enter!(),
                "mov r12, r6",
                "mov r9, r7",
                "add r6, r8, lr, lsl #1",
                "add r7, r6, lr, lsl #1",
                "mov r5, r8",
                "add r8, r7, lr, lsl #1",
                "str r8, [r0]",
                "cmn r12, #2",
                "itt eq",
                "moveq r6, r5",
                "moveq r2, r1",
                "cmp r12, #0",
                "itt lt",
                "movlt r7, r6",
                "movlt r3, r2",
                "dlstp.32 lr, lr",
                "2:",
                "vldrw.u32 q1, [r10], #16\nvldrb.u32 q2, [r4], #4\nvsub.i32 q2, q7, q2",
                "vldrh.s32 q0, [r5], #8", words!(@requantise), $first,
                "vldrh.s32 q0, [r6], #8", words!(@requantise), $second,
                "vldrh.s32 q0, [r7], #8", words!(@requantise), $third,
                "letp lr, 2b",
                "mov r0, r12",
                "vpop {{d8-d15}}",
                "pop {{r4-r11, pc}}",
            )
        }
    };
    (@requantise) => { "vshl.s32 q0, r9\nvqdmulh.s32 q0, q0, q1\nvrshl.s32 q0, q0, q2" };
}

words! {
    /// `out = clamp(rq + zero, lo, hi)`.
    words8, store8!("r1", "r11"), store8!("r2", "r11"), store8!("r3", "r11")
}
words! {
    /// `out = clamp(rq, -32768, 32767)`.
    words16, store16!("r1"), store16!("r2"), store16!("r3")
}

/// Requantises accumulators that share one multiplier, and stores them.
macro_rules! uniform {
    ($(#[$doc:meta])* $name:ident, ($($parameter:ident: $ty:ty),*), $before:literal, $store:expr, { $($operands:tt)* }) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// The processor has MVE; `out` is at least as long as `acc`, a table not empty.
        pub(crate) unsafe fn $name(acc: &[i32], requant: TensorRequant, $($parameter: $ty,)* out: &mut [i8]) {
            // SAFETY: MVE by the contract; the loop has `acc.len()` lanes in all, and both slices
            // have as many elements.
            unsafe {
                asm!(
                    $before, "vdup.32 q6, {hi}",
                    "dlstp.32 lr, lr",
                    "2:",
                    "vldrw.u32 q0, [{acc}], #16", "vshl.s32 q0, {pre_shift}", "vqdmulh.s32 q0, q0, {mult}", "vrshl.s32 q0, {shift}", $store,
                    "letp lr, 2b",
                    acc = inout(reg) acc.as_ptr() => _, pre_shift = in(reg) u32::from(requant.pre_shift), mult = in(reg) requant.mult,
                    shift = in(reg) 31 - i32::from(requant.shift), $($operands)*
                    inout("r1") out.as_mut_ptr() => _, inout("lr") acc.len() => _,
                    out("q0") _, out("q3") _, out("q5") _, out("q6") _, options(nostack),
                );
            }
        }
    };
}

uniform! {
    /// Stores codes of 8 bits.
    store8_uniform, (range: Range8), "vdup.32 q5, {lo}", store8!("r1", "{zero}"), {
        zero = in(reg) range.zero, lo = in(reg) range.lo, hi = in(reg) range.hi,
    }
}
uniform! {
    /// Looks up codes of 8 bits.
    table8_uniform, (zero: i32, table: &[i8]), "vmov.i32 q5, #0", table8!("r1", "{zero}", "{table}"), {
        zero = in(reg) zero, hi = in(reg) table.len().wrapping_sub(1), table = in(reg) table.as_ptr(),
    }
}

/// Places of the rows of a product in an output: `rows` of them, not none, the first from element
/// `first` on, each next one `stride` elements further on.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) first: usize,
    pub(crate) stride: usize,
    pub(crate) rows: usize,
}

/// Stores the rows of a tile, three at a time.
pub(crate) struct Store {
    put: Put,
    function: unsafe extern "C" fn(&mut Put) -> i32,
}

impl Store {
    /// A store of these channels' accumulators, which `tile` takes.
    pub(crate) fn of(epilogue: &mut Epilogue<'_>, tile: &mut Tile, channels: &Channels<'_>, pre_shift: u8, place: Place) -> Self {
        let mut put = Put {
            acc: tile.start(),
            bias: channels.bias.as_ptr(),
            mult: channels.mult.as_ptr(),
            shift: channels.shift.as_ptr(),
            channels: channels.bias.len(),
            out: core::ptr::null_mut(),
            stride: place.stride,
            pre_shift: pre_shift.into(),
            zero: 0,
            lo: 0,
            hi: 0,
            table: core::ptr::null(),
            rows: place.rows as i32,
        };
        let function: unsafe extern "C" fn(&mut Put) -> i32 = match epilogue {
            Epilogue::Store8 { out, range } => {
                (put.zero, put.lo, put.hi) = (range.zero, range.lo, range.hi);
                put.out = out.as_mut_ptr().wrapping_add(place.first).cast();
                let is_whole = (range.lo, range.hi) == (-128, 127) && (-128..=127).contains(&range.zero);
                if is_whole && put.channels.is_multiple_of(8) && pre_shift == 0 { whole8 } else { codes8 }
            }
            Epilogue::Table8 { out, table, zero } => {
                (put.zero, put.hi, put.table) = (*zero, table.len().wrapping_sub(1) as i32, table.as_ptr());
                put.out = out.as_mut_ptr().wrapping_add(place.first).cast();
                looked_up8
            }
            Epilogue::Add32 { out } => {
                put.out = out.as_mut_ptr().wrapping_add(place.first).cast();
                put.stride *= size_of::<i32>();
                sums32
            }
            Epilogue::Store16 { out } | Epilogue::Add16 { out } => {
                put.out = out.as_mut_ptr().wrapping_add(place.first).cast();
                put.stride *= size_of::<i16>();
                codes16
            }
        };
        Self { function: if matches!(epilogue, Epilogue::Add16 { .. }) { sums16 } else { function }, put }
    }

    /// Stores the next three rows, or what is left of them, and returns how many are left: at most
    /// none at the end.
    ///
    /// # Safety
    /// The processor has MVE. The channels of [`Store::of`], not none and at most as many as a tile
    /// has, live, and the tile is where it was; the accumulators of rows that exist are written.
    /// The output
    /// holds as many elements from each of its places on, and a table is not empty and shorter than
    /// 2^31.
    #[inline(always)]
    pub(crate) unsafe fn rows(&mut self) -> i32 {
        // SAFETY: by the contract.
        unsafe { (self.function)(&mut self.put) }
    }
}

/// Requantises 16-bit values `[tokens, channels]`, not none, and stores them, by [`words8`] or
/// [`words16`].
///
/// # Safety
/// The processor has MVE. There are as many shifts as multipliers, whole tokens of as many values,
/// and an output of the function's type for each of these.
unsafe fn put_words(function: unsafe extern "C" fn(&mut Put) -> i32, x: &[i16], requant: Requant<'_>, range: Range8, out: *mut u8, size: usize) {
    let Requant { mult, shift, pre_shift } = requant;
    let mut put = Put {
        acc: x.as_ptr().cast(),
        bias: core::ptr::null(),
        mult: mult.as_ptr(),
        shift: shift.as_ptr(),
        channels: mult.len(),
        out,
        stride: mult.len() * size,
        pre_shift: pre_shift.into(),
        zero: range.zero,
        lo: range.lo,
        hi: range.hi,
        table: core::ptr::null(),
        rows: x.len().checked_div(mult.len()).unwrap_or(0) as i32,
    };
    while put.rows > 0 {
        // SAFETY: by the contract.
        unsafe { function(&mut put) };
    }
}

/// Requantises 16-bit values and stores codes of 8 bits.
///
/// # Safety
/// The processor has MVE. There are as many shifts as multipliers, whole tokens of as many values,
/// and as many outputs as values.
pub(crate) unsafe fn narrow_words(x: &[i16], requant: Requant<'_>, range: Range8, out: &mut [i8]) {
    // SAFETY: by the contract.
    unsafe { put_words(words8, x, requant, range, out.as_mut_ptr().cast(), size_of::<i8>()) }
}

/// Requantises 16-bit values and stores values of 16 bits.
///
/// # Safety
/// As for [`narrow_words`].
pub(crate) unsafe fn rescale_words(x: &[i16], requant: Requant<'_>, out: &mut [i16]) {
    let range = Range8 { zero: 0, lo: 0, hi: 0 };
    // SAFETY: by the contract.
    unsafe { put_words(words16, x, requant, range, out.as_mut_ptr().cast(), size_of::<i16>()) }
}

/// Requantises the 16-bit values of one token and adds them to `out`.
///
/// # Safety
/// The processor has MVE. As many values as multipliers and shifts are readable, and as many
/// outputs writable.
#[inline(always)]
pub(crate) unsafe fn add_words(x: &[i16], requant: Requant<'_>, out: &mut [i32]) {
    let Requant { mult, shift, pre_shift } = requant;
    // SAFETY: MVE, `x` and `out` by the contract; the two slices have `mult.len()` elements, which
    // is how many lanes the loop has in all.
    unsafe {
        asm!(
            "vmov.i32 q7, #31",
            "dlstp.32 lr, lr",
            "2:",
            "vldrw.u32 q1, [{mult}], #16", "vldrb.u32 q2, [r0], #4", "vsub.i32 q2, q7, q2",
            "vldrh.s32 q0, [r2], #8", "vshl.s32 q0, {pre_shift}", "vqdmulh.s32 q0, q0, q1", "vrshl.s32 q0, q0, q2", add32!("r1"),
            "letp lr, 2b",
            mult = inout(reg) mult.as_ptr() => _, pre_shift = in(reg) u32::from(pre_shift),
            inout("r0") shift.as_ptr() => _, inout("r1") out.as_mut_ptr() => _, inout("r2") x.as_ptr() => _, inout("lr") mult.len() => _,
            out("q0") _, out("q1") _, out("q2") _, out("q3") _, out("q7") _, options(nostack),
        );
    }
}
