//! The one face that the float reference and the int8 engine show to the commands.

use anyhow::{Result, ensure};
use hrvit_format::{Head, Size};
use image::RgbImage;

use crate::fit::Placement;
use crate::labels::LabelMap;
use crate::logits::Logits;
use crate::margins::Margins;

/// Results beside labels that one forward pass of a segmentor is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// Logits.
    pub logits: bool,
    /// Margins at this shift.
    pub margins: Option<u8>,
}

/// Results of one forward pass of a segmentor.
#[derive(Clone, Debug)]
pub struct Segmented {
    /// Class of every pixel of the input.
    pub labels: LabelMap,
    /// Logits, where they were wanted.
    pub logits: Option<Logits>,
    /// Margins of every pixel of the input, where they were wanted.
    pub margins: Option<Margins>,
}

/// Something that turns frames of one size into logits. A classifier's logits have one row and one
/// column.
pub trait Segmenter: Sync {
    /// `float`; of an image `int8`, `int16x8`, `fp16` or `mixed`.
    fn name(&self) -> &'static str;

    /// The frames it takes.
    fn size(&self) -> Size;

    /// How many classes it tells apart.
    fn classes(&self) -> usize;

    /// Head that gives its logits their meaning.
    fn head(&self) -> Head;

    /// Logits as real numbers: `[height / 4, width / 4, classes]` of a segmentor, `[1, 1, classes]`
    /// of a classifier.
    ///
    /// # Errors
    /// If the frame has another size than [`Self::size`].
    fn logits(&self, frame: &RgbImage) -> Result<Logits>;

    /// Logits in numbers whose sums decide as exactly as the network does, and what 1 stands for:
    /// codes of integer logits, else the logits.
    ///
    /// # Errors
    /// As [`Self::logits`].
    fn countable(&self, frame: &RgbImage) -> Result<(Logits, f32)> {
        Ok((self.logits(frame)?, 1.0))
    }

    /// Labels, and what else is wanted, in one forward pass.
    ///
    /// # Errors
    /// As [`Self::logits`]; if this is a classifier, or has no margins.
    fn segment(&self, frame: &RgbImage, wanted: Wanted) -> Result<Segmented> {
        let size = self.size();
        ensure!(self.head() == Head::Segformer, "a classifier gives no label map");
        ensure!(wanted.margins.is_none(), "margins come from a model image: give --model M.hrvit");
        let logits = self.logits(frame)?;
        let labels = logits.labels_at(&Placement::WHOLE, usize::from(size.height), usize::from(size.width));
        Ok(Segmented { labels, logits: wanted.logits.then_some(logits), margins: None })
    }

    /// Class of every pixel of the input.
    ///
    /// # Errors
    /// As [`Self::segment`].
    fn labels(&self, frame: &RgbImage) -> Result<LabelMap> {
        Ok(self.segment(frame, Wanted::default())?.labels)
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
