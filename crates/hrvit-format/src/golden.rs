//! The golden frame of an image.

use core::ops::Range;

use bytemuck::{Pod, Zeroable};

use crate::{bytes::cast, error::LoadError, logit::Logit, network::Head, record::SectionRecord, size::Size};

/// The golden frame: the frame that was run when the image was made, with a CRC of the tensor that
/// every step left behind.
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
/// steps. The bits of such steps differ between instruction sets. From the first half-precision
/// step on, results are therefore compared within bounds instead of by CRC.
#[derive(Clone, Copy, Debug)]
pub struct GoldenResult<'a> {
    /// Bounds on the difference of a healthy target's result.
    pub bound: DriftBound,
    /// Magnitude of the tensor of every half-precision step, in canonical order.
    pub steps: &'a [StepMagnitude],
    /// Logits: `[height / 4, width / 4, classes]` of a segmentor, `[classes]` of a classifier, in
    /// the format of [`crate::ModelHead::logits_format`].
    pub logits: &'a [Logit],
    /// `[height, width]` class indices; empty with a classifier.
    pub labels: &'a [u8],
}

/// Bounds on the difference between a healthy target's result and the definition's. They are
/// measured when the image is made, with the order of sums of every instruction set
/// (`docs/quantiser.md`).
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct DriftBound {
    /// Largest difference of a logit, as a part of the largest logit's magnitude.
    pub logits: f32,
    /// Largest number of labels that may differ.
    pub labels: u32,
}

impl DriftBound {
    /// Whether the bound on logits is finite and not negative.
    fn is_valid(self) -> bool {
        is_limit(self.logits)
    }
}

/// Magnitude of the tensor that a half-precision step leaves behind, with the bound on a healthy
/// target's difference.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct StepMagnitude {
    /// The sum of the magnitudes of all values, in units of 2^-24, rounded once. 0 for labels.
    pub magnitude: f32,
    /// Largest difference of that sum, in the same units.
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
    /// Logits, in an image with half-precision steps ([`crate::GoldenResult`]). Else empty.
    pub logits: Range<usize>,
    /// Labels, in an image with half-precision steps. Else empty.
    pub labels: Range<usize>,
    /// CRC32 of the whole section.
    pub crc: u32,
}

impl GoldenRanges {
    /// The [`DriftBound`] behind the frame, in an image with half-precision steps. Else empty.
    pub fn bound(&self) -> Range<usize> {
        let len = if self.logits.is_empty() { 0 } else { size_of::<DriftBound>() };
        self.frame.end..self.frame.end.saturating_add(len)
    }

    /// The [`StepMagnitude`]s between bounds and logits, in an image with half-precision steps.
    /// Else empty.
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
