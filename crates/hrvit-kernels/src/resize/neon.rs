//! Resized rows on NEON. Between two source columns the weights change by 2 from one output column
//! to the next. The mix changes by the same vector: one addition per output column.

use core::arch::aarch64::*;

use super::{Rows, Segment, margin, scalar, segment};
use crate::isa::Neon;
use crate::neon::{load_part, load_s16x8, load_s32x4, store_s32x4};

/// Channels of a block.
const BLOCK: usize = 8;
/// Bits of a class in a key.
const CLASS_BITS: u32 = 8;
/// Largest factor whose keys have 32 bits: `2^15 * (2 * factor)^2 * 2^8 < 2^31`.
const MAX_FACTOR: usize = 4;
/// Blocks of 4 classes of the label map, most.
const MAX_QUADS: usize = 64;

/// See [`Kernels::bilinear_add_s16`](crate::Kernels::bilinear_add_s16); weights beyond 16 bits are
/// left to `scalar`.
pub(super) fn bilinear_add(_: Neon, source: &Rows<'_>, columns: usize, scale: i32, first: usize, acc: &mut [i32]) {
    if i16::try_from(scale.saturating_mul(2 * source.factor as i32)).is_err() || scale < 0 {
        return scalar::bilinear_add(source, columns, scale, first, acc);
    }
    // SAFETY: the token proves NEON; the caller has checked the lengths.
    unsafe { add_row(source, columns, scale, first, acc) }
}

/// See [`Kernels::argmax_s16`](crate::Kernels::argmax_s16).
pub(super) fn labels(_: Neon, source: &Rows<'_>, columns: usize, labels: &mut [u8]) {
    if source.factor > MAX_FACTOR {
        return scalar::labels(source, columns, labels);
    }
    // SAFETY: the token proves NEON; the caller has checked the lengths.
    unsafe { label_rows::<false>(source, columns, labels, 0, &mut []) }
}

/// See [`Kernels::argmax_margin_s16`](crate::Kernels::argmax_margin_s16).
pub(super) fn margins(_: Neon, source: &Rows<'_>, columns: usize, labels: &mut [u8], shift: u32, margins: &mut [u8]) {
    if source.factor > MAX_FACTOR {
        return scalar::margins(source, columns, labels, shift, margins);
    }
    // SAFETY: as above.
    unsafe { label_rows::<true>(source, columns, labels, shift, margins) }
}

/// [`label_row`] for as many classes.
#[inline(always)]
unsafe fn label_rows<const MARGINS: bool>(source: &Rows<'_>, columns: usize, labels: &mut [u8], shift: u32, margins: &mut [u8]) {
    // SAFETY: the caller vouches for NEON and the lengths.
    unsafe {
        match source.channels.div_ceil(4) {
            0..=3 => label_row::<3, MARGINS>(source, columns, labels, shift, margins),
            4..=5 => label_row::<5, MARGINS>(source, columns, labels, shift, margins),
            6..=10 => label_row::<10, MARGINS>(source, columns, labels, shift, margins),
            _ => label_row::<MAX_QUADS, MARGINS>(source, columns, labels, shift, margins),
        }
    }
}

/// 8 channels of a source column, upper and lower row mixed.
type Column = [int32x4_t; 2];

/// The source of a row, 8 channels at a time.
struct Source<'a> {
    rows: &'a Rows<'a>,
    upper_weight: int16x4_t,
    lower_weight: int16x4_t,
}

impl<'a> Source<'a> {
    /// The source of `rows`, everything times `scale`; its weights have 16 bits.
    #[inline]
    #[target_feature(enable = "neon")]
    fn new(rows: &'a Rows<'a>, scale: i32) -> Self {
        Self { rows, upper_weight: vdup_n_s16((scale * rows.upper_weight) as i16), lower_weight: vdup_n_s16((scale * rows.lower_weight) as i16) }
    }

    /// 8 channels from `c` on of a source column; zeros behind the last. `WHOLE` says that they
    /// exist.
    ///
    /// # Safety
    /// The processor has NEON, and the rows hold the column.
    #[inline(always)]
    unsafe fn column<const WHOLE: bool>(&self, column: usize, c: usize) -> Column {
        let channels = self.rows.channels;
        // SAFETY: the caller vouches for the column, of `channels` elements in both rows.
        unsafe {
            let [upper, lower] = [self.rows.upper, self.rows.lower].map(|row| {
                let from = row.as_ptr().add(column * channels + c);
                if WHOLE {
                    return load_s16x8(from);
                }
                vreinterpretq_s16_s8(load_part(from.cast(), 2 * BLOCK.min(channels - c)))
            });
            let both = |weight| vcombine_s16(weight, weight);
            let low = vmlal_s16(vmull_s16(vget_low_s16(upper), self.upper_weight), vget_low_s16(lower), self.lower_weight);
            [low, vmlal_high_s16(vmull_high_s16(upper, both(self.upper_weight)), lower, both(self.lower_weight))]
        }
    }

    /// The mix at the first output column of a segment, and its change from one to the next.
    #[inline]
    #[target_feature(enable = "neon")]
    fn mix(&self, segment: &Segment, near: Column, far: Column) -> [Column; 2] {
        // near * (2 * factor - weight) + far * weight
        let (unit, weight) = (2 * self.rows.factor as i32, segment.far_weight);
        let start = |near, far| vmlaq_n_s32(vmulq_n_s32(near, unit), vsubq_s32(far, near), weight);
        let change = |near, far| vshlq_n_s32::<1>(vsubq_s32(far, near));
        [[start(near[0], far[0]), start(near[1], far[1])], [change(near[0], far[0]), change(near[1], far[1])]]
    }
}

#[target_feature(enable = "neon")]
unsafe fn add_row(source: &Rows<'_>, columns: usize, scale: i32, first: usize, acc: &mut [i32]) {
    let channels = source.channels;
    let shared = Source::new(source, scale);
    let wanted = first..first + acc.len() / channels;
    for i in 0..=columns {
        let Some(segment) = segment(i, columns, source.factor, &wanted) else { continue };
        let out = acc.as_mut_ptr().wrapping_add((segment.outputs.start - first) * channels);
        // SAFETY: NEON by this function's attribute; the caller has checked that both rows hold
        // `columns` tokens, and `acc` those from `first` on.
        unsafe {
            let whole = channels / BLOCK * BLOCK;
            for c in (0..whole).step_by(BLOCK) {
                add_block::<true>(&shared, &segment, c, out);
            }
            if whole < channels {
                add_block::<false>(&shared, &segment, whole, out);
            }
        }
    }
}

/// 8 channels from `c` on of the outputs of a segment, the first of which starts at `out`. `WHOLE`
/// says that they exist.
#[inline(always)]
unsafe fn add_block<const WHOLE: bool>(shared: &Source<'_>, segment: &Segment, c: usize, out: *mut i32) {
    let channels = shared.rows.channels;
    // SAFETY: the caller vouches for NEON and the outputs.
    unsafe {
        let [[mut low, mut high], change] = shared.mix(segment, shared.column::<WHOLE>(segment.near, c), shared.column::<WHOLE>(segment.far, c));
        let mut out = out.add(c);
        for _ in segment.outputs.clone() {
            if WHOLE {
                add_eight(out, low, high);
            } else {
                let mut block = [0; BLOCK];
                add_eight(block.as_mut_ptr(), low, high);
                for (i, term) in block.iter().enumerate().take(channels - c) {
                    *out.add(i) = (*out.add(i)).wrapping_add(*term);
                }
            }
            (low, high) = (vaddq_s32(low, change[0]), vaddq_s32(high, change[1]));
            out = out.wrapping_add(channels);
        }
    }
}

/// Adds 8 values.
///
/// # Safety
/// The processor has NEON; 8 elements may be read and written.
#[inline(always)]
unsafe fn add_eight(out: *mut i32, low: int32x4_t, high: int32x4_t) {
    // SAFETY: the caller vouches for them.
    unsafe {
        let (low, high) = (vaddq_s32(load_s32x4(out), low), vaddq_s32(load_s32x4(out.add(4)), high));
        store_s32x4(out, low);
        store_s32x4(out.add(4), high);
    }
}

/// Labels by keys, `256 z + 255 - class`: the largest is that of the lowest class among those with
/// the largest z. `QUADS` blocks of 4 classes are enough. Margins, where `MARGINS` says so, from
/// the z of the two largest keys.
#[target_feature(enable = "neon")]
unsafe fn label_row<const QUADS: usize, const MARGINS: bool>(source: &Rows<'_>, columns: usize, labels: &mut [u8], shift: u32, margins: &mut [u8]) {
    let channels = source.channels;
    let used = channels.div_ceil(4).min(QUADS);
    let shared = Source::new(source, 1 << CLASS_BITS);
    // Added to the keys: the class, or the least of all keys in a lane without a class.
    let mut classes = [i32::MIN; 4 * MAX_QUADS + BLOCK];
    for (class, key) in classes.iter_mut().enumerate().take(channels) {
        *key = (1 << CLASS_BITS) - 1 - class as i32;
    }
    let wanted = 0..labels.len();
    for i in 0..=columns {
        let Some(segment) = segment(i, columns, source.factor, &wanted) else { continue };
        let (mut keys, mut changes) = ([vdupq_n_s32(i32::MIN); QUADS], [vdupq_n_s32(0); QUADS]);
        for quad in (0..used).step_by(2) {
            // SAFETY: NEON by this function's attribute; the caller has checked that both rows hold
            // `columns` tokens; `classes` has room for whole blocks.
            unsafe {
                let c = 4 * quad;
                let [near, far] = [segment.near, segment.far].map(|column| match channels - c {
                    BLOCK.. => shared.column::<true>(column, c),
                    _ => shared.column::<false>(column, c),
                });
                let [start, change] = shared.mix(&segment, near, far);
                let classes = classes.as_ptr().add(c);
                (keys[quad], changes[quad]) = (vaddq_s32(start[0], load_s32x4(classes)), change[0]);
                if quad + 1 < QUADS {
                    (keys[quad + 1], changes[quad + 1]) = (vaddq_s32(start[1], load_s32x4(classes.add(4))), change[1]);
                }
            }
        }
        // Few blocks stay in registers.
        let count = if QUADS == MAX_QUADS { used } else { QUADS };
        if MARGINS {
            let (labels, margins) = (labels.get_mut(segment.outputs.clone()), margins.get_mut(segment.outputs));
            for (label, to) in labels.unwrap_or_default().iter_mut().zip(margins.unwrap_or_default()) {
                let (mut largest, mut second) = (vdupq_n_s32(i32::MIN), vdupq_n_s32(i32::MIN));
                for (key, change) in keys.iter_mut().zip(&changes).take(count) {
                    // The second lies between itself and the largest.
                    second = vminq_s32(vmaxq_s32(second, *key), largest);
                    largest = vmaxq_s32(largest, *key);
                    *key = vaddq_s32(*key, *change);
                }
                let key = vmaxvq_s32(largest);
                // No two keys are equal: in one lane the second is what is left.
                let left = vbslq_s32(vceqq_s32(largest, vdupq_n_s32(key)), second, largest);
                *label = !(key as u8);
                *to = margin(key >> CLASS_BITS, vmaxvq_s32(left) >> CLASS_BITS, shift);
            }
            continue;
        }
        for label in labels.get_mut(segment.outputs).unwrap_or_default() {
            let mut largest = vdupq_n_s32(i32::MIN);
            for (key, change) in keys.iter_mut().zip(&changes).take(count) {
                largest = vmaxq_s32(largest, *key);
                *key = vaddq_s32(*key, *change);
            }
            *label = !(vmaxvq_s32(largest) as u8);
        }
    }
}
