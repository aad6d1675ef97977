//! The zero-copy reader: [`Model::load`] checks every byte once, everything after that reads in place.

use core::ops::Range;

use bytemuck::{Pod, try_cast_slice};

use crate::{
    error::LoadError,
    graph::{Step, StepId},
    half::{self, CodeScale},
    meta::Meta,
    network::Head,
    partial::Narrowings,
    parts::{Parts, WideParts},
    record::{ALIGN, EXP_ENTRIES, MAGIC, OpRecord, Packing, Precision, Prologue, Section, SectionRecord, StepRecord, TensorFormat, VERSION, step_tag},
    size::Size,
    spec::BRANCHES,
    step::StepParams,
    validate,
};

/// A checked model image, borrowed from where it lies (flash, mapped file or RAM).
#[derive(Clone, Debug)]
pub struct Model<'a> {
    meta: Meta<'a>,
    packing: Packing,
    sequence: u32,
    steps: &'a [StepRecord],
    ops: &'a [OpRecord],
    exp: &'a [u16],
    /// Empty where only the head of the image was loaded.
    weights: &'a [u8],
    golden: Option<Golden<'a>>,
    weights_at: SectionRecord,
    golden_at: Option<SectionRecord>,
    total_len: usize,
}

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
    /// `[height / 4, width / 4, classes]` of a segmentor, `[classes]` of a classifier, as [`Model::logits_format`] says.
    pub logits: &'a [i16],
    /// `[height, width]` class indices; empty with a classifier.
    pub labels: &'a [u8],
}

/// Bytes of the parts of a golden section, in their order.
pub(crate) struct GoldenLens {
    pub crcs: usize,
    pub frame: usize,
    pub logits: usize,
    pub labels: usize,
}

/// `bytes` as elements of `T` if length and address allow.
pub(crate) fn cast<T: Pod>(bytes: &[u8]) -> Option<&[T]> {
    try_cast_slice(bytes).ok()
}

fn head<T: Pod>(bytes: &[u8]) -> Option<&T> {
    cast::<T>(bytes.get(..size_of::<T>())?)?.first()
}

/// CRC32 (IEEE, as in zlib) of `bytes`.
pub fn crc32(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// CRC32 of bytes whose CRC32 is `before`, with `bytes` behind them; 0 before the first.
pub fn crc32_after(before: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(before);
    hasher.update(bytes);
    hasher.finalize()
}

impl<'a> Model<'a> {
    /// Checks `image` and borrows it. It must start at a multiple of [`ALIGN`] bytes; bytes after its end are ignored (a flash slot may be larger).
    ///
    /// Everything that the engine relies on is proved here: CRCs, offsets, lengths, alignments, multiplier ranges and accumulator headroom.
    pub fn load(image: &'a [u8]) -> Result<Self, LoadError> {
        let prologue = aligned_prologue(image)?;
        let total = prologue.total_len as usize;
        check_prologue(prologue, image)?;
        let image = image.get(..total).ok_or(LoadError::Truncated { needed: total, found: image.len() })?;
        let (body, crc) = image.split_last_chunk::<4>().ok_or(LoadError::ImageCrc)?;
        if crc32(body) != u32::from_le_bytes(*crc) {
            return Err(LoadError::ImageCrc);
        }
        let mut model = Self::of_sections(prologue, &Sections::read(prologue, image)?)?;
        let mut narrowings = Narrowings::default();
        for (id, _) in model.step_ids() {
            let group = model.group(id).ok_or(LoadError::Step(id))?;
            model.check_group(id, group)?;
            narrowings.check(&model, id, group)?;
        }
        let golden = model.golden_at.map(|at| at.of(image).ok_or(LoadError::Golden)).transpose()?;
        model.golden = golden.map(|bytes| model.read_golden(bytes)).transpose()?;
        Ok(model)
    }

    /// Checks the head of an image, [`Model::head_len`] bytes, whose rest cannot be addressed. The head must start at a multiple of [`ALIGN`] bytes.
    ///
    /// Such a model has neither weights nor golden frame: [`Model::group_range`] says what to fetch, and every group must pass [`Model::check_group`] and
    /// [`Narrowings::check`] before the engine may rely on it.
    pub fn load_head(head: &'a [u8]) -> Result<Self, LoadError> {
        let prologue = aligned_prologue(head)?;
        check_prologue(prologue, head)?;
        Self::of_sections(prologue, &Sections::read(prologue, head)?)
    }

    /// Bytes of the head: all that comes before the weights. `start` are the first [`crate::partial::START_BYTES`] bytes of the image, or more.
    pub fn head_len(start: &[u8]) -> Result<usize, LoadError> {
        let prologue = aligned_prologue(start)?;
        let table = check_prologue(prologue, start)?;
        let weights = table.iter().find(|record| record.kind == Section::Weights as u32);
        weights.map(|record| record.offset as usize).ok_or(LoadError::Section(Section::Weights))
    }

    fn of_sections(prologue: &Prologue, sections: &Sections<'a>) -> Result<Self, LoadError> {
        let meta: Meta<'a> = match postcard::take_from_bytes(sections.get(Section::Meta)?) {
            Ok((meta, [])) => meta,
            _ => return Err(LoadError::Meta),
        };
        meta.network.validate().map_err(LoadError::Spec)?;
        Size::new(meta.size.height, meta.size.width).map_err(LoadError::Spec)?;
        check_texts(&meta)?;

        let wrong = LoadError::Section;
        let steps: &[StepRecord] = cast(sections.get(Section::Steps)?).ok_or(wrong(Section::Steps))?;
        let ops: &[OpRecord] = cast(sections.get(Section::Ops)?).ok_or(wrong(Section::Ops))?;
        let exp: &[u16] = cast(sections.get(Section::Tables)?).ok_or(wrong(Section::Tables))?;
        check_exp(exp)?;
        let weights_at = *sections.record(Section::Weights).ok_or(wrong(Section::Weights))?;
        let golden_at = sections.record(Section::Golden).copied();
        let weights = weights_at.of(sections.image).unwrap_or_default();
        let packing = Packing::try_from(prologue.packing).map_err(|_| LoadError::UnsupportedPacking(prologue.packing))?;
        let (sequence, total_len) = (prologue.sequence, prologue.total_len as usize);
        let model = Self { meta, packing, sequence, steps, ops, exp, weights, golden: None, weights_at, golden_at, total_len };
        model.check_steps()?;
        Ok(model)
    }

    fn check_steps(&self) -> Result<(), LoadError> {
        let (mut next_op, mut next_offset) = (0usize, 0usize);
        let mut count = 0u16;
        let mut parts = [Parts::NONE; Precision::ALL.len()];
        for (id, step) in self.step_ids() {
            let record = self.steps.get(usize::from(id.0)).ok_or(LoadError::Section(Section::Steps))?;
            let ops = self.meta.network.ops(step);
            let precision = Precision::try_from(record.precision).map_err(|_| LoadError::Step(id))?;
            if !precision.is_built() {
                return Err(LoadError::UnsupportedPrecision(id));
            }
            let half = precision == Precision::Fp16;
            if let Some(parts) = parts.get_mut(precision as usize) {
                parts.insert(&self.meta.network, step);
            }
            let agrees = record.tag == step_tag(step)
                && record.output == TensorFormat::of(precision, step) as u8
                && (!half || record.scale == 1.0)
                && usize::from(record.first_op) == next_op
                && usize::from(record.op_count) == ops.len()
                && record.offset as usize == next_offset
                && (record.reserved0, record.reserved1) == (0, 0)
                && record.scale.is_finite()
                && record.scale > 0.0;
            if !agrees {
                return Err(LoadError::Step(id));
            }
            next_op += ops.len();
            next_offset = (next_offset + record.len as usize).next_multiple_of(ALIGN);
            count += 1;
        }
        if self.steps.len() != usize::from(count) {
            return Err(LoadError::Section(Section::Steps));
        }
        let [int8, int16x8, fp16] = parts;
        let words = cfg!(feature = "int16x8") && (int16x8.share_tensors_with(fp16) || int16x8.share_tensors_with(int8));
        if words || fp16.share_tensors_with(int8) {
            return Err(LoadError::MixedPrecision);
        }
        if let Some((id, _)) = self.step_ids().find(|&(id, step)| self.stream_scale(id, step).is_some_and(|scale| !scale.is_usable())) {
            return Err(LoadError::Step(id));
        }
        if self.ops.len() != next_op {
            return Err(LoadError::Section(Section::Ops));
        }
        if self.weights_at.len as usize != next_offset {
            return Err(LoadError::Section(Section::Weights));
        }
        Ok(())
    }

    /// Checks the weight group of a step: its CRC, then every array and bound that the engine relies on. Groups that lie in the image have passed.
    pub fn check_group(&self, id: StepId, group: &[u8]) -> Result<(), LoadError> {
        let wrong = LoadError::Step(id);
        let record = self.steps.get(usize::from(id.0)).ok_or(wrong)?;
        let (_, step) = self.step_ids().nth(id.0.into()).ok_or(wrong)?;
        if group.len() != record.len as usize {
            return Err(wrong);
        }
        if crc32(group) != record.crc {
            return Err(LoadError::StepCrc(id));
        }
        let params = self.params(id, group).ok_or(wrong)?;
        let ops = self.meta.network.ops(step);
        let checked = match params.precision() {
            Precision::Fp16 if cfg!(feature = "fp16") => half::check(step, &ops, &params),
            Precision::Int16x8 if cfg!(feature = "int16x8") => validate::step(step, &ops, &params, Some(self.fed(step))),
            _ => validate::step(step, &ops, &params, None),
        };
        checked.map_err(|(op, field)| LoadError::Op(record.first_op.saturating_add(op), field))
    }

    /// Largest magnitude of the codes that an int16x8 step reads from another one which leaves no residual stream: a fusion's result, or that of a bottleneck.
    fn fed(&self, step: Step) -> i64 {
        let source = match step {
            Step::PatchEmbed { module, branch } => Step::Fusion { module, branch },
            Step::Increase { branch } if branch > 0 => Step::Increase { branch: branch - 1 },
            Step::Classify => Step::Increase { branch: BRANCHES as u8 - 1 },
            _ => return validate::ANY_CODE,
        };
        // The activation is the last operator of both.
        let record = self.id(source).and_then(|id| self.steps.get(usize::from(id.0)));
        let last = record.and_then(|record| usize::from(record.first_op + record.op_count).checked_sub(1)).and_then(|at| self.ops.get(at));
        last.map_or(validate::ANY_CODE, validate::magnitude)
    }

    /// Where the weights lie in the image.
    pub fn weights_range(&self) -> Range<usize> {
        let start = self.weights_at.offset as usize;
        start..start + self.weights_at.len as usize
    }

    /// CRC32 of all weights, padding between groups included.
    pub fn weights_crc(&self) -> u32 {
        self.weights_at.crc
    }

    fn read_golden(&self, bytes: &'a [u8]) -> Result<Golden<'a>, LoadError> {
        let GoldenLens { crcs, frame, logits, labels } = self.golden_lens();
        let cut = |rest: &'a [u8], len: usize| rest.split_at_checked(len).ok_or(LoadError::Golden);
        let (crcs, rest) = cut(bytes, crcs)?;
        let (frame, rest) = cut(rest, frame)?;
        let (logits, rest) = cut(rest, logits)?;
        if rest.len() != labels {
            return Err(LoadError::Golden);
        }
        let result = GoldenResult { logits: cast(logits).ok_or(LoadError::Golden)?, labels: rest };
        let result = (!result.logits.is_empty()).then_some(result);
        Ok(Golden { crcs: cast(crcs).ok_or(LoadError::Golden)?, frame, result })
    }

    /// Bytes of the parts of a golden section.
    pub(crate) fn golden_lens(&self) -> GoldenLens {
        let (size, classes) = (self.meta.size, usize::from(self.meta.network.classes));
        let (logits, labels) = match self.meta.network.head {
            // A build without half precision has refused such an image.
            _ if !cfg!(feature = "fp16") || self.wide_parts().of(Precision::Fp16) == Parts::NONE => (0, 0),
            Head::Segformer => (size_of::<i16>() * size.tokens(0) * classes, size.pixels()),
            Head::Classifier => (size_of::<i16>() * classes, 0),
        };
        GoldenLens { crcs: size_of::<u32>() * self.steps.len(), frame: 3 * size.pixels(), logits, labels }
    }

    /// Where the golden frame lies in the image.
    pub(crate) fn golden_section(&self) -> Option<&SectionRecord> {
        self.golden_at.as_ref()
    }

    /// Whether the weights are at hand; false for a model of [`Model::load_head`].
    pub fn has_weights(&self) -> bool {
        self.weights.len() == self.weights_at.len as usize
    }

    /// What the image says of itself.
    pub fn meta(&self) -> &Meta<'a> {
        &self.meta
    }

    /// How the weights are laid out.
    pub fn packing(&self) -> Packing {
        self.packing
    }

    /// Image sequence number: of two valid images the higher is newer.
    pub fn sequence(&self) -> u32 {
        self.sequence
    }

    /// Bytes of the image.
    pub fn total_len(&self) -> usize {
        self.total_len
    }

    /// Records of all steps in canonical order.
    pub fn steps(&self) -> &'a [StepRecord] {
        self.steps
    }

    /// Records of all operators in canonical order.
    pub fn ops(&self) -> &'a [OpRecord] {
        self.ops
    }

    /// The exponent table of the attention, [`EXP_ENTRIES`] entries.
    pub fn exp_table(&self) -> &'a [u16] {
        self.exp
    }

    /// The golden frame, if the image carries one.
    pub fn golden(&self) -> Option<Golden<'a>> {
        self.golden
    }

    /// The step at a position, with its number.
    pub fn step_ids(&self) -> impl Iterator<Item = (StepId, Step)> + '_ {
        (0u16..).map(StepId).zip(self.meta.network.steps())
    }

    /// Arithmetic of the step at a position; [`Precision::Int8`] where there is none.
    pub fn precision(&self, id: StepId) -> Precision {
        self.steps.get(usize::from(id.0)).and_then(|record| Precision::try_from(record.precision).ok()).unwrap_or(Precision::Int8)
    }

    /// Where the residual stream that a step reads has the other precision's format: the real value of one code of its integers.
    pub fn stream_scale(&self, id: StepId, step: Step) -> Option<CodeScale> {
        let at = usize::from(id.0);
        let (before, record) = (self.steps.get(at.checked_sub(1)?)?, self.steps.get(at)?);
        let reads_stream = matches!(step, Step::Attention { .. } | Step::MixCfn { .. } | Step::StageNorm { .. });
        let fp16 = Precision::Fp16 as u8;
        if !reads_stream || (record.precision == fp16) == (before.precision == fp16) {
            return None;
        }
        // The step before is always the one that left the stream; the first operator of one that reads it is its LayerNorm.
        let norm = self.ops.get(usize::from(record.first_op))?;
        Some(CodeScale(if record.precision == fp16 { before.scale } else { norm.in_scale }))
    }

    /// The parts of the network that hold 16 bits where int8 holds 8.
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

    /// How logits are stored: [`TensorFormat::S16`] codes with the real value of one code, or [`TensorFormat::F16`] bits.
    pub fn logits_format(&self) -> (TensorFormat, f32) {
        match self.logits_step().and_then(|id| self.steps.get(usize::from(id.0))) {
            Some(record) if record.output == TensorFormat::F16 as u8 => (TensorFormat::F16, 1.0),
            record => (TensorFormat::S16, record.map_or(1.0, |record| record.scale)),
        }
    }

    /// Real value of a logit as the engine hands it out. [`Model::logits`] asks the image once for many.
    pub fn logit(&self, bits: i16) -> f32 {
        real_logit(self.logits_format(), bits)
    }

    /// Real values of logits as the engine hands them out.
    pub fn logits<'b>(&self, bits: &'b [i16]) -> impl Iterator<Item = f32> + use<'b> {
        let format = self.logits_format();
        bits.iter().map(move |&bits| real_logit(format, bits))
    }

    /// Number of a step; `None` where this network has no such step.
    pub fn id(&self, step: Step) -> Option<StepId> {
        let tag = step_tag(step);
        (0u16..).zip(self.steps).find(|(_, record)| record.tag == tag).map(|(id, _)| StepId(id))
    }

    /// Bytes that the group of a step takes in a buffer, a multiple of [`ALIGN`]; 0 where there is no such step.
    pub fn padded_group_len(&self, id: StepId) -> usize {
        self.steps.get(usize::from(id.0)).map_or(0, |record| (record.len as usize).next_multiple_of(ALIGN))
    }

    /// Bytes of the largest set of groups that the engine uses at a time: one step's, or all of the classification head's.
    pub fn largest_group(&self) -> usize {
        let (mut largest, mut together) = (0, 0);
        for (id, step) in self.step_ids() {
            let len = self.padded_group_len(id);
            if step.in_head() && self.meta.network.head == Head::Classifier {
                together += len;
            } else {
                largest = largest.max(len);
            }
        }
        largest.max(together)
    }

    /// Bytes of the step's weight group, as they lie in the image.
    pub fn group(&self, id: StepId) -> Option<&'a [u8]> {
        let record = self.steps.get(usize::from(id.0))?;
        self.weights.get(record.offset as usize..)?.get(..record.len as usize)
    }

    /// The operators of a step over its weight group `bytes` (the image's own, or a copy that was streamed in).
    pub fn params<'b>(&self, id: StepId, bytes: &'b [u8]) -> Option<StepParams<'b>>
    where
        'a: 'b,
    {
        let record = self.steps.get(usize::from(id.0))?;
        let ops = self.ops.get(usize::from(record.first_op)..)?.get(..usize::from(record.op_count))?;
        Some(StepParams { record, ops, bytes, packing: self.packing })
    }

    /// The operators of a step over the image's own bytes.
    pub fn step(&self, id: StepId) -> Option<StepParams<'a>> {
        self.params(id, self.group(id)?)
    }
}

fn real_logit(format: (TensorFormat, f32), bits: i16) -> f32 {
    match format {
        (TensorFormat::F16, _) => half::to_f32(bits as u16),
        (_, scale) => f32::from(bits) * scale,
    }
}

fn aligned_prologue(image: &[u8]) -> Result<&Prologue, LoadError> {
    if !image.as_ptr().addr().is_multiple_of(ALIGN) {
        return Err(LoadError::Misaligned);
    }
    head(image).ok_or(LoadError::Truncated { needed: size_of::<Prologue>(), found: image.len() })
}

/// Checks the prologue and returns the section table.
fn check_prologue<'a>(prologue: &Prologue, image: &'a [u8]) -> Result<&'a [SectionRecord], LoadError> {
    if prologue.magic != MAGIC {
        return Err(LoadError::BadMagic);
    }
    if prologue.version != VERSION {
        return Err(LoadError::UnsupportedVersion(prologue.version));
    }
    let table_end = size_of::<Prologue>() + usize::from(prologue.sections) * size_of::<SectionRecord>();
    let crc_at = size_of::<Prologue>() - size_of::<u32>();
    let (Some(fixed), Some(table)) = (image.get(..crc_at), image.get(size_of::<Prologue>()..table_end)) else {
        return Err(LoadError::Truncated { needed: table_end, found: image.len() });
    };
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(fixed);
    hasher.update(table);
    if hasher.finalize() != prologue.crc {
        return Err(LoadError::PrologueCrc);
    }
    if prologue.reserved0 != 0 || prologue.reserved != [0; 9] {
        return Err(LoadError::Reserved);
    }
    if Packing::try_from(prologue.packing).is_err() {
        return Err(LoadError::UnsupportedPacking(prologue.packing));
    }
    cast(table).ok_or(LoadError::SectionTable)
}

impl SectionRecord {
    /// The section's bytes in `image`; `None` where it ends before.
    fn of<'a>(&self, image: &'a [u8]) -> Option<&'a [u8]> {
        image.get(self.offset as usize..)?.get(..self.len as usize)
    }
}

/// The section table over its image, or over the image's head.
struct Sections<'a> {
    table: &'a [SectionRecord],
    image: &'a [u8],
}

impl<'a> Sections<'a> {
    /// Checks where all sections lie, and the CRC of those in `image` (of a head, those before the weights).
    fn read(prologue: &Prologue, image: &'a [u8]) -> Result<Self, LoadError> {
        let total = prologue.total_len as usize;
        let table_bytes = usize::from(prologue.sections) * size_of::<SectionRecord>();
        let table: &[SectionRecord] =
            image.get(size_of::<Prologue>()..).and_then(|rest| rest.get(..table_bytes)).and_then(cast).ok_or(LoadError::SectionTable)?;
        let mut next = (size_of::<Prologue>() + table_bytes).next_multiple_of(ALIGN);
        let mut last = None;
        for record in table {
            let section = Section::try_from(record.kind).map_err(|_| LoadError::UnknownSection(record.kind))?;
            let end = (record.offset as usize).checked_add(record.len as usize).filter(|&end| end <= total);
            let placed = record.offset as usize == next && Some(section) > last;
            let (true, Some(end)) = (placed, end) else { return Err(LoadError::Section(section)) };
            if image.len() >= total || section < Section::Weights {
                let bytes = record.of(image).ok_or(LoadError::Truncated { needed: end, found: image.len() })?;
                if crc32(bytes) != record.crc {
                    return Err(LoadError::SectionCrc(section));
                }
            }
            last = Some(section);
            next = end.next_multiple_of(ALIGN);
        }
        if total != next + size_of::<u32>() {
            return Err(LoadError::SectionTable);
        }
        Ok(Self { table, image })
    }

    fn record(&self, section: Section) -> Option<&'a SectionRecord> {
        self.table.iter().find(|record| record.kind == section as u32)
    }

    fn find(&self, section: Section) -> Option<&'a [u8]> {
        self.record(section)?.of(self.image)
    }

    fn get(&self, section: Section) -> Result<&'a [u8], LoadError> {
        self.find(section).ok_or(LoadError::Section(section))
    }
}

fn check_exp(exp: &[u16]) -> Result<(), LoadError> {
    let falls = exp.windows(2).all(|pair| matches!(pair, [a, b] if a > b));
    let ends = exp.first() == Some(&32640) && exp.last().is_some_and(|&last| last > 16320);
    if exp.len() == EXP_ENTRIES && falls && ends { Ok(()) } else { Err(LoadError::ExpTable) }
}

fn check_texts(meta: &Meta<'_>) -> Result<(), LoadError> {
    let classes = usize::from(meta.network.classes);
    let names = meta.class_names.is_empty() || meta.class_names.bytes().filter(|&byte| byte == b'\n').count() + 1 == classes;
    let colours = meta.colours.is_empty() || meta.colours.len() == 3 * classes;
    if names && colours { Ok(()) } else { Err(LoadError::Meta) }
}
