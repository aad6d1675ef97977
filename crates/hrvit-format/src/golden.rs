//! The frame that was run when the image was made, and what every step then left behind.

use core::ops::Range;

use crate::{bytes::cast, error::LoadError, logit::Logit, network::Head, record::SectionRecord, size::Size};

/// The frame that was run when the image was made, and what every step then left behind.
#[derive(Clone, Copy, Debug)]
pub struct Golden<'a> {
    /// CRC32 per step, in canonical order, of the step's tensor in raster order, little-endian.
    pub crcs: &'a [u32],
    /// `[height, width, 3]` RGB pixels.
    pub frame: &'a [u8],
    /// What came out, in images with half-precision steps.
    pub result: Option<GoldenResult<'a>>,
}

/// What the definition (`Isa::Scalar`) makes of the golden frame of an image with half-precision steps. The bits of those steps differ between instruction sets, so that a
/// CRC says nothing beyond the first of them, and results are compared within a bound.
#[derive(Clone, Copy, Debug)]
pub struct GoldenResult<'a> {
    /// `[height / 4, width / 4, classes]` of a segmentor, `[classes]` of a classifier, stored as [`crate::ModelHead::logits_format`] says.
    pub logits: &'a [Logit],
    /// `[height, width]` class indices; empty with a classifier.
    pub labels: &'a [u8],
}

/// Where the parts of a golden frame lie in the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoldenRanges {
    /// u32 CRC per step.
    pub crcs: Range<usize>,
    /// `[height, width, 3]` pixels.
    pub frame: Range<usize>,
    /// Logits of an image with half-precision steps ([`crate::GoldenResult`]); else empty.
    pub logits: Range<usize>,
    /// Labels of such an image; else empty.
    pub labels: Range<usize>,
    /// CRC32 of all together.
    pub crc: u32,
}

/// Bytes of the parts of a golden section, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GoldenLens {
    pub crcs: usize,
    pub frame: usize,
    pub logits: usize,
    pub labels: usize,
}

impl GoldenLens {
    /// Those of an image of `steps` steps for frames of `size`, which holds no result.
    pub fn new(steps: usize, size: Size) -> Self {
        Self { crcs: size_of::<u32>() * steps, frame: 3 * size.pixels(), logits: 0, labels: 0 }
    }

    /// With the result of a network of `head` and `classes`.
    pub fn with_result(self, head: Head, size: Size, classes: u16) -> Self {
        let (tokens, labels) = match head {
            Head::Segformer => (size.tokens(0), size.pixels()),
            Head::Classifier => (1, 0),
        };
        Self { logits: size_of::<Logit>() * tokens * usize::from(classes), labels, ..self }
    }

    /// Where the parts lie in the image.
    pub fn ranges(self, section: &SectionRecord) -> Result<GoldenRanges, LoadError> {
        let mut next = section.offset as usize;
        let mut take = |len: usize| {
            let start = next;
            next = start.checked_add(len).ok_or(LoadError::Golden)?;
            Ok(start..next)
        };
        let (crcs, frame, logits, labels) = (take(self.crcs)?, take(self.frame)?, take(self.logits)?, take(self.labels)?);
        if Some(next) != section.span().end() {
            return Err(LoadError::Golden);
        }
        Ok(GoldenRanges { crcs, frame, logits, labels, crc: section.crc })
    }
}

impl<'a> Golden<'a> {
    /// The golden frame whose parts lie at `ranges` of `image`.
    pub(crate) fn read(image: &'a [u8], ranges: &GoldenRanges) -> Option<Self> {
        let part = |range: &Range<usize>| image.get(range.clone());
        let result = GoldenResult { logits: cast(part(&ranges.logits)?)?, labels: part(&ranges.labels)? };
        let result = (!result.logits.is_empty()).then_some(result);
        Some(Self { crcs: cast(part(&ranges.crcs)?)?, frame: part(&ranges.frame)?, result })
    }
}
