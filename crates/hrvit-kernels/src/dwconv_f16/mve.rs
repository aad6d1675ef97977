//! The depthwise convolution: two neighbouring tokens with 8 channels at a time share the weights,
//! which are widened once per row. If the window is not inside the map for both, one token follows
//! the other.
//!
//! Sums are those of the definition, in its order. Kernels above 9x9 are left to `scalar`, as are
//! the last channels where 8 do not divide them.

use core::arch::naked_asm;
use core::mem::MaybeUninit;

use half::f16;

use super::{DepthwiseF16, MAX_KERNEL, rest, scalar};
use crate::epilogue_f16::EpilogueF16;
use crate::isa::Mve;
use crate::mve::floats::{Halves, LANES, halves, put};

/// Operands of [`taps`]. The assembly reads the fields at their offsets.
#[repr(C)]
struct Taps {
    /// Per row of the window that lies inside the map, 1 or more: its first tap's token, and its
    /// weights.
    rows: *const (*const f16, *const Halves),
    /// Number of rows.
    count: usize,
    /// Bytes from a token to the next.
    step: usize,
    /// Bytes from a tap of one sum to the same tap of the other.
    other: usize,
    /// Taps of a row, 1 or more.
    taps: usize,
    /// Both sums.
    sums: *mut [Halves; 2],
}

/// Adds the products of the taps of two tokens.
///
/// # Safety
/// The processor has MVE. The memory that the fields of [`Taps`] describe is readable, and the sums
/// writable.
#[unsafe(naked)]
unsafe extern "C" fn taps(taps: &Taps) {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r4-r10, lr}}",
        "vpush {{d8-d15}}",
        "ldrd r1, r2, [r0]",
        "ldrd r3, r4, [r0, #8]",
        "ldrd r5, r6, [r0, #16]",
        "vldrw.u32 q0, [r6]",
        "vldrw.u32 q1, [r6, #16]",
        "vldrw.u32 q2, [r6, #32]",
        "vldrw.u32 q3, [r6, #48]",
        "1:",
        "ldrd r7, r8, [r1], #8",
        "add r9, r7, r4",
        "dls lr, r5",
        "2:",
        "vldrh.u16 q6, [r7]",
        "vcvtt.f32.f16 q7, q6",
        "vcvtb.f32.f16 q6, q6",
        "vldrw.u32 q4, [r8], #16",
        "vldrw.u32 q5, [r8], #16",
        "add r7, r3",
        "vfma.f32 q0, q6, q4",
        "vfma.f32 q1, q7, q5",
        "vldrh.u16 q6, [r9]",
        "vcvtt.f32.f16 q7, q6",
        "vcvtb.f32.f16 q6, q6",
        "add r9, r3",
        "vfma.f32 q2, q6, q4",
        "vfma.f32 q3, q7, q5",
        "le lr, 2b",
        "subs r2, #1",
        "bne 1b",
        "vstrw.32 q0, [r6]",
        "vstrw.32 q1, [r6, #16]",
        "vstrw.32 q2, [r6, #32]",
        "vstrw.32 q3, [r6, #48]",
        "vpop {{d8-d15}}",
        "pop {{r4-r10, pc}}",
    )
}

/// Computes the row.
pub(super) fn run(_: Mve, args: &DepthwiseF16<'_>, mut epilogue: EpilogueF16<'_>, out_stride: usize) {
    if args.kernel > MAX_KERNEL {
        return scalar::run(args, epilogue, out_stride);
    }
    let channels = args.bias.len();
    let vectors = channels / LANES * LANES;
    for first in (0..vectors).step_by(LANES) {
        // SAFETY: the token proves MVE; the entry has checked that rows, weights and output hold
        // every token's channels; the kernel is small enough.
        unsafe { eight(args, &mut epilogue, out_stride, first) };
    }
    if vectors < channels {
        rest(args, vectors, epilogue, out_stride);
    }
}

/// Channels `first..first + 8` of all tokens.
///
/// # Safety
/// The processor has MVE. The lengths are those that the entry documents, the kernel has at most
/// [`MAX_KERNEL`] rows.
unsafe fn eight(args: &DepthwiseF16<'_>, epilogue: &mut EpilogueF16<'_>, out_stride: usize, first: usize) {
    let DepthwiseF16 { rows, in_stride, columns, kernel, stride, weights, weight_stride, bias } = *args;
    let mut wide = [const { MaybeUninit::<Halves>::uninit() }; MAX_KERNEL * MAX_KERNEL];
    for (tap, wide) in wide.iter_mut().enumerate().take(kernel * kernel) {
        let eight = weights.get(tap * weight_stride + first..).unwrap_or_default();
        wide.write(core::array::from_fn(|i| eight.get(i % 4 * 2 + i / 4).map_or(0.0, |weight| crate::math_f32::widen(*weight))));
    }
    let start = halves(bias, first);
    let tokens = args.columns_out();
    let mut x = 0;
    while x < tokens {
        // The window of the token: taps from `left` on, up to `right`, lie inside the map.
        let left = (kernel / 2).saturating_sub(x * stride);
        let right = (columns + kernel / 2 - x * stride).min(kernel);
        let both = x + 1 < tokens && left == 0 && (x + 1) * stride + kernel <= columns + kernel / 2;
        let mut sums = [start; 2];
        let mut inside = [(core::ptr::null(), core::ptr::null()); MAX_KERNEL];
        let mut count = 0;
        for (ky, row) in rows.iter().enumerate() {
            if let (Some(row), Some(inside)) = (row, inside.get_mut(count)) {
                let column = x * stride + left - kernel / 2;
                *inside = (row.as_ptr().wrapping_add(column * in_stride + first), wide.as_ptr().cast::<Halves>().wrapping_add(ky * kernel + left));
                count += 1;
            }
        }
        if count != 0 && left < right {
            let (step, other) = (in_stride * size_of::<f16>(), if both { stride * in_stride * size_of::<f16>() } else { 0 });
            let args = Taps { rows: inside.as_ptr(), count, step, other, taps: right - left, sums: &mut sums };
            // SAFETY: MVE by the contract. The taps from `left` to `right` are tokens of the rows,
            // as are those of the other token where it is another; their weights were written.
            unsafe { taps(&args) };
        }
        for (t, sums) in sums.iter_mut().enumerate().take(1 + usize::from(both)) {
            // SAFETY: MVE by the contract.
            unsafe { put(epilogue, (x + t) * out_stride + first, sums, LANES) };
        }
        x += 1 + usize::from(both);
    }
}
