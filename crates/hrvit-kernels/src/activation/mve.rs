//! The elementwise operators on MVE: one loop over vectors of 4 elements each.

use core::arch::{asm, naked_asm};

use crate::isa::Mve;
use crate::mve::sink::{add_words, narrow_words, rescale_words, store8_uniform, table8_uniform};
use crate::requant::{Range8, Requant, TensorRequant};
use crate::slices::{rows, rows_mut};

/// See [`Kernels::narrow_s16`](crate::Kernels::narrow_s16).
pub(super) fn narrow_s16(_: Mve, x: &[i16], requant: Requant<'_>, range: Range8, out: &mut [i8]) {
    // SAFETY: the token proves MVE; the entry has checked that there are as many shifts as
    // multipliers, whole tokens and as many outputs.
    unsafe { narrow_words(x, requant, range, out) }
}

/// See [`Kernels::rescale_s16`](crate::Kernels::rescale_s16).
pub(super) fn rescale_s16(_: Mve, x: &[i16], requant: Requant<'_>, out: &mut [i16]) {
    // SAFETY: as in `narrow_s16`.
    unsafe { rescale_words(x, requant, out) }
}

/// See [`Kernels::rescale_add32`](crate::Kernels::rescale_add32).
pub(super) fn rescale_add32(_: Mve, x: &[i16], requant: Requant<'_>, out: &mut [i32]) {
    let channels = requant.mult.len();
    for (x, out) in rows(x, channels).zip(rows_mut(out, channels)) {
        // SAFETY: the token proves MVE; both rows have `channels` elements, and the entry has
        // checked that there are as many shifts as multipliers.
        unsafe { add_words(x, requant, out) };
    }
}

/// See [`Kernels::store_s8`](crate::Kernels::store_s8).
pub(super) fn store_s8(_: Mve, acc: &[i32], requant: TensorRequant, range: Range8, out: &mut [i8]) {
    // SAFETY: the token proves MVE; the entry has checked that the lengths are equal.
    unsafe { store8_uniform(acc, requant, range, out) }
}

/// See [`Kernels::table_s8`](crate::Kernels::table_s8).
pub(super) fn table_s8(_: Mve, acc: &[i32], requant: TensorRequant, zero: i32, table: &[i8], out: &mut [i8]) {
    // SAFETY: the token proves MVE; the entry has checked that the lengths are equal and the table
    // is not empty.
    unsafe { table8_uniform(acc, requant, zero, table, out) }
}

/// See [`Kernels::add_s16`](crate::Kernels::add_s16).
pub(super) fn add_s16(_: Mve, x: &mut [i16], y: &[i32]) {
    // SAFETY: the token proves MVE; the entry has checked that the lengths are equal, and the loop
    // has `y.len()` lanes in all.
    unsafe {
        asm!(
            "dlstp.32 lr, lr",
            "2:",
            "vldrh.s32 q0, [r0]",
            "vldrw.u32 q1, [{y}], #16",
            "vqadd.s32 q0, q0, q1",
            "vqmovnb.s32 q0, q0",
            "vstrh.32 q0, [r0], #8",
            "letp lr, 2b",
            inout("r0") x.as_mut_ptr() => _, y = inout(reg) y.as_ptr() => _, inout("lr") y.len() => _, out("q0") _, out("q1") _, options(nostack),
        );
    }
}

/// See [`Kernels::add_s32`](crate::Kernels::add_s32).
pub(super) fn add_s32(_: Mve, acc: &mut [i32], other: &[i32]) {
    // SAFETY: the token proves MVE; the entry has checked that the lengths are equal, and the loop
    // has `other.len()` lanes in all.
    unsafe {
        asm!(
            "dlstp.32 lr, lr",
            "2:",
            "vldrw.u32 q0, [{acc}]",
            "vldrw.u32 q1, [{other}], #16",
            "vadd.i32 q0, q0, q1",
            "vstrw.32 q0, [{acc}], #16",
            "letp lr, 2b",
            acc = inout(reg) acc.as_mut_ptr() => _, other = inout(reg) other.as_ptr() => _, inout("lr") other.len() => _, out("q0") _, out("q1") _, options(nostack),
        );
    }
}

/// See [`Kernels::relu_s32`](crate::Kernels::relu_s32).
pub(super) fn relu_s32(_: Mve, acc: &mut [i32]) {
    // SAFETY: the token proves MVE; the loop has `acc.len()` lanes in all.
    unsafe {
        asm!(
            "vmov.i32 q1, #0",
            "dlstp.32 lr, lr",
            "2:",
            "vldrw.u32 q0, [{acc}]",
            "vmax.s32 q0, q0, q1",
            "vstrw.32 q0, [{acc}], #16",
            "letp lr, 2b",
            acc = inout(reg) acc.as_mut_ptr() => _, inout("lr") acc.len() => _, out("q0") _, out("q1") _, options(nostack),
        );
    }
}

/// Operands of [`hardswish`]. The assembly reads the fields at their offsets.
#[repr(C)]
struct Hardswish {
    /// Whole tokens, up to `v_end`, not none.
    v: *const i8,
    /// As many outputs.
    out: *mut i8,
    three: *const i32,
    mult: *const i32,
    shift: *const u8,
    /// Not 0.
    channels: usize,
    pre_shift: u32,
    zero: i32,
    lo: i32,
    hi: i32,
    v_end: *const i8,
}

/// All tokens: v at r2, outputs at r1.
///
/// # Safety
/// The processor has MVE. Memory that the fields of [`Hardswish`] describe is readable, the outputs
/// writable. There is one token alone, or the channels are a multiple of 4.
#[unsafe(naked)]
unsafe extern "C" fn hardswish(args: &Hardswish) {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r4-r11, lr}}",
        "vpush {{d8-d15}}",
        "ldrd r8, r9, [r0]",
        "ldrd r7, r11, [r0, #20]",
        "ldrd r12, r1, [r0, #28]",
        "ldrd r2, r10, [r0, #36]",
        "vdup.32 q5, r1",
        "vdup.32 q6, r2",
        "vmov.i32 q7, #31",
        "vmov.i32 q4, #0",
        "mov r2, r8",
        "mov r1, r9",
        "1:",
        "ldrd r5, r6, [r0, #8]",
        "ldr r4, [r0, #16]",
        "dlstp.32 lr, r7",
        "2:",
        "vldrb.s32 q0, [r2], #4",
        "vldrw.u32 q3, [r5], #16",
        "vshl.i32 q1, q0, #8",
        "vadd.i32 q1, q1, q3",
        "vadd.i32 q3, q3, q3",
        "vmax.s32 q1, q1, q4",
        "vmin.s32 q1, q1, q3",
        "vmul.i32 q0, q0, q1",
        "vldrw.u32 q1, [r6], #16",
        "vldrb.u32 q2, [r4], #4",
        "vsub.i32 q2, q7, q2",
        "vshl.s32 q0, r11",
        "vqdmulh.s32 q0, q0, q1",
        "vrshl.s32 q0, q0, q2",
        "vadd.i32 q0, q0, r12",
        "vmax.s32 q0, q0, q5",
        "vmin.s32 q0, q0, q6",
        "vstrb.32 q0, [r1], #4",
        "letp lr, 2b",
        "cmp r2, r10",
        "blo 1b",
        "vpop {{d8-d15}}",
        "pop {{r4-r11, pc}}",
    )
}

/// See [`Kernels::hardswish_s8`](crate::Kernels::hardswish_s8).
pub(super) fn hardswish_s8(_: Mve, v: &[i8], three: &[i32], requant: Requant<'_>, range: Range8, out: &mut [i8]) {
    let Requant { mult, shift, pre_shift } = requant;
    let v = v.as_ptr_range();
    if v.is_empty() {
        return;
    }
    let mut args = Hardswish {
        v: v.start,
        out: out.as_mut_ptr(),
        three: three.as_ptr(),
        mult: mult.as_ptr(),
        shift: shift.as_ptr(),
        channels: three.len(),
        pre_shift: pre_shift.into(),
        zero: range.zero,
        lo: range.lo,
        hi: range.hi,
        v_end: v.end,
    };
    while args.v != v.end {
        if !args.channels.is_multiple_of(4) {
            args.v_end = args.v.wrapping_add(args.channels);
        }
        // SAFETY: the token proves MVE. The entry has checked that there are channels, as many
        // multipliers and shifts, whole tokens, and as many outputs as values.
        unsafe { hardswish(&args) };
        (args.v, args.out) = (args.v_end, args.out.wrapping_add(args.channels));
    }
}

/// See [`Kernels::hardswish_s16`](crate::Kernels::hardswish_s16).
pub(super) fn hardswish_s16(_: Mve, x: &[i16], three: i32, requant: TensorRequant, range: Range8, out: &mut [i8]) {
    // SAFETY: the token proves MVE; the loop has `x.len()` lanes in all, and `out` is as long by
    // the check of the entry.
    unsafe {
        asm!(
            "vdup.32 q5, {lo}",
            "vdup.32 q6, {hi}",
            "vdup.32 q3, {three}",
            "vadd.i32 q3, q3, {three}",
            "vmov.i32 q4, #0",
            "dlstp.32 lr, lr",
            "2:",
            "vldrh.s32 q0, [r2], #8",
            "vadd.i32 q1, q0, {three}",
            "vmax.s32 q1, q1, q4",
            "vmin.s32 q1, q1, q3",
            "vmul.i32 q0, q0, q1",
            "vshl.s32 q0, {pre_shift}",
            "vqdmulh.s32 q0, q0, {mult}",
            "vrshl.s32 q0, {shift}",
            "vadd.i32 q0, q0, {zero}",
            "vmax.s32 q0, q0, q5",
            "vmin.s32 q0, q0, q6",
            "vstrb.32 q0, [r1], #4",
            "letp lr, 2b",
            three = in(reg) three, pre_shift = in(reg) u32::from(requant.pre_shift), mult = in(reg) requant.mult, shift = in(reg) 31 - i32::from(requant.shift),
            zero = in(reg) range.zero, lo = in(reg) range.lo, hi = in(reg) range.hi,
            inout("r1") out.as_mut_ptr() => _, inout("r2") x.as_ptr() => _, inout("lr") x.len() => _,
            out("q0") _, out("q1") _, out("q3") _, out("q4") _, out("q5") _, out("q6") _, options(nostack),
        );
    }
}
