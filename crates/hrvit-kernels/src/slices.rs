//! Fixed-size windows into slices: what lets plain loops over channels become vector code without
//! an index that could panic.

/// Channels that a loop carries in registers at once. Of no effect on any result. One where the
/// definition is only there for the few shapes that the fast kernels leave to it.
pub(crate) const LANES: usize = match (cfg!(hrvit_scalar), cfg!(target_arch = "arm")) {
    (false, _) => 1,
    (true, true) => 4,
    (true, false) => 16,
};

/// Products that [`dot`] takes at once. Of no effect on any result.
const BLOCK: usize = if cfg!(target_arch = "arm") { LANES } else { 32 };

/// Half of [`LANES`], for what is left.
pub(crate) const HALF: usize = LANES.div_ceil(2);

/// [`LANES`] of the definitions on f16, which are all that a Cortex-M without vectors has for them.
#[cfg(feature = "fp16")]
pub(crate) const LANES_F16: usize = match (cfg!(hrvit_mve) && !cfg!(hrvit_scalar), cfg!(target_arch = "arm")) {
    (true, _) => 1,
    (false, true) => 8,
    (false, false) => 16,
};

/// Half of [`LANES_F16`], for what is left.
#[cfg(feature = "fp16")]
pub(crate) const HALF_F16: usize = LANES_F16.div_ceil(2);

/// Calls `block(first, width)` for consecutive blocks that cover `0..channels`; every width is
/// [`LANES`], [`HALF`] or 1.
#[inline(always)]
pub(crate) fn blocks(channels: usize, block: impl FnMut(usize, usize) -> Option<()>) -> Option<()> {
    blocks_of(LANES, channels, block)
}

/// Calls `block(first, width)` for consecutive blocks that cover `0..channels`; every width is
/// `lanes`, half of it or 1.
#[inline(always)]
pub(crate) fn blocks_of(lanes: usize, channels: usize, mut block: impl FnMut(usize, usize) -> Option<()>) -> Option<()> {
    let mut first = 0;
    while first < channels {
        let width = [lanes, lanes.div_ceil(2)].into_iter().find(|width| *width <= channels - first).unwrap_or(1);
        block(first, width)?;
        first += width;
    }
    Some(())
}

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

/// Consecutive rows of `len` elements, as many as are whole. Unlike `chunks_exact` it never
/// divides; without a length there is no row.
#[inline(always)]
pub(crate) fn rows<T>(slice: &[T], len: usize) -> impl Iterator<Item = &[T]> {
    let mut rest = slice;
    core::iter::from_fn(move || {
        let (row, after) = rest.split_at_checked(len.max(1))?;
        rest = after;
        Some(row)
    })
}

/// [`rows`], mutable.
#[inline(always)]
pub(crate) fn rows_mut<T>(slice: &mut [T], len: usize) -> impl Iterator<Item = &mut [T]> {
    let mut rest = slice;
    core::iter::from_fn(move || {
        let (row, after) = core::mem::take(&mut rest).split_at_mut_checked(len.max(1))?;
        rest = after;
        Some(row)
    })
}

/// `sum of a[i] * w[i]` over the shorter length, i32. In range if `len * max|a| * max|w| < 2^31`.
///
/// Whole blocks first: a loop of known length is what compilers turn into vector products (or,
/// without vectors, unroll).
#[inline(always)]
pub(crate) fn dot<A: Copy + Into<i32>>(a: &[A], w: &[i8]) -> i32 {
    let (a_blocks, a) = a.as_chunks::<BLOCK>();
    let (w_blocks, w) = w.as_chunks::<BLOCK>();
    let mut acc = 0;
    for (a, w) in a_blocks.iter().zip(w_blocks) {
        acc += products(a, w);
    }
    let (a_blocks, a) = a.as_chunks::<{ BLOCK.div_ceil(4) }>();
    let (w_blocks, w) = w.as_chunks::<{ BLOCK.div_ceil(4) }>();
    for (a, w) in a_blocks.iter().zip(w_blocks) {
        acc += products(a, w);
    }
    acc + products(a, w)
}

/// The sum of products in one plain loop.
#[inline(always)]
fn products<A: Copy + Into<i32>>(a: &[A], w: &[i8]) -> i32 {
    let mut acc = 0;
    for (a, w) in a.iter().zip(w) {
        let a: i32 = (*a).into();
        acc += a * i32::from(*w);
    }
    acc
}
