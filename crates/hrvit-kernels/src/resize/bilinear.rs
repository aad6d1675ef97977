//! One output row of a resized map, added to a sum.

#[cfg(hrvit_mve)]
use super::mve;
#[cfg(target_arch = "aarch64")]
use super::neon;
#[cfg(target_arch = "x86_64")]
use super::x86;
use super::{Rows, scalar};
use crate::error::ShapeError;
use crate::kernels::{Kernels, backends};

impl Kernels {
    /// `acc[x][c] += scale * z[x][c]`, where `z` is the weighted sum of the four source tokens
    /// around output column x, out of `(2 * factor)^2`.
    ///
    /// `upper` and `lower` are source rows of `[columns, channels]`, s16. Their weights (of the
    /// row's [`super::Phase`]) sum to `2 * factor`. `factor` is 1, 2, 4 or 8. `acc` is
    /// `[.., channels]`, the output columns from `first` on (at most up to `factor * columns`). Its
    /// sum stays below 2^31 (`|scale * z| <= scale * (2 * factor)^2 * 2^15`).
    ///
    /// # Errors
    /// [`ShapeError`] if a length disagrees or a parameter is outside its range.
    // Two rows with their weights, three numbers and the sum.
    #[expect(clippy::too_many_arguments, reason = "each is a different thing of the formula, and a struct would only rename them")]
    pub fn bilinear_add_s16(
        self,
        upper: &[i16],
        lower: &[i16],
        upper_weight: i32,
        lower_weight: i32,
        channels: usize,
        factor: usize,
        scale: i32,
        first: usize,
        acc: &mut [i32],
    ) -> Result<(), ShapeError> {
        let source = Rows { upper, lower, upper_weight, lower_weight, channels, factor };
        let columns = source.columns_for_sum(first, acc.len())?;
        run(self.tier, &source, columns, scale, first, acc);
        Ok(())
    }
}

backends! {
    { Avx2.. => x86, Mve => mve, Neon.. => neon }
    chosen;
    fn run as bilinear_add(source: &Rows<'_>, columns: usize, scale: i32, first: usize, acc: &mut [i32]);
}
