//! One output row of a resized map, added to a sum.

use half::f16;

#[cfg(target_arch = "x86_64")]
use super::avx2;
#[cfg(target_arch = "aarch64")]
use super::neon;
use super::scalar;
use crate::error::ShapeError;
use crate::kernels::{Kernels, backends};
use crate::resize::Rows;

impl Kernels {
    /// `acc[x][c] += z[x][c] / (2 * factor)^2`, where `z` is the weighted sum of the four source
    /// tokens around output column x.
    ///
    /// `upper` and `lower` are source rows of `[columns, channels]`, finite; their weights (those
    /// of the row's [`Phase`](crate::Phase)) sum to `2 * factor`; `factor` is 1, 2, 4 or 8; `acc`
    /// is `[.., channels]`, the output columns from `first` on (at most up to `factor * columns`).
    ///
    /// # Errors
    /// [`ShapeError`] if a length disagrees or a parameter is outside its range.
    // Two rows with their weights, three numbers and the sum.
    #[expect(clippy::too_many_arguments, reason = "each is a different thing of the formula, and a struct would only rename them")]
    pub fn bilinear_add_f16(
        self,
        upper: &[f16],
        lower: &[f16],
        upper_weight: i32,
        lower_weight: i32,
        channels: usize,
        factor: usize,
        first: usize,
        acc: &mut [f32],
    ) -> Result<(), ShapeError> {
        let source = Rows { upper, lower, upper_weight, lower_weight, channels, factor };
        let columns = source.columns_for_sum(first, acc.len())?;
        run(self.tier, &source, columns, first, acc);
        Ok(())
    }
}

backends! {
    { Avx2.. => avx2, Neon.. => neon }
    chosen;
    fn run as bilinear_add(source: &Rows<'_, f16>, columns: usize, first: usize, acc: &mut [f32]);
}
