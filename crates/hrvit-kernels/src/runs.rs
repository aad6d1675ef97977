//! Channels of tokens moved between layouts: the channels of one head out of all, a column of a
//! map, two halves side by side.

/// Copies runs of `len` bytes, as many as both slices have. The first run starts both slices. The
/// others lie `from_stride` bytes apart in one, `to_stride` bytes in the other.
///
/// ```
/// let mut second_half = [0; 4];
/// hrvit_kernels::copy_strided(&[1, 2, 3, 4, 5, 6, 7, 8][2..], 4, &mut second_half, 2, 2);
/// assert_eq!(second_half, [3, 4, 7, 8]);
/// ```
#[inline(never)] // else it would be compiled as its callers are, for size: a call of memcpy for every token
pub fn copy_strided(from: &[u8], from_stride: usize, to: &mut [u8], to_stride: usize, len: usize) {
    #[cfg(any(hrvit_mve, hrvit_dsp))]
    {
        #[cfg(not(hrvit_mve))]
        use crate::dsp::bytes;
        #[cfg(hrvit_mve)]
        use crate::mve::bytes;
        let strides = [from_stride.max(1), to_stride.max(1)];
        let count = runs(from.len(), strides[0], len).min(runs(to.len(), strides[1], len));
        if len != 0 && count != 0 {
            // SAFETY: every processor that this is compiled for has the extension; every run ends
            // within its slice, and the slices are apart, as one of them is borrowed mutably.
            unsafe { bytes::copy_runs(from.as_ptr(), to.as_mut_ptr(), &strides, len, count) };
        }
    }
    #[cfg(not(any(hrvit_mve, hrvit_dsp)))]
    match len {
        8 => whole::<8>(from, from_stride, to, to_stride),
        16 => whole::<16>(from, from_stride, to, to_stride),
        32 => whole::<32>(from, from_stride, to, to_stride),
        64 => whole::<64>(from, from_stride, to, to_stride),
        _ => each(from, from_stride, to, to_stride, |from, to| {
            copy(from.get(..len)?, to.get_mut(..len)?);
            Some(())
        }),
    }
}

/// Copies as many bytes as both slices have, without a call where a call costs more than the copy.
///
/// ```
/// let mut row = [0; 4];
/// hrvit_kernels::copy_run(&[1, 2, 3], &mut row);
/// assert_eq!(row, [1, 2, 3, 0]);
/// ```
#[inline(never)] // else it would be compiled as its callers are, for size
pub fn copy_run(from: &[u8], to: &mut [u8]) {
    copy(from, to);
}

/// Sets all bytes to zero.
///
/// ```
/// let mut sums = [7; 100];
/// hrvit_kernels::clear(&mut sums);
/// assert_eq!(sums, [0; 100]);
/// ```
#[inline(never)] // else it would be compiled as its callers are, for size
pub fn clear(bytes: &mut [u8]) {
    #[cfg(target_arch = "aarch64")]
    {
        let (vectors, rest) = bytes.as_chunks_mut::<16>();
        // SAFETY: NEON is in every AArch64 processor; the vectors are those of the slice.
        unsafe { crate::neon::clear(vectors.as_mut_ptr().cast(), vectors.len()) };
        for byte in rest {
            *byte = 0;
        }
    }
    #[cfg(hrvit_mve)]
    // SAFETY: every processor that this is compiled for has MVE; the bytes are those of the slice.
    unsafe {
        crate::mve::bytes::clear(bytes.as_mut_ptr(), bytes.len());
    }
    #[cfg(not(any(target_arch = "aarch64", hrvit_mve)))]
    bytes.fill(0);
}

/// Runs of `N` bytes: loads and stores without a loop or a call.
#[cfg(not(any(hrvit_mve, hrvit_dsp)))]
#[inline(always)]
fn whole<const N: usize>(from: &[u8], from_stride: usize, to: &mut [u8], to_stride: usize) {
    #[cfg(target_arch = "aarch64")]
    // SAFETY: NEON is in every AArch64 processor; every run ends within its slice, and the slices
    // are apart, as one of them is borrowed mutably.
    unsafe {
        let (from_stride, to_stride) = (from_stride.max(1), to_stride.max(1));
        let runs = runs(from.len(), from_stride, N).min(runs(to.len(), to_stride, N));
        crate::neon::copy_runs::<N>(from.as_ptr(), from_stride, to.as_mut_ptr(), to_stride, runs);
    }
    #[cfg(not(target_arch = "aarch64"))]
    each(from, from_stride, to, to_stride, |from, to| {
        copy(from.first_chunk::<N>()?, to.first_chunk_mut::<N>()?);
        Some(())
    });
}

/// Runs of `run` bytes that `len` bytes have, `stride` bytes apart, 1 or more.
#[cfg(any(target_arch = "aarch64", hrvit_mve, hrvit_dsp))]
fn runs(len: usize, stride: usize, run: usize) -> usize {
    len.checked_sub(run).and_then(|last| last.checked_div(stride)).map_or(0, |others| others + 1)
}

/// Copies a run into one of its length. On AArch64 by vectors: where accesses must be aligned,
/// compilers copy byte by byte, or call.
#[inline(always)]
fn copy(from: &[u8], to: &mut [u8]) {
    #[cfg(target_arch = "aarch64")]
    // SAFETY: NEON is in every AArch64 processor; the shorter of both slices has so many bytes, and
    // they are apart, as one of them is borrowed mutably.
    unsafe {
        crate::neon::copy(from.as_ptr().cast(), to.as_mut_ptr().cast(), from.len().min(to.len()));
    }
    #[cfg(hrvit_mve)]
    // SAFETY: every processor that this is compiled for has MVE; both slices have so many bytes,
    // and they are apart, as one of them is borrowed mutably.
    unsafe {
        crate::mve::bytes::copy(from.as_ptr(), to.as_mut_ptr(), from.len().min(to.len()));
    }
    #[cfg(all(hrvit_dsp, not(hrvit_mve)))]
    if let len @ 1.. = from.len().min(to.len()) {
        // SAFETY: every processor that this is compiled for has the DSP extension; both slices have
        // so many bytes, and they are apart, as one of them is borrowed mutably.
        unsafe { crate::dsp::bytes::copy_runs(from.as_ptr(), to.as_mut_ptr(), &[0; 2], len, 1) };
    }
    #[cfg(not(any(target_arch = "aarch64", hrvit_mve, hrvit_dsp)))]
    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
}

/// Calls `copy` with what is left of both slices at every place, until it finds too little.
#[cfg(not(any(hrvit_mve, hrvit_dsp)))]
#[inline(always)]
fn each(mut from: &[u8], from_stride: usize, mut to: &mut [u8], to_stride: usize, copy: impl Fn(&[u8], &mut [u8]) -> Option<()>) {
    while copy(from, to).is_some() {
        let (Some(next), Some(place)) = (from.get(from_stride.max(1)..), to.get_mut(to_stride.max(1)..)) else { return };
        (from, to) = (next, place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_and_clears_every_length_and_nothing_behind_it() {
        for len in 0..200 {
            let (from, mut to): ([u8; 200], _) = (core::array::from_fn(|i| i as u8 | 1), [0xee; 200]);
            copy_run(&from[..len], &mut to);
            assert_eq!((&to[..len], &to[len..]), (&from[..len], &[0xee; 200][len..]));
            clear(&mut to[..len]);
            assert_eq!((&to[..len], &to[len..]), (&[0; 200][..len], &[0xee; 200][len..]));
        }
    }

    /// Runs at every length, with places behind each other and apart, against an index by index
    /// copy.
    #[test]
    fn copies_every_run_that_both_have_and_nothing_between_them() {
        let from: [u8; 300] = core::array::from_fn(|i| i as u8);
        for len in [1, 7, 8, 15, 16, 17, 32, 33, 64] {
            for (from_stride, to_stride) in [(len, len), (len + 3, len), (len, len + 5), (2 * len, len + 1)] {
                for to_len in [len - 1, len, 2 * to_stride, 3 * to_stride + len] {
                    let mut to = [0xee; 300];
                    let Some(target) = to.get_mut(..to_len) else { continue };
                    copy_strided(&from[..3 * from_stride.min(100)], from_stride, target, to_stride, len);
                    let mut expected = [0xee; 300];
                    let runs = (0..).take_while(|run| run * from_stride + len <= 3 * from_stride.min(100) && run * to_stride + len <= to_len);
                    for (run, i) in runs.flat_map(|run| (0..len).map(move |i| (run, i))) {
                        expected[run * to_stride + i] = from[run * from_stride + i];
                    }
                    assert_eq!(to, expected, "{len} bytes, every {from_stride} to every {to_stride}, {to_len} in all");
                }
            }
        }
    }
}
