//! The zero-copy reader. [`Model::load`] checks every byte once. All other functions read in place.

use core::ops::Deref;

use crate::{
    bytes::{Span, crc32},
    error::LoadError,
    golden::Golden,
    graph::StepId,
    head::ModelHead,
    narrowings::Narrowings,
    sections::{Start, part},
    step::StepParams,
};

/// A checked model image, read in place (flash, mapped file or RAM).
///
/// It dereferences to its [`ModelHead`], so that every method of a head works on a model too.
#[derive(Clone, Debug)]
pub struct Model<'a> {
    head: ModelHead<'a>,
    weights: &'a [u8],
    golden: Option<Golden<'a>>,
}

impl<'a> Deref for Model<'a> {
    type Target = ModelHead<'a>;

    fn deref(&self) -> &ModelHead<'a> {
        &self.head
    }
}

impl<'a> Model<'a> {
    /// Checks `image` and borrows it. `image` must start at a multiple of [`crate::record::ALIGN`]
    /// bytes. Bytes after its end are ignored, as a flash slot may be larger.
    ///
    /// Everything that the engine relies on is proved here: CRCs, offsets, lengths, alignments,
    /// multiplier ranges and accumulator headroom.
    ///
    /// # Errors
    /// The first fault found: something misplaced, of another format, contradictory or corrupt. The
    /// checks run over the prologue, the whole image's CRC, the sections in their order, then the
    /// steps in canonical order.
    pub fn load(image: &'a [u8]) -> Result<Self, LoadError> {
        let start = Start::read(image)?;
        let image = part(image, Span { start: 0, len: start.total_len() })?;
        let (body, crc) = image.split_last_chunk::<4>().ok_or(LoadError::ImageCrc)?;
        if crc32(body) != u32::from_le_bytes(*crc) {
            return Err(LoadError::ImageCrc);
        }
        let head = ModelHead::of_sections(&start.sections(image)?)?;
        let weights = part(image, head.weights_span())?;
        let mut model = Self { head, weights, golden: None };
        let mut narrowings = Narrowings::default();
        for (id, _) in model.step_ids() {
            let group = model.group(id).ok_or(LoadError::Step(id))?;
            model.check_group(id, group)?;
            narrowings.check(&model, id, group)?;
        }
        if let Some(ranges) = model.golden_ranges()? {
            model.golden = Some(Golden::read(image, &ranges).ok_or(LoadError::Golden)?);
        }
        Ok(model)
    }

    /// A model whose parts were those of one that was checked.
    #[cfg(feature = "std")]
    pub(crate) fn of_parts(head: ModelHead<'a>, weights: &'a [u8], golden: Option<Golden<'a>>) -> Self {
        Self { head, weights, golden }
    }

    /// The image without its weights and its golden frame.
    pub fn head(&self) -> &ModelHead<'a> {
        &self.head
    }

    /// All weights: the groups of the steps, each at a multiple of [`crate::record::ALIGN`] bytes.
    pub fn weights(&self) -> &'a [u8] {
        self.weights
    }

    /// The golden frame, if the image carries one.
    pub fn golden(&self) -> Option<Golden<'a>> {
        self.golden
    }

    /// Bytes of the step's weight group, as they lie in the image.
    pub fn group(&self, id: StepId) -> Option<&'a [u8]> {
        self.records().step(id)?.span().of(self.weights)
    }

    /// The records and arrays of a step, in the image's own bytes.
    pub fn step(&self, id: StepId) -> Option<StepParams<'a>> {
        self.records().params(id, self.group(id)?)
    }
}
