//! The LayerNorm: sums in 8 lanes, the last channels as in the definition where 8 do not divide
//! them.

use core::arch::asm;

use half::f16;

use super::NormF16;
use crate::isa::Mve;
use crate::math_f32::{MAX, narrow, rsqrt, widen};
use crate::mve::floats::{Halves, LANES};
use crate::slices::{rows, rows_mut};

/// Tokens.
pub(super) fn tokens(mve: Mve, x: &[f16], norm: &NormF16<'_>, out: &mut [f16]) {
    let channels = norm.gain.len();
    for (x, out) in rows(x, channels).zip(rows_mut(out, channels)) {
        let shared = statistics(mve, x, norm.eps);
        // SAFETY: the token proves MVE; both rows have as many channels as the parameters.
        unsafe { affine(x.as_ptr(), norm, shared, out.as_mut_ptr()) };
    }
}

/// Tokens, in place.
pub(super) fn tokens_in_place(mve: Mve, x: &mut [f16], norm: &NormF16<'_>) {
    for x in rows_mut(x, norm.gain.len()) {
        let shared = statistics(mve, x, norm.eps);
        let x = x.as_mut_ptr();
        // SAFETY: as above; every vector is read before it is written.
        unsafe { affine(x.cast_const(), norm, shared, x) };
    }
}

/// Mean and `1 / sqrt(variance + eps)` of one token.
fn statistics(_: Mve, token: &[f16], eps: f32) -> (f32, f32) {
    let channels = token.len() as f32;
    let (blocks, tail) = token.as_chunks::<LANES>();
    let mut sums: Halves = [0.0; LANES];
    // SAFETY: the token proves MVE; the loop reads one block in each of its turns.
    unsafe {
        asm!(
            "vmov.i32 q0, #0",
            "vmov.i32 q1, #0",
            "wls lr, lr, 3f",
            "2:",
            "vldrh.u16 q2, [{x}], #16",
            "vcvtb.f32.f16 q3, q2",
            "vcvtt.f32.f16 q2, q2",
            "vadd.f32 q0, q0, q3",
            "vadd.f32 q1, q1, q2",
            "le lr, 2b",
            "3:",
            "vstrw.32 q0, [{sums}]",
            "vstrw.32 q1, [{sums}, #16]",
            x = inout(reg) blocks.as_ptr() => _, sums = in(reg) sums.as_mut_ptr(), inout("lr") blocks.len() => _,
            out("q0") _, out("q1") _, out("q2") _, out("q3") _, options(nostack),
        );
    }
    let mean = tail.iter().fold(sums.iter().sum::<f32>(), |sum, x| sum + widen(*x)) / channels;
    // SAFETY: as above.
    unsafe {
        asm!(
            "vmov.i32 q0, #0",
            "vmov.i32 q1, #0",
            "wls lr, lr, 3f",
            "2:",
            "vldrh.u16 q2, [{x}], #16",
            "vcvtb.f32.f16 q3, q2",
            "vcvtt.f32.f16 q2, q2",
            "vsub.f32 q3, q3, {mean}",
            "vsub.f32 q2, q2, {mean}",
            "vfma.f32 q0, q3, q3",
            "vfma.f32 q1, q2, q2",
            "le lr, 2b",
            "3:",
            "vstrw.32 q0, [{sums}]",
            "vstrw.32 q1, [{sums}, #16]",
            x = inout(reg) blocks.as_ptr() => _, sums = in(reg) sums.as_mut_ptr(), mean = in(reg) mean.to_bits(), inout("lr") blocks.len() => _,
            out("q0") _, out("q1") _, out("q2") _, out("q3") _, options(nostack),
        );
    }
    let squares = tail.iter().fold(sums.iter().sum::<f32>(), |sum, x| sum + (widen(*x) - mean) * (widen(*x) - mean));
    (mean, rsqrt(squares / channels + eps))
}

/// The affine of one token; gains and offsets are read in even and odd channels.
///
/// # Safety
/// The processor has MVE. As many elements as there are gains may be read from `x` on, and written
/// from `out` on, which is `x` or apart from it.
unsafe fn affine(x: *const f16, norm: &NormF16<'_>, (mean, r): (f32, f32), out: *mut f16) {
    let channels = norm.gain.len();
    // SAFETY: MVE and the elements by the contract; there is an offset for every gain; a turn is 8
    // channels.
    unsafe {
        asm!(
            "vdup.32 q6, {most}",
            "vneg.f32 q7, q6",
            "wls lr, lr, 3f",
            "2:",
            "vldrh.u16 q0, [{x}], #16",
            "vcvtt.f32.f16 q1, q0",
            "vcvtb.f32.f16 q0, q0",
            "vsub.f32 q1, q1, {mean}",
            "vsub.f32 q0, q0, {mean}",
            "vmul.f32 q1, q1, {r}",
            "vmul.f32 q0, q0, {r}",
            "vld20.32 {{q2, q3}}, [{gain}]",
            "vld21.32 {{q2, q3}}, [{gain}]!",
            "vld20.32 {{q4, q5}}, [{offset}]",
            "vld21.32 {{q4, q5}}, [{offset}]!",
            "vfma.f32 q4, q0, q2",
            "vfma.f32 q5, q1, q3",
            "vmaxnm.f32 q4, q4, q7",
            "vmaxnm.f32 q5, q5, q7",
            "vminnm.f32 q4, q4, q6",
            "vminnm.f32 q5, q5, q6",
            "vcvtb.f16.f32 q4, q4",
            "vcvtt.f16.f32 q4, q5",
            "vstrh.16 q4, [{out}], #16",
            "le lr, 2b",
            "3:",
            x = inout(reg) x => _, out = inout(reg) out => _, gain = inout(reg) norm.gain.as_ptr() => _, offset = inout(reg) norm.offset.as_ptr() => _,
            mean = in(reg) mean.to_bits(), r = in(reg) r.to_bits(), most = in(reg) MAX.to_bits(), inout("lr") channels / LANES => _,
            out("q0") _, out("q1") _, out("q2") _, out("q3") _, out("q4") _, out("q5") _, out("q6") _, out("q7") _, options(nostack),
        );
        for (i, (gain, offset)) in norm.gain.iter().zip(norm.offset).enumerate().skip(channels / LANES * LANES) {
            out.add(i).write(narrow((widen(x.add(i).read()) - mean) * r * gain + offset));
        }
    }
}
