//! Table look-up of the hidden values.

use core::arch::aarch64::*;

/// Writes the entries of 4 indices, each held inside of the table.
///
/// # Safety
/// The processor has NEON; `last` is the table's last index, and `out` has 4 elements.
#[inline(always)]
pub(super) unsafe fn look_up(table: &[i16], index: int32x4_t, last: int32x4_t, out: *mut i16) {
    // SAFETY: the caller vouches for 4 elements; `0 <= index <= table.len() - 1` by the clamp, and
    // the table is not empty (checked).
    unsafe {
        let index = vreinterpretq_u32_s32(vmaxq_s32(vminq_s32(index, last), vdupq_n_s32(0)));
        let entry = |index: u32| *table.get_unchecked(index as usize);
        *out = entry(vgetq_lane_u32::<0>(index));
        *out.add(1) = entry(vgetq_lane_u32::<1>(index));
        *out.add(2) = entry(vgetq_lane_u32::<2>(index));
        *out.add(3) = entry(vgetq_lane_u32::<3>(index));
    }
}
