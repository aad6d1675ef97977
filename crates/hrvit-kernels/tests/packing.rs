//! Orders of weights: packing, slicing, and the same product from each.

mod common;

use common::Rng;
use hrvit_kernels::{Epilogue, Gemm, Kernels, Packing, Range8, ShapeError};

const SCALAR: Kernels = Kernels::SCALAR;

fn packed(packing: Packing, rows: &[i8], depth: usize) -> Vec<i8> {
    let mut packed = vec![99; packing.packed_len(rows.len() / depth, depth).unwrap()];
    packing.pack(rows, depth, &mut packed).unwrap();
    packed
}

#[test]
fn every_weight_is_at_its_index_and_the_rest_is_zero() {
    for packing in Packing::ALL {
        for (cout, depth) in [(1, 1), (8, 4), (8, 8), (9, 5), (19, 27), (24, 16)] {
            let rows: Vec<i8> = (0..cout * depth).map(|i| (i % 127) as i8 + 1).collect();
            let packed = packed(packing, &rows, depth);
            let mut seen = vec![false; packed.len()];
            for c in 0..cout {
                for i in 0..depth {
                    let at = packing.index(depth, c, i);
                    assert_eq!(packed[at], rows[c * depth + i], "{packing} channel {c} depth {i}");
                    assert!(!std::mem::replace(&mut seen[at], true), "{packing}: two weights at {at}");
                }
            }
            assert!(packed.iter().zip(seen).all(|(weight, seen)| seen || *weight == 0));
        }
    }
}

#[test]
fn a_block_holds_neighbouring_depths_of_one_channel() {
    assert_eq!((Packing::K4.index(16, 0, 3), Packing::K4.index(16, 1, 0), Packing::K4.index(16, 0, 4), Packing::K4.index(16, 8, 0)), (3, 4, 32, 128));
    assert_eq!((Packing::K8.index(16, 0, 7), Packing::K8.index(16, 1, 0), Packing::K8.index(16, 0, 8), Packing::K8.index(16, 8, 0)), (7, 8, 64, 128));
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
        for packing in Packing::ALL {
            let packed = packed(packing, &weights, depth);
            for channels in [0..cout, 0..8, 8..16, 8..cout, 16..cout] {
                let bytes = packing.slice(depth, channels.clone()).unwrap();
                let requant = hrvit_kernels::Requant { mult: &rates.mult[channels.clone()], shift: &rates.shift[channels.clone()], pre_shift: 0 };
                let part = Gemm { weights: &packed[bytes], bias: &bias[channels.clone()], requant, ..args }.packed(packing);
                let mut out = vec![0; 5 * channels.len()];
                SCALAR.gemm_s8_packed(&part, Epilogue::Store8 { out: &mut out, range }).unwrap();
                let wanted: Vec<i8> = expected.chunks(cout).flat_map(|row| &row[channels.clone()]).copied().collect();
                assert_eq!(out, wanted, "{packing} {channels:?} of {cout}");
            }
        }
    }
}

#[test]
fn wrong_sizes_are_refused() {
    assert_eq!(Packing::K4.slice(16, 4..8), None);
    assert_eq!(Packing::Rows.slice(16, 4..8), Some(64..128));
    #[expect(clippy::reversed_empty_ranges, reason = "the wrong order is what is tested")]
    let reversed = 16..8;
    assert_eq!(Packing::K8.slice(16, reversed), None);
    assert_eq!(Packing::K8.packed_len(usize::MAX, 2), None);
    assert_eq!(Packing::K4.pack(&[0; 8], 0, &mut []), Err(ShapeError::Parameter));
    assert_eq!(Packing::K4.pack(&[0; 7], 2, &mut [0; 32]), Err(ShapeError::Weights));
    assert_eq!(Packing::K4.pack(&[0; 8], 2, &mut [0; 31]), Err(ShapeError::Output));
    let requant = hrvit_kernels::Requant { mult: &[1 << 30], shift: &[40], pre_shift: 0 };
    let args = Gemm { a: &[0; 4], depth: 4, weights: &[0; 4], bias: &[0], requant };
    assert_eq!(SCALAR.gemm_s8_packed(&args.packed(Packing::K4), Epilogue::Store16 { out: &mut [0] }), Err(ShapeError::Weights));
}

#[test]
fn numbers_and_names_lead_back() {
    for packing in Packing::ALL {
        assert_eq!(Packing::try_from(packing as u16), Ok(packing));
        assert_eq!(packing.name().parse(), Ok(packing));
    }
    assert!(Packing::try_from(3).is_err() && "k16".parse::<Packing>().is_err());
}
