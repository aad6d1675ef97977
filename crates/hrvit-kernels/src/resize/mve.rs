//! Resized rows on MVE, a segment at a time: four channels of both its source columns are mixed,
//! then each output column adds their change.

use core::arch::naked_asm;

use super::{Rows, Segment, margin, scalar, segment};
use crate::isa::Mve;

/// Bits of a class in a key.
const CLASS_BITS: u32 = 8;
/// Largest factor whose keys have 32 bits: `2^15 * (2 * factor)^2 * 2^8 < 2^31`; output columns of
/// its segments.
const MAX_FACTOR: usize = 4;

/// The source tokens of a segment and their weights. The assembly reads the fields at their
/// offsets.
#[repr(C)]
struct Source {
    /// Upper and lower token at the near column, then those at the far one.
    tokens: [*const i16; 4],
    upper_weight: i32,
    lower_weight: i32,
    /// Of the sum of both weights of a column.
    unit: i32,
    far_weight: i32,
    /// Of a token, 1 or more.
    channels: usize,
    /// Output columns, 1 or more.
    outputs: usize,
    /// Bytes from one output token to the next.
    stride: usize,
}

impl Source {
    /// The source of `segment`, everything times `scale`.
    #[inline(always)]
    fn new(source: &Rows<'_>, segment: &Segment, scale: i32) -> Option<Self> {
        let [near, far] = [source.tokens(segment.near)?, source.tokens(segment.far)?];
        Some(Self {
            tokens: [near[0].as_ptr(), near[1].as_ptr(), far[0].as_ptr(), far[1].as_ptr()],
            upper_weight: scale.wrapping_mul(source.upper_weight),
            lower_weight: scale.wrapping_mul(source.lower_weight),
            unit: 2 * source.factor as i32,
            far_weight: segment.far_weight,
            channels: source.channels,
            outputs: segment.outputs.len(),
            stride: size_of::<i32>().wrapping_mul(source.channels),
        })
    }
}

/// Loads a [`Source`] from r0: tokens to r0-r3, weights to r4-r7.
macro_rules! load_source {
    () => {
        "ldrd r4, r5, [r0, #16]
         ldrd r6, r7, [r0, #24]
         ldrd r2, r3, [r0, #8]
         ldrd r0, r1, [r0]"
    };
}

/// Mixes four channels of both columns: their values at the first output column to q0, their
/// changes to q1. Uses the register of its argument, or q2.
macro_rules! mix {
    () => {
        mix!("q2")
    };
    ($other:literal) => {
        concat!(
            "vldrh.s32 q0, [r0], #8\n",
            "vldrh.s32 q1, [r2], #8\n",
            "vmul.i32 q0, q0, r4\n",
            "vldrh.s32 ",
            $other,
            ", [r1], #8\n",
            "vmul.i32 q1, q1, r4\n",
            "vmla.s32 q0, ",
            $other,
            ", r5\n",
            "vldrh.s32 ",
            $other,
            ", [r3], #8\n",
            "vmla.s32 q1, ",
            $other,
            ", r5\n",
            "vsub.i32 q1, q1, q0\n",
            "vmul.i32 q0, q0, r6\n",
            "vmla.s32 q0, q1, r7\n",
            "vadd.i32 q1, q1, q1"
        )
    };
}

/// Adds the outputs of a segment to `acc`, `[outputs, channels]`.
///
/// # Safety
/// The processor has MVE; `channels` values are readable from each token on, `outputs * channels`
/// writable from `acc` on.
#[unsafe(naked)]
unsafe extern "C" fn add_segment(source: &Source, acc: *mut i32) {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r4-r11, lr}}",
        "mov r12, r1",
        "ldr lr, [r0, #32]",
        "ldrd r8, r9, [r0, #36]",
        load_source!(),
        "dlstp.32 lr, lr",
        "2:",
        mix!(),
        "mov r10, r12",
        "mov r11, r8",
        "add r12, r12, #16",
        "3:",
        "vldrw.u32 q2, [r10]",
        "subs r11, r11, #1",
        "vadd.i32 q2, q2, q0",
        "vadd.i32 q0, q0, q1",
        "vstrw.32 q2, [r10]",
        "add r10, r10, r9",
        "bne 3b",
        "letp lr, 2b",
        "pop {{r4-r11, pc}}",
    )
}

/// Largest keys, `256 z + 255 - class`, of four output columns: the largest is that of the lowest
/// class among those with the largest z.
///
/// # Safety
/// The processor has MVE; `channels` values are readable from each token on.
#[unsafe(naked)]
unsafe extern "C" fn largest_keys(source: &Source, keys: &mut [i32; MAX_FACTOR]) {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r4-r7, r8, lr}}",
        "vpush {{d8-d15}}",
        "mov r8, r1",
        "ldr lr, [r0, #32]",
        load_source!(),
        "mov r12, #255",
        "vmov.i32 q4, #0x80000000",
        "vmov.i32 q5, #0x80000000",
        "vmov.i32 q6, #0x80000000",
        "vmov.i32 q7, #0x80000000",
        "dlstp.32 lr, lr",
        "2:",
        mix!(),
        "vddup.u32 q2, r12, #1",
        "vadd.i32 q0, q0, q2",
        "vmax.s32 q4, q4, q0",
        "vadd.i32 q0, q0, q1",
        "vmax.s32 q5, q5, q0",
        "vadd.i32 q0, q0, q1",
        "vmax.s32 q6, q6, q0",
        "vadd.i32 q0, q0, q1",
        "vmax.s32 q7, q7, q0",
        "letp lr, 2b",
        "mov r0, #0x80000000",
        "mov r1, r0",
        "mov r2, r0",
        "mov r3, r0",
        "vmaxv.s32 r0, q4",
        "vmaxv.s32 r1, q5",
        "vmaxv.s32 r2, q6",
        "vmaxv.s32 r3, q7",
        "stm r8, {{r0-r3}}",
        "vpop {{d8-d15}}",
        "pop {{r4-r7, r8, pc}}",
    )
}

/// [`largest_keys`], and behind them the second largest.
///
/// A second is the key kept between itself and the largest: of the eight, the first three lie on
/// the stack, for want of registers.
///
/// # Safety
/// As there.
#[unsafe(naked)]
unsafe extern "C" fn two_largest_keys(source: &Source, keys: &mut [[i32; MAX_FACTOR]; 2]) {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r4-r7, r8, lr}}",
        "vpush {{d8-d15}}",
        "sub sp, #48",
        "mov r8, r1",
        "ldr lr, [r0, #32]",
        load_source!(),
        "mov r12, #255",
        "vmov.i32 q2, #0x80000000",
        "vmov.i32 q4, #0x80000000",
        "vmov.i32 q5, #0x80000000",
        "vmov.i32 q6, #0x80000000",
        "vmov.i32 q7, #0x80000000",
        "vstrw.32 q2, [sp]",
        "vstrw.32 q2, [sp, #16]",
        "vstrw.32 q2, [sp, #32]",
        "dlstp.32 lr, lr",
        "2:",
        mix!("q3"),
        "vddup.u32 q3, r12, #1",
        "vadd.i32 q0, q0, q3",
        "vldrw.u32 q3, [sp]",
        "vmax.s32 q3, q3, q0",
        "vmin.s32 q3, q3, q4",
        "vstrw.32 q3, [sp]",
        "vmax.s32 q4, q4, q0",
        "vldrw.u32 q3, [sp, #16]",
        "vadd.i32 q0, q0, q1",
        "vmax.s32 q3, q3, q0",
        "vmin.s32 q3, q3, q5",
        "vstrw.32 q3, [sp, #16]",
        "vmax.s32 q5, q5, q0",
        "vldrw.u32 q3, [sp, #32]",
        "vadd.i32 q0, q0, q1",
        "vmax.s32 q3, q3, q0",
        "vmin.s32 q3, q3, q6",
        "vstrw.32 q3, [sp, #32]",
        "vmax.s32 q6, q6, q0",
        "vadd.i32 q0, q0, q1",
        "vmax.s32 q2, q2, q0",
        "vmin.s32 q2, q2, q7",
        "vmax.s32 q7, q7, q0",
        "letp lr, 2b",
        "mov r0, #0x80000000",
        "mov r1, r0",
        "mov r2, r0",
        "mov r3, r0",
        "mov r4, r0",
        "mov r5, r0",
        "mov r6, r0",
        "mov r7, r0",
        "vmaxv.s32 r0, q4",
        "vmaxv.s32 r1, q5",
        "vmaxv.s32 r2, q6",
        "vmaxv.s32 r3, q7",
        // The second of all: of every lane but one the largest, and no lane's second is larger than
        // its largest.
        "vmaxv.s32 r7, q2",
        "vldrw.u32 q0, [sp]",
        "vldrw.u32 q1, [sp, #16]",
        "vldrw.u32 q2, [sp, #32]",
        "vmaxv.s32 r4, q0",
        "vmaxv.s32 r5, q1",
        "vmaxv.s32 r6, q2",
        "vpt.i32 ne, q4, r0",
        "vmaxvt.s32 r4, q4",
        "vpt.i32 ne, q5, r1",
        "vmaxvt.s32 r5, q5",
        "vpt.i32 ne, q6, r2",
        "vmaxvt.s32 r6, q6",
        "vpt.i32 ne, q7, r3",
        "vmaxvt.s32 r7, q7",
        "stm r8, {{r0-r7}}",
        "add sp, #48",
        "vpop {{d8-d15}}",
        "pop {{r4-r7, r8, pc}}",
    )
}

/// See [`Kernels::argmax_s16`](crate::Kernels::argmax_s16).
pub(super) fn labels(_: Mve, source: &Rows<'_>, columns: usize, labels: &mut [u8]) {
    if source.factor > MAX_FACTOR {
        return scalar::labels(source, columns, labels);
    }
    let outputs = 0..labels.len();
    for i in 0..=columns {
        let Some(segment) = segment(i, columns, source.factor, &outputs) else { continue };
        let Some(shared) = Source::new(source, &segment, 1 << CLASS_BITS) else { continue };
        let mut keys = [0; MAX_FACTOR];
        // SAFETY: the token proves MVE; all four are tokens of `channels` values.
        unsafe { largest_keys(&shared, &mut keys) };
        for (label, key) in labels.get_mut(segment.outputs).unwrap_or_default().iter_mut().zip(keys) {
            *label = !(key as u8);
        }
    }
}

/// See [`Kernels::argmax_margin_s16`](crate::Kernels::argmax_margin_s16).
pub(super) fn margins(_: Mve, source: &Rows<'_>, columns: usize, labels: &mut [u8], shift: u32, margins: &mut [u8]) {
    if source.factor > MAX_FACTOR {
        return scalar::margins(source, columns, labels, shift, margins);
    }
    let outputs = 0..labels.len();
    for i in 0..=columns {
        let Some(segment) = segment(i, columns, source.factor, &outputs) else { continue };
        let Some(shared) = Source::new(source, &segment, 1 << CLASS_BITS) else { continue };
        let mut keys = [[0; MAX_FACTOR]; 2];
        // SAFETY: the token proves MVE; all four are tokens of `channels` values.
        unsafe { two_largest_keys(&shared, &mut keys) };
        let [largest, second] = keys;
        let (Some(labels), Some(margins)) = (labels.get_mut(segment.outputs.clone()), margins.get_mut(segment.outputs)) else { continue };
        for ((label, to), (largest, second)) in labels.iter_mut().zip(margins).zip(largest.into_iter().zip(second)) {
            *label = !(largest as u8);
            *to = margin(largest >> CLASS_BITS, second >> CLASS_BITS, shift);
        }
    }
}

/// See [`Kernels::bilinear_add_s16`](crate::Kernels::bilinear_add_s16).
pub(super) fn bilinear_add(_: Mve, source: &Rows<'_>, columns: usize, scale: i32, first: usize, acc: &mut [i32]) {
    let outputs = acc.len().checked_div(source.channels).unwrap_or(0);
    let wanted = first..first + outputs;
    for i in 0..=columns {
        let Some(segment) = segment(i, columns, source.factor, &wanted) else { continue };
        let at = |x: usize| (x - first) * source.channels;
        let Some(acc) = acc.get_mut(at(segment.outputs.start)..at(segment.outputs.end)) else { continue };
        let Some(shared) = Source::new(source, &segment, scale) else { continue };
        // SAFETY: the token proves MVE; all four are tokens of `channels` values, and `acc` has
        // been cut to the outputs.
        unsafe { add_segment(&shared, acc.as_mut_ptr()) };
    }
}
