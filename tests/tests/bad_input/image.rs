//! Whole images: cut, misplaced, with CRCs that do not match, of another format.

use hrvit_core::Model;
use hrvit_format::aligned::AlignedBytes;
use hrvit_format::record::{Precision, Prologue, Section, SectionRecord, VERSION};
use hrvit_format::{Head, LoadError, Network, OpField, Step, StepId};
use hrvit_tests::random_image::try_image;
use hrvit_tests::specs::{size, spec};
use proptest::prelude::*;

use crate::seal::{Outcome, Seal, outcome, patched, reseal, section, sections, segmentor};

/// Why the image does not load.
fn refused(image: &[u8]) -> LoadError {
    Model::load(image).expect_err("a damaged image loads")
}

#[test]
fn an_undamaged_image_runs() {
    assert_eq!(outcome("undamaged", &segmentor()), Outcome::Ran);
}

#[test]
fn resealing_changes_nothing_where_nothing_was_damaged() {
    let image = segmentor();
    let mut copy = AlignedBytes::from(&image[..]);
    reseal(&mut copy, Seal::Steps);
    assert!(copy[..] == image[..]);
}

#[test]
fn an_empty_file() {
    assert_eq!(refused(&AlignedBytes::zeroed(0)), LoadError::Truncated { needed: 64, found: 0 });
}

#[test]
fn a_file_of_zeros() {
    assert_eq!(refused(&AlignedBytes::zeroed(4096)), LoadError::BadMagic);
}

#[test]
fn cut_inside_the_prologue_or_the_section_table() {
    let image = segmentor();
    let header = size_of::<Prologue>() + sections(&image).len() * size_of::<SectionRecord>();
    assert!(header > 64);
    for found in 0..=header {
        let needed = match found {
            0..64 => 64,
            _ if found < header => header,
            _ => image.len(),
        };
        assert_eq!(refused(&AlignedBytes::from(&image[..found])), LoadError::Truncated { needed, found });
    }
}

#[test]
fn cut_at_every_kibibyte() {
    let image = segmentor();
    assert!(image.len() > 8 * 1024, "too small an image to cut");
    for found in (1024..image.len()).step_by(1024).chain([image.len() - 1]) {
        assert_eq!(refused(&AlignedBytes::from(&image[..found])), LoadError::Truncated { needed: image.len(), found });
    }
}

#[test]
fn bytes_after_the_end_are_no_part_of_it() {
    let image = segmentor();
    let slot = [&image[..], &[0xff; 999]].concat();
    assert_eq!(outcome("in a larger slot", &AlignedBytes::from(&slot[..])), Outcome::Ran);
}

#[test]
fn not_at_a_multiple_of_64_bytes() {
    let image = segmentor();
    for shift in [1, 2, 4, 32] {
        let mut memory = AlignedBytes::zeroed(image.len() + shift);
        memory[shift..].copy_from_slice(&image);
        assert_eq!(refused(&memory[shift..]), LoadError::Misaligned, "{shift} bytes off");
    }
}

#[test]
fn another_magic() {
    assert_eq!(refused(&patched(&segmentor(), 0, b"hrvitIMG")), LoadError::BadMagic);
}

#[test]
fn another_version() {
    for version in [VERSION - 1, VERSION + 1] {
        let mut image = patched(&segmentor(), 8, &version.to_le_bytes());
        assert_eq!(refused(&image), LoadError::UnsupportedVersion(version));
        reseal(&mut image, Seal::Steps);
        let error = refused(&image);
        assert_eq!(error, LoadError::UnsupportedVersion(version));
        assert_eq!(error.to_string(), format!("model image: format version {version}, this build reads {VERSION}; quantise the checkpoint again"));
    }
}

#[test]
fn another_packing() {
    let mut image = patched(&segmentor(), 10, &3u16.to_le_bytes());
    assert_eq!(refused(&image), LoadError::PrologueCrc);
    reseal(&mut image, Seal::Steps);
    assert_eq!(refused(&image), LoadError::UnsupportedPacking(3));
}

#[test]
fn a_flipped_bit_anywhere() {
    let image = segmentor();
    for at in (64..image.len()).step_by(61) {
        let error = refused(&patched(&image, at, &[image[at] ^ 1 << (at % 8)]));
        assert!(matches!(error, LoadError::PrologueCrc | LoadError::ImageCrc), "byte {at}: {error}");
    }
}

#[test]
fn a_flipped_bit_under_each_level_of_crcs() {
    let image = segmentor();
    for (kind, offset, len) in sections(&image).iter().map(|section| (Section::try_from(section.kind).unwrap(), section.offset as usize, section.len as usize))
    {
        let mut damaged = patched(&image, offset + len / 2, &[image[offset + len / 2] ^ 4]);
        assert_eq!(refused(&damaged), LoadError::ImageCrc, "section {kind}");
        reseal(&mut damaged, Seal::Image);
        assert_eq!(refused(&damaged), LoadError::SectionCrc(kind), "section {kind}");
    }
    let (weights, _) = section(&image, Section::Weights);
    let mut damaged = patched(&image, weights, &[image[weights] ^ 4]);
    reseal(&mut damaged, Seal::Sections);
    assert_eq!(refused(&damaged), LoadError::StepCrc(StepId(0)));
}

#[test]
fn an_exponent_table_that_does_not_fall() {
    let image = segmentor();
    let (tables, len) = section(&image, Section::Tables);
    for at in (0..len).step_by(2) {
        for value in [0u16, 32641, u16::MAX] {
            let mut damaged = patched(&image, tables + at, &value.to_le_bytes());
            reseal(&mut damaged, Seal::Steps);
            assert_eq!(refused(&damaged), LoadError::ExpTable, "entry {} = {value}", at / 2);
        }
    }
}

#[test]
fn every_byte_of_the_descriptive_header() {
    let image = segmentor();
    let (meta, len) = section(&image, Section::Meta);
    let mut refusals = 0;
    for at in meta..meta + len {
        for value in [0, 1, 0x7f, 0xff, image[at] ^ 1, image[at].wrapping_add(1)] {
            let mut damaged = patched(&image, at, &[value]);
            reseal(&mut damaged, Seal::Steps);
            refusals += usize::from(matches!(outcome(&format!("byte {} of the header = {value}", at - meta), &damaged), Outcome::Refused(_)));
        }
    }
    assert!(refusals > len, "most bytes of the header are checked");
}

/// The stem's second product adds up 9 * 512 codes of 16 bits: shifted by 30, the sum leaves 64
/// bits.
#[test]
fn a_deep_product_of_16_bits_whose_shifted_sum_wraps() {
    let spec = spec(1024, [8; 4], &[&[0], &[0, 0], &[0, 0, 0], &[0, 0, 0, 0]], 4, [1; 4], [1; 4], 8);
    let network = Network { spec, head: Head::Segformer, classes: 2 };
    for pre_shift in [0, 1, 16, 29, 30] {
        let made = try_image(
            &network,
            size(32, 32),
            1,
            None,
            |_| Precision::Int16x8,
            |step, ops| {
                if step == Step::Stem {
                    (ops[0].hi, ops[1].pre_shift) = (32767, pre_shift);
                    ops[1].weights.fill(127);
                }
            },
        );
        assert!(matches!(made, Err(LoadError::Op(_, OpField::Headroom))), "shifted by {pre_shift}: {:?}", made.err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_with_matching_crcs(edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut image = segmentor();
        // The prologue and the table have tests of their own.
        let body = section(&image, Section::Meta).0;
        for (at, value) in &edits {
            let len = image.len() - body;
            image[body + at.index(len)] = *value;
        }
        reseal(&mut image, Seal::Steps);
        outcome(&format!("{edits:?}"), &image);
    }
}

proptest! {
    #[test]
    fn any_bytes_at_all(bytes in proptest::collection::vec(any::<u8>(), 0..512), magic: bool) {
        let mut file = AlignedBytes::from(&bytes[..]);
        if magic && file.len() >= 8 {
            file[..8].copy_from_slice(b"HRViTimg");
        }
        prop_assert!(Model::load(&file).is_err());
    }
}
