//! The one face that the float reference and the int8 engine show to the commands.

use anyhow::{Result, ensure};
use hrvit_format::{Head, Size};
use image::RgbImage;

use crate::labels::LabelMap;
use crate::logits::Logits;

/// Something that turns frames of one size into logits. A classifier's logits have one row and one column.
pub trait Segmenter: Sync {
    /// `float`; of an image `int8`, `int16x8`, `fp16` or `mixed`.
    fn name(&self) -> &'static str;

    /// The frames it takes.
    fn size(&self) -> Size;

    /// How many classes it tells apart.
    fn classes(&self) -> usize;

    /// What its logits mean.
    fn head(&self) -> Head;

    /// Logits as real numbers: `[height / 4, width / 4, classes]` of a segmentor, `[1, 1, classes]` of a classifier.
    ///
    /// # Errors
    /// If the frame has another size than [`Self::size`].
    fn logits(&self, frame: &RgbImage) -> Result<Logits>;

    /// Class of every pixel of the input.
    ///
    /// # Errors
    /// As [`Self::logits`], or if this is a classifier.
    fn labels(&self, frame: &RgbImage) -> Result<LabelMap> {
        let size = self.size();
        ensure!(self.head() == Head::Segformer, "a classifier gives no label map");
        Ok(self.logits(frame)?.labels_at(usize::from(size.height), usize::from(size.width)))
    }
}

/// Checks that a frame has the size that a segmenter takes.
///
/// # Errors
/// If it has another.
pub fn check_size(frame: &RgbImage, size: Size) -> Result<()> {
    let (width, height) = frame.dimensions();
    ensure!((height, width) == (u32::from(size.height), u32::from(size.width)), "frame of {height}x{width}: the model takes {size}, resize it first");
    Ok(())
}
