//! The one face that the float reference and the int8 engine show to the commands.

use anyhow::{Result, ensure};
use hrvit_format::spec::Size;
use image::RgbImage;

use crate::labels::LabelMap;
use crate::logits::Logits;

/// Something that segments frames of one size.
pub trait Segmenter: Sync {
    /// `float` or `int8`.
    fn name(&self) -> &'static str;

    /// The frames it takes.
    fn size(&self) -> Size;

    /// How many classes it tells apart.
    fn classes(&self) -> usize;

    /// Logits at 1/4 of the input, as real numbers.
    ///
    /// # Errors
    /// If the frame has another size than [`Self::size`].
    fn logits(&self, frame: &RgbImage) -> Result<Logits>;

    /// Class of every pixel of the input.
    ///
    /// # Errors
    /// As [`Self::logits`].
    fn labels(&self, frame: &RgbImage) -> Result<LabelMap> {
        let size = self.size();
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
