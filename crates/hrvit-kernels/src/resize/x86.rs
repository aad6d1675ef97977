//! Resized rows on vectors. Sums take a register of 16-bit channels at a time: two source tokens
//! side by side, so that one instruction weighs and adds both. Labels take a source column in each
//! lane. Each column makes the four output columns up to the next one's middle. No lane has to be
//! compared with another.

use core::mem::MaybeUninit;

use super::{Rows, scalar};
use crate::slices::rows_mut;
use crate::x86::{BLOCK, Lanes, Place};

/// Factor of the labels that are computed here.
const FACTOR: usize = 4;
/// Most classes, by the entry's checks.
const MAX_CLASSES: usize = 256;
/// Most lanes.
const MAX_LANES: usize = 16;

/// The weights of two tokens in every lane.
#[inline(always)]
fn weights<V: Lanes>(v: V, first: i32, second: i32) -> V::Vec {
    v.splat((first & 0xffff) | second << 16)
}

/// See [`Kernels::bilinear_add_s16`](crate::Kernels::bilinear_add_s16); weights beyond 16 bits are
/// left to `scalar`.
#[inline(always)]
pub(super) fn bilinear_add<V: Lanes>(v: V, source: &Rows<'_>, columns: usize, scale: i32, first: usize, acc: &mut [i32]) {
    let largest = (4 * source.factor * source.factor) as i32;
    if scale.checked_mul(largest).is_none_or(|weight| i16::try_from(weight).is_err()) {
        return scalar::bilinear_add(source, columns, scale, first, acc);
    }
    for (x, acc) in rows_mut(acc, source.channels).enumerate() {
        let Some([(a, wa), (b, wb), (c, wc), (d, wd)]) = source.corners_onwards(first + x, columns) else { continue };
        let (upper, lower) = (weights(v, scale * wa, scale * wb), weights(v, scale * wc, scale * wd));
        for (block, acc) in acc.chunks_mut(V::WORDS).enumerate() {
            let at = block * V::WORDS;
            let (ab, cd) = (v.in_turn(load(v, a, at), load(v, b, at)), v.in_turn(load(v, c, at), load(v, d, at)));
            let sums = v.natural([v.dot(v.products(ab[0], upper), cd[0], lower), v.dot(v.products(ab[1], upper), cd[1], lower)]);
            let (to, count) = (acc.as_mut_ptr(), acc.len());
            // SAFETY: `acc` has as many elements.
            unsafe { if count == V::WORDS { add(v, to, V::WORDS, sums) } else { add(v, to, count, sums) } };
        }
    }
}

/// A register of values from `first` on, 0 beyond the end.
#[inline(always)]
fn load<V: Lanes>(v: V, token: &[i16], first: usize) -> V::Vec {
    let (from, left) = (token.as_ptr().wrapping_add(first), token.len().saturating_sub(first));
    // SAFETY: as many values are left.
    unsafe { if left >= V::WORDS { v.load_words(from, V::WORDS) } else { v.load_words(from, left) } }
}

/// Adds the first `count` sums of two registers.
///
/// # Safety
/// From `to` on as many may be read and written.
#[inline(always)]
unsafe fn add<V: Lanes>(v: V, to: *mut i32, count: usize, [low, high]: [V::Vec; 2]) {
    let (next, left) = (to.wrapping_add(V::LANES), count.saturating_sub(V::LANES));
    // SAFETY: the caller's promise.
    unsafe {
        v.store_lanes(to, count, v.add(low, v.load_lanes(to, count)));
        v.store_lanes(next, left, v.add(high, v.load_lanes(next, left)));
    }
}

/// See [`Kernels::argmax_s16`](crate::Kernels::argmax_s16); other factors than 4 are left to
/// `scalar`.
#[inline(always)]
pub(super) fn labels(v: impl Lanes, source: &Rows<'_>, columns: usize, labels: &mut [u8]) {
    if source.factor != FACTOR || source.channels > MAX_CLASSES || columns == 0 {
        return scalar::labels(source, columns, labels);
    }
    label_row::<_, false>(v, source, columns, labels, 0, &mut []);
}

/// See [`Kernels::argmax_margin_s16`](crate::Kernels::argmax_margin_s16); other factors than 4 are
/// left to `scalar`.
#[inline(always)]
pub(super) fn margins(v: impl Lanes, source: &Rows<'_>, columns: usize, labels: &mut [u8], shift: u32, margins: &mut [u8]) {
    if source.factor != FACTOR || source.channels > MAX_CLASSES || columns == 0 {
        return scalar::margins(source, columns, labels, shift, margins);
    }
    label_row::<_, true>(v, source, columns, labels, shift, margins);
}

/// Lane `l` of the row stands for the output columns from `4 l - 2` on. They lie between the
/// middles of source columns `l - 1` and `l`. Source columns at the edges are repeated. The labels,
/// and the margins where `MARGINS` says so.
#[inline(always)]
fn label_row<V: Lanes, const MARGINS: bool>(v: V, source: &Rows<'_>, columns: usize, labels: &mut [u8], shift: u32, margins: &mut [u8]) {
    let classes = source.channels;
    let stride = classes.next_multiple_of(BLOCK);
    let rows = weights(v, source.upper_weight, source.lower_weight);
    let mut mixed = [MaybeUninit::<i32>::uninit(); (MAX_LANES + 1) * MAX_CLASSES];
    for first in (0..=columns).step_by(V::LANES) {
        for (i, mixed) in rows_mut(&mut mixed, stride).enumerate().take(V::LANES + 1) {
            let column = (first + i).saturating_sub(1).min(columns - 1);
            for (block, out) in mixed.as_chunks_mut::<BLOCK>().0.iter_mut().enumerate() {
                let sums = v.weighed(source.upper, source.lower, column * classes + block * BLOCK, rows);
                let place = Place { out: out.as_mut_ptr().cast(), stride: 0, runs: 1, channels: !0 };
                // SAFETY: `out` has 16 elements.
                unsafe { v.store_i32(place, 0, sums) };
            }
        }
        let least = v.splat(i32::MIN);
        let (mut best, mut seconds) = ([(least, v.splat(0)); FACTOR], [least; FACTOR]);
        for class in 0..classes {
            // SAFETY: one column more than there are lanes, of `stride` classes each, has been
            // written; the lanes read column l, and column l + 1.
            let (near, far) = unsafe { (v.gather(mixed.as_ptr().add(class).cast(), stride), v.gather(mixed.as_ptr().add(class + stride).cast(), stride)) };
            let way = v.sub(far, near);
            let (mut z, step) = (v.add(v.shl(near, 3), way), v.shl(way, 1));
            for ((best, label), second) in best.iter_mut().map(|(best, label)| (best, label)).zip(&mut seconds) {
                if MARGINS {
                    *second = v.min(v.max(z, *second), *best);
                }
                // Greater, not equal: the lower class stays.
                *label = v.where_larger(z, *best, v.splat(class as i32), *label);
                *best = v.max(z, *best);
                z = v.add(z, step);
            }
        }
        put(v, labels, first, best.map(|(_, label)| label));
        if MARGINS {
            let mut codes = seconds;
            for (code, (largest, _)) in codes.iter_mut().zip(best) {
                *code = v.min(v.shr(v.sub(largest, *code), v.splat(shift as i32)), v.splat(u8::MAX.into()));
            }
            put(v, margins, first, codes);
        }
    }
}

/// Writes the numbers below 256 of four output columns of each lane, of which the first stands for
/// source column `first`.
#[inline(always)]
fn put<V: Lanes>(v: V, row: &mut [u8], first: usize, [a, b, c, d]: [V::Vec; FACTOR]) {
    let four = v.add(v.add(a, v.shl(b, 8)), v.add(v.shl(c, 16), v.shl(d, 24)));
    // The first lane of all starts two columns before the row.
    let before = if first == 0 { FACTOR / 2 } else { 0 };
    let to = row.get_mut((FACTOR * first + before).wrapping_sub(FACTOR / 2)..).unwrap_or_default();
    if before == 0 && to.len() >= FACTOR * V::LANES {
        // SAFETY: there are as many bytes as the lanes have.
        unsafe { v.store_lanes(to.as_mut_ptr().cast(), V::LANES, four) };
    } else {
        let mut all = [0; FACTOR * MAX_LANES];
        // SAFETY: as above.
        unsafe { v.store_lanes(all.as_mut_ptr().cast(), V::LANES, four) };
        let count = to.len().min(FACTOR * V::LANES - before);
        if let (Some(to), Some(from)) = (to.get_mut(..count), all.get(before..before + count)) {
            to.copy_from_slice(from);
        }
    }
}
