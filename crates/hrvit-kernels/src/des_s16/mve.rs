//! The shortcut on MVE: four outputs are the lanes of a vector, multiplied by one value of the token (right) or one weight (left) at a time. Hidden values keep
//! the order of the token, so that both rounds read vectors from memory.

use core::arch::naked_asm;

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
/// The processor has MVE; what the fields of [`Right`] describe is readable, `[k, p]` hidden values are writable.
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
/// The processor has MVE; what the fields of [`Left`] describe is readable, `[k, p]` outputs are writable, too.
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

/// Computes all tokens.
pub(super) fn run(_: Mve, args: &Des<'_>, hidden: &mut [i16], out: &mut [i32]) {
    let (k, p, channels) = (args.k, args.p, hidden.len());
    if !p.is_multiple_of(4) || p > MAX_COLUMNS {
        return scalar::run(args, hidden, out);
    }
    let mut weights = [0; MAX_COLUMNS * MAX_COLUMNS];
    for (o, row) in rows(args.right, p).enumerate() {
        for (j, weight) in row.iter().enumerate() {
            if let Some(slot) = weights.get_mut((o / 4 * p + j) * 4 + o % 4) {
                *slot = *weight;
            }
        }
    }
    let (right_rq, left_rq) = (args.right_requant, args.left_requant);
    let (quarters, row_bytes) = (p / 4, 2 * p);
    for (token, out) in rows(args.x, channels).zip(rows_mut(out, channels)) {
        let x = token.as_ptr_range();
        let to_hidden = Right {
            x: x.start,
            x_end: x.end,
            weights: weights.as_ptr(),
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
        let to_out = Left {
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
        // SAFETY: the token proves MVE. The entry has checked that there are `p` and `k` biases, multipliers and shifts, `p * p` and `k * k` weights, `k * p`
        // elements in `token`, `hidden` and `out`, and that the table is not empty; `p` is a multiple of 4.
        unsafe {
            right(&to_hidden);
            left(&to_out);
        }
    }
}
