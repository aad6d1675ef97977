//! Slices cut into parts and rows without a panic path.

use core::{
    ops::Range,
    slice::{ChunksExact, ChunksExactMut, SliceIndex},
};

use bytemuck::Pod;

use crate::fault::Fault;

/// Parts of a slice. A part beyond the slice is a [`Fault`].
pub trait Slices<T> {
    /// The part `range`.
    fn part<I: SliceIndex<[T], Output = [T]>>(&self, range: I) -> Result<&[T], Fault>;

    /// The part `range`, to write.
    fn part_mut<I: SliceIndex<[T], Output = [T]>>(&mut self, range: I) -> Result<&mut [T], Fault>;

    /// Row `y` of rows of `len` elements.
    fn row(&self, y: usize, len: usize) -> Result<&[T], Fault>;

    /// Row `y` of rows of `len` elements, to write.
    fn row_mut(&mut self, y: usize, len: usize) -> Result<&mut [T], Fault>;

    /// The first `len` elements and the rest, to write.
    fn split_front(&mut self, len: usize) -> Result<(&mut [T], &mut [T]), Fault>;

    /// Whole runs of `len` elements. A `len` of 0 counts as 1.
    fn runs(&self, len: usize) -> ChunksExact<'_, T>;

    /// Whole runs of `len` elements, to write.
    fn runs_mut(&mut self, len: usize) -> ChunksExactMut<'_, T>;
}

impl<T> Slices<T> for [T] {
    #[inline(always)]
    fn part<I: SliceIndex<[T], Output = [T]>>(&self, range: I) -> Result<&[T], Fault> {
        self.get(range).ok_or(Fault)
    }

    #[inline(always)]
    fn part_mut<I: SliceIndex<[T], Output = [T]>>(&mut self, range: I) -> Result<&mut [T], Fault> {
        self.get_mut(range).ok_or(Fault)
    }

    #[inline(always)]
    fn row(&self, y: usize, len: usize) -> Result<&[T], Fault> {
        self.part(y * len..(y + 1) * len)
    }

    #[inline(always)]
    fn row_mut(&mut self, y: usize, len: usize) -> Result<&mut [T], Fault> {
        self.part_mut(y * len..(y + 1) * len)
    }

    #[inline(always)]
    fn split_front(&mut self, len: usize) -> Result<(&mut [T], &mut [T]), Fault> {
        self.split_at_mut_checked(len).ok_or(Fault)
    }

    #[inline(always)]
    fn runs(&self, len: usize) -> ChunksExact<'_, T> {
        self.chunks_exact(len.max(1))
    }

    #[inline(always)]
    fn runs_mut(&mut self, len: usize) -> ChunksExactMut<'_, T> {
        self.chunks_exact_mut(len.max(1))
    }
}

/// Elements as elements of another type, over the same bytes.
#[inline(always)]
pub fn cast<T: Pod, U: Pod>(elements: &[T]) -> Result<&[U], Fault> {
    bytemuck::try_cast_slice(elements).map_err(|_| Fault)
}

/// Elements as elements of another type, over the same bytes, to write.
#[inline(always)]
pub fn cast_mut<T: Pod, U: Pod>(elements: &mut [T]) -> Result<&mut [U], Fault> {
    bytemuck::try_cast_slice_mut(elements).map_err(|_| Fault)
}

/// Copies as many elements as both slices have. On AArch64 [`hrvit_kernels::copy_run`] does it with
/// vectors.
#[inline(always)]
pub fn copy_run<T: Pod>(from: &[T], to: &mut [T]) {
    if cfg!(target_arch = "aarch64") {
        hrvit_kernels::copy_run(bytemuck::must_cast_slice(from), bytemuck::must_cast_slice_mut(to));
    } else {
        to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    }
}

/// Elements whose runs begin `stride` apart.
pub struct Strided<S> {
    /// The elements, from the first run on.
    pub elements: S,
    /// Elements from the beginning of a run to the beginning of the next.
    pub stride: usize,
}

/// Copies runs of `len` elements: [`hrvit_kernels::copy_strided`].
pub fn copy_strided<T: Pod>(from: Strided<&[T]>, to: Strided<&mut [T]>, len: usize) -> Result<(), Fault> {
    let size = size_of::<T>();
    hrvit_kernels::copy_strided(cast(from.elements)?, from.stride * size, cast_mut(to.elements)?, to.stride * size, len * size);
    Ok(())
}

/// The rows `rows` as elements of rows of `len`.
#[inline(always)]
pub fn elements_of(rows: &Range<usize>, len: usize) -> Range<usize> {
    rows.start * len..rows.end * len
}
