//! Functions beside the kernels: packings, copies, tiles, phases, names.

use hrvit_kernels::{Family, Isa, Kernels, Packing, ShapeError, Tiles, blocks_f16_index, blocks_f16_len, copy_strided, phase, tiles};

use super::Entry;
use super::operands::{Block, Operands};
use crate::Verdict;

pub(super) const ENTRIES: &[Entry] = &[
    ("Packing::pack", pack),
    ("Packing::slice", slice),
    ("blocks_f16", blocks_f16),
    ("copy_strided", copies),
    ("Tiles", claims),
    ("phase", phases),
    ("names", names),
];

/// A packing.
fn packing(operands: &mut Operands<'_>) -> Packing {
    operands.choices.pick(&Packing::ALL)
}

fn pack(operands: &mut Operands<'_>) -> Verdict {
    let (packing, cout, depth) = (packing(operands), operands.choices.below(40), operands.size(70));
    let (rows, packed) = (operands.len(cout * depth), operands.len(packing.packed_len(cout, depth).expect("sizes are small")));
    let (rows, mut packed): (Block<i8>, Block<i8>) = (operands.codes(rows), operands.integers(packed, 1, 127));
    let (depth, before) = (operands.count(depth), packed.clone());
    match packing.pack(&rows, depth, packed.elements_mut()) {
        Err(ShapeError::Parameter | ShapeError::Weights | ShapeError::Output) => {
            assert!(*packed == *before, "{packing}: wrote although it refused");
            Verdict::Refused
        }
        Err(other) => panic!("{packing}: {other:?}"),
        Ok(()) => {
            let mut left = packed.clone();
            for (at, weight) in rows.iter().enumerate() {
                let slot = &mut left.elements_mut()[packing.index(depth, at / depth, at % depth)];
                assert_eq!(*slot, *weight, "{packing}: weight {at} of depth {depth}");
                *slot = 0;
            }
            assert!(left.iter().all(|byte| *byte == 0), "{packing}: padding is not zero");
            Verdict::Accepted
        }
    }
}

/// Channels of packed weights lie where their own packing puts them.
fn slice(operands: &mut Operands<'_>) -> Verdict {
    let (packing, depth) = (packing(operands), operands.size(400));
    let (from, to) = (operands.choices.below(80), operands.choices.below(80));
    let (block, _) = packing.block();
    let any = [0; 2].map(|_| operands.bits() as usize >> (operands.bits() % 64));
    // Numbers of any size have a length or none.
    if let (Some(len), Some(_)) = (packing.packed_len(any[0], any[1]), packing.slice(any[0], 0..any[1])) {
        assert!(len >= any[0].wrapping_mul(any[1]), "{packing}: {any:?} in {len} bytes");
    }
    match packing.slice(depth, from..to) {
        None => assert!(!from.is_multiple_of(block) || from > to, "{packing}: no channels {from}..{to}"),
        Some(bytes) => {
            assert!(from.is_multiple_of(block), "{packing}: channels from {from} on");
            for (c, i) in (from..to).map(|c| (c, c % depth)) {
                let at = packing.index(depth, c, i);
                assert!(bytes.contains(&at) && at - bytes.start == packing.index(depth, c - from, i), "{packing}: channel {c} of {from}..{to}");
            }
        }
    }
    Verdict::Accepted
}

/// Every weight of a product of f16 has a place of its own.
fn blocks_f16(operands: &mut Operands<'_>) -> Verdict {
    let (cout, depth) = (operands.size(40), operands.size(60));
    let mut places = vec![false; blocks_f16_len(cout, depth)];
    for (c, i) in (0..cout).flat_map(|c| (0..depth).map(move |i| (c, i))) {
        assert!(!std::mem::replace(&mut places[blocks_f16_index(depth, c, i)], true), "channel {c}, step {i} of {depth}");
    }
    let any = [0; 2].map(|_| operands.bits() as usize >> (operands.bits() % 64));
    assert!(blocks_f16_len(any[0], any[1]) >= any[0].saturating_mul(any[1]), "{any:?}");
    Verdict::Accepted
}

fn copies(operands: &mut Operands<'_>) -> Verdict {
    let len = match operands.choices.u8() % 4 {
        0 => operands.choices.below(70),
        _ => operands.choices.pick(&[8, 16, 32, 64]),
    };
    let [from_stride, to_stride] = [(); 2].map(|()| {
        let stride = len + operands.choices.pick(&[0, 0, 1, 8, 30]);
        operands.count(stride)
    });
    let [from, to] = [(); 2].map(|()| operands.choices.below(700));
    let (from, mut to): (Block<u8>, Block<u8>) = (operands.integers(from, 0, 255), operands.integers(to, 0, 255));
    let mut want = to.to_vec();
    let strides = (from_stride.max(1), to_stride.max(1));
    let mut places = (0usize, 0usize);
    while let (Some(run), Some(place)) = (from.get(places.0..).and_then(|from| from.get(..len)), want.get_mut(places.1..).and_then(|to| to.get_mut(..len))) {
        place.copy_from_slice(run);
        let (Some(next), Some(next_place)) = (places.0.checked_add(strides.0), places.1.checked_add(strides.1)) else { break };
        places = (next, next_place);
    }
    copy_strided(&from, from_stride, to.elements_mut(), to_stride, len);
    assert!(*to == *want, "runs of {len}, every {from_stride} to every {to_stride}");
    Verdict::Accepted
}

fn claims(operands: &mut Operands<'_>) -> Verdict {
    let (len, right) = (operands.choices.below(3000), operands.size(40));
    let chunk = operands.count(right);
    let mut slice = operands.block(len, |_, _| 0u8);
    let tiles = Tiles::new(slice.elements_mut(), chunk);
    let chunks = tiles.chunks();
    assert_eq!(chunks, if chunk == 0 { 0 } else { len.div_ceil(chunk).min(tiles::MAX_TILES) });
    let mut claimed = vec![false; chunks];
    for _ in 0..40 {
        let index = operands.choices.pick(&[chunks, usize::MAX, usize::from(u8::MAX)]).min(operands.bits() as usize % (chunks + 2));
        let first = claimed.get_mut(index).is_some_and(|claimed| !std::mem::replace(claimed, true));
        let tile = tiles.claim(index);
        assert_eq!(tile.is_some(), first, "chunk {index} of {chunks}");
        if let Some(tile) = tile {
            assert_eq!(tile.len(), chunk.min(len - index * chunk), "chunk {index} of {chunks}");
            tile.iter_mut().for_each(|element| *element += 1);
        }
    }
    for (i, element) in slice.iter().enumerate() {
        let claimed = chunk != 0 && claimed.get(i / chunk).copied().unwrap_or_default();
        assert_eq!(*element, u8::from(claimed), "element {i} in chunks of {chunk}");
    }
    Verdict::Accepted
}

/// An output position lies where its two source positions and weights put it.
fn phases(operands: &mut Operands<'_>) -> Verdict {
    let (factor, len) = (operands.choices.pick(&[1usize, 2, 4, 8]), 1 + operands.choices.below(5000));
    let position = operands.bits() as usize % (factor * len);
    let at = phase(position, factor, len);
    let unit = 2 * factor as i32;
    assert!(at.near_weight >= 0 && at.far_weight >= 0 && at.near_weight + at.far_weight == unit, "{at:?}");
    assert!(at.far < len && (at.far == at.near + 1 || at.far == at.near), "{at:?}");
    let exact = ((position as f64 + 0.5) / factor as f64 - 0.5).clamp(0.0, (len - 1) as f64);
    let mixed = (at.near as f64 * f64::from(at.near_weight) + at.far as f64 * f64::from(at.far_weight)) / f64::from(unit);
    assert!(exact == mixed, "position {position} of {len} by {factor}: {at:?}");
    Verdict::Accepted
}

/// Names read back, and every kernel has a file.
fn names(operands: &mut Operands<'_>) -> Verdict {
    let number = operands.choices.u16();
    let text = String::from_utf8_lossy(operands.choices.rest());
    assert!(Packing::try_from(number).map_or(number > 2, |packing| packing as u16 == number), "packing {number}");
    for text in [&*text, "k4", "avx2"] {
        assert!(text.parse::<Packing>().map_or(true, |packing| packing.name() == text));
        assert!(text.parse::<Isa>().map_or(true, |isa| isa.name() == text));
    }
    let family = operands.choices.pick(&Family::ALL);
    for isa in Isa::ALL {
        match Kernels::new(isa) {
            Err(error) => assert!(!error.to_string().is_empty()),
            Ok(kernels) => {
                assert!(kernels.isa() == isa && kernels.chosen(family).parse::<Isa>().is_ok(), "{isa}: {}", family.name());
                assert_eq!(kernels.chosen(Family::GemmK4), kernels.chosen_gemm(Packing::K4));
                assert!(kernels.chosen_gemm(kernels.packing()) == isa.name(), "{isa} has no kernel for its packing");
                for peak in kernels.peaks() {
                    assert!(peak.run(0) == 0 && peak.run(2) > 0 && !peak.name().is_empty());
                }
            }
        }
    }
    Verdict::Accepted
}
