//! The resized rows on vectors: of 8 channels, or of 4 output columns for the label map. Sums are
//! those of the definition, in its order.

use core::arch::aarch64::*;
use core::ops::Range;

use half::f16;

use super::scalar;
use crate::isa::Neon;
use crate::math_f32::widen;
use crate::neon::floats::load_four;
use crate::neon::load_f32x4;
use crate::resize::{Rows, segment};

super::sums::sums!(Neon, neon, "neon");

/// Writes the labels.
pub(super) fn labels(_: Neon, source: &Rows<'_, f16>, columns: usize, labels: &mut [u8]) {
    // SAFETY: the token proves NEON; so below.
    unsafe { arguments::<false>(source, columns, labels, 0.0, &mut []) }
}

/// Writes the labels and the margins of two classes or more.
pub(super) fn margins(_: Neon, source: &Rows<'_, f16>, columns: usize, labels: &mut [u8], scale: f32, margins: &mut [u8]) {
    // SAFETY: as above.
    unsafe { arguments::<true>(source, columns, labels, scale, margins) }
}

/// Output columns at a time: one in each lane.
const COLUMNS: usize = 4;

/// Four output columns of a segment: their weights, and of the classes so far the largest value,
/// the class that has it, and the next largest value.
struct Four {
    weights: [float32x4_t; 4],
    most: float32x4_t,
    label: uint32x4_t,
    second: float32x4_t,
}

impl Four {
    /// Compares the first `N` of 4 classes, whose values at the four corners these are; `class` is
    /// the first, and becomes the one behind the last.
    #[inline]
    #[target_feature(enable = "neon")]
    fn compare<const N: usize, const MARGINS: bool>(&mut self, corners: &[float32x4_t; 4], class: &mut uint32x4_t) {
        macro_rules! class {
            ($lane:literal) => {
                if $lane < N {
                    let [a, b, c, d] = *corners;
                    let [wa, wb, wc, wd] = self.weights;
                    let z = vfmaq_laneq_f32::<$lane>(vmulq_laneq_f32::<$lane>(wa, a), wb, b);
                    let z = vfmaq_laneq_f32::<$lane>(vfmaq_laneq_f32::<$lane>(z, wc, c), wd, d);
                    if MARGINS {
                        // The second lies between itself and the largest.
                        self.second = vmaxq_f32(self.second, vminq_f32(z, self.most));
                    }
                    self.label = vbslq_u32(vcgtq_f32(z, self.most), *class, self.label);
                    self.most = vmaxq_f32(self.most, z);
                    *class = vaddq_u32(*class, vdupq_n_u32(1));
                }
            };
        }
        class!(0);
        class!(1);
        class!(2);
        class!(3);
    }
}

/// The labels, and the margins where `MARGINS` says so: four output columns between the same source
/// columns side by side, one class after the other.
#[target_feature(enable = "neon")]
fn arguments<const MARGINS: bool>(source: &Rows<'_, f16>, columns: usize, labels: &mut [u8], scale: f32, margins: &mut [u8]) {
    // SAFETY: reads the 16 bytes of the array.
    let lanes = unsafe { load_f32x4([0.0, 1.0, 2.0, 3.0].as_ptr()) };
    let unit = (2 * source.factor) as f32;
    let (upper, lower) = (source.upper_weight as f32, source.lower_weight as f32);
    let all = 0..labels.len();
    for i in 0..=columns {
        let Some(segment) = segment(i, columns, source.factor, &all) else { continue };
        let Some(corners) = source.tokens_onwards(segment.near, segment.far) else { continue };
        // In front of the middle of the first column nothing is mixed.
        let change = if i == 0 { 0.0 } else { 2.0 };
        for first in segment.outputs.clone().step_by(COLUMNS) {
            let start = segment.far_weight as f32 + change * (first - segment.outputs.start) as f32;
            let far = vfmaq_n_f32(vdupq_n_f32(start), lanes, change);
            let near = vsubq_f32(vdupq_n_f32(unit), far);
            let weights = [vmulq_n_f32(near, upper), vmulq_n_f32(far, upper), vmulq_n_f32(near, lower), vmulq_n_f32(far, lower)];
            let least = vdupq_n_f32(f32::NEG_INFINITY);
            let mut four = Four { weights, most: least, label: vdupq_n_u32(0), second: least };
            let mut class = vdupq_n_u32(0);
            let fours = source.channels / 4 * 4;
            for at in (0..fours).step_by(4) {
                four.compare::<4, MARGINS>(&corners.map(|corner| load_four(corner, at)), &mut class);
            }
            match source.channels - fours {
                0 => {}
                1 => four.compare::<1, MARGINS>(&corners.map(|corner| load_four(corner, fours)), &mut class),
                2 => four.compare::<2, MARGINS>(&corners.map(|corner| load_four(corner, fours)), &mut class),
                _ => four.compare::<3, MARGINS>(&corners.map(|corner| load_four(corner, fours)), &mut class),
            }
            put(labels, first..segment.outputs.end, four.label);
            if MARGINS {
                // Saturates twice, as the definition's conversion does.
                let margin = vcvtq_u32_f32(vmulq_n_f32(vsubq_f32(four.most, four.second), scale));
                put(margins, first..segment.outputs.end, vminq_u32(margin, vdupq_n_u32(u8::MAX.into())));
            }
        }
    }
}

/// Stores the lanes, bytes, of as many of the four output columns from `at.start` on as there are
/// before `at.end`.
#[inline]
#[target_feature(enable = "neon")]
fn put(out: &mut [u8], at: Range<usize>, lanes: uint32x4_t) {
    let lanes = vmovn_u16(vcombine_u16(vmovn_u32(lanes), vdup_n_u16(0)));
    let bytes = vget_lane_u32::<0>(vreinterpret_u32_u8(lanes)).to_le_bytes();
    let Some(out) = out.get_mut(at) else { return };
    match out.first_chunk_mut() {
        Some(four) => *four = bytes,
        None => out.iter_mut().zip(bytes).for_each(|(out, byte)| *out = byte),
    }
}
