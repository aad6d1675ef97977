//! The frame that was run when the image was made, and what every step then left behind.

use core::ops::Range;

use bytemuck::{Pod, Zeroable};

use crate::{bytes::cast, error::LoadError, logit::Logit, network::Head, record::SectionRecord, size::Size};

/// The frame that was run when the image was made, and what every step then left behind.
#[derive(Clone, Copy, Debug)]
pub struct Golden<'a> {
    /// CRC32 per step, in canonical order, of the step's tensor in raster order, little-endian.
    pub crcs: &'a [u32],
    /// `[height, width, 3]` RGB pixels.
    pub frame: &'a [u8],
    /// The definition's result, in images with half-precision steps.
    pub result: Option<GoldenResult<'a>>,
}

/// Result of the definition (`Isa::Scalar`) for the golden frame of an image with half-precision
/// steps. The bits of those steps differ between instruction sets. A CRC says nothing from the
/// first of them on: results are compared within a bound.
#[derive(Clone, Copy, Debug)]
pub struct GoldenResult<'a> {
    /// How far a healthy target's result may be off.
    pub bound: DriftBound,
    /// Of every step in half precision, in canonical order, the size of what it leaves behind.
    pub steps: &'a [StepMagnitude],
    /// `[height / 4, width / 4, classes]` of a segmentor, `[classes]` of a classifier, stored as
    /// [`crate::ModelHead::logits_format`] says.
    pub logits: &'a [Logit],
    /// `[height, width]` class indices; empty with a classifier.
    pub labels: &'a [u8],
}

/// How far the result of a healthy target may be from the definition's. Measured where the image
/// was made, with its own steps and another order of f16 sums.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct DriftBound {
    /// Of a logit, as a part of the largest one's magnitude.
    pub logits: f32,
    /// Labels that may be others.
    pub labels: u32,
}

impl DriftBound {
    /// Whether both are limits: a part that is neither negative nor without end.
    fn is_valid(self) -> bool {
        is_limit(self.logits)
    }
}

/// The size of the tensor that a step in half precision leaves behind, and how far that of a
/// healthy target may be from it.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct StepMagnitude {
    /// The sum of all magnitudes, in units of 2^-24, rounded once; 0 of labels.
    pub magnitude: f32,
    /// By how much it may differ, in the same units.
    pub bound: f32,
}

impl StepMagnitude {
    fn is_valid(&self) -> bool {
        is_limit(self.magnitude) && is_limit(self.bound)
    }
}

fn is_limit(x: f32) -> bool {
    x.is_finite() && x >= 0.0
}

/// Places of the parts of a golden frame in the image.
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

impl GoldenRanges {
    /// The [`DriftBound`] of such an image, behind the frame; else empty.
    pub fn bound(&self) -> Range<usize> {
        let len = if self.logits.is_empty() { 0 } else { size_of::<DriftBound>() };
        self.frame.end..self.frame.end.saturating_add(len)
    }

    /// The [`StepMagnitude`]s of such an image, between its bounds and its logits; else empty.
    pub fn steps(&self) -> Range<usize> {
        self.bound().end..self.logits.start
    }
}

/// Bytes of the parts of a golden section, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GoldenLens {
    pub crcs: usize,
    pub frame: usize,
    pub bounds: usize,
    pub logits: usize,
    pub labels: usize,
}

impl GoldenLens {
    /// Lengths in an image of `steps` steps for frames of `size`, which holds no result.
    pub fn new(steps: usize, size: Size) -> Self {
        Self { crcs: size_of::<u32>() * steps, frame: 3 * size.pixels(), bounds: 0, logits: 0, labels: 0 }
    }

    /// With the result of a network of `head` and `classes`, of whose steps `half` are in half
    /// precision.
    pub fn with_result(self, head: Head, size: Size, classes: u16, half: usize) -> Self {
        let (tokens, labels) = match head {
            Head::Segformer => (size.tokens(0), size.pixels()),
            Head::Classifier => (1, 0),
        };
        let bounds = size_of::<DriftBound>() + size_of::<StepMagnitude>() * half;
        Self { bounds, logits: size_of::<Logit>() * tokens * usize::from(classes), labels, ..self }
    }

    /// Places of the parts in the image.
    pub fn ranges(self, section: &SectionRecord) -> Result<GoldenRanges, LoadError> {
        let mut next = section.offset as usize;
        let mut take = |len: usize| {
            let start = next;
            next = start.checked_add(len).ok_or(LoadError::Golden)?;
            Ok(start..next)
        };
        let (crcs, frame, _, logits, labels) = (take(self.crcs)?, take(self.frame)?, take(self.bounds)?, take(self.logits)?, take(self.labels)?);
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
        let result = if ranges.logits.is_empty() { None } else { Some(GoldenResult::read(image, ranges)?) };
        Some(Self { crcs: cast(part(&ranges.crcs)?)?, frame: part(&ranges.frame)?, result })
    }
}

impl<'a> GoldenResult<'a> {
    fn read(image: &'a [u8], ranges: &GoldenRanges) -> Option<Self> {
        let part = |range: Range<usize>| image.get(range);
        let bound = bytemuck::try_pod_read_unaligned::<DriftBound>(part(ranges.bound())?).ok().filter(|bound| bound.is_valid())?;
        let steps: &[StepMagnitude] = cast(part(ranges.steps())?)?;
        steps.iter().all(StepMagnitude::is_valid).then_some(())?;
        Some(Self { bound, steps, logits: cast(part(ranges.logits.clone())?)?, labels: part(ranges.labels.clone())? })
    }
}
