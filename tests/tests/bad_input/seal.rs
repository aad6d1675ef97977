//! Model images to damage: where each field lies, CRCs made to match again, and what becomes of the
//! result.

use std::mem::offset_of;
use std::panic::{AssertUnwindSafe, catch_unwind};

use hrvit_core::{Model, NoObserver, Plan, RunError, Streamed, read_head};
use hrvit_format::START_BYTES;
use hrvit_format::aligned::AlignedBytes;
use hrvit_format::record::{OpRecord, Precision, Prologue, Section, SectionRecord, StepRecord};
use hrvit_format::{Golden, Head, LoadError, crc32};
use hrvit_tests::flash::Flash;
use hrvit_tests::mixed_image::mixed_image;
use hrvit_tests::random_image::{edited_image, random_frame};
use hrvit_tests::run::scalar_engine;
use hrvit_tests::specs::{size, tiny};

/// Height and width of the images here, in pixels.
pub const SIDE: u16 = 32;
/// Bytes of their frames.
pub const FRAME: usize = 3 * 32 * 32;

/// A valid image of the smallest network with a segmentor's head and a golden section.
pub fn segmentor() -> AlignedBytes {
    let network = tiny(Head::Segformer);
    let crcs: Vec<u32> = (0..network.steps().count() as u32).collect();
    let frame = random_frame(size(SIDE, SIDE), 3);
    edited_image(&network, size(SIDE, SIDE), 3, Some(Golden { crcs: &crcs, frame: &frame, result: None }), |_, _| ())
}

/// A valid image of the smallest network with a classifier's head.
pub fn classifier() -> AlignedBytes {
    edited_image(&tiny(Head::Classifier), size(SIDE, SIDE), 3, None, |_, _| ())
}

/// [`segmentor`] in 16 bits, without golden section.
pub fn segmentor_in_16_bits() -> AlignedBytes {
    mixed_image(&tiny(Head::Segformer), size(SIDE, SIDE), 3, |_| Precision::Int16x8)
}

/// A record's field: name, first byte within the record, bytes.
pub type Field = (&'static str, usize, usize);

macro_rules! fields {
    ($name:ident, $record:ty: $($field:ident),*) => {
        /// Every field of the record, in order.
        pub fn $name() -> Vec<Field> {
            let starts = [$((stringify!($field), offset_of!($record, $field))),*];
            let ends = starts.iter().skip(1).map(|&(_, start)| start).chain([size_of::<$record>()]);
            let fields: Vec<Field> = starts.iter().zip(ends).map(|(&(name, start), end)| (name, start, end - start)).collect();
            assert!(fields.iter().all(|&(_, _, len)| len > 0), "list the fields in the order of the record");
            fields
        }
    };
}

fields!(prologue_fields, Prologue: magic, version, packing, sections, ablations, sequence, total_len, reserved, crc);
fields!(section_fields, SectionRecord: kind, offset, len, crc);
fields!(step_fields, StepRecord: tag, precision, output, first_op, op_count, reserved0, offset, len, crc, scale, reserved1);
fields!(op_fields, OpRecord: kind, source, code_bits, pre_shift, cin, cout, kernel, stride, norm_shift, norm_fraction, zero, lo, hi, pad, weights, bias, mult, shift,
    three, table, table_len, eps, in_scale, out_scale);

/// Values that a field of those bytes may be damaged to: neighbours, extremes, every byte flipped,
/// and where it may be a float, no number.
pub fn damaged(old: &[u8]) -> Vec<Vec<u8>> {
    let len = old.len();
    let number = |value: i64| value.to_le_bytes().into_iter().chain([0; 64]).take(len).collect::<Vec<u8>>();
    let mut low = [0; 8];
    low[..len.min(8)].copy_from_slice(&old[..len.min(8)]);
    let low = i64::from_le_bytes(low);
    let mut values: Vec<Vec<u8>> = [0, 1, 2, 31, 64, low.wrapping_add(1), low.wrapping_sub(1), low ^ 64, !low].into_iter().map(number).collect();
    values.push(vec![0xff; len]);
    // Highest positive and lowest negative number.
    for (fill, top) in [(0xff, 0x7f), (0x00, 0x80)] {
        let mut extreme = vec![fill; len];
        *extreme.last_mut().unwrap() = top;
        values.push(extreme);
    }
    if len == 4 {
        values.extend([f32::NAN, f32::INFINITY, -1.0].map(|value| value.to_le_bytes().to_vec()));
    }
    values.sort();
    values.dedup();
    values.retain(|value| value != old);
    values
}

fn record<T: bytemuck::Pod>(image: &[u8], at: usize) -> Option<T> {
    Some(bytemuck::pod_read_unaligned(image.get(at..at + size_of::<T>())?))
}

/// The section table, as far as it lies in the image.
pub fn sections(image: &[u8]) -> Vec<SectionRecord> {
    let count = record::<Prologue>(image, 0).map_or(0, |prologue| usize::from(prologue.sections));
    (0..count).map_while(|i| record(image, size_of::<Prologue>() + i * size_of::<SectionRecord>())).collect()
}

/// Offset in the image of a section's first byte, and its length.
pub fn section(image: &[u8], kind: Section) -> (usize, usize) {
    let table = sections(image);
    let found = table.iter().find(|section| section.kind == kind as u32).unwrap_or_else(|| panic!("no {kind:?} section"));
    (found.offset as usize, found.len as usize)
}

/// Writes `value` at `at`.
pub fn patched(image: &[u8], at: usize, value: &[u8]) -> AlignedBytes {
    let mut copy = AlignedBytes::from(image);
    copy[at..at + value.len()].copy_from_slice(value);
    copy
}

/// Which CRCs are made to match again, each level with those before.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub enum Seal {
    /// The one at the end of the image.
    Image,
    /// And those of the section table with its own.
    Sections,
    /// And those of the steps' weights.
    Steps,
}

/// Makes the CRCs of a damaged image match again; fields that point outside the image are left as
/// they are.
pub fn reseal(image: &mut [u8], seal: Seal) {
    let of = |image: &[u8], kind: Section| sections(image).into_iter().find(|section| section.kind == kind as u32);
    if let (Seal::Steps, Some(steps), Some(weights)) = (seal, of(image, Section::Steps), of(image, Section::Weights)) {
        for at in (0..steps.len as usize).step_by(size_of::<StepRecord>()).map(|offset| steps.offset as usize + offset) {
            let Some(step) = record::<StepRecord>(image, at) else { break };
            let first = weights.offset as usize + step.offset as usize;
            if let Some(group) = image.get(first..first + step.len as usize) {
                let crc = crc32(group).to_le_bytes();
                let field = at + offset_of!(StepRecord, crc);
                image[field..field + 4].copy_from_slice(&crc);
            }
        }
    }
    if seal >= Seal::Sections {
        for (i, section) in sections(image).into_iter().enumerate() {
            let first = section.offset as usize;
            if let Some(bytes) = image.get(first..first + section.len as usize) {
                let crc = crc32(bytes).to_le_bytes();
                let field = size_of::<Prologue>() + i * size_of::<SectionRecord>() + offset_of!(SectionRecord, crc);
                image[field..field + 4].copy_from_slice(&crc);
            }
        }
        let crc_at = offset_of!(Prologue, crc);
        let table_end = size_of::<Prologue>() + sections(image).len() * size_of::<SectionRecord>();
        let crc = crc32(&[&image[..crc_at], &image[size_of::<Prologue>()..table_end]].concat()).to_le_bytes();
        image[crc_at..crc_at + 4].copy_from_slice(&crc);
    }
    let total = record::<Prologue>(image, 0).map_or(0, |prologue| prologue.total_len as usize).min(image.len());
    if let Some(end) = total.checked_sub(4) {
        let crc = crc32(&image[..end]).to_le_bytes();
        image[end..total].copy_from_slice(&crc);
    }
}

/// Outcome of an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// It did not load.
    Refused(LoadError),
    /// It loaded, but asks for another size of frame or for more than this test plans; nothing was
    /// run.
    Other,
    /// It loaded and a frame went through.
    Ran,
}

/// Loads `image` and, if it loads, runs a frame. Panics, naming `what`, if anything inside panics
/// or if a step of a loaded model fails.
pub fn outcome(what: &str, image: &[u8]) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| load_and_run(what, image))).unwrap_or_else(|_| panic!("{what}: panicked"))
}

fn load_and_run(what: &str, image: &[u8]) -> Outcome {
    let loaded = Model::load(image);
    assert_eq!(streams(image), loaded.is_ok(), "{what}: streaming and loading do not agree");
    let model = match loaded {
        Ok(model) => model,
        Err(error) => return Outcome::Refused(error),
    };
    let meta = model.meta();
    if meta.size != size(SIDE, SIDE) {
        return Outcome::Other;
    }
    let plan = Plan::for_model(&model).build().unwrap_or_else(|error| panic!("{what}: a loaded model has no plan: {error}"));
    let mut arena = AlignedBytes::zeroed(plan.arena_bytes());
    let Ok(mut engine) = scalar_engine(&model, &plan, &mut arena) else { return Outcome::Other };
    let frame = random_frame(meta.size, 1);
    let ran: Result<(), RunError<_>> = match meta.network.head {
        Head::Segformer => engine.segment(&frame, &mut vec![0; meta.size.pixels()], &NoObserver),
        Head::Classifier => engine.classify(&frame, &mut [Default::default()], &NoObserver),
    };
    match ran {
        Ok(()) => Outcome::Ran,
        Err(error) => panic!("{what}: a loaded model failed: {error}"),
    }
}

/// Whether the image passes when it is read from a device, group by group.
fn streams(image: &[u8]) -> bool {
    let (mut head, mut buffer) = (AlignedBytes::zeroed(image.len().max(START_BYTES)), AlignedBytes::zeroed(image.len().max(64)));
    read_head(&mut Flash::new(image), &mut head).is_ok_and(|model| Streamed::open(model, Flash::new(image), &mut buffer).is_ok())
}
