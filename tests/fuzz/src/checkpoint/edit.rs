//! A valid file with changed bytes.

use std::sync::LazyLock;

use super::{base, strange};
use crate::Choices;

/// Bytes that begin a part of a file: entries, directory and end of a zip archive, pickles and
/// frames, the header of safetensors.
const ANCHORS: [&[u8]; 9] = [b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"\x80\x02", b"_rebuild_tensor_v2", b"FloatStorage", b"data_offsets", b"shape", b"."];

/// The first places of each anchor in each valid file, at most sixteen.
static PLACES: LazyLock<Vec<[Vec<usize>; ANCHORS.len()]>> = LazyLock::new(|| {
    let places =
        |file: &Vec<u8>, anchor: &[u8]| file.windows(anchor.len()).enumerate().filter(|(_, part)| *part == anchor).map(|(at, _)| at).take(16).collect();
    base::files().iter().map(|file| ANCHORS.map(|anchor| places(file, anchor))).collect()
});

/// One of the valid files, changed at up to eight places.
pub fn edited(choices: &mut Choices<'_>) -> Vec<u8> {
    let file = choices.below(base::files().len());
    let mut bytes = base::files()[file].clone();
    for _ in 0..1 + choices.below(8) {
        edit(&mut bytes, &PLACES[file], choices);
    }
    bytes
}

fn edit(bytes: &mut Vec<u8>, anchors: &[Vec<usize>], choices: &mut Choices<'_>) {
    let at = place(bytes, anchors, choices);
    let rest = bytes.len() - at;
    match choices.below(8) {
        0 => {
            let byte = choices.u8();
            bytes.iter_mut().skip(at).take(1).for_each(|old| *old = byte);
        }
        1 => {
            let bit = 1 << choices.below(8);
            bytes.iter_mut().skip(at).take(1).for_each(|old| *old ^= bit);
        }
        2 => {
            let (value, len) = (strange(choices).to_le_bytes(), choices.pick(&[2, 4, 8]));
            bytes.iter_mut().skip(at).zip(&value[..len]).for_each(|(old, new)| *old = *new);
        }
        3 => bytes.truncate(at),
        4 => drop(bytes.drain(at..at + choices.below(64).min(rest))),
        5 => {
            let byte = choices.u8();
            bytes.splice(at..at, std::iter::repeat_n(byte, choices.below(32)));
        }
        6 => {
            let from = place(bytes, anchors, choices);
            let piece: Vec<u8> = bytes.iter().skip(from).take(choices.below(256)).copied().collect();
            bytes.splice(at..at, piece);
        }
        _ => {
            let swap = choices.below(64).min(rest / 2);
            let (left, right) = bytes[at..].split_at_mut(swap);
            left.swap_with_slice(&mut right[..swap]);
        }
    }
}

/// A place: anywhere, or near where something began before the edits.
fn place(bytes: &[u8], anchors: &[Vec<usize>], choices: &mut Choices<'_>) -> usize {
    let Some(places) = anchors.get(choices.below(2 * anchors.len())) else { return choices.below(bytes.len() + 1) };
    let at = places.get(choices.below(places.len())).copied().unwrap_or(0);
    (at + choices.below(64)).min(bytes.len())
}
