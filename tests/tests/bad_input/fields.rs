//! Every field of every kind of record, damaged: with the CRCs as they were, and with CRCs that
//! match.

use std::collections::BTreeMap;
use std::mem::offset_of;

use hrvit_core::Model;
use hrvit_format::aligned::AlignedBytes;
use hrvit_format::record::{NONE, OpRecord, Prologue, Section, SectionRecord, StepRecord};
use hrvit_format::{LoadError, OpField, OpKind, StepId, crc32};

use crate::seal::{
    Field, Outcome, Seal, classifier, damaged, op_fields, outcome, patched, prologue_fields, reseal, section, section_fields, sections, segmentor,
    segmentor_in_16_bits, step_fields,
};

/// Damages every field of a record at `at` to every value of [`damaged`] and calls
/// `check(what, field name, image with stale CRCs)`.
fn damage(image: &[u8], record: &str, at: usize, fields: &[Field], mut check: impl FnMut(&str, &str, &[u8])) {
    for &(name, offset, len) in fields {
        for value in damaged(&image[at + offset..at + offset + len]) {
            check(&format!("{record}: {name} = {value:02x?}"), name, &patched(image, at + offset, &value));
        }
    }
}

fn resealed(image: &[u8]) -> AlignedBytes {
    let mut copy = AlignedBytes::from(image);
    reseal(&mut copy, Seal::Steps);
    copy
}

fn refused(what: &str, image: &[u8]) -> LoadError {
    match outcome(what, image) {
        Outcome::Refused(error) => error,
        other => panic!("{what}: {other:?}"),
    }
}

#[test]
fn prologue_fields_with_stale_crcs() {
    damage(&segmentor(), "prologue", 0, &prologue_fields(), |what, name, image| {
        let error = refused(what, image);
        let expected = match name {
            "magic" => error == LoadError::BadMagic,
            "version" => matches!(error, LoadError::UnsupportedVersion(_)),
            "sections" => matches!(error, LoadError::PrologueCrc | LoadError::Truncated { .. }),
            _ => error == LoadError::PrologueCrc,
        };
        assert!(expected, "{what}: {error}");
    });
}

#[test]
fn prologue_fields_with_matching_crcs() {
    damage(&segmentor(), "prologue", 0, &prologue_fields(), |what, name, image| {
        if name == "crc" {
            return;
        }
        let found = outcome(what, &resealed(image));
        let expected = match name {
            "magic" => found == Outcome::Refused(LoadError::BadMagic),
            "version" => matches!(found, Outcome::Refused(LoadError::UnsupportedVersion(_))),
            // A packing that does not exist, or one that the weights are not in.
            "packing" => matches!(found, Outcome::Refused(LoadError::UnsupportedPacking(_) | LoadError::Op(..))),
            "ablations" | "reserved" => found == Outcome::Refused(LoadError::Reserved),
            "sequence" => found == Outcome::Ran,
            // Section table or image of another length.
            _ => matches!(found, Outcome::Refused(_)),
        };
        assert!(expected, "{what}: {found:?}");
    });
}

#[test]
fn section_fields_with_stale_and_with_matching_crcs() {
    let image = segmentor();
    for (i, section) in sections(&image).iter().enumerate() {
        let at = size_of::<Prologue>() + i * size_of::<SectionRecord>();
        damage(&image, &format!("section {}", section.kind), at, &section_fields(), |what, name, image| {
            assert_eq!(refused(what, image), LoadError::PrologueCrc, "{what}");
            if name != "crc" {
                let mut image = AlignedBytes::from(image);
                reseal(&mut image, Seal::Sections);
                let error = refused(what, &image);
                let placed = matches!(error, LoadError::Section(_) | LoadError::UnknownSection(_) | LoadError::SectionTable | LoadError::SectionCrc(_));
                // A kind that another section should have had, or a length that its reader does not
                // expect.
                let inside = matches!(error, LoadError::Meta | LoadError::ExpTable | LoadError::Golden | LoadError::Step(_) | LoadError::StepCrc(_));
                assert!(placed || inside, "{what}: {error}");
            }
        });
    }
}

#[test]
fn a_section_is_missing() {
    // A last section of unknown kind stands where the golden one was: kinds end at 6.
    let image = segmentor();
    let count = sections(&image).len();
    let at = size_of::<Prologue>() + (count - 1) * size_of::<SectionRecord>();
    assert_eq!(refused("kind 7", &resealed(&patched(&image, at, &7u32.to_le_bytes()))), LoadError::UnknownSection(7));
    let fewer = resealed(&patched(&image, offset_of!(Prologue, sections), &(count as u16 - 1).to_le_bytes()));
    assert!(matches!(refused("one entry less", &fewer), LoadError::Section(_) | LoadError::SectionTable));
}

#[test]
fn step_fields_with_stale_and_with_matching_crcs() {
    let image = segmentor();
    let (steps, len) = section(&image, Section::Steps);
    for (id, at) in (steps..steps + len).step_by(size_of::<StepRecord>()).enumerate() {
        damage(&image, &format!("step {id}"), at, &step_fields(), |what, name, image| {
            assert_eq!(refused(what, image), LoadError::ImageCrc, "{what}");
            if name == "crc" {
                return;
            }
            let found = outcome(what, &resealed(image));
            let id = StepId(id as u16);
            let expected = match (name, found) {
                ("precision", Outcome::Refused(error)) => {
                    // A block's records contradict another precision.
                    [LoadError::Step(id), LoadError::UnsupportedPrecision(id), LoadError::MixedPrecision].contains(&error) || matches!(error, LoadError::Op(..))
                }
                // A positive number is as good a scale as another.
                ("scale", found) => matches!(found, Outcome::Ran) || found == Outcome::Refused(LoadError::Step(id)),
                // A group of another length moves the one after it, or cuts its own arrays.
                ("len", Outcome::Refused(error)) => {
                    matches!(error, LoadError::Step(other) if other == id || other.0 == id.0 + 1)
                        || matches!(error, LoadError::Op(..) | LoadError::Section(Section::Weights))
                }
                ("len", Outcome::Ran) => true,
                (_, found) => found == Outcome::Refused(LoadError::Step(id)),
            };
            assert!(expected, "{what}: {found:?}");
        });
    }
}

#[test]
fn a_stale_step_crc_under_matching_ones() {
    let image = segmentor();
    let (steps, _) = section(&image, Section::Steps);
    let mut damaged = patched(&image, steps + 3 * size_of::<StepRecord>() + offset_of!(StepRecord, crc), &[1, 2, 3, 4]);
    reseal(&mut damaged, Seal::Sections);
    assert_eq!(refused("crc of step 3", &damaged), LoadError::StepCrc(StepId(3)));
}

/// Offset of the first record of each kind in the image, with the record.
fn one_of_each_kind(image: &[u8]) -> BTreeMap<u8, (usize, u16, OpRecord)> {
    let (ops, len) = section(image, Section::Ops);
    let mut kinds = BTreeMap::new();
    for (index, at) in (0u16..).zip((ops..ops + len).step_by(size_of::<OpRecord>())) {
        let record: OpRecord = bytemuck::pod_read_unaligned(&image[at..at + size_of::<OpRecord>()]);
        kinds.entry(record.kind).or_insert((at, index, record));
    }
    kinds
}

/// Checks the outcome of an image with matching CRCs whose operator `index` has a damaged field.
fn expect_operator_error(what: &str, kind: OpKind, index: u16, name: &str, found: Outcome) {
    let refused = |field| found == Outcome::Refused(LoadError::Op(index, field));
    let expected = match name {
        // As another kind it may also contradict an operator before it.
        "kind" => matches!(found, Outcome::Refused(LoadError::Op(_, OpField::Shape | OpField::Range | OpField::Table))),
        "source" | "cin" | "cout" | "kernel" | "stride" => refused(OpField::Shape),
        "norm_fraction" => refused(OpField::Norm) || found == Outcome::Ran,
        "code_bits" => refused(OpField::CodeBits) || (kind == OpKind::Scores && found == Outcome::Ran),
        // Whether it runs depends on the value; whatever is refused is refused for an operator of
        // this step.
        _ => matches!(found, Outcome::Ran | Outcome::Refused(LoadError::Op(..))),
    };
    assert!(expected, "{what}: {found:?}");
}

#[test]
fn operator_fields_of_a_segmentor() {
    let image = segmentor();
    assert_eq!(one_of_each_kind(&image).len(), 31, "every kind of the backbone and the SegFormer head");
    for (kind, (at, index, _)) in one_of_each_kind(&image) {
        let kind = OpKind::ALL[usize::from(kind)];
        damage(&image, &format!("{kind} (operator {index})"), at, &op_fields(), |what, name, image| {
            assert_eq!(Model::load(image).err(), Some(LoadError::ImageCrc), "{what}");
            expect_operator_error(what, kind, index, name, outcome(what, &resealed(image)));
        });
    }
}

#[test]
fn operator_fields_of_a_segmentor_in_16_bits() {
    let image = segmentor_in_16_bits();
    for (kind, (at, index, _)) in one_of_each_kind(&image) {
        let kind = OpKind::ALL[usize::from(kind)];
        damage(&image, &format!("{kind} (operator {index})"), at, &op_fields(), |what, name, image| {
            expect_operator_error_in_16_bits(what, index, name, outcome(what, &resealed(image)));
        });
    }
}

/// As [`expect_operator_error`]; limits of codes are limits of what later operators read, which may
/// be the ones that are refused.
fn expect_operator_error_in_16_bits(what: &str, index: u16, name: &str, found: Outcome) {
    let refused = |field| found == Outcome::Refused(LoadError::Op(index, field));
    let expected = match name {
        "source" | "cin" | "cout" | "kernel" | "stride" => refused(OpField::Shape),
        "norm_fraction" => refused(OpField::Norm) || found == Outcome::Ran,
        "code_bits" => refused(OpField::CodeBits),
        "pad" => refused(OpField::Range),
        "kind" => matches!(found, Outcome::Refused(LoadError::Op(..))),
        _ => matches!(found, Outcome::Ran | Outcome::Refused(LoadError::Op(..))),
    };
    assert!(expected, "{what}: {found:?}");
}

#[test]
fn operator_fields_of_a_classifiers_head() {
    let image = classifier();
    let first = OpKind::IncreaseNarrow as u8;
    assert_eq!(one_of_each_kind(&image).range(first..).count(), 9, "every kind of the classification head");
    // These images are large: the fields that a run depends on, one value in three.
    let fields = op_fields().into_iter().filter(|(name, ..)| ["kind", "cin", "pre_shift", "zero", "lo", "hi", "pad", "bias", "shift"].contains(name));
    let fields: Vec<Field> = fields.collect();
    let mut tried = 0;
    for (kind, (at, index, _)) in one_of_each_kind(&image).split_off(&first) {
        let kind = OpKind::ALL[usize::from(kind)];
        damage(&image, &format!("{kind} (operator {index})"), at, &fields, |what, name, image| {
            tried += 1;
            if tried % 3 == 0 {
                expect_operator_error(what, kind, index, name, outcome(what, &resealed(image)));
            }
        });
    }
}

/// Sets one field of the first operator of `kind` and says which field of which operator the loader
/// then blames.
fn blamed(image: &[u8], kind: OpKind, field: usize, value: &[u8]) -> OpField {
    let (at, index, _) = one_of_each_kind(image)[&(kind as u8)];
    match refused(&format!("{kind}"), &resealed(&patched(image, at + field, value))) {
        LoadError::Op(operator, field) if operator == index => field,
        other => panic!("{kind}: {other}"),
    }
}

#[test]
fn the_operator_field_at_fault_is_named() {
    let image = segmentor();
    let blame = |kind, field, value: &[u8]| blamed(&image, kind, field, value);
    assert_eq!(blame(OpKind::Scores, offset_of!(OpRecord, code_bits), &[9]), OpField::CodeBits);
    assert_eq!(blame(OpKind::Fc1, offset_of!(OpRecord, pre_shift), &[31]), OpField::PreShift);
    assert_eq!(blame(OpKind::Fc1, offset_of!(OpRecord, pre_shift), &[20]), OpField::Headroom);
    assert_eq!(blame(OpKind::HeadAct, offset_of!(OpRecord, pre_shift), &[6]), OpField::Headroom);
    assert_eq!(blame(OpKind::AttnAct, offset_of!(OpRecord, pre_shift), &[1]), OpField::PreShift);
    assert_eq!(blame(OpKind::Fc1, offset_of!(OpRecord, zero), &300i16.to_le_bytes()), OpField::Range);
    assert_eq!(blame(OpKind::Fc1, offset_of!(OpRecord, lo), &(-129i16).to_le_bytes()), OpField::Range);
    assert_eq!(blame(OpKind::Fc1, offset_of!(OpRecord, hi), &128i16.to_le_bytes()), OpField::Range);
    assert_eq!(blame(OpKind::Fc1, offset_of!(OpRecord, pad), &128i16.to_le_bytes()), OpField::Range);
    assert_eq!(blame(OpKind::Qkv, offset_of!(OpRecord, lo), &(-128i16).to_le_bytes()), OpField::Range);
    assert_eq!(blame(OpKind::StageNorm, offset_of!(OpRecord, norm_shift), &[0]), OpField::Norm);
    assert_eq!(blame(OpKind::StageNorm, offset_of!(OpRecord, norm_shift), &[31]), OpField::Norm);
    assert_eq!(blame(OpKind::StageNorm, offset_of!(OpRecord, norm_fraction), &[9]), OpField::Norm);
    assert_eq!(blame(OpKind::StageNorm, offset_of!(OpRecord, norm_fraction), &[16]), OpField::Norm);
    assert_eq!(blame(OpKind::Fc1, offset_of!(OpRecord, norm_fraction), &[10]), OpField::Norm);
    assert_eq!(blame(OpKind::StageNorm, offset_of!(OpRecord, eps), &0u64.to_le_bytes()), OpField::Norm);
    assert_eq!(blame(OpKind::StageNorm, offset_of!(OpRecord, eps), &(1u64 << 62 | 1).to_le_bytes()), OpField::Norm);
    assert_eq!(blame(OpKind::Fc1, offset_of!(OpRecord, eps), &1u64.to_le_bytes()), OpField::Norm);
    assert_eq!(blame(OpKind::FusionAct, offset_of!(OpRecord, table_len), &0u32.to_le_bytes()), OpField::Table);
    assert_eq!(blame(OpKind::FusionAct, offset_of!(OpRecord, table_len), &4097u32.to_le_bytes()), OpField::Table);
    assert_eq!(blame(OpKind::Fc1, offset_of!(OpRecord, table_len), &1u32.to_le_bytes()), OpField::Table);
    assert_eq!(blame(OpKind::Fc1, offset_of!(OpRecord, in_scale), &f32::NAN.to_le_bytes()), OpField::Reserved);
    assert_eq!(blame(OpKind::Fc1, offset_of!(OpRecord, weights), &32u32.to_le_bytes()), OpField::Array);
    assert_eq!(blame(OpKind::Fc1, offset_of!(OpRecord, bias), &1u32.to_le_bytes()), OpField::Array);
    assert_eq!(blame(OpKind::Fc1, offset_of!(OpRecord, shift), &(1u32 << 30).to_le_bytes()), OpField::Array);
    assert_eq!(blame(OpKind::Fc1, offset_of!(OpRecord, mult), &NONE.to_le_bytes()), OpField::Array);
    assert_eq!(blame(OpKind::Fc1, offset_of!(OpRecord, three), &0u32.to_le_bytes()), OpField::Array);
}

/// Overwrites the first element of an array of the first operator of `kind`, and says which field
/// the loader then blames.
fn blamed_array(image: &[u8], kind: OpKind, array: fn(&OpRecord) -> u32, value: &[u8]) -> OpField {
    let (_, index, record) = one_of_each_kind(image)[&(kind as u8)];
    let (steps, len) = section(image, Section::Steps);
    let records = (steps..steps + len).step_by(size_of::<StepRecord>()).map(|at| bytemuck::pod_read_unaligned::<StepRecord>(&image[at..at + 32]));
    let step = records.into_iter().find(|step| (step.first_op..step.first_op + step.op_count).contains(&index)).unwrap();
    let at = section(image, Section::Weights).0 + step.offset as usize + array(&record) as usize;
    match refused(&format!("{kind}"), &resealed(&patched(image, at, value))) {
        LoadError::Op(operator, field) if operator == index => field,
        other => panic!("{kind}: {other}"),
    }
}

#[test]
fn the_array_at_fault_is_named() {
    let image = segmentor();
    let blame = |kind, array, value: &[u8]| blamed_array(&image, kind, array, value);
    assert_eq!(blame(OpKind::Fc1, |op| op.mult, &((1i32 << 30) - 1).to_le_bytes()), OpField::Multiplier);
    assert_eq!(blame(OpKind::Fc1, |op| op.mult, &(-1i32).to_le_bytes()), OpField::Multiplier);
    assert_eq!(blame(OpKind::Fc1, |op| op.shift, &[31]), OpField::Shift);
    assert_eq!(blame(OpKind::Fc1, |op| op.shift, &[63]), OpField::Shift);
    assert_eq!(blame(OpKind::Fc1, |op| op.bias, &i32::MAX.to_le_bytes()), OpField::Headroom);
    assert_eq!(blame(OpKind::Fc1, |op| op.bias, &i32::MIN.to_le_bytes()), OpField::Headroom);
    assert_eq!(blame(OpKind::Fc1, |op| op.weights, &[0x80]), OpField::Weight);
    assert_eq!(blame(OpKind::DesLeft, |op| op.weights, &[0x80]), OpField::Weight);
    assert_eq!(blame(OpKind::StageNorm, |op| op.mult, &(1i32 << 15).to_le_bytes()), OpField::Norm);
    assert_eq!(blame(OpKind::StageNorm, |op| op.bias, &i32::MIN.to_le_bytes()), OpField::Norm);
    assert_eq!(blame(OpKind::AttnAct, |op| op.three, &0i32.to_le_bytes()), OpField::Three);
    assert_eq!(blame(OpKind::AttnAct, |op| op.three, &32768i32.to_le_bytes()), OpField::Three);
    assert_eq!(blame(OpKind::ParallelAct, |op| op.three, &((1i32 << 22) + 1).to_le_bytes()), OpField::Three);
}

#[test]
fn crc32_is_that_of_zlib() {
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
}
