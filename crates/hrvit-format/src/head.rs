//! The head of an image: everything before its weights, which stays in memory when weights are
//! streamed.

use core::ops::Range;

use hrvit_kernels::Packing;

use crate::{
    bytes::Span,
    checks::{self, Checks},
    error::LoadError,
    golden::{GoldenLens, GoldenRanges},
    graph::{Step, StepId},
    logit::LogitFormat,
    meta::Meta,
    network::Head,
    parts::{Parts, WideParts},
    precision::{Precision, TensorFormat},
    record::{OpRecord, Section, SectionRecord, StepRecord},
    records::Records,
    sections::{Sections, Start},
};

/// The checked head of a model image, read in place: descriptive header, records and tables. It
/// also has the places of weights and golden frame.
#[derive(Clone, Debug)]
pub struct ModelHead<'a> {
    meta: Meta<'a>,
    records: Records<'a>,
    extent: Extent,
}

/// Part that borrows nothing of the image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    sequence: u32,
    total_len: usize,
    weights: SectionRecord,
    golden: Option<SectionRecord>,
}

impl Extent {
    /// Place of the weights in the image.
    pub fn weights_span(&self) -> Span {
        self.weights.span()
    }
}

impl<'a> ModelHead<'a> {
    /// Checks the head of an image, which is [`ModelHead::head_len`] bytes long. `head` must start
    /// at a multiple of [`ALIGN`](crate::record::ALIGN) bytes. The rest of the image need not be
    /// addressable.
    ///
    /// [`ModelHead::group_range`] gives the bytes of the weights to fetch. Every group must pass
    /// [`ModelHead::check_group`] and [`crate::Narrowings::check`] before the engine may rely on
    /// it.
    ///
    /// # Errors
    /// If anything before the weights is misplaced, has another format, is contradictory or
    /// corrupt.
    pub fn load(head: &'a [u8]) -> Result<Self, LoadError> {
        Self::of_sections(&Start::read(head)?.sections(head)?)
    }

    /// Bytes of the head: everything before the weights. `start` is the image's first
    /// [`crate::START_BYTES`] bytes, or more.
    ///
    /// # Errors
    /// If `start` does not lie at a multiple of [`ALIGN`](crate::record::ALIGN), is too short or
    /// has another format, or its CRC does not match.
    pub fn head_len(start: &[u8]) -> Result<usize, LoadError> {
        Ok(Start::read(start)?.section(Section::Weights)?.offset as usize)
    }

    /// Bytes of the whole image. `start` is its first [`crate::START_BYTES`] bytes, or more.
    ///
    /// # Errors
    /// As [`ModelHead::head_len`].
    pub fn image_len(start: &[u8]) -> Result<usize, LoadError> {
        Ok(Start::read(start)?.total_len())
    }

    pub(crate) fn of_sections(sections: &Sections<'_, 'a>) -> Result<Self, LoadError> {
        let meta = Meta::read(sections.bytes(Section::Meta)?, sections.start.ablation)?;
        let start = sections.start;
        let records = Records {
            packing: start.packing,
            steps: sections.elements(Section::Steps)?,
            ops: sections.elements(Section::Ops)?,
            exp: sections.elements(Section::Tables)?,
        };
        checks::exp(records.exp)?;
        let (weights, golden) = (*start.section(Section::Weights)?, start.find(Section::Golden).copied());
        let extent = Extent { sequence: start.prologue.sequence, total_len: start.total_len(), weights, golden };
        let head = Self { meta, records, extent };
        head.checks().steps(weights.len as usize)?;
        Ok(head)
    }

    /// A head whose parts were those of one that was checked.
    #[cfg(feature = "std")]
    pub(crate) fn of_parts(meta: Meta<'a>, records: Records<'a>, extent: Extent) -> Self {
        Self { meta, records, extent }
    }

    /// The part that borrows nothing of the image.
    #[cfg(feature = "std")]
    pub(crate) fn extent(&self) -> Extent {
        self.extent
    }

    fn checks(&self) -> Checks<'_, 'a> {
        Checks { network: &self.meta.network, records: &self.records }
    }

    /// Checks the weight group of a step: its CRC, then every array and bound that the engine
    /// relies on.
    ///
    /// # Errors
    /// If the group has another length or CRC, or an operator's record or array breaks a bound.
    pub fn check_group(&self, id: StepId, group: &[u8]) -> Result<(), LoadError> {
        self.checks().group(id, group)
    }

    /// The descriptive header.
    pub fn meta(&self) -> &Meta<'a> {
        &self.meta
    }

    /// Records of the image that an engine needs for one step.
    pub fn records(&self) -> Records<'a> {
        self.records
    }

    /// How the weights are packed.
    pub fn packing(&self) -> Packing {
        self.records.packing
    }

    /// Records of all steps in canonical order.
    pub fn steps(&self) -> &'a [StepRecord] {
        self.records.steps
    }

    /// Records of all operators in canonical order.
    pub fn ops(&self) -> &'a [OpRecord] {
        self.records.ops
    }

    /// The exponent table of the attention, [`crate::record::EXP_ENTRIES`] entries.
    pub fn exp_table(&self) -> &'a [u16] {
        self.records.exp
    }

    /// Sequence number of the image: [`crate::slots::is_newer`] tells which of two images is newer.
    pub fn sequence(&self) -> u32 {
        self.extent.sequence
    }

    /// Bytes of the image.
    pub fn total_len(&self) -> usize {
        self.extent.total_len
    }

    /// The steps in canonical order, with their positions.
    pub fn step_ids(&self) -> impl Iterator<Item = (StepId, Step)> + '_ {
        self.meta.network.step_ids()
    }

    /// Position of a step in canonical order. `None` if this network has no such step.
    pub fn id(&self, step: Step) -> Option<StepId> {
        self.records.id(step)
    }

    /// Precision of the step at a position. [`Precision::Int8`] if there is no such step.
    pub fn precision(&self, id: StepId) -> Precision {
        self.records.precision(id)
    }

    /// The parts of the network with codes of two bytes.
    pub fn wide_parts(&self) -> WideParts {
        let mut parts = WideParts::NONE;
        for (id, step) in self.step_ids() {
            parts.insert(&self.meta.network, step, self.precision(id));
        }
        parts
    }

    /// The step that leaves the logits behind.
    pub fn logits_step(&self) -> Option<StepId> {
        self.step_ids().filter(|(_, step)| matches!(step, Step::Logits | Step::Classify)).last().map(|(id, _)| id)
    }

    /// How logits are stored.
    pub fn logits_format(&self) -> LogitFormat {
        match self.logits_step().and_then(|id| self.records.step(id)) {
            Some(record) if record.output == TensorFormat::F16 as u8 => LogitFormat::F16,
            record => LogitFormat::S16 { scale: record.map_or(1.0, |record| record.scale) },
        }
    }

    /// Place of the weights in the image.
    pub fn weights_range(&self) -> Range<usize> {
        self.weights_span().range()
    }

    /// Place of the weights in the image.
    pub(crate) fn weights_span(&self) -> Span {
        self.extent.weights_span()
    }

    /// CRC32 of all weights, padding between groups included.
    pub fn weights_crc(&self) -> u32 {
        self.extent.weights.crc
    }

    /// Place of the weight group of a step in the image.
    pub fn group_range(&self, id: StepId) -> Option<Range<usize>> {
        let group = self.records.step(id)?.span();
        let start = (self.extent.weights.offset as usize).checked_add(group.start)?;
        Some(start..start.checked_add(group.len)?)
    }

    /// Bytes that the group of a step takes in a buffer, a multiple of
    /// [`ALIGN`](crate::record::ALIGN). 0 if there is no such step.
    pub fn padded_group_len(&self, id: StepId) -> usize {
        self.records.padded_group_len(id)
    }

    /// Bytes of the largest set of groups that the engine uses at a time. A set is the group of one
    /// step, or all groups of the classification head.
    pub fn largest_group(&self) -> usize {
        let (mut largest, mut together) = (0, 0);
        for (id, step) in self.step_ids() {
            let len = self.padded_group_len(id);
            if step.in_head() && self.meta.network.head == Head::Classifier {
                together = len.saturating_add(together);
            } else {
                largest = largest.max(len);
            }
        }
        largest.max(together)
    }

    /// Place of the golden frame in the image, if it carries one.
    ///
    /// # Errors
    /// [`LoadError::Golden`] if the section's length does not fit the network and the size.
    pub fn golden_ranges(&self) -> Result<Option<GoldenRanges>, LoadError> {
        self.extent.golden.as_ref().map(|section| self.golden_lens().ranges(section)).transpose()
    }

    fn golden_lens(&self) -> GoldenLens {
        let (size, network) = (self.meta.size, &self.meta.network);
        let lens = GoldenLens::new(self.records.steps.len(), size);
        // A build without half precision has refused an image that has any.
        if !cfg!(feature = "fp16") || self.wide_parts().of(Precision::Fp16) == Parts::NONE {
            return lens;
        }
        let half = self.step_ids().filter(|(id, _)| self.precision(*id) == Precision::Fp16).count();
        lens.with_result(network.head, size, network.classes, half)
    }
}
