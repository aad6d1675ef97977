//! The shortcut with the DSP extension: both rounds are the same loop over rows of a token, two at
//! a time, with 16-bit weights that are widened once. Hidden values are kept transposed, as in the
//! definition.

use core::arch::naked_asm;
use core::mem::MaybeUninit;

use super::{Des, scalar};
use crate::isa::Dsp;
use crate::slices::{rows, rows_mut};

/// Most weights of both factors together: two of them are a word of the stack.
const MAX_WEIGHTS: usize = 512;

/// Operands of [`right`] and [`left`]. The assembly reads the fields at their offsets, and moves
/// those that it says so of.
#[repr(C)]
struct Round<T> {
    /// Rows, an even number and not 0.
    x: *const i16,
    x_end: *const i16,
    row_bytes: usize,
    /// Moves to the next output's after all rows.
    weights: *const i16,
    weights_end: *const i16,
    /// Moves.
    mult: *const i32,
    /// Moves.
    shift: *const u8,
    /// Moves.
    bias: *const i32,
    bias_end: *const i32,
    /// Moves.
    out: *mut T,
    pre_shift: u32,
    /// `2 * zero + 1`, or 1 where there is no table.
    twice: i32,
    /// Last index of the table.
    last: usize,
    table: *const i16,
    /// The bias of an output.
    current: i32,
}

/// One round of a token: lines that store the sums `t` of two rows in r4 and r5, where the outputs
/// go in r12.
macro_rules! round {
    ($(#[$doc:meta])* $name:ident, $out:ty, [$($store:literal),* $(,)?]) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// The processor has the DSP extension. The memory that the fields of [`Round`] describe is
        /// readable, and one output for each row and bias writable; rows have a multiple of 4
        /// elements, shifts are 33 or more, weights lie at a multiple of 4.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(round: &mut Round<$out>) {
            naked_asm!(
                ".cpu cortex-m7",
                "push {{r4-r11, lr}}",
                "mov lr, r0",
                "ldr r12, [lr, #36]",
                "1:",
                "ldrd r4, r5, [lr, #20]",
                "ldr r6, [lr, #28]",
                "ldr r10, [r4], #4",
                "ldrb r11, [r5], #1",
                "ldr r7, [r6], #4",
                "strd r4, r5, [lr, #20]",
                "str r6, [lr, #28]",
                "str r7, [lr, #56]",
                "sub r11, #33",
                "ldr r0, [lr]",
                "2:",
                "ldr r1, [lr, #8]",
                "ldrd r2, r3, [lr, #12]",
                "add r1, r0",
                "ldr r4, [lr, #56]",
                "mov r5, r4",
                "3:",
                "ldrd r8, r9, [r2], #8",
                "ldr r6, [r0], #4",
                "ldr r7, [r1], #4",
                "smlad r4, r6, r8, r4",
                "smlad r5, r7, r8, r5",
                "ldr r6, [r0], #4",
                "ldr r7, [r1], #4",
                "smlad r4, r6, r9, r4",
                "smlad r5, r7, r9, r5",
                "cmp r2, r3",
                "bne 3b",
                "ldr r6, [lr, #40]",
                "ldr r7, [lr, #44]",
                "lsl r4, r6",
                "lsl r5, r6",
                "smmul r4, r4, r10",
                "smmul r5, r5, r10",
                "asr r4, r11",
                "asr r5, r11",
                "add r4, r7",
                "add r5, r7",
                $($store,)*
                "ldr r6, [lr, #4]",
                "mov r0, r1",
                "cmp r0, r6",
                "bne 2b",
                "ldr r4, [lr, #12]",
                "sub r5, r2, r4",
                "add r3, r2, r5",
                "strd r2, r3, [lr, #12]",
                "ldrd r4, r5, [lr, #28]",
                "cmp r4, r5",
                "bne 1b",
                "pop {{r4-r11, pc}}",
            )
        }
    };
}

round! {
    /// `hidden[o][i] = h[i][o]`: looked up.
    right, i16,
    [
        "ldrd r6, r7, [lr, #48]", "usat r4, #15, r4, asr #1", "usat r5, #15, r5, asr #1", "cmp r4, r6", "it hi", "movhi r4, r6", "cmp r5, r6", "it hi",
        "movhi r5, r6", "ldrh r4, [r7, r4, lsl #1]", "ldrh r5, [r7, r5, lsl #1]", "strh r4, [r12], #2", "strh r5, [r12], #2",
    ]
}
round! {
    /// `out[o][q] += z[o][q]`.
    left, i32,
    [
        "ldr r6, [r12]", "ldr r7, [r12, #4]", "add r6, r6, r4, asr #1", "add r7, r7, r5, asr #1", "str r6, [r12], #4", "str r7, [r12], #4",
    ]
}

/// Weights of both factors, widened; pairs of them are read as words.
#[repr(align(4))]
struct Weights([MaybeUninit<i16>; MAX_WEIGHTS]);

/// Computes all tokens; what the loops do not know is left to `scalar`: sides that are no multiple
/// of 4, more weights, a shift of 32, longer tables and zero points.
#[inline(never)] // its buffer would lie on the stack of every instruction set
pub(super) fn run(_: Dsp, args: &Des<'_>, hidden: &mut [i16], out: &mut [i32]) {
    let (k, p, channels) = (args.k, args.p, hidden.len());
    let last = args.table.len().wrapping_sub(1);
    let shifts = args.right_requant.shift.iter().chain(args.left_requant.shift);
    let known = k.is_multiple_of(4) && p.is_multiple_of(4) && last < 1 << 15 && (-65536..=65536).contains(&args.zero);
    let mut weights = Weights([const { MaybeUninit::uninit() }; MAX_WEIGHTS]);
    let count = args.right.len() + args.left.len();
    let (Some((right_weights, left_weights)), true) =
        (weights.0.get_mut(..count).and_then(|all| all.split_at_mut_checked(args.right.len())), known && shifts.copied().all(|shift| shift > 32))
    else {
        return scalar::run(args, hidden, out);
    };
    for (to, from) in right_weights.iter_mut().zip(args.right).chain(left_weights.iter_mut().zip(args.left)) {
        to.write((*from).into());
    }
    for (token, out) in rows(args.x, channels).zip(rows_mut(out, channels)) {
        let (x, bias, rq) = (token.as_ptr_range(), args.right_bias.as_ptr_range(), args.right_requant);
        let row = right_weights.as_ptr().cast::<i16>();
        let mut to_hidden = Round {
            x: x.start,
            x_end: x.end,
            row_bytes: 2 * p,
            weights: row,
            weights_end: row.wrapping_add(p),
            mult: rq.mult.as_ptr(),
            shift: rq.shift.as_ptr(),
            bias: bias.start,
            bias_end: bias.end,
            out: hidden.as_mut_ptr(),
            pre_shift: rq.pre_shift.into(),
            twice: 2 * args.zero + 1,
            last,
            table: args.table.as_ptr(),
            current: 0,
        };
        let (bias, rq) = (args.left_bias.as_ptr_range(), args.left_requant);
        let row = left_weights.as_ptr().cast::<i16>();
        // SAFETY: the token proves the DSP extension. The entry has checked that there are `p` and
        // `k` biases, multipliers and shifts, `p * p` and `k * k` weights, `k * p` elements in
        // `token`, `hidden` and `out`, and that the table is not empty; sides, shifts and the
        // table's length were checked above. `p * p` is a multiple of 2.
        unsafe {
            right(&mut to_hidden);
            let hidden = hidden.as_ptr_range();
            left(&mut Round {
                x: hidden.start,
                x_end: hidden.end,
                row_bytes: 2 * k,
                weights: row,
                weights_end: row.wrapping_add(k),
                mult: rq.mult.as_ptr(),
                shift: rq.shift.as_ptr(),
                bias: bias.start,
                bias_end: bias.end,
                out: out.as_mut_ptr(),
                pre_shift: rq.pre_shift.into(),
                twice: 1,
                last: 0,
                table: args.table.as_ptr(),
                current: 0,
            });
        }
    }
}
