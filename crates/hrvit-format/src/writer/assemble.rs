//! From sections to an image.

use std::vec::Vec;

use bytemuck::{bytes_of, cast_slice};
use hrvit_kernels::Packing;

use crate::{
    aligned::AlignedBytes,
    bytes::crc32,
    error::LoadError,
    golden::{Golden, GoldenResult},
    meta::Meta,
    model::Model,
    record::{ALIGN, MAGIC, OpRecord, Prologue, Section, SectionRecord, StepRecord, VERSION, VERSION_ABLATED},
};

/// The sections of an image, and what its prologue says beside them.
pub(super) struct Sections<'s> {
    pub meta: &'s Meta<'s>,
    pub sequence: u32,
    pub packing: Packing,
    pub steps: &'s [StepRecord],
    pub ops: &'s [OpRecord],
    pub exp: &'s [u16],
    pub weights: &'s [u8],
    pub golden: Option<Golden<'s>>,
}

impl Sections<'_> {
    /// The image, loaded once.
    pub fn image(&self) -> Result<AlignedBytes, LoadError> {
        let header = postcard::to_extend(self.meta, Vec::new()).map_err(|_| LoadError::Meta)?;
        let golden = self.golden.map(|golden| {
            let result = golden.result.as_ref();
            let parts = |result: &GoldenResult<'_>| [bytes_of(&result.bound), cast_slice(result.steps), cast_slice(result.logits), result.labels].concat();
            [cast_slice(golden.crcs), golden.frame, &result.map(parts).unwrap_or_default()].concat()
        });
        let mut sections: Vec<(Section, &[u8])> = vec![
            (Section::Meta, &header),
            (Section::Steps, cast_slice(self.steps)),
            (Section::Ops, cast_slice(self.ops)),
            (Section::Tables, cast_slice(self.exp)),
            (Section::Weights, self.weights),
        ];
        sections.extend(golden.as_ref().map(|bytes| (Section::Golden, bytes.as_slice())));
        let image = self.assemble(&sections);
        Model::load(&image)?;
        Ok(image)
    }

    fn assemble(&self, sections: &[(Section, &[u8])]) -> AlignedBytes {
        let mut next = (size_of::<Prologue>() + size_of::<SectionRecord>() * sections.len()).next_multiple_of(ALIGN);
        let mut table = Vec::new();
        for (kind, bytes) in sections {
            table.push(SectionRecord { kind: *kind as u32, offset: next as u32, len: bytes.len() as u32, crc: crc32(bytes) });
            next = (next + bytes.len()).next_multiple_of(ALIGN);
        }
        let ablations = self.meta.network.spec.ablation.bits();
        let mut prologue = Prologue {
            magic: MAGIC,
            version: if ablations == 0 { VERSION } else { VERSION_ABLATED },
            packing: self.packing as u16,
            sections: table.len() as u16,
            ablations,
            sequence: self.sequence,
            total_len: (next + size_of::<u32>()) as u32,
            reserved: [0; 9],
            crc: 0,
        };
        let fixed = size_of::<Prologue>() - size_of::<u32>();
        prologue.crc = crc32(&[&bytes_of(&prologue)[..fixed], cast_slice(&table)].concat());
        let mut image = AlignedBytes::zeroed(prologue.total_len as usize);
        image[..size_of::<Prologue>()].copy_from_slice(bytes_of(&prologue));
        image[size_of::<Prologue>()..][..size_of_val(&table[..])].copy_from_slice(cast_slice(&table));
        for (record, (_, bytes)) in table.iter().zip(sections) {
            image[record.span().range()].copy_from_slice(bytes);
        }
        let (body, end) = image.split_at_mut(next);
        end.copy_from_slice(&crc32(body).to_le_bytes());
        image
    }
}
