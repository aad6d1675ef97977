//! The label map on MVE: four classes at once. What compilers make of `scalar` is as good for the resized row.

use core::arch::naked_asm;

use super::{Rows, scalar};
use crate::isa::Mve;

/// Operands of [`argmax`]. The assembly reads the fields at their offsets.
#[repr(C)]
struct Pixel {
    corners: [*const i16; 4],
    weights: [i32; 4],
    /// Classes, 1 or more.
    classes: usize,
}

/// The class with the largest weighted sum, the lowest of equal ones.
///
/// # Safety
/// The processor has MVE; `classes` values are readable from each corner on.
#[unsafe(naked)]
unsafe extern "C" fn argmax(pixel: &Pixel) -> u32 {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r4-r8, lr}}",
        "ldr lr, [r0, #32]",
        "ldrd r4, r5, [r0, #16]",
        "ldrd r6, r7, [r0, #24]",
        "ldrd r2, r3, [r0, #8]",
        "ldrd r0, r1, [r0]",
        "mov r12, #0",
        "vmov.i32 q2, #0x80000000",
        "vmov.i32 q3, #0",
        "dlstp.32 lr, lr",
        "2:",
        "vldrh.s32 q0, [r0], #8",
        "vldrh.s32 q1, [r1], #8",
        "vmul.i32 q0, q0, r4",
        "vmla.s32 q0, q1, r5",
        "vldrh.s32 q1, [r2], #8",
        "vmla.s32 q0, q1, r6",
        "vldrh.s32 q1, [r3], #8",
        "vmla.s32 q0, q1, r7",
        "vidup.u32 q1, r12, #1",
        "vptt.s32 gt, q0, q2",
        "vorrt q2, q0, q0",
        "vorrt q3, q1, q1",
        "letp lr, 2b",
        "mov r1, #0x80000000",
        "vmaxv.s32 r1, q2",
        "mov r0, #255",
        "vpt.s32 eq, q2, r1",
        "vminvt.u32 r0, q3",
        "pop {{r4-r8, pc}}",
    )
}

/// See [`Kernels::argmax_s16`](crate::Kernels::argmax_s16).
pub(super) fn labels(_: Mve, source: &Rows<'_>, columns: usize, labels: &mut [u8]) {
    for (x, label) in labels.iter_mut().enumerate() {
        let Some(corners) = source.corners(x, columns) else { continue };
        let pixel = Pixel { corners: corners.map(|(token, _)| token.as_ptr()), weights: corners.map(|(_, weight)| weight), classes: source.channels };
        // SAFETY: the token proves MVE; every corner is a token of `channels` values.
        *label = unsafe { argmax(&pixel) } as u8;
    }
}

/// See [`Kernels::bilinear_add_s16`](crate::Kernels::bilinear_add_s16).
pub(super) fn bilinear_add(_: Mve, source: &Rows<'_>, columns: usize, scale: i32, first: usize, acc: &mut [i32]) {
    scalar::bilinear_add(source, columns, scale, first, acc);
}
