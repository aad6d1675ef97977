//! One row of the label map, alone or with margins: logits resized and compared in one go, never
//! stored.

use half::f16;

#[cfg(target_arch = "x86_64")]
use super::avx2;
#[cfg(target_arch = "aarch64")]
use super::neon;
use super::{MARGIN_BITS_F16, scalar};
use crate::error::ShapeError;
use crate::kernels::{Kernels, backends};
use crate::resize::Rows;

impl Kernels {
    /// `labels[x] = argmax over classes of z[x][class]`, where `z` is the resized row of logits as
    /// in [`Kernels::bilinear_add_f16`](crate::Kernels::bilinear_add_f16); the lowest class wins
    /// ties.
    ///
    /// `upper` and `lower` are `[columns, classes]`, finite, `classes` in 1..=256; `labels` is
    /// `[factor * columns]`.
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

    /// The labels of [`Kernels::argmax_f16`], and how far each is ahead:
    /// `margins[x] = min(255, floor((largest - second) * 2^(MARGIN_BITS_F16 - k)))`, where
    /// `largest` and `second` are the two largest resized logits `z[x][class] / (2 * factor)^2`.
    /// Two equal largest have margin 0; one class alone has margin 255.
    ///
    /// `margins` is as long as `labels`; `k` is in 0..=31. Each mix is rounded to f32 three times,
    /// their difference once, its product with the power of two never: before it is floored, the
    /// difference is at most 2^-21 of the operands' largest magnitude from the real one. Margins
    /// are the same on every instruction set.
    ///
    /// Operands are finite, as there: where one is an infinity or a NaN, labels and margins are any
    /// bytes, and nothing else is written.
    ///
    /// # Errors
    /// [`ShapeError::Parameter`] if `k` is above 31, [`ShapeError::Output`] if there is not one
    /// margin for each label, else as for [`Kernels::argmax_f16`].
    #[expect(clippy::too_many_arguments, reason = "as the function it stands for")]
    pub fn argmax_margin_f16(
        self,
        upper: &[f16],
        lower: &[f16],
        upper_weight: i32,
        lower_weight: i32,
        classes: usize,
        factor: usize,
        labels: &mut [u8],
        k: u8,
        margins: &mut [u8],
    ) -> Result<(), ShapeError> {
        let source = Rows { upper, lower, upper_weight, lower_weight, channels: classes, factor };
        let columns = source.columns_for_margins(labels.len(), k, margins.len())?;
        if classes == 1 {
            labels.fill(0);
            margins.fill(u8::MAX);
        } else {
            // Powers of two, so that products with the scale are exact.
            let scale = f32::from_bits((127 + MARGIN_BITS_F16 - u32::from(k)) << 23) * scalar::unit(factor);
            run_margins(self.tier, &source, columns, labels, scale, margins);
        }
        Ok(())
    }
}

backends! {
    { Avx2.. => avx2, Neon.. => neon }
    chosen;
    fn run as labels(source: &Rows<'_, f16>, columns: usize, labels: &mut [u8]);
    fn run_margins as margins(source: &Rows<'_, f16>, columns: usize, labels: &mut [u8], scale: f32, margins: &mut [u8]);
}
