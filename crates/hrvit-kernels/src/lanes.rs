//! Fixed-size windows into slices: what lets plain loops over channels become vector code without an index that could panic.

/// Channels that a loop carries in registers at once. Of no effect on any result.
pub(crate) const LANES: usize = if cfg!(target_arch = "arm") { 4 } else { 16 };

/// `slice[first..first + N]`, or `None` beyond the end.
#[inline(always)]
pub(crate) fn window<T, const N: usize>(slice: &[T], first: usize) -> Option<&[T; N]> {
    slice.get(first..)?.first_chunk()
}

/// `slice[first..first + N]`, or `None` beyond the end.
#[inline(always)]
pub(crate) fn window_mut<T, const N: usize>(slice: &mut [T], first: usize) -> Option<&mut [T; N]> {
    slice.get_mut(first..)?.first_chunk_mut()
}

/// `sum of a[i] * w[i]` over the shorter length, i32. In range if `len * max|a| * max|w| < 2^31`.
#[inline(always)]
pub(crate) fn dot<A: Copy + Into<i32>>(a: &[A], w: &[i8]) -> i32 {
    let mut acc = 0;
    for (a, w) in a.iter().zip(w) {
        let a: i32 = (*a).into();
        acc += a * i32::from(*w);
    }
    acc
}
