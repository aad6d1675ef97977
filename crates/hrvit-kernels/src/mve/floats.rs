//! Parts that the f16 kernels share: halves of vectors, activations, ways of storing.
//!
//! MVE flushes subnormals of f32 to zero, which are 2^-126 or less and far below any f16;
//! subnormals of f16 are kept.

use core::arch::asm;

use half::f16;

use crate::epilogue_f16::{ActivationF16, EpilogueF16};
use crate::math_f32::{EXP2, EXP2_MIN, GELU, GELU_MAX, GELU_SQUARES, MAX, ROUNDER};

/// Values of a vector of f16.
pub(crate) const LANES: usize = 8;

/// 8 values in f32, the four of even number before the four of odd number.
pub(crate) type Halves = [f32; LANES];

/// The values from `first` on, up to 8, zeros beyond the end.
#[inline(always)]
pub(crate) fn halves(values: &[f32], first: usize) -> Halves {
    let mut halves = [0.0; LANES];
    for (i, value) in values.get(first..).unwrap_or_default().iter().take(LANES).enumerate() {
        if let Some(to) = halves.get_mut(i % 2 * (LANES / 2) + i / 2) {
            *to = *value;
        }
    }
    halves
}

/// Stores the sums of 8 neighbouring channels from element `at` on, or as many of them as `len`
/// says. A range outside of the output, of which no caller has one, stores nothing.
///
/// # Safety
/// The processor has MVE; `len` is not 0.
#[inline(never)] // one for all operators
pub(crate) unsafe fn put(epilogue: &mut EpilogueF16<'_>, at: usize, sums: &mut Halves, len: usize) {
    let len = len.min(LANES);
    match epilogue {
        EpilogueF16::Store { out, act } => {
            let Some(out) = out.get_mut(at..at.wrapping_add(len)) else { return };
            // SAFETY: MVE by the contract; `out` has `len` elements.
            unsafe {
                activate(*act, sums);
                narrow(sums, out);
            }
        }
        EpilogueF16::Add { out } => {
            let Some(out) = out.get_mut(at..at.wrapping_add(len)) else { return };
            // SAFETY: MVE by the contract; lanes beyond `len` are not read.
            unsafe {
                asm!(
                    "dlstp.16 lr, lr",
                    "2:",
                    "vldrh.u16 q0, [{out}]",
                    "letp lr, 2b",
                    "vcvtt.f32.f16 q1, q0",
                    "vcvtb.f32.f16 q0, q0",
                    "vldrw.u32 q2, [{sums}]",
                    "vadd.f32 q0, q0, q2",
                    "vldrw.u32 q2, [{sums}, #16]",
                    "vadd.f32 q1, q1, q2",
                    "vstrw.32 q0, [{sums}]",
                    "vstrw.32 q1, [{sums}, #16]",
                    out = in(reg) out.as_ptr(), sums = in(reg) sums.as_mut_ptr(), inout("lr") len => _,
                    out("q0") _, out("q1") _, out("q2") _, options(nostack),
                );
                narrow(sums, out);
            }
        }
        EpilogueF16::Sum { out } => {
            let out = out.get_mut(at..at.wrapping_add(len)).unwrap_or_default();
            let (even, odd) = sums.split_at(LANES / 2);
            for (out, (even, odd)) in out.chunks_mut(2).zip(even.iter().zip(odd)) {
                out.iter_mut().zip([even, odd]).for_each(|(out, sum)| *out += sum);
            }
        }
    }
}

/// Writes 8 values, or as many as `out` has (one or more), rounded to nearest even; never an
/// infinity or a NaN.
///
/// # Safety
/// The processor has MVE.
#[inline(always)]
pub(crate) unsafe fn narrow(x: &Halves, out: &mut [f16]) {
    // SAFETY: MVE by the contract; lanes beyond the length of `out` are not written. Of a NaN and a
    // number, `vmaxnm` returns the number.
    unsafe {
        asm!(
            "vldrw.u32 q0, [{x}]",
            "vldrw.u32 q1, [{x}, #16]",
            "vdup.32 q2, {most}",
            "vneg.f32 q3, q2",
            "vmaxnm.f32 q0, q0, q3",
            "vmaxnm.f32 q1, q1, q3",
            "vminnm.f32 q0, q0, q2",
            "vminnm.f32 q1, q1, q2",
            "vcvtb.f16.f32 q0, q0",
            "vcvtt.f16.f32 q0, q1",
            "dlstp.16 lr, lr",
            "2:",
            "vstrh.16 q0, [{out}]",
            "letp lr, 2b",
            x = in(reg) x.as_ptr(), out = in(reg) out.as_mut_ptr(), most = in(reg) MAX.to_bits(), inout("lr") out.len() => _,
            out("q0") _, out("q1") _, out("q2") _, out("q3") _, options(nostack),
        );
    }
}

/// The activation of 8 values, in place.
///
/// # Safety
/// The processor has MVE.
#[inline(always)]
pub(crate) unsafe fn activate(act: ActivationF16, x: &mut Halves) {
    // SAFETY: MVE by the contract.
    unsafe {
        match act {
            ActivationF16::None => {}
            ActivationF16::Relu => relu(x),
            ActivationF16::Gelu => gelu(x),
            ActivationF16::ReluGelu => {
                relu(x);
                gelu(x);
            }
            ActivationF16::Hardswish => hardswish(x),
        }
    }
}

/// `max(x, 0)`.
unsafe fn relu(x: &mut Halves) {
    // SAFETY: the caller vouches for MVE; the block reads and writes the 8 values.
    unsafe {
        asm!(
            "vldrw.u32 q0, [{x}]",
            "vldrw.u32 q1, [{x}, #16]",
            "vmov.i32 q2, #0",
            "vmaxnm.f32 q0, q0, q2",
            "vmaxnm.f32 q1, q1, q2",
            "vstrw.32 q0, [{x}]",
            "vstrw.32 q1, [{x}, #16]",
            x = in(reg) x.as_mut_ptr(), out("q0") _, out("q1") _, out("q2") _, options(nostack),
        );
    }
}

/// [`hardswish`](crate::math_f32::hardswish).
unsafe fn hardswish(x: &mut Halves) {
    // SAFETY: as in `relu`.
    unsafe {
        asm!(
            "vmov.i32 q2, #0",
            "vdup.32 q3, {six}",
            "dls lr, lr",
            "2:",
            "vldrw.u32 q0, [{x}]",
            "vadd.f32 q1, q0, {three}",
            "vmaxnm.f32 q1, q1, q2",
            "vminnm.f32 q1, q1, q3",
            "vmul.f32 q1, q1, {sixth}",
            "vmul.f32 q0, q0, q1",
            "vstrw.32 q0, [{x}], #16",
            "le lr, 2b",
            x = inout(reg) x.as_mut_ptr() => _, three = in(reg) 3.0f32.to_bits(), six = in(reg) 6.0f32.to_bits(), sixth = in(reg) (1.0f32 / 6.0).to_bits(),
            inout("lr") 2 => _, out("q0") _, out("q1") _, out("q2") _, out("q3") _, options(nostack),
        );
    }
}

/// `-125`, `1.5 * 2^23` and the coefficients of [`exp2`](crate::math_f32::exp2) from the highest
/// power on, as [`powers!`] reads them: pairs.
pub(crate) const EXPONENTIAL: [f32; 7] = [EXP2_MIN, ROUNDER, EXP2[4], EXP2[3], EXP2[2], EXP2[1], EXP2[0]];

/// Lines that replace `$x` by its power of two, using two vectors more, with [`EXPONENTIAL`] in r1,
/// r2, r3, r4, r5, r8, r9.
macro_rules! powers {
    ($x:literal $shifted:literal $sum:literal) => {
        concat!(
            "vdup.32 ",
            $sum,
            ", r1\n",
            "vmaxnm.f32 ",
            $x,
            ", ",
            $x,
            ", ",
            $sum,
            "\n",
            "vadd.f32 ",
            $shifted,
            ", ",
            $x,
            ", r2\n",
            "vsub.f32 ",
            $sum,
            ", ",
            $shifted,
            ", r2\n",
            "vsub.f32 ",
            $x,
            ", ",
            $x,
            ", ",
            $sum,
            "\n",
            "vmul.f32 ",
            $sum,
            ", ",
            $x,
            ", r3\n",
            "vadd.f32 ",
            $sum,
            ", ",
            $sum,
            ", r4\n",
            "vfmas.f32 ",
            $sum,
            ", ",
            $x,
            ", r5\n",
            "vfmas.f32 ",
            $sum,
            ", ",
            $x,
            ", r8\n",
            "vfmas.f32 ",
            $sum,
            ", ",
            $x,
            ", r9\n",
            "vshl.i32 ",
            $shifted,
            ", ",
            $shifted,
            ", #23\n",
            "vadd.i32 ",
            $x,
            ", ",
            $sum,
            ", ",
            $shifted
        )
    };
}

pub(crate) use powers;

/// Constants that `gelu` reads in turn: the largest argument, and its coefficients from the highest
/// power on.
static NORMAL: [f32; 8] = [GELU_MAX, GELU[6], GELU[5], GELU[4], GELU[3], GELU[2], GELU[1], GELU[0]];

/// [`gelu`](crate::math_f32::gelu).
unsafe fn gelu(x: &mut Halves) {
    for half in x.as_chunks_mut::<{ LANES / 2 }>().0 {
        // SAFETY: as in `relu`; `NORMAL` has the 8 numbers.
        unsafe {
            asm!(
                "vldrw.u32 q0, [{x}]",
                "ldm {table}!, {{r1, r2, r3, r4, r5, r8, r9}}",
                "vabs.f32 q1, q0",
                "vdup.32 q2, r1",
                "ldr r1, [{table}]",
                "vminnm.f32 q1, q1, q2",
                "vdup.32 q2, r2",
                "vfmas.f32 q2, q1, r3",
                "vfmas.f32 q2, q1, r4",
                "vfmas.f32 q2, q1, r5",
                "vfmas.f32 q2, q1, r8",
                "vfmas.f32 q2, q1, r9",
                "vfmas.f32 q2, q1, r1",
                "vmov.i32 q3, #0",
                "vmaxnm.f32 q0, q0, q3",
                "dls lr, lr",
                "2:",
                "vmul.f32 q2, q2, q2",
                "le lr, 2b",
                "vfms.f32 q0, q1, q2",
                "vstrw.32 q0, [{x}]",
                x = in(reg) half.as_mut_ptr(), table = inout(reg) NORMAL.as_ptr() => _, inout("lr") GELU_SQUARES => _,
                out("r1") _, out("r2") _, out("r3") _, out("r4") _, out("r5") _, out("r8") _, out("r9") _,
                out("q0") _, out("q1") _, out("q2") _, out("q3") _, options(nostack),
            );
        }
    }
}
