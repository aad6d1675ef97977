//! The forward pass against vectors of an independent PyTorch definition: see
//! `tests/data/oracle/README.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use hrvit_format::{Head, Network, Size, Spec};
use hrvit_reference::{Checkpoint, Frame, Map, Model};
use safetensors::SafeTensors;

/// Largest difference allowed, as a part of the tensor's largest magnitude. Sums in another order
/// differ by about 1e-6.
const TOLERANCE: f32 = 1e-4;

/// The largest difference of `map` to `expected` (`[1, C, rows, columns]`, `[1, tokens, C]` or
/// `[1, C]`) over the largest magnitude.
fn difference(map: &Map, shape: &[usize], expected: &[f32]) -> f32 {
    let (tokens, c) = (map.tokens(), map.channels);
    let planes = match *shape {
        [1, channels, rows, columns] => {
            assert_eq!((rows, columns, channels), (map.rows, map.columns, c));
            true
        }
        [1, count, channels] => {
            assert_eq!((count, channels), (tokens, c));
            false
        }
        _ => {
            assert_eq!((shape, 1), ([1, c].as_slice(), tokens));
            false
        }
    };
    let (mut worst, mut magnitude) = (0.0f32, 0.0f32);
    for (index, value) in map.data.iter().enumerate() {
        let at = if planes { index % c * tokens + index / c } else { index };
        assert!(value.is_finite());
        worst = worst.max((value - expected[at]).abs());
        magnitude = magnitude.max(expected[at].abs());
    }
    worst / magnitude
}

/// Reproduces every tensor of `tests/data/oracle/{case}.safetensors`.
fn reproduce(case: &str) {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../../tests/data/oracle", &format!("{case}.safetensors")].iter().collect();
    let bytes = std::fs::read(&path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let seed = metadata.metadata().as_ref().unwrap()["seed"].parse().unwrap();

    let mut parts = case.split('_');
    let spec = Spec::variant(parts.next().unwrap()).unwrap();
    let (head, classes) = parts.next().unwrap().split_at(3);
    let head = if head == "seg" { Head::Segformer } else { Head::Classifier };
    let network = Network { spec, head, classes: classes.parse().unwrap() };
    let (height, width) = parts.next().unwrap().split_once('x').unwrap();
    let size = Size::new(height.parse().unwrap(), width.parse().unwrap()).unwrap();

    let frame = Frame::new(size, file.tensor("input_u8").unwrap().data().to_vec()).unwrap();
    let expected: BTreeMap<&str, (Vec<usize>, Vec<f32>)> = file
        .iter()
        .filter(|(name, _)| *name != "input_u8")
        .map(|(name, view)| (name, (view.shape().to_vec(), view.data().as_chunks().0.iter().map(|&v| f32::from_le_bytes(v)).collect())))
        .collect();
    let (mut seen, mut worst) = (BTreeSet::new(), (0.0, String::new()));
    Model::new(Checkpoint::synthetic(&network, seed).unwrap()).forward(&frame, &mut |name, map| {
        if let Some((shape, values)) = expected.get(name) {
            let d = difference(map, shape, values);
            assert!(d <= TOLERANCE, "{case}: {name} differs by {d:.2e} of its largest magnitude");
            if d > worst.0 {
                worst = (d, name.to_owned());
            }
            seen.insert(name.to_owned());
        }
    });
    let unseen: Vec<_> = expected.keys().filter(|name| !seen.contains(**name)).collect();
    assert!(unseen.is_empty(), "{case}: the forward pass never showed {unseen:?}");
    println!("{case}: {} tensors, worst {:.2e} at {}", seen.len(), worst.0, worst.1);
}

macro_rules! cases {
    ($($case:ident)*) => { $(#[test] fn $case() { reproduce(stringify!($case)); })* };
}

cases! {
    b1_cls1000_224x224
    b1_seg19_256x320
    b1_seg19_64x96_trace
    b2_cls1000_64x64
    b2_seg150_96x160
    b3_cls1000_96x96
    b3_seg19_128x96
    b3w9_seg19_160x96
    nano_seg11_64x96_trace
}

#[test]
fn every_file_has_a_case() {
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../../tests/data/oracle"].iter().collect();
    let files = std::fs::read_dir(folder).unwrap().filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|e| e == "safetensors"));
    assert_eq!(files.count(), 9);
}
