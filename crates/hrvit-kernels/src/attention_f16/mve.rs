//! The attention, 3 queries at a time, which lie side by side as the rows of a product; scores and
//! powers do, too: that of a key in three neighbouring places.
//!
//! Keys are transposed once per strip, 8 to a vector. Logits are those of the definition, in its
//! order. Heads whose elements 8 do not divide, or of more than 128, are left to `scalar`.

use core::arch::asm;
use core::mem::MaybeUninit;

use half::f16;

use super::{BLOCK, StripF16, scalar};
use crate::isa::Mve;
use crate::mve::floats::{EXPONENTIAL, LANES, narrow, powers};
use crate::mve::product_f16::{Block, ROWS, Step, contiguous, pack, strided};

/// Longest head.
const MAX_DIM: usize = 128;

/// Values of a turn of the powers: 4 keys of 3 queries.
const TURN: usize = 4 * ROWS;

/// Computes the strip. `scratch` holds [`scratch`](super::scratch) elements.
pub(super) fn run(_: Mve, args: &StripF16<'_>, scratch: &mut [f32], out: &mut [f16]) {
    let StripF16 { q, v, dim } = *args;
    if !dim.is_multiple_of(LANES) || dim > MAX_DIM {
        return scalar::run(args, scratch, out);
    }
    let keys = v.len() / dim;
    let padded = keys.next_multiple_of(BLOCK);
    let Some((scores, packed)) = scratch.split_at_mut_checked(4 * padded) else { return };
    let Some(scores) = scores.get_mut(..ROWS * padded) else { return };
    // SAFETY: any bytes are f16, whose alignment f32 exceeds; the length is that of `packed` in
    // bytes.
    let packed = unsafe { core::slice::from_raw_parts_mut(packed.as_mut_ptr().cast::<[f16; BLOCK]>(), packed.len() * 2 / BLOCK) };
    let Some(packed) = packed.get_mut(..padded / BLOCK * dim) else { return };
    transpose(v, dim, packed);
    let mut wide = [const { MaybeUninit::<Step>::uninit() }; MAX_DIM];
    let wide = wide.as_mut_ptr().cast::<Step>();
    for (q, out) in q.chunks(ROWS * dim).zip(out.chunks_mut(ROWS * dim)) {
        let queries = q.len() / dim;
        // SAFETY: the token proves MVE. `q` holds `queries` queries of `dim <= MAX_DIM` elements,
        // the last standing for those that are missing; `packed` a block of `dim` vectors for 8
        // keys, `scores` three scores for each of them; `v` a vector of 8 elements for each key
        // from every eighth on.
        unsafe {
            pack(core::array::from_fn(|r| q.as_ptr().add(r.min(queries - 1) * dim)), dim, wide);
            for (places, scores) in packed.chunks_exact(dim).zip(scores.chunks_exact_mut(ROWS * BLOCK)) {
                let mut sums: Block = [[0.0; LANES]; ROWS];
                contiguous(wide, places.as_ptr().cast::<f16>(), dim, &mut sums);
                interleave(&sums, scores.as_mut_ptr());
            }
            scores.get_mut(ROWS * keys..).unwrap_or_default().fill(f32::MIN);
            let reciprocals = all_powers(scores);
            for first in (0..dim).step_by(LANES) {
                let mut sums: Block = [[0.0; LANES]; ROWS];
                strided(scores.as_ptr().cast::<Step>(), v.as_ptr().add(first), dim * size_of::<f16>(), keys, &mut sums);
                for ((sums, reciprocal), out) in sums.iter_mut().zip(reciprocals).zip(out.chunks_exact_mut(dim)) {
                    sums.iter_mut().for_each(|sum| *sum *= reciprocal);
                    narrow(sums, out.get_mut(first..first + LANES).unwrap_or_default());
                }
            }
        }
    }
}

/// Brings the keys into blocks of 8, place by place, zeros beyond the last key; in a block, keys 0
/// to 3 have even places, so that the sums of a product are in order.
fn transpose(v: &[f16], dim: usize, packed: &mut [[f16; BLOCK]]) {
    for (keys, places) in v.chunks(BLOCK * dim).zip(packed.chunks_exact_mut(dim)) {
        for j in 0..BLOCK {
            let key = keys.get(j * dim..).unwrap_or_default();
            let lane = j % 4 * 2 + j / 4;
            for (i, place) in places.iter_mut().enumerate() {
                place[lane] = key.get(i).copied().unwrap_or(f16::ZERO);
            }
        }
    }
}

/// Writes the scores of 8 keys side by side.
///
/// # Safety
/// The processor has MVE; 24 scores may be written.
#[inline(always)]
unsafe fn interleave(sums: &Block, scores: *mut f32) {
    // SAFETY: by the contract; the vector of addresses is that of every third score.
    unsafe {
        asm!(
            "vidup.u32 q7, r2, #4",
            "vmul.i32 q7, q7, {three}",
            "vadd.i32 q7, q7, {scores}",
            "vldrw.u32 q0, [{sums}]",
            "vldrw.u32 q1, [{sums}, #16]",
            "vldrw.u32 q2, [{sums}, #32]",
            "vldrw.u32 q3, [{sums}, #48]",
            "vldrw.u32 q4, [{sums}, #64]",
            "vldrw.u32 q5, [{sums}, #80]",
            "vstrw.32 q0, [q7]",
            "vstrw.32 q2, [q7, #4]",
            "vstrw.32 q4, [q7, #8]",
            "vstrw.32 q1, [q7, #48]",
            "vstrw.32 q3, [q7, #52]",
            "vstrw.32 q5, [q7, #56]",
            three = in(reg) ROWS, scores = in(reg) scores, sums = in(reg) sums.as_ptr(), inout("r2") 0 => _,
            out("q0") _, out("q1") _, out("q2") _, out("q3") _, out("q4") _, out("q5") _, out("q7") _, options(nostack),
        );
    }
}

/// Replaces the scores of three queries, side by side, by their powers and returns the reciprocals
/// of their sums. Three vectors are 4 scores of each.
///
/// # Safety
/// The processor has MVE. There are a multiple of [`TURN`] scores, and not none.
unsafe fn all_powers(scores: &mut [f32]) -> [f32; ROWS] {
    let turns = scores.len() / TURN;
    let mut most = [0.0f32; TURN];
    // SAFETY: MVE by the contract; both loops read and write `TURN` scores in each of their turns.
    unsafe {
        asm!(
            "vldrw.u32 q0, [{scores}]",
            "vldrw.u32 q1, [{scores}, #16]",
            "vldrw.u32 q2, [{scores}, #32]",
            "dls lr, lr",
            "2:",
            "vldrw.u32 q3, [{scores}], #16",
            "vmaxnm.f32 q0, q0, q3",
            "vldrw.u32 q3, [{scores}], #16",
            "vmaxnm.f32 q1, q1, q3",
            "vldrw.u32 q3, [{scores}], #16",
            "vmaxnm.f32 q2, q2, q3",
            "le lr, 2b",
            "vstrw.32 q0, [{most}]",
            "vstrw.32 q1, [{most}, #16]",
            "vstrw.32 q2, [{most}, #32]",
            scores = inout(reg) scores.as_ptr() => _, most = in(reg) most.as_mut_ptr(), inout("lr") turns => _,
            out("q0") _, out("q1") _, out("q2") _, out("q3") _, options(nostack),
        );
    }
    let largest: [f32; ROWS] = core::array::from_fn(|r| most.iter().skip(r).step_by(ROWS).fold(f32::MIN, |largest, score| largest.max(*score)));
    most.iter_mut().enumerate().for_each(|(i, most)| *most = largest[i % ROWS]);
    let mut total = [0.0f32; TURN];
    // SAFETY: as above; `EXPONENTIAL` has 7 numbers.
    unsafe {
        asm!(
            "ldm {exponential}, {{r1, r2, r3, r4, r5, r8, r9}}",
            "vmov.i32 q0, #0",
            "vmov.i32 q1, #0",
            "vmov.i32 q2, #0",
            "dls lr, lr",
            "2:",
            "vldrw.u32 q3, [{scores}]",
            "vldrw.u32 q4, [{most}]",
            "vsub.f32 q3, q3, q4",
            powers!("q3" "q4" "q5"),
            "vadd.f32 q0, q0, q3",
            "vstrw.32 q3, [{scores}], #16",
            "vldrw.u32 q3, [{scores}]",
            "vldrw.u32 q4, [{most}, #16]",
            "vsub.f32 q3, q3, q4",
            powers!("q3" "q4" "q5"),
            "vadd.f32 q1, q1, q3",
            "vstrw.32 q3, [{scores}], #16",
            "vldrw.u32 q3, [{scores}]",
            "vldrw.u32 q4, [{most}, #32]",
            "vsub.f32 q3, q3, q4",
            powers!("q3" "q4" "q5"),
            "vadd.f32 q2, q2, q3",
            "vstrw.32 q3, [{scores}], #16",
            "le lr, 2b",
            "vstrw.32 q0, [{total}]",
            "vstrw.32 q1, [{total}, #16]",
            "vstrw.32 q2, [{total}, #32]",
            scores = inout(reg) scores.as_mut_ptr() => _, most = in(reg) most.as_ptr(), total = in(reg) total.as_mut_ptr(),
            exponential = in(reg) EXPONENTIAL.as_ptr(), inout("lr") turns => _,
            out("r1") _, out("r2") _, out("r3") _, out("r4") _, out("r5") _, out("r8") _, out("r9") _,
            out("q0") _, out("q1") _, out("q2") _, out("q3") _, out("q4") _, out("q5") _, options(nostack),
        );
    }
    core::array::from_fn(|r| 1.0 / total.iter().skip(r).step_by(ROWS).sum::<f32>())
}
