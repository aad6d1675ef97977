//! Labels on the frame: places, overlays, masks and extents.

mod frames;
mod reference;

use frames::Rng;
use hrvit_camera::{
    ClassExtent, ClassSet, Fit, Format, FrameMut, Geometry, Ink, LabelsError, MaskError, Matrix, OverlayError, PlaneMut, Range, Region, Rotation, Run, View,
};
use hrvit_format::Size;
use proptest::prelude::*;
use reference::Picture;

const ROTATIONS: [Rotation; 4] = [Rotation::None, Rotation::Quarter, Rotation::Half, Rotation::ThreeQuarters];

fn geometry(width: usize, height: usize, view: View, input: (u16, u16)) -> Geometry {
    Geometry::new(width, height, view, Size { height: input.0, width: input.1 }).unwrap()
}

/// A map brought to the frame, all rows.
fn to_frame(geometry: &Geometry, map: &[u8]) -> Vec<u8> {
    let mut all = vec![7; geometry.width() * geometry.height()];
    for (y, row) in all.chunks_mut(geometry.width()).enumerate() {
        geometry.frame_row(map, y, 255, row).unwrap();
    }
    all
}

/// The same by the formula: upright pixels are looked up, then turned back.
fn expected(width: usize, height: usize, view: View, (rows, columns): (usize, usize), map: &[u8]) -> Vec<u8> {
    // Each pixel of the frame carries its own number through region, rotation and mirror.
    let numbers = Picture::from_fn(width, height, |y, x| y * width + x).viewed(View { fit: Fit::Stretch, ..view });
    let (down, across) = (numbers.height, numbers.width);
    let nearest = |real: f64, most: usize| ((real + 0.5).floor() as usize).clamp(1, most);
    let shaped = |outer: (usize, usize), shape: (usize, usize)| {
        if outer.1 * shape.0 >= outer.0 * shape.1 {
            (outer.0, nearest((outer.0 * shape.1) as f64 / shape.0 as f64, outer.1))
        } else {
            (nearest((outer.1 * shape.0) as f64 / shape.1 as f64, outer.0), outer.1)
        }
    };
    let mut all = vec![255; width * height];
    for y in 0..down {
        for x in 0..across {
            let cell = match view.fit {
                Fit::Stretch => Some(((2 * y + 1) * rows / (2 * down), (2 * x + 1) * columns / (2 * across))),
                Fit::Crop => {
                    let part = shaped((down, across), (rows, columns));
                    let at = |at: usize, all: usize, part: usize, cells: usize| {
                        at.checked_sub((all - part) / 2).filter(|at| *at < part).map(|at| (2 * at + 1) * cells / (2 * part))
                    };
                    at(y, down, part.0, rows).zip(at(x, across, part.1, columns))
                }
                Fit::Letterbox { .. } => {
                    let part = shaped((rows, columns), (down, across));
                    let at = |at: usize, all: usize, part: usize, cells: usize| (cells - part) / 2 + (2 * at + 1) * part / (2 * all);
                    Some((at(y, down, part.0, rows), at(x, across, part.1, columns)))
                }
            };
            if let Some((row, column)) = cell {
                all[numbers.at(y, x)] = map[row * columns + column];
            }
        }
    }
    all
}

fn random_map(len: usize, classes: usize, seed: u64) -> Vec<u8> {
    let mut rng = Rng(seed);
    (0..len).map(|_| rng.below(classes) as u8).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_pixel_has_the_label_in_which_its_middle_lies(
        (width, height) in (1usize..50, 1usize..50), turns in 0usize..4, mirror in any::<bool>(), fit in 0usize..3, cut in any::<[u16; 4]>(), input in (1u16..40, 1u16..40), seed in any::<u64>(),
    ) {
        let part = |pixels: usize, first: u16, length: u16| {
            let start = usize::from(first) % pixels;
            (start, 1 + usize::from(length) % (pixels - start))
        };
        let ((y, rows), (x, columns)) = (part(height, cut[0], cut[1]), part(width, cut[2], cut[3]));
        let fit = [Fit::Stretch, Fit::Crop, Fit::Letterbox { bars: [0; 3] }][fit];
        let view = View { region: Some(Region { y, x, height: rows, width: columns }), rotation: ROTATIONS[turns], mirror, fit };
        let geometry = geometry(width, height, view, input);
        let cells = (usize::from(input.0), usize::from(input.1));
        let map = random_map(cells.0 * cells.1, 200, seed);
        let all = to_frame(&geometry, &map);
        prop_assert_eq!(&all, &expected(width, height, view, cells, &map));
        // The single pixel says the same.
        for y in 0..height {
            for x in 0..width {
                let label = geometry.cell(y, x).map_or(255, |(row, column)| map[row * cells.1 + column]);
                prop_assert_eq!(label, all[y * width + x]);
            }
        }
    }

    #[test]
    fn overlays_are_the_formula_at_every_pixel(
        (width, height) in (1usize..20, 1usize..20), turns in 0usize..4, mirror in any::<bool>(), format in 0usize..6, gap in 0usize..5, part in any::<bool>(), seed in any::<u64>(),
    ) {
        let format = [Format::Nv12, Format::Nv21, Format::Rgb, Format::Bgr, Format::Rgba, Format::Bgra][format];
        let region = (part && width > 2 && height > 2).then(|| Region { y: 1, x: 1, height: height - 2, width: width - 2 });
        let view = View { region, rotation: ROTATIONS[turns], mirror, ..View::default() };
        let geometry = geometry(width, height, view, (6, 5));
        let map = random_map(30, 4, seed);
        let mut rng = Rng(seed);
        // Class 3 has no ink.
        let palette: Vec<Ink> = (0..3).map(|class| Ink { colour: [rng.byte(), rng.byte(), rng.byte()], alpha: [0, 255, rng.byte()][class] }).collect();
        let mut bytes = frames::noise(format, (width, height), gap, &mut rng);
        let before = bytes.planes.clone();
        let mut planes = bytes.planes.iter_mut().map(|(bytes, stride)| PlaneMut { bytes, stride: *stride });
        let (first, second) = (planes.next().unwrap(), planes.next());
        drop(planes);
        FrameMut::new(format, width, height, first, second).unwrap().with_colour(Matrix::Bt601, Range::Full).overlay(&geometry, &map, &palette).unwrap();
        let labels = to_frame(&geometry, &map);
        let ink = |y: usize, x: usize| palette.get(usize::from(labels[y * width + x])).copied().unwrap_or_default();
        let yuv = |[r, g, b]: [u8; 3]| {
            let [r, g, b] = [r, g, b].map(f64::from);
            let y = 0.299 * r + 0.587 * g + 0.114 * b;
            [y, 128.0 + (b - y) / 1.772, 128.0 + (r - y) / 1.402]
        };
        // Expected value of each byte, in real numbers. Gaps stay.
        let mut want: Vec<Vec<f64>> = before.iter().map(|(bytes, _)| bytes.iter().map(|byte| f64::from(*byte)).collect()).collect();
        let mixed = |own: f64, colour: f64, alpha: u8| own + (colour - own) * f64::from(alpha) / 255.0;
        for y in 0..height {
            for x in 0..width {
                let Ink { colour, alpha } = ink(y, x);
                match format {
                    Format::Nv12 | Format::Nv21 => {
                        let at = y * before[0].1 + x;
                        want[0][at] = mixed(want[0][at], yuv(colour)[0].clamp(0.0, 255.0), alpha);
                    }
                    _ => {
                        let step = if matches!(format, Format::Rgb | Format::Bgr) { 3 } else { 4 };
                        let reversed = matches!(format, Format::Bgr | Format::Bgra);
                        for c in 0..3 {
                            let at = y * before[0].1 + step * x + c;
                            want[0][at] = mixed(want[0][at], f64::from(colour[if reversed { 2 - c } else { c }]), alpha);
                        }
                    }
                }
            }
        }
        if let Some((chroma, stride)) = before.get(1) {
            for y in 0..height.div_ceil(2) {
                for x in 0..width.div_ceil(2) {
                    let pixels: Vec<Ink> = (2 * y..(2 * y + 2).min(height)).flat_map(|row| (2 * x..(2 * x + 2).min(width)).map(move |column| (row, column))).map(|(row, column)| ink(row, column)).collect();
                    for part in 0..2 {
                        let at = y * stride + 2 * x + part;
                        let component = if (format == Format::Nv21) == (part == 0) { 2 } else { 1 };
                        let own = f64::from(chroma[at]);
                        want[1][at] = pixels.iter().map(|ink| mixed(own, yuv(ink.colour)[component].clamp(0.0, 255.0), ink.alpha)).sum::<f64>() / pixels.len() as f64;
                    }
                }
            }
        }
        for ((got, _), want) in bytes.planes.iter().zip(&want) {
            for (got, want) in got.iter().zip(want) {
                // The colour's luma and chroma are rounded, and the sum once more.
                prop_assert!((f64::from(*got) - want).abs() <= 1.01, "{} {:?}: {} {}", format, view, got, want);
            }
        }
        // A frame without ink keeps its bytes.
        if palette.iter().all(|ink| ink.alpha == 0) {
            prop_assert_eq!(bytes.planes, before);
        }
    }

    #[test]
    fn masks_runs_and_extents_count_the_same_pixels(labels in prop::collection::vec(0u8..6, 0..200), classes in prop::collection::vec(0u8..6, 0..4), width in 1usize..30) {
        let set = ClassSet::of(&classes);
        let chosen: Vec<bool> = labels.iter().map(|label| classes.contains(label)).collect();
        let mut bits = vec![0xff; labels.len().div_ceil(8)];
        set.mask(&labels, &mut bits).unwrap();
        for (at, bit) in (0..8 * bits.len()).map(|at| (at, bits[at / 8] >> (7 - at % 8) & 1 == 1)) {
            prop_assert_eq!(bit, chosen.get(at).copied().unwrap_or(false));
        }
        let mut from_runs = vec![false; labels.len()];
        let mut behind = None;
        for Run { start, length } in set.runs(&labels) {
            prop_assert!(length > 0 && behind.is_none_or(|behind| start > behind), "runs do not touch");
            from_runs[start..start + length].fill(true);
            behind = Some(start + length);
        }
        prop_assert_eq!(from_runs, chosen);
        let mut extents = [ClassExtent::default(); 5];
        for (y, row) in labels.chunks(width).enumerate() {
            ClassExtent::count(&mut extents, y, row);
        }
        for (class, extent) in (0u8..).zip(extents) {
            let places: Vec<(usize, usize)> = (0..labels.len()).filter(|at| labels[*at] == class).map(|at| (at / width, at % width)).collect();
            prop_assert_eq!(extent.pixels, places.len());
            let (rows, columns): (Vec<usize>, Vec<usize>) = places.into_iter().unzip();
            let bounds = rows.iter().min().map(|y| {
                let x = *columns.iter().min().unwrap();
                Region { y: *y, x, height: rows.iter().max().unwrap() - y + 1, width: columns.iter().max().unwrap() - x + 1 }
            });
            prop_assert_eq!(extent.bounds, bounds);
        }
    }
}

#[test]
fn sets_hold_each_of_the_256_classes() {
    for class in 0..=255u8 {
        let set = ClassSet::of(&[class]);
        assert!((0..=255u8).all(|other| set.contains(other) == (other == class)), "{class}");
    }
}

#[test]
fn what_is_not_of_the_geometry_is_refused_and_says_what_to_do() {
    let geometry = geometry(6, 4, View::default(), (2, 3));
    let mut row = [0; 6];
    assert_eq!(geometry.frame_row(&[0; 5], 0, 255, &mut row), Err(LabelsError::Map { values: 5, expected: 6 }));
    assert_eq!(geometry.frame_row(&[0; 6], 4, 255, &mut row), Err(LabelsError::Row { row: 4, rows: 4 }));
    assert_eq!(geometry.frame_row(&[0; 6], 3, 255, &mut row[1..]), Err(LabelsError::Pixels { values: 5, expected: 6 }));
    assert_eq!(LabelsError::Map { values: 5, expected: 6 }.to_string(), "a map of 5 values: expected 6, one for each pixel of the input");
    assert_eq!(ClassSet::default().mask(&[0; 9], &mut [0; 1]), Err(MaskError { bytes: 1, expected: 2 }));

    let mut bytes = [0; 4 * 6 * 6];
    let error = FrameMut::packed(Format::Yuyv, 6, 4, &mut bytes).unwrap_err();
    assert!(error == OverlayError::Format(Format::Yuyv) && error.to_string().contains("expected nv12"), "{error}");
    let error = FrameMut::packed(Format::Rgba, 60, 40, &mut bytes).unwrap_err();
    assert_eq!(error.to_string(), "plane 0: 144 bytes, expected 9600 or more: check size, stride and format");
    let error = FrameMut::packed(Format::Nv12, 6, 4, &mut bytes[..30]).unwrap_err();
    assert_eq!(error.to_string(), "plane 1: 6 bytes, expected 12 or more: check size, stride and format");
    let mut frame = FrameMut::packed(Format::Rgba, 6, 6, &mut bytes).unwrap();
    assert_eq!(frame.overlay(&geometry, &[0; 6], &[]), Err(OverlayError::Size { width: 6, height: 6 }));
    let mut frame = FrameMut::packed(Format::Rgba, 6, 4, &mut bytes).unwrap();
    assert_eq!(frame.overlay(&geometry, &[0; 7], &[]), Err(OverlayError::Labels(LabelsError::Map { values: 7, expected: 6 })));
}
