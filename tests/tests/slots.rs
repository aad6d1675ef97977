//! Two slots for a model image: an update that is cut off anywhere leaves the old image in use.

use hrvit_format::aligned::AlignedBytes;
use hrvit_format::slots::{Loaded, Slot, load};
use hrvit_format::{Head, LoadError, Model};
use hrvit_tests::random_image::random_image;
use hrvit_tests::specs::{size, tiny};

/// An image with that sequence number.
fn image(sequence: u32, seed: u64) -> AlignedBytes {
    let image = random_image(&tiny(Head::Segformer), size(32, 32), seed);
    with_sequence(&image, sequence)
}

/// Writes the sequence number, and the two CRCs over it.
fn with_sequence(image: &[u8], sequence: u32) -> AlignedBytes {
    let mut image = AlignedBytes::from(image);
    let (at, crc_at) = (16, 60);
    image[at..at + 4].copy_from_slice(&sequence.to_le_bytes());
    let sections = usize::from(u16::from_le_bytes([image[12], image[13]]));
    let crc = hrvit_format::crc32(&[&image[..crc_at], &image[64..64 + 16 * sections]].concat());
    image[crc_at..crc_at + 4].copy_from_slice(&crc.to_le_bytes());
    let end = image.len() - 4;
    let crc = hrvit_format::crc32(&image[..end]);
    image[end..].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(Model::load(&image).unwrap().sequence(), sequence);
    image
}

/// A slot of `len` bytes that held `before` (erased flash reads as ones), into which the first
/// `cut` bytes of `image` were written.
fn torn(before: &[u8], image: &[u8], cut: usize, len: usize) -> AlignedBytes {
    let mut slot = AlignedBytes::zeroed(len);
    slot.fill(0xff);
    slot[..before.len()].copy_from_slice(before);
    slot[..cut].copy_from_slice(&image[..cut]);
    slot
}

#[test]
fn an_update_cut_at_every_kibibyte_falls_back_to_the_old_image() {
    let (old, running, new) = (image(6, 1), image(7, 2), image(8, 3));
    let len = new.len() + 4096;
    assert!(new.len() > 8 << 10, "too small an image to cut");
    for before in [&[][..], &old] {
        for cut in (0..new.len()).step_by(1 << 10).chain([new.len() - 1]) {
            let slot = torn(before, &new, cut, len);
            let Loaded { slot: chosen, model, found } = load([&running, &slot]).unwrap();
            assert_eq!((chosen, model.sequence(), found[0]), (Slot::A, 7, Ok(7)), "cut at {cut}");
            // With nothing written, the slot still holds what it held before.
            assert_eq!(found[1].is_ok(), cut == 0 && !before.is_empty(), "cut at {cut}");
        }
        let whole = torn(before, &new, new.len(), len);
        let Loaded { slot: chosen, model, .. } = load([&running, &whole]).unwrap();
        assert_eq!((chosen, model.sequence()), (Slot::B, 8), "all written");
    }
}

#[test]
fn the_other_way_round_too() {
    let (running, new) = (image(u32::MAX, 1), image(0, 2));
    for cut in (0..new.len()).step_by(1 << 10) {
        let slot = torn(&[], &new, cut, new.len());
        let Loaded { slot: chosen, model, .. } = load([&slot, &running]).unwrap();
        assert_eq!((chosen, model.sequence()), (Slot::B, u32::MAX), "cut at {cut}");
    }
    let Loaded { slot: chosen, model, .. } = load([&new, &running]).unwrap();
    assert_eq!((chosen, model.sequence()), (Slot::A, 0), "the number has wrapped");
}

#[test]
fn a_bit_that_fell_over_in_the_newer_image_brings_the_older_one_back() {
    let (running, new) = (image(7, 1), image(8, 2));
    for at in (0..new.len()).step_by(997) {
        let mut damaged = AlignedBytes::from(&new[..]);
        damaged[at] ^= 1;
        let Loaded { slot: chosen, found, .. } = load([&running, &damaged]).unwrap();
        assert_eq!(chosen, Slot::A, "byte {at}");
        assert!(found[1].is_err(), "byte {at}");
    }
}

#[test]
fn two_empty_slots_are_an_error_that_names_both() {
    let mut erased = AlignedBytes::zeroed(4096);
    erased.fill(0xff);
    assert_eq!(load([&erased, &AlignedBytes::zeroed(0)]).unwrap_err(), [LoadError::BadMagic, LoadError::Truncated { needed: 64, found: 0 }]);
}
