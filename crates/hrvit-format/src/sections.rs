//! The prologue, and the table of the sections behind it.

use crate::{
    ablation::Ablation,
    bytes::{Span, cast, crc32, crc32_after, first},
    error::LoadError,
    record::{ALIGN, MAGIC, Packing, Prologue, Section, SectionRecord, VERSION, VERSION_ABLATED},
};

/// Bytes that always suffice for [`crate::ModelHead::head_len`]: the prologue and the largest
/// section table.
pub const START_BYTES: usize = size_of::<Prologue>() + Section::ALL.len() * size_of::<SectionRecord>();

/// A part of an image; an error where it ends before.
pub(crate) fn part(image: &[u8], span: Span) -> Result<&[u8], LoadError> {
    span.of(image).ok_or(LoadError::Truncated { needed: span.end().unwrap_or(usize::MAX), found: image.len() })
}

/// The prologue of an image and its section table, their CRC checked.
pub(crate) struct Start<'a> {
    pub prologue: &'a Prologue,
    pub packing: Packing,
    pub ablation: Ablation,
    table: &'a [SectionRecord],
}

impl<'a> Start<'a> {
    /// Reads them from the start of an image, which must lie at a multiple of [`ALIGN`] bytes.
    pub fn read(image: &'a [u8]) -> Result<Self, LoadError> {
        if !image.as_ptr().addr().is_multiple_of(ALIGN) {
            return Err(LoadError::Misaligned);
        }
        let prologue: &Prologue = first(part(image, Span { start: 0, len: size_of::<Prologue>() })?).ok_or(LoadError::Misaligned)?;
        if prologue.magic != MAGIC {
            return Err(LoadError::BadMagic);
        }
        let ablated = prologue.version == VERSION_ABLATED && prologue.ablations != 0;
        if prologue.version != VERSION && !ablated {
            return Err(LoadError::UnsupportedVersion(prologue.version));
        }
        let fixed = part(image, Span { start: 0, len: size_of::<Prologue>() - size_of::<u32>() })?;
        let table = part(image, Span { start: size_of::<Prologue>(), len: usize::from(prologue.sections) * size_of::<SectionRecord>() })?;
        if crc32_after(crc32(fixed), table) != prologue.crc {
            return Err(LoadError::PrologueCrc);
        }
        if (!ablated && prologue.ablations != 0) || prologue.reserved != [0; 9] {
            return Err(LoadError::Reserved);
        }
        let known = if cfg!(feature = "ablations") { Ablation::of_bits(prologue.ablations) } else { None };
        let ablation = if ablated { known.ok_or(LoadError::UnsupportedAblations(prologue.ablations))? } else { Ablation::NONE };
        let packing = Packing::try_from(prologue.packing).map_err(|_| LoadError::UnsupportedPacking(prologue.packing))?;
        Ok(Self { prologue, packing, ablation, table: cast(table).ok_or(LoadError::SectionTable)? })
    }

    /// Bytes of the whole image.
    pub fn total_len(&self) -> usize {
        self.prologue.total_len as usize
    }

    /// The record of a section that every image has.
    pub fn section(&self, section: Section) -> Result<&'a SectionRecord, LoadError> {
        self.find(section).ok_or(LoadError::Section(section))
    }

    /// The record of a section.
    pub fn find(&self, section: Section) -> Option<&'a SectionRecord> {
        self.table.iter().find(|record| record.kind == section as u32)
    }

    /// Checks where all sections lie, and the CRC of those in `image` (of a head, those before the
    /// weights).
    pub fn sections(&self, image: &'a [u8]) -> Result<Sections<'_, 'a>, LoadError> {
        let total = self.total_len();
        let mut next = (size_of::<Prologue>() + size_of_val(self.table)).next_multiple_of(ALIGN);
        let mut last = None;
        for record in self.table {
            let section = Section::try_from(record.kind).map_err(|_| LoadError::UnknownSection(record.kind))?;
            let end = record.span().end().filter(|&end| end <= total);
            let placed = record.offset as usize == next && Some(section) > last;
            let (true, Some(end)) = (placed, end) else { return Err(LoadError::Section(section)) };
            let at_hand = image.len() >= total || section < Section::Weights;
            if at_hand && crc32(part(image, record.span())?) != record.crc {
                return Err(LoadError::SectionCrc(section));
            }
            last = Some(section);
            next = end.checked_next_multiple_of(ALIGN).ok_or(LoadError::Section(section))?;
        }
        if next.checked_add(size_of::<u32>()) != Some(total) {
            return Err(LoadError::SectionTable);
        }
        Ok(Sections { start: self, image })
    }
}

/// The sections over their image, or over the image's head; all checked.
pub(crate) struct Sections<'s, 'a> {
    pub start: &'s Start<'a>,
    image: &'a [u8],
}

impl<'a> Sections<'_, 'a> {
    /// The bytes of a section that every image has, and every head.
    pub fn bytes(&self, section: Section) -> Result<&'a [u8], LoadError> {
        part(self.image, self.start.section(section)?.span())
    }

    /// The elements of such a section.
    pub fn elements<T: bytemuck::Pod>(&self, section: Section) -> Result<&'a [T], LoadError> {
        cast(self.bytes(section)?).ok_or(LoadError::Section(section))
    }
}
