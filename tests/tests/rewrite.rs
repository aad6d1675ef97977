//! Images written from other images are those that all of their operators' numbers make.

use hrvit_core::Model;
use hrvit_format::aligned::AlignedBytes;
use hrvit_format::record::Precision;
use hrvit_format::writer::{ImageData, repack, with_golden, write_image};
use hrvit_format::{Golden, Head, LoadError, Packing};
use hrvit_tests::mixed_image::{mixed_image, random_precisions};
use hrvit_tests::random_image::random_frame;
use hrvit_tests::specs::{size, tiny, variant};
use hrvit_tests::unpack::steps_of;

/// `model` in `packing` with a golden frame, all of it laid out anew.
fn written(model: &Model<'_>, packing: Packing, golden: Option<Golden<'_>>) -> AlignedBytes {
    let (meta, steps) = (model.meta(), &steps_of(model));
    write_image(&ImageData { meta, sequence: model.sequence(), packing, steps, exp: model.exp_table(), golden }).unwrap()
}

/// Images in 8 bits, in 16, and in both.
fn images() -> Vec<AlignedBytes> {
    let mut images = Vec::new();
    for network in [tiny(Head::Segformer), tiny(Head::Classifier), variant("nano", Head::Segformer, 11)] {
        for precision in [Precision::Int8, Precision::Int16x8] {
            images.push(mixed_image(&network, size(32, 64), 6, |_| precision));
        }
        images.push(mixed_image(&network, size(32, 64), 6, random_precisions(&network, 6)));
    }
    images
}

#[test]
fn another_packing_from_any_packing() {
    for image in images() {
        let model = Model::load(&image).unwrap();
        for from in Packing::ALL {
            let packed = written(&model, from, None);
            for to in Packing::ALL {
                let found = repack(&Model::load(&packed).unwrap(), to).unwrap();
                assert!(found[..] == written(&model, to, None)[..], "{from} to {to}: {} steps", model.steps().len());
            }
        }
    }
}

#[test]
fn another_golden_frame_in_any_packing() {
    for image in images() {
        let rows = Model::load(&image).unwrap();
        for (seed, packing) in (0..).zip(Packing::ALL) {
            let packed = written(&rows, packing, None);
            let crcs: Vec<u32> = rows.steps().iter().map(|record| record.crc ^ seed).collect();
            let golden = Golden { crcs: &crcs, frame: &random_frame(rows.meta().size, u64::from(seed)), result: None };
            let first = with_golden(&Model::load(&packed).unwrap(), golden).unwrap();
            assert!(first[..] == written(&rows, packing, Some(golden))[..], "{packing}: the first");
            let crcs: Vec<u32> = crcs.iter().map(|crc| crc + 1).collect();
            let golden = Golden { crcs: &crcs, ..golden };
            let other = with_golden(&Model::load(&first).unwrap(), golden).unwrap();
            assert!(other[..] == written(&rows, packing, Some(golden))[..], "{packing}: another");
            let repacked = repack(&Model::load(&other).unwrap(), Packing::Rows).unwrap();
            assert!(repacked[..] == written(&rows, Packing::Rows, Some(golden))[..], "{packing}: the frame stays");
        }
    }
}

#[test]
fn a_frame_of_another_size_is_refused() {
    let image = mixed_image(&tiny(Head::Segformer), size(32, 64), 6, |_| Precision::Int8);
    let model = Model::load(&image).unwrap();
    let crcs = vec![0; model.steps().len()];
    let golden = Golden { crcs: &crcs, frame: &[0; 3 * 32 * 32], result: None };
    assert_eq!(with_golden(&model, golden).err(), Some(LoadError::Golden));
}
