//! One row of the label map, alone or with margins: logits resized and compared in one go, never
//! stored.

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
    /// `labels[x] = argmax over classes of z[x][class]`, where `z` is the resized row of logits as
    /// in [`Kernels::bilinear_add_s16`](crate::Kernels::bilinear_add_s16); the lowest class wins
    /// ties.
    ///
    /// `upper` and `lower` are `[columns, classes]`, s16, `classes` in 1..=256; `labels` is
    /// `[factor * columns]`.
    ///
    /// # Errors
    /// [`ShapeError`] if a length disagrees or a parameter is outside its range.
    #[expect(clippy::too_many_arguments, reason = "as the function it stands for")]
    pub fn argmax_s16(
        self,
        upper: &[i16],
        lower: &[i16],
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

    /// The labels of [`Kernels::argmax_s16`], and how far each is ahead:
    /// `margins[x] = min(255, (largest - second) >> k)`, where `largest` and `second` are the two
    /// largest of `z[x][class]`, out of `(2 * factor)^2`. Two equal largest have margin 0; one
    /// class alone has margin 255.
    ///
    /// `margins` is as long as `labels`; `k` is in 0..=31. A difference is at most
    /// `(2^16 - 1) * (2 * factor)^2 < 2^24`, since a mix of codes lies between their extremes. It
    /// fits a u32. No margin is clipped from `k` = 16 on.
    ///
    /// # Errors
    /// [`ShapeError::Parameter`] if `k` is above 31, [`ShapeError::Output`] if there is not one
    /// margin for each label, else as for [`Kernels::argmax_s16`].
    #[expect(clippy::too_many_arguments, reason = "as the function it stands for")]
    pub fn argmax_margin_s16(
        self,
        upper: &[i16],
        lower: &[i16],
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
            run_margins(self.tier, &source, columns, labels, k.into(), margins);
        }
        Ok(())
    }
}

backends! {
    { Avx2.. => x86, Mve => mve, Neon.. => neon }
    chosen;
    fn run as labels(source: &Rows<'_>, columns: usize, labels: &mut [u8]);
    fn run_margins as margins(source: &Rows<'_>, columns: usize, labels: &mut [u8], shift: u32, margins: &mut [u8]);
}
