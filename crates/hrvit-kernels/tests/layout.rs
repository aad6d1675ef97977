//! Orders of weights: packing, slicing, and the same product from each.

mod common;

use common::Rng;
use hrvit_kernels::{Epilogue, Gemm, Kernels, Layout, Range8, ShapeError};

const SCALAR: Kernels = Kernels::SCALAR;

fn packed(layout: Layout, rows: &[i8], depth: usize) -> Vec<i8> {
    let mut packed = vec![99; layout.packed_len(rows.len() / depth, depth).unwrap()];
    layout.pack(rows, depth, &mut packed).unwrap();
    packed
}

#[test]
fn every_weight_is_at_its_index_and_the_rest_is_zero() {
    for layout in Layout::ALL {
        for (cout, depth) in [(1, 1), (8, 4), (8, 8), (9, 5), (19, 27), (24, 16)] {
            let rows: Vec<i8> = (0..cout * depth).map(|i| (i % 127) as i8 + 1).collect();
            let packed = packed(layout, &rows, depth);
            let mut seen = vec![false; packed.len()];
            for c in 0..cout {
                for i in 0..depth {
                    let at = layout.index(depth, c, i);
                    assert_eq!(packed[at], rows[c * depth + i], "{layout} channel {c} depth {i}");
                    assert!(!std::mem::replace(&mut seen[at], true), "{layout}: two weights at {at}");
                }
            }
            assert!(packed.iter().zip(seen).all(|(weight, seen)| seen || *weight == 0));
        }
    }
}

#[test]
fn a_block_holds_neighbouring_depths_of_one_channel() {
    assert_eq!((Layout::K4.index(16, 0, 3), Layout::K4.index(16, 1, 0), Layout::K4.index(16, 0, 4), Layout::K4.index(16, 8, 0)), (3, 4, 32, 128));
    assert_eq!((Layout::K8.index(16, 0, 7), Layout::K8.index(16, 1, 0), Layout::K8.index(16, 0, 8), Layout::K8.index(16, 8, 0)), (7, 8, 64, 128));
}

#[test]
fn the_product_is_the_same_from_every_layout_and_every_range_of_channels() {
    let mut rng = Rng(40);
    let range = Range8 { zero: 3, lo: -128, hi: 127 };
    for (cout, depth) in [(19, 27), (48, 16), (24, 7)] {
        let (a, weights, bias, rates) = (rng.codes(5 * depth), rng.weights(cout * depth), rng.ints(cout, 1000), rng.rates(cout, 17, 8));
        let args = Gemm { a: &a, depth, weights: &weights, bias: &bias, requant: rates.view() };
        let mut expected = vec![0; 5 * cout];
        SCALAR.gemm_s8(&args, Epilogue::Store8 { out: &mut expected, range }).unwrap();
        for layout in Layout::ALL {
            let packed = packed(layout, &weights, depth);
            for channels in [0..cout, 0..8, 8..16, 8..cout, 16..cout] {
                let bytes = layout.slice(depth, channels.clone()).unwrap();
                let requant = hrvit_kernels::Requant { mult: &rates.mult[channels.clone()], shift: &rates.shift[channels.clone()], pre_shift: 0 };
                let part = Gemm { weights: &packed[bytes], bias: &bias[channels.clone()], requant, ..args }.packed(layout);
                let mut out = vec![0; 5 * channels.len()];
                SCALAR.gemm_s8_packed(&part, Epilogue::Store8 { out: &mut out, range }).unwrap();
                let wanted: Vec<i8> = expected.chunks(cout).flat_map(|row| &row[channels.clone()]).copied().collect();
                assert_eq!(out, wanted, "{layout} {channels:?} of {cout}");
            }
        }
    }
}

#[test]
fn wrong_sizes_are_refused() {
    assert_eq!(Layout::K4.slice(16, 4..8), None);
    assert_eq!(Layout::Rows.slice(16, 4..8), Some(64..128));
    #[expect(clippy::reversed_empty_ranges, reason = "the wrong order is what is tested")]
    let reversed = 16..8;
    assert_eq!(Layout::K8.slice(16, reversed), None);
    assert_eq!(Layout::K8.packed_len(usize::MAX, 2), None);
    assert_eq!(Layout::K4.pack(&[0; 8], 0, &mut []), Err(ShapeError::Parameter));
    assert_eq!(Layout::K4.pack(&[0; 7], 2, &mut [0; 32]), Err(ShapeError::Weights));
    assert_eq!(Layout::K4.pack(&[0; 8], 2, &mut [0; 31]), Err(ShapeError::Output));
    let requant = hrvit_kernels::Requant { mult: &[1 << 30], shift: &[40], pre_shift: 0 };
    let args = Gemm { a: &[0; 4], depth: 4, weights: &[0; 4], bias: &[0], requant };
    assert_eq!(SCALAR.gemm_s8_packed(&args.packed(Layout::K4), Epilogue::Store16 { out: &mut [0] }), Err(ShapeError::Weights));
}
