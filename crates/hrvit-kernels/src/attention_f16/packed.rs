//! The keys of a strip transposed, for instruction sets that take 8 of them at a time.

use half::f16;

use super::{BLOCK, StripF16};
use crate::slices::rows;

/// Queries at a time.
pub(super) const QUERIES: usize = 4;

/// 8 keys' elements of one place.
pub(super) type Place = [f16; BLOCK];

/// Splits `scratch`, of [`scratch`](super::scratch) elements, into scores of [`QUERIES`] queries,
/// keys up to whole blocks, and the keys, packed.
pub(super) fn packed<'s>(args: &StripF16<'_>, scratch: &'s mut [f32]) -> Option<(&'s mut [f32], &'s [Place])> {
    let StripF16 { v, dim, .. } = *args;
    let padded = (v.len() / dim).next_multiple_of(BLOCK);
    let (scores, packed) = scratch.split_at_mut_checked(QUERIES * padded)?;
    // SAFETY: any bytes are f16, whose alignment f32 exceeds; the length is that of `packed` in
    // bytes or less.
    let packed = unsafe { core::slice::from_raw_parts_mut(packed.as_mut_ptr().cast::<Place>(), packed.len() * 2 / BLOCK) };
    let packed = packed.get_mut(..padded / BLOCK * dim)?;
    pack(v, dim, packed);
    Some((scores, packed))
}

/// Brings the keys into blocks of 8, place by place, zeros beyond the last key.
fn pack(v: &[f16], dim: usize, packed: &mut [Place]) {
    for (keys, places) in v.chunks(BLOCK * dim).zip(packed.chunks_exact_mut(dim)) {
        let mut keys = rows(keys, dim);
        let keys: [&[f16]; BLOCK] = core::array::from_fn(|_| keys.next().unwrap_or_default());
        for (i, place) in places.iter_mut().enumerate() {
            *place = keys.map(|key| key.get(i).copied().unwrap_or(f16::ZERO));
        }
    }
}
