//! The shortcut on MVE: four outputs are the lanes of a vector, multiplied by one value of the
//! token (right) or one weight (left) at a time. Hidden values keep the order of the token, so that
//! both rounds read vectors from memory.

use core::arch::naked_asm;
use core::mem::MaybeUninit;
use core::ops::Range;

use super::{Des, scalar};
use crate::isa::Mve;
use crate::slices::{rows, rows_mut};

/// Most columns of a token's view: the weights are transposed into a buffer of its square.
const MAX_COLUMNS: usize = 32;

/// Operands of [`right`]. The assembly reads the fields at their offsets, those of [`Left`] too.
#[repr(C)]
struct Right {
    x: *const i16,
    x_end: *const i16,
    /// `[p / 4, p, 4]`: four outputs for each input.
    weights: *const i8,
    mult: *const i32,
    shift: *const u8,
    bias: *const i32,
    /// `p / 4`, not 0.
    quarters: usize,
    /// `2 * p`.
    row_bytes: usize,
    pre_shift: u32,
    zero: i32,
    table: *const i16,
    /// Last index of the table.
    last: usize,
    hidden: *mut i16,
}

/// `hidden[i][o] = h[i][o]` of one token.
///
/// # Safety
/// The processor has MVE; what the fields of [`Right`] describe is readable, `[k, p]` hidden values
/// are writable.
#[unsafe(naked)]
unsafe extern "C" fn right(args: &Right) {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r4-r11, lr}}",
        "vpush {{d10-d15}}",
        "ldr r1, [r0]",
        "ldrd r10, r11, [r0, #36]",
        "ldrd r6, r5, [r0, #44]",
        "vmov.i32 q5, #0",
        "vdup.32 q6, r6",
        "vmov.i32 q7, #31",
        "1:",
        "ldrd r3, r8, [r0, #8]",
        "ldrd r4, r9, [r0, #16]",
        "ldr r12, [r0, #24]",
        "2:",
        "vldrw.u32 q0, [r9], #16",
        "mov r2, r1",
        "ldr lr, [r0, #24]",
        "dls lr, lr",
        "3:",
        "ldrsh r6, [r2], #2",
        "vldrb.s32 q1, [r3], #4",
        "ldrsh r7, [r2], #2",
        "vmla.s32 q0, q1, r6",
        "vldrb.s32 q2, [r3], #4",
        "ldrsh r6, [r2], #2",
        "vmla.s32 q0, q2, r7",
        "vldrb.s32 q1, [r3], #4",
        "ldrsh r7, [r2], #2",
        "vmla.s32 q0, q1, r6",
        "vldrb.s32 q2, [r3], #4",
        "vmla.s32 q0, q2, r7",
        "le lr, 3b",
        "ldr r6, [r0, #32]",
        "vldrw.u32 q1, [r8], #16",
        "vldrb.u32 q2, [r4], #4",
        "vshl.s32 q0, r6",
        "vsub.i32 q2, q7, q2",
        "vqdmulh.s32 q0, q0, q1",
        "vrshl.s32 q0, q0, q2",
        "vadd.i32 q0, q0, r10",
        "vmin.s32 q0, q0, q6",
        "vmax.s32 q0, q0, q5",
        "vldrh.u32 q3, [r11, q0, uxtw #1]",
        "vstrh.32 q3, [r5], #8",
        "subs r12, #1",
        "bne 2b",
        "ldr r6, [r0, #28]",
        "ldr r7, [r0, #4]",
        "add r1, r6",
        "cmp r1, r7",
        "bne 1b",
        "vpop {{d10-d15}}",
        "pop {{r4-r11, pc}}",
    )
}

/// One of four rows of sums, requantised and looked up: r4 is the `pre_shift`, r5 points to its
/// hidden values.
macro_rules! look_up_row {
    ($sums:literal) => {
        concat!(
            "vshl.s32 ",
            $sums,
            ", r4\nvqdmulh.s32 ",
            $sums,
            ", ",
            $sums,
            ", q5\nvrshl.s32 ",
            $sums,
            ", ",
            $sums,
            ", q6\nvadd.i32 ",
            $sums,
            ", ",
            $sums,
            ", r11\n",
            "vqshlu.s32 ",
            $sums,
            ", ",
            $sums,
            ", #0\nvmin.s32 ",
            $sums,
            ", ",
            $sums,
            ", q7\nvldrh.u32 q4, [r12, ",
            $sums,
            ", uxtw #1]\nvstrh.32 q4, [r5]\nadd r5, r7"
        )
    };
}

/// [`right`] for a number of rows that is a multiple of 4: every vector of weights meets four
/// inputs.
///
/// # Safety
/// As for [`right`]; `k` is a multiple of 4.
#[unsafe(naked)]
unsafe extern "C" fn right_by_four(args: &Right) {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r4-r11, lr}}",
        "vpush {{d8-d15}}",
        "ldr r1, [r0]",
        "ldr r7, [r0, #28]",
        "lsl r8, r7, #1",
        "add r9, r8, r7",
        "ldrd r11, r12, [r0, #36]",
        "ldrd r6, r5, [r0, #44]",
        "vdup.32 q7, r6",
        "1:",
        "ldr r3, [r0, #8]",
        "mov r10, #0",
        "2:",
        "ldr r6, [r0, #20]",
        "add r6, r6, r10, lsl #4",
        "vldrw.u32 q0, [r6]",
        "vmov q1, q0",
        "vmov q2, q0",
        "vmov q3, q0",
        "mov r2, r1",
        "lsr lr, r7, #1",
        "dls lr, lr",
        "3:",
        "vldrb.s32 q4, [r3], #4",
        "ldrsh r6, [r2, r7]",
        "ldrsh r4, [r2, r8]",
        "vmla.s32 q1, q4, r6",
        "ldrsh r6, [r2, r9]",
        "vmla.s32 q2, q4, r4",
        "ldrsh r4, [r2], #2",
        "vmla.s32 q3, q4, r6",
        "vmla.s32 q0, q4, r4",
        "le lr, 3b",
        "ldrd r4, r6, [r0, #12]",
        "add r4, r4, r10, lsl #4",
        "add r6, r6, r10, lsl #2",
        "vldrw.u32 q5, [r4]",
        "vldrb.u32 q6, [r6]",
        "vmov.i32 q4, #31",
        "vsub.i32 q6, q4, q6",
        "ldr r4, [r0, #32]",
        look_up_row!("q0"),
        look_up_row!("q1"),
        look_up_row!("q2"),
        look_up_row!("q3"),
        "sub r5, r5, r7, lsl #2",
        "add r5, #8",
        "add r10, #1",
        "ldr r6, [r0, #24]",
        "cmp r10, r6",
        "bne 2b",
        "add r5, r9",
        "ldr r6, [r0, #4]",
        "add r1, r1, r7, lsl #2",
        "cmp r1, r6",
        "bne 1b",
        "vpop {{d8-d15}}",
        "pop {{r4-r11, pc}}",
    )
}

/// Operands of [`left`].
#[repr(C)]
struct Left {
    hidden: *const i16,
    /// `[k, k]`.
    weights: *const i8,
    mult: *const i32,
    shift: *const u8,
    bias: *const i32,
    /// Not 0.
    k: usize,
    /// `p / 4`, not 0.
    quarters: usize,
    /// `2 * p`.
    row_bytes: usize,
    pre_shift: u32,
    out: *mut i32,
}

/// `out[o][q] += z[o][q]` of one token.
///
/// # Safety
/// The processor has MVE; what the fields of [`Left`] describe is readable, `[k, p]` outputs are
/// writable, too.
#[unsafe(naked)]
unsafe extern "C" fn left(args: &Left) {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r4-r11, lr}}",
        "ldr r1, [r0, #4]",
        "ldrd r7, r10, [r0, #28]",
        "ldr r11, [r0, #36]",
        "mov r4, #0",
        "1:",
        "ldrd r6, r9, [r0, #8]",
        "ldr r8, [r6, r4, lsl #2]",
        "ldrb r9, [r9, r4]",
        "rsb r9, r9, #31",
        "ldr r6, [r0, #16]",
        "ldr r6, [r6, r4, lsl #2]",
        "vdup.32 q3, r6",
        "ldr r12, [r0, #24]",
        "ldr r5, [r0]",
        "2:",
        "vmov q0, q3",
        "mov r2, r1",
        "mov r3, r5",
        "ldr lr, [r0, #20]",
        "dls lr, lr",
        "3:",
        "ldrsb r6, [r2], #1",
        "vldrh.s32 q1, [r3]",
        "add r3, r7",
        "vmla.s32 q0, q1, r6",
        "le lr, 3b",
        "vshl.s32 q0, r10",
        "vqdmulh.s32 q0, q0, r8",
        "vldrw.u32 q1, [r11]",
        "vrshl.s32 q0, r9",
        "vadd.i32 q0, q0, q1",
        "vstrw.32 q0, [r11], #16",
        "add r5, #8",
        "subs r12, #1",
        "bne 2b",
        "mov r1, r2",
        "add r4, #1",
        "ldr r6, [r0, #20]",
        "cmp r4, r6",
        "bne 1b",
        "pop {{r4-r11, pc}}",
    )
}

/// One of four rows of sums, requantised and added: r2 and r3 point to its multiplier and shift,
/// r11 to its outputs.
macro_rules! add_row {
    ($sums:literal) => {
        concat!(
            "ldr r6, [r2], #4\nvshl.s32 ",
            $sums,
            ", lr\nvqdmulh.s32 ",
            $sums,
            ", ",
            $sums,
            ", r6\nldrb r6, [r3], #1\nvldrw.u32 q4, [r11]\nrsb r6, r6, #31\nvrshl.s32 ",
            $sums,
            ", r6\nvadd.i32 ",
            $sums,
            ", ",
            $sums,
            ", q4\nvstrw.32 ",
            $sums,
            ", [r11]\nadd r11, r11, r7, lsl #1"
        )
    };
}

/// [`left`] for a `k` that is a multiple of 4: every vector of hidden values meets four weights.
///
/// # Safety
/// As for [`left`]; `k` is a multiple of 4.
#[unsafe(naked)]
unsafe extern "C" fn left_by_four(args: &Left) {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r4-r11, lr}}",
        "vpush {{d8-d9}}",
        "ldr r1, [r0, #4]",
        "ldr r7, [r0, #28]",
        "ldr r8, [r0, #20]",
        "ldr r11, [r0, #36]",
        "lsl r9, r8, #1",
        "add r10, r9, r8",
        "mov r4, #0",
        "1:",
        "ldr r5, [r0]",
        "ldr r12, [r0, #24]",
        "2:",
        "ldr r6, [r0, #16]",
        "add r6, r6, r4, lsl #2",
        "ldrd r2, r3, [r6]",
        "vdup.32 q0, r2",
        "vdup.32 q1, r3",
        "ldrd r2, r3, [r6, #8]",
        "vdup.32 q2, r2",
        "vdup.32 q3, r3",
        "mov r2, r1",
        "mov r3, r5",
        "dls lr, r8",
        "3:",
        "vldrh.s32 q4, [r3]",
        "ldrsb r6, [r2, r8]",
        "add r3, r7",
        "vmla.s32 q1, q4, r6",
        "ldrsb r6, [r2, r9]",
        "vmla.s32 q2, q4, r6",
        "ldrsb r6, [r2, r10]",
        "vmla.s32 q3, q4, r6",
        "ldrsb r6, [r2], #1",
        "vmla.s32 q0, q4, r6",
        "le lr, 3b",
        "ldrd r2, r3, [r0, #8]",
        "add r2, r2, r4, lsl #2",
        "add r3, r4",
        "ldr lr, [r0, #32]",
        add_row!("q0"),
        add_row!("q1"),
        add_row!("q2"),
        add_row!("q3"),
        "sub r11, r11, r7, lsl #3",
        "add r11, #16",
        "add r5, #8",
        "subs r12, #1",
        "bne 2b",
        "add r11, r11, r7, lsl #1",
        "add r11, r11, r7, lsl #2",
        "add r1, r1, r8, lsl #2",
        "add r4, #4",
        "cmp r4, r8",
        "bne 1b",
        "vpop {{d8-d9}}",
        "pop {{r4-r11, pc}}",
    )
}

/// Computes all tokens.
pub(super) fn run(_: Mve, args: &Des<'_>, hidden: &mut [i16], out: &mut [i32]) {
    let (k, p, channels) = (args.k, args.p, hidden.len());
    if !p.is_multiple_of(4) || p > MAX_COLUMNS {
        return scalar::run(args, hidden, out);
    }
    let mut weights = [const { MaybeUninit::<i8>::uninit() }; MAX_COLUMNS * MAX_COLUMNS];
    for (o, row) in rows(args.right, p).enumerate() {
        for (j, weight) in row.iter().enumerate() {
            if let Some(slot) = weights.get_mut((o / 4 * p + j) * 4 + o % 4) {
                slot.write(*weight);
            }
        }
    }
    let (right_rq, left_rq) = (args.right_requant, args.left_requant);
    let (quarters, row_bytes) = (p / 4, 2 * p);
    let mut to_hidden = Right {
        x: args.x.as_ptr(),
        x_end: args.x.as_ptr(),
        weights: weights.as_ptr().cast(),
        mult: right_rq.mult.as_ptr(),
        shift: right_rq.shift.as_ptr(),
        bias: args.right_bias.as_ptr(),
        quarters,
        row_bytes,
        pre_shift: right_rq.pre_shift.into(),
        zero: args.zero,
        table: args.table.as_ptr(),
        last: args.table.len().wrapping_sub(1),
        hidden: hidden.as_mut_ptr(),
    };
    let mut to_out = Left {
        hidden: hidden.as_ptr(),
        weights: args.left.as_ptr(),
        mult: left_rq.mult.as_ptr(),
        shift: left_rq.shift.as_ptr(),
        bias: args.left_bias.as_ptr(),
        k,
        quarters,
        row_bytes,
        pre_shift: left_rq.pre_shift.into(),
        out: out.as_mut_ptr(),
    };
    let by_four = k.is_multiple_of(4);
    let right: unsafe extern "C" fn(&Right) = if by_four { right_by_four } else { right };
    let left: unsafe extern "C" fn(&Left) = if by_four { left_by_four } else { left };
    for (token, out) in rows(args.x, channels).zip(rows_mut(out, channels)) {
        Range { start: to_hidden.x, end: to_hidden.x_end } = token.as_ptr_range();
        to_out.out = out.as_mut_ptr();
        // SAFETY: the token proves MVE. The entry has checked that there are `p` and `k` biases,
        // multipliers and shifts, `p * p` and `k * k` weights, `k * p` elements in `token`,
        // `hidden` and `out`, and that the table is not empty; `p` is a multiple of 4.
        unsafe {
            right(&to_hidden);
            left(&to_out);
        }
    }
}
