//! Frames behind a model image: what was put there is found, and nothing else is taken for it.

use hrvit_format::aligned::AlignedBytes;
use hrvit_format::clip::{Clip, ClipError, with_frames};
use hrvit_format::{Head, LoadError, Model};
use hrvit_tests::random_image::{random_frame, random_image};
use hrvit_tests::specs::{size, tiny};

fn aligned(bytes: &[u8]) -> AlignedBytes {
    let mut copy = AlignedBytes::zeroed(bytes.len());
    copy.copy_from_slice(bytes);
    copy
}

fn image() -> AlignedBytes {
    random_image(&tiny(Head::Segformer), size(32, 64), 5)
}

fn frames(count: u64) -> Vec<Vec<u8>> {
    (0..count).map(|seed| random_frame(size(32, 64), seed)).collect()
}

fn packed(count: u64) -> AlignedBytes {
    aligned(&with_frames(&image(), size(32, 64), &frames(count)).unwrap())
}

#[test]
fn frames_come_back_in_order_and_the_image_loads_as_before() {
    for count in [0, 1, 3] {
        let file = packed(count);
        let clip = Clip::behind_image(&file).unwrap().unwrap();
        assert_eq!((clip.size(), clip.frames().map(<[u8]>::to_vec).collect::<Vec<_>>()), (size(32, 64), frames(count)));
        Model::load(&file).unwrap();
        // Packed again, the frames are replaced.
        assert_eq!(with_frames(&file, size(32, 64), &frames(1)).unwrap(), packed(1).to_vec());
    }
}

#[test]
fn an_image_alone_and_erased_flash_have_none() {
    let alone = image();
    assert_eq!(Clip::behind_image(&alone), Ok(None));
    for behind in [1, 63, 64, 5000] {
        let mut flash = alone.to_vec();
        flash.resize(alone.len() + behind, 0xff);
        assert_eq!(Clip::behind_image(&aligned(&flash)), Ok(None), "{behind} erased bytes");
    }
    assert_eq!(Clip::behind_image(&aligned(&[0xff; 4096])), Err(ClipError::Image(LoadError::BadMagic)));
}

#[test]
fn every_flipped_bit_and_every_cut_is_found() {
    let (file, start) = (packed(2), image().len().next_multiple_of(64));
    let damaged = |edit: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = file.to_vec();
        edit(&mut bytes);
        Clip::behind_image(&aligned(&bytes)).map(|clip| clip.is_some())
    };
    for at in 0..24 {
        // Without its magic there is no clip; anything else that is wrong is said.
        let expected = if at < 8 { Ok(false) } else { Err(ClipError::Header) };
        assert_eq!(damaged(&|bytes| bytes[start + at] ^= 4), expected, "byte {at} of the header");
    }
    for at in [64, 64 + 3 * 32 * 64, 64 + 2 * 3 * 32 * 64 - 1] {
        assert_eq!(damaged(&|bytes| bytes[start + at] ^= 1), Err(ClipError::Frames), "byte {at}");
        assert_eq!(damaged(&|bytes| bytes.truncate(start + at)), Err(ClipError::Frames), "cut at {at}");
    }
}

#[test]
fn frames_of_another_size_are_not_packed() {
    assert_eq!(with_frames(&image(), size(64, 64), &frames(1)), Err(ClipError::Frames));
    assert!(with_frames(b"hello", size(32, 64), &frames(1)).is_err());
}
