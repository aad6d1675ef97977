//! Bilinear resizing against the usual definition in double precision, which is exact here, and the
//! label map against resized logits.

mod common;

use common::Rng;
use hrvit_kernels::{Kernels, Phase, ShapeError, phase};

const SCALAR: Kernels = Kernels::SCALAR;

/// Source coordinate of `align_corners = false`, not below 0, and its two neighbours with the
/// weight of the second.
fn source(position: usize, factor: usize, len: usize) -> (usize, usize, f64) {
    let coordinate = ((position as f64 + 0.5) / factor as f64 - 0.5).max(0.0);
    let near = coordinate.floor() as usize;
    (near, (near + 1).min(len - 1), coordinate - coordinate.floor())
}

/// The resized map `[factor * height, factor * width, channels]` in double precision.
fn resized(map: &[i16], height: usize, width: usize, channels: usize, factor: usize) -> Vec<f64> {
    let at = |y: usize, x: usize, c: usize| f64::from(map[(y * width + x) * channels + c]);
    let mut out = Vec::new();
    for y in 0..height * factor {
        let (top, bottom, down) = source(y, factor, height);
        for x in 0..width * factor {
            let (left, right, across) = source(x, factor, width);
            for c in 0..channels {
                let upper = at(top, left, c) * (1.0 - across) + at(top, right, c) * across;
                let lower = at(bottom, left, c) * (1.0 - across) + at(bottom, right, c) * across;
                out.push(upper * (1.0 - down) + lower * down);
            }
        }
    }
    out
}

#[test]
fn phases_of_factor_two() {
    let phases = [0, 1, 2, 3, 4, 5].map(|position| phase(position, 2, 3));
    let want = [(0, 1, 4, 0), (0, 1, 3, 1), (0, 1, 1, 3), (1, 2, 3, 1), (1, 2, 1, 3), (2, 2, 3, 1)];
    assert_eq!(phases, want.map(|(near, far, near_weight, far_weight)| Phase { near, far, near_weight, far_weight }));
}

#[test]
fn phases_of_factor_one_copy() {
    for position in 0..5 {
        let at = phase(position, 1, 5);
        assert_eq!((at.near, at.near_weight, at.far_weight), (position, 2, 0));
        assert!(at.far < 5);
    }
}

#[test]
fn phases_stay_inside_and_sum_to_twice_the_factor() {
    for factor in [1, 2, 4, 8] {
        for len in 1..9 {
            for position in 0..factor * len {
                let at = phase(position, factor, len);
                assert!(at.near < len && at.far < len && at.near <= at.far);
                assert_eq!(at.near_weight + at.far_weight, 2 * factor as i32);
                assert!(at.near_weight >= 0 && at.far_weight >= 0);
            }
        }
    }
}

#[test]
fn bilinear_equals_double_precision_exactly() {
    let mut rng = Rng(60);
    for factor in [1, 2, 4, 8] {
        for (height, width) in [(1, 1), (1, 3), (2, 1), (3, 2), (5, 7)] {
            for channels in [1, 3, 16, 19] {
                let map = rng.words(height * width * channels);
                let want = resized(&map, height, width, channels, factor);
                let unit = (2 * factor * 2 * factor) as f64;
                let scale = [1, 4, 16, 64][rng.range(0, 3) as usize];
                let row_len = width * channels;
                for y in 0..height * factor {
                    let at = phase(y, factor, height);
                    let [upper, lower] = [at.near, at.far].map(|row| &map[row * row_len..][..row_len]);
                    let before = rng.ints(factor * row_len, 1 << 20);
                    let mut acc = before.clone();
                    // In two parts, as a caller with little memory does.
                    let first = rng.range(0, (factor * width) as i64) as usize;
                    let (left, right) = acc.split_at_mut(first * channels);
                    SCALAR.bilinear_add_s16(upper, lower, at.near_weight, at.far_weight, channels, factor, scale, 0, left).unwrap();
                    SCALAR.bilinear_add_s16(upper, lower, at.near_weight, at.far_weight, channels, factor, scale, first, right).unwrap();
                    for (i, (got, before)) in acc.iter().zip(before).enumerate() {
                        let real = want[y * factor * row_len + i] * unit;
                        assert_eq!(f64::from(*got) - f64::from(before), real * f64::from(scale), "factor {factor} row {y} element {i}");
                    }
                }
            }
        }
    }
}

#[test]
fn labels_are_the_argmax_of_resized_logits() {
    let mut rng = Rng(61);
    for factor in [1, 2, 4, 8] {
        for classes in [1, 2, 11, 19, 256] {
            let (height, width) = (3, 5);
            // Few distinct values, so that ties are common.
            let map: Vec<i16> = (0..height * width * classes).map(|_| rng.range(-2, 2) as i16 * 8000).collect();
            let want = resized(&map, height, width, classes, factor);
            let row_len = width * classes;
            for y in 0..height * factor {
                let at = phase(y, factor, height);
                let [upper, lower] = [at.near, at.far].map(|row| &map[row * row_len..][..row_len]);
                let mut labels = vec![255; factor * width];
                SCALAR.argmax_s16(upper, lower, at.near_weight, at.far_weight, classes, factor, &mut labels).unwrap();
                for (x, label) in labels.iter().enumerate() {
                    let logits = &want[(y * factor * width + x) * classes..][..classes];
                    let best = (0..classes).fold(0, |best, class| if logits[class] > logits[best] { class } else { best });
                    assert_eq!(usize::from(*label), best);
                }
            }
        }
    }
}

#[test]
fn lowest_class_wins_ties_at_the_extremes() {
    for value in [-32768, 0, 32767] {
        let row = vec![value; 2 * 19];
        let mut labels = [9; 8];
        SCALAR.argmax_s16(&row, &row, 5, 3, 19, 4, &mut labels).unwrap();
        assert_eq!(labels, [0; 8]);
    }
}

/// The code of a margin of real logits in `f64`, `unit` of which are one of the integers.
fn margin(logits: &[f64], unit: f64, k: u8) -> u8 {
    let mut sorted = logits.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    match sorted[..] {
        [largest, second, ..] => ((largest - second) * unit / 2f64.powi(k.into())).floor().min(255.0) as u8,
        _ => 255,
    }
}

#[test]
fn margins_are_the_distance_of_the_two_largest_logits() {
    let mut rng = Rng(62);
    let mut seen = [false; 256];
    for factor in [1, 2, 4, 8] {
        for classes in [1, 2, 11, 19, 256] {
            let (height, width) = (3, 5);
            let row_len = width * classes;
            // Ties, any codes, and codes so near each other that no shift clips.
            let bounds = [2, 32767, 90].map(|bound| (0..height * row_len).map(|_| rng.range(-bound, bound) as i16).collect::<Vec<_>>());
            for map in bounds {
                let want = resized(&map, height, width, classes, factor);
                for (y, k) in (0..height * factor).flat_map(|y| [0, 4, 9, 16, 31].map(|k| (y, k))) {
                    let at = phase(y, factor, height);
                    let [upper, lower] = [at.near, at.far].map(|row| &map[row * row_len..][..row_len]);
                    let [mut alone, mut labels, mut margins] = [(); 3].map(|()| vec![77; factor * width]);
                    SCALAR.argmax_s16(upper, lower, at.near_weight, at.far_weight, classes, factor, &mut alone).unwrap();
                    SCALAR.argmax_margin_s16(upper, lower, at.near_weight, at.far_weight, classes, factor, &mut labels, k, &mut margins).unwrap();
                    assert_eq!(labels, alone);
                    for (x, got) in margins.iter().enumerate() {
                        let logits = &want[(y * factor * width + x) * classes..][..classes];
                        assert_eq!(*got, margin(logits, (4 * factor * factor) as f64, k), "factor {factor} classes {classes} row {y} column {x} k {k}");
                        seen[usize::from(*got)] = true;
                    }
                }
            }
        }
    }
    assert!(seen.iter().all(|seen| *seen), "every code was seen");
}

#[test]
fn the_largest_margins_are_clipped_before_they_are_bytes() {
    let row = [i16::MIN, i16::MAX].repeat(3);
    for (factor, bits) in [(1, 18), (2, 20), (4, 22), (8, 24)] {
        for k in 0..=31 {
            let (mut labels, mut margins) = (vec![9; 3 * factor], vec![9; 3 * factor]);
            SCALAR.argmax_margin_s16(&row, &row, 1, 2 * factor as i32 - 1, 2, factor, &mut labels, k, &mut margins).unwrap();
            assert_eq!(labels, vec![1; 3 * factor]);
            // 2^16 - 1 codes times (2 * factor)^2.
            let want = (((1u32 << bits) - (1 << (bits - 16))) >> k).min(255) as u8;
            assert_eq!(margins, vec![want; 3 * factor], "factor {factor} k {k}");
        }
    }
}

#[test]
fn wrong_parameters_are_named() {
    let row = [0i16; 6];
    let run = |upper: &[i16], uw: i32, lw: i32, channels: usize, factor: usize, len: usize| {
        SCALAR.bilinear_add_s16(upper, &row, uw, lw, channels, factor, 1, 0, &mut vec![0; len])
    };
    assert_eq!(run(&row, 3, 1, 3, 2, 12), Ok(()));
    assert_eq!(run(&row, 3, 1, 3, 2, 9), Ok(()));
    assert_eq!(run(&row, 3, 1, 3, 2, 11), Err(ShapeError::Output));
    assert_eq!(run(&row, 3, 1, 3, 2, 15), Err(ShapeError::Output));
    assert_eq!(run(&row[1..], 3, 1, 3, 2, 10), Err(ShapeError::Input));
    assert_eq!(run(&row, 3, 1, 4, 2, 12), Err(ShapeError::Input));
    assert_eq!(run(&row, 3, 2, 3, 2, 12), Err(ShapeError::Parameter));
    assert_eq!(run(&row, 5, -1, 3, 2, 12), Err(ShapeError::Parameter));
    assert_eq!(run(&row, i32::MAX, i32::MIN, 3, 2, 12), Err(ShapeError::Parameter));
    assert_eq!(run(&row, 3, 3, 3, 3, 18), Err(ShapeError::Parameter));
    assert_eq!(run(&row, 3, 1, 0, 2, 12), Err(ShapeError::Parameter));
    let wide = vec![0i16; 257];
    assert_eq!(SCALAR.argmax_s16(&wide, &wide, 1, 1, 257, 1, &mut [0]), Err(ShapeError::Parameter));
    assert_eq!(SCALAR.argmax_s16(&row, &row, 1, 1, 3, 1, &mut [0; 3]), Err(ShapeError::Output));
    let margins = |k, labels: usize, margins: usize| SCALAR.argmax_margin_s16(&row, &row, 1, 1, 3, 1, &mut vec![0; labels], k, &mut vec![0; margins]);
    assert_eq!(margins(31, 2, 2), Ok(()));
    assert_eq!(margins(32, 2, 2), Err(ShapeError::Parameter));
    assert_eq!(margins(255, 2, 2), Err(ShapeError::Parameter));
    for len in [0, 1, 3] {
        assert_eq!(margins(3, 2, len), Err(ShapeError::Output));
        assert_eq!(margins(3, len, 2), Err(ShapeError::Output));
    }
}
