//! One row of the label map: logits resized and compared in one go, never stored.

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
    /// `labels[x] = argmax over classes of z[x][class]`, where `z` is the resized row of logits as in [`Kernels::bilinear_add_f16`](crate::Kernels::bilinear_add_f16); the lowest class wins ties.
    ///
    /// `upper` and `lower` are `[columns, classes]`, finite, `classes` in 1..=256; `labels` is `[factor * columns]`.
    ///
    /// # Errors
    /// [`ShapeError`] if a length disagrees or a parameter is outside its range.
    #[expect(clippy::too_many_arguments, reason = "as the function it stands for")]
    pub fn argmax_f16(
        self,
        upper: &[f16],
        lower: &[f16],
        upper_weight: i32,
        lower_weight: i32,
        classes: usize,
        factor: usize,
        labels: &mut [u8],
    ) -> Result<(), ShapeError> {
        let source = Rows { upper, lower, upper_weight, lower_weight, channels: classes, factor };
        let columns = source.columns_for_labels(labels.len())?;
        run(self.tier, &source, columns, labels);
        Ok(())
    }
}

backends! {
    { Avx2.. => avx2, Neon.. => neon }
    chosen;
    fn run as labels(source: &Rows<'_, f16>, columns: usize, labels: &mut [u8]);
}
