//! Operands around the tiles of the widest vectors, longer than the conformance suite's. Every
//! instruction set of this machine is compared with the definition.

mod common;

use common::Rng;
use hrvit_kernels::*;

/// Asserts that `call` gives on every instruction set what it gives on plain code.
fn equal_everywhere<T: PartialEq>(what: &str, call: impl Fn(Kernels) -> T) {
    let expected = call(Kernels::SCALAR);
    for isa in Isa::available() {
        assert!(call(Kernels::new(isa).unwrap()) == expected, "{what}: {isa} differs from scalar");
    }
}

#[test]
fn products_of_rows_around_a_tile() {
    let mut rng = Rng(70);
    for rows in [7, 8, 9, 11, 12, 13, 16, 23, 24, 25, 37] {
        for (depth, cout) in [(1, 33), (5, 47), (32, 16), (33, 24), (64, 40)] {
            let (a, dense, bias) = (rng.codes(rows * depth), rng.weights(cout * depth), rng.ints(cout, 1 << 16));
            let mut weights = vec![0; Packing::K4.packed_len(cout, depth).unwrap()];
            Packing::K4.pack(&dense, depth, &mut weights).unwrap();
            let rates = rng.rates(cout, 20, 7);
            let table = rng.codes(2048);
            let old = rng.words(rows * cout);
            let gemm = Gemm { a: &a, depth, weights: &weights, bias: &bias, requant: rates.view() };
            equal_everywhere("stored", |kernels| {
                let mut out = vec![0; rows * cout];
                let epilogue = Epilogue::Store8 { out: &mut out, range: Range8 { zero: -7, lo: -100, hi: 127 } };
                kernels.gemm_s8_packed(&gemm.packed(Packing::K4), epilogue).unwrap();
                out
            });
            equal_everywhere("added", |kernels| {
                let mut out = old.clone();
                kernels.gemm_s8_packed(&gemm.packed(Packing::K4), Epilogue::Add16 { out: &mut out }).unwrap();
                out
            });
            equal_everywhere("looked up", |kernels| {
                let mut out = vec![0; rows * cout];
                kernels.gemm_s8_packed(&gemm.packed(Packing::K4), Epilogue::Table8 { out: &mut out, table: &table, zero: 900 }).unwrap();
                out
            });
        }
    }
}

#[test]
fn tables_around_the_longest_that_vectors_hold() {
    let mut rng = Rng(71);
    let acc = rng.ints(300, 1 << 24);
    let requant = TensorRequant { mult: 1 << 30, shift: 43, pre_shift: 0 };
    for entries in [1, 2, 127, 128, 129, 2047, 2048, 2049, 4096] {
        let table = rng.codes(entries);
        for zero in [0, 1000, -1000, 31_000, -31_000, 1 << 20] {
            equal_everywhere("table", |kernels| {
                let mut out = vec![0; acc.len()];
                kernels.table_s8(&acc, requant, zero, &table, &mut out).unwrap();
                out
            });
        }
    }
}

#[test]
fn strips_of_queries_around_a_turn() {
    let mut rng = Rng(72);
    let exp = exp_table();
    for queries in [3, 4, 5, 7, 8, 9, 12, 16, 17] {
        for (keys, dim) in [(1, 4), (31, 16), (32, 20), (33, 32), (64, 36), (100, 64), (224, 32)] {
            let (q, v) = (rng.weights(queries * dim), rng.weights(keys * dim));
            for (bits, shift) in [(15, 42), (8, 45), (15, 33), (15, 32)] {
                let strip = Strip { q: &q, v: &v, dim, mult: 1_300_000_000, shift, exp: &exp, bits };
                equal_everywhere("attention", |kernels| {
                    let mut out = vec![0; q.len()];
                    kernels.attention_s8(&strip, &mut vec![0; keys], &mut out).unwrap();
                    out
                });
            }
        }
    }
}

#[test]
fn tokens_around_those_whose_statistics_are_one_vector() {
    let mut rng = Rng(73);
    for tokens in [1, 7, 8, 9, 15, 16, 17] {
        for channels in [1, 16, 31, 32, 33, 96, 1024, 1025] {
            // Noise of every size: reciprocal square roots with short and long shifts.
            let x: Vec<i16> = (0..tokens).flat_map(|token| vec![token % 16; channels]).map(|bits| (rng.range(-(1 << bits), (1 << bits) - 1)) as i16).collect();
            let (gain, offset) = (rng.ints(channels, 32_767), rng.ints(channels, 1 << 20));
            for shift in [1, 14, 30] {
                let norm = Norm { gain: &gain, offset: &offset, eps: 3, shift, fraction: 10 };
                equal_everywhere("layernorm", |kernels| {
                    let (mut codes, mut words) = (vec![0; x.len()], x.clone());
                    kernels.layernorm_s8(&x, &norm, -128, 127, &mut codes).unwrap();
                    kernels.layernorm_s16_in_place(&mut words, &norm).unwrap();
                    (codes, words)
                });
            }
        }
    }
}

#[test]
fn labels_of_rows_around_a_vector() {
    let mut rng = Rng(74);
    for columns in [1, 2, 14, 15, 16, 17, 31, 32, 33] {
        for classes in [1, 16, 19, 33, 256] {
            let (upper, lower) = (rng.words(columns * classes), rng.words(columns * classes));
            for upper_weight in [0, 3, 8] {
                equal_everywhere("labels", |kernels| {
                    let mut labels = vec![0; 4 * columns];
                    kernels.argmax_s16(&upper, &lower, upper_weight, 8 - upper_weight, classes, 4, &mut labels).unwrap();
                    labels
                });
                equal_everywhere("margins", |kernels| {
                    let [mut labels, mut margins] = [(); 2].map(|()| vec![0; 4 * columns]);
                    kernels.argmax_margin_s16(&upper, &lower, upper_weight, 8 - upper_weight, classes, 4, &mut labels, 14, &mut margins).unwrap();
                    (labels, margins)
                });
            }
        }
    }
}
