//! Rows of an input against the same in real numbers.

mod frames;
mod reference;

use frames::{Rng, difference, encode, noise, own, rows, scene, takes};
use hrvit_camera::{Filter, Fit, Format, Matrix, Range, Region, Rotation, View};
use hrvit_format::Size;
use proptest::prelude::*;
use reference::{Picture, decode, input};

/// Of 255, as documented.
const LARGEST: f64 = 2.0;
/// Mean difference.
const MEAN: f64 = 0.5;

const COLOURS: [(Matrix, Range); 4] =
    [(Matrix::Bt601, Range::Limited), (Matrix::Bt601, Range::Full), (Matrix::Bt709, Range::Limited), (Matrix::Bt709, Range::Full)];
const ROTATIONS: [Rotation; 4] = [Rotation::None, Rotation::Quarter, Rotation::Half, Rotation::ThreeQuarters];
const BARS: Fit = Fit::Letterbox { bars: [124, 116, 104] };

fn size(height: u16, width: u16) -> Size {
    Size { height, width }
}

/// Compares a frame of noise with its reference; colours out of range are clamped after the filter
/// in both.
fn compare_noise(format: Format, (extent, gap): ((usize, usize), usize), colour: (Matrix, Range), view: View, filter: Filter, to: Size, seed: u64) {
    let bytes = noise(format, extent, gap, &mut Rng(seed));
    let got = rows(format, extent, &bytes, colour, view, filter, to);
    let want = input(&decode(format, extent, &bytes, colour, false), view, filter, (to.height.into(), to.width.into()));
    let (largest, mean) = difference(&got, &want);
    assert!(largest <= LARGEST && mean <= MEAN, "{format} {extent:?} gap {gap} {colour:?} {view:?} {filter:?} {to:?}: largest {largest}, mean {mean}");
}

#[test]
fn every_format_of_noise_is_the_float_filter() {
    for format in Format::ALL {
        for (colour, extent) in COLOURS.into_iter().zip([(64, 48), (61, 45), (100, 30), (33, 97)]) {
            let extent = if takes(format, extent.0) { extent } else { (extent.0 + 1, extent.1) };
            for filter in [Filter::Area, Filter::Bilinear] {
                compare_noise(format, (extent, 5), colour, View::default(), filter, size(32, 32), 3);
                compare_noise(format, (extent, 0), colour, View::default(), filter, size(19, 23), 4);
            }
        }
    }
}

#[test]
fn pictures_and_gradients_are_the_float_filter_of_their_colours() {
    let gradient = Picture::from_fn(97, 61, |y, x| [x as f64 * 255.0 / 96.0, y as f64 * 255.0 / 60.0, (x + y) as f64 * 255.0 / 156.0]);
    let soft = Picture { pixels: gradient.pixels.iter().map(|rgb| rgb.map(|value| 64.0 + value / 2.0)).collect(), ..gradient.clone() };
    for format in Format::ALL {
        for picture in [scene(320, 240, 1), scene(321, 241, 2), soft.clone()] {
            if !takes(format, picture.width) {
                continue;
            }
            let bytes = encode(format, &picture, 3);
            let extent = (picture.width, picture.height);
            let colour = (Matrix::Bt601, Range::Full);
            // The colour of each pixel is clamped before the filter.
            let frame = decode(format, extent, &bytes, colour, true);
            for (to, filter) in [(size(96, 128), Filter::Area), (size(64, 64), Filter::Area), (size(96, 128), Filter::Bilinear)] {
                let got = rows(format, extent, &bytes, colour, View::default(), filter, to);
                let (largest, mean) = difference(&got, &input(&frame, View::default(), filter, (to.height.into(), to.width.into())));
                assert!(largest <= LARGEST && mean <= MEAN, "{format} {extent:?} {to:?} {filter:?}: largest {largest}, mean {mean}");
            }
        }
    }
    // Formats that keep colours show the strongest gradient, too.
    for format in [Format::Rgb, Format::Bgr, Format::Rgba, Format::Bgra, Format::Rgb565] {
        let bytes = encode(format, &gradient, 0);
        let frame = decode(format, (97, 61), &bytes, COLOURS[0], true);
        let got = rows(format, (97, 61), &bytes, COLOURS[0], View::default(), Filter::Area, size(32, 64));
        let (largest, mean) = difference(&got, &input(&frame, View::default(), Filter::Area, (32, 64)));
        assert!(largest <= LARGEST && mean <= MEAN, "{format}: largest {largest}, mean {mean}");
    }
}

#[test]
fn a_frame_of_the_inputs_size_is_converted_pixel_by_pixel() {
    for format in Format::ALL {
        for filter in [Filter::Area, Filter::Bilinear] {
            for colour in COLOURS {
                let bytes = noise(format, (32, 24), 2, &mut Rng(9));
                let got = rows(format, (32, 24), &bytes, colour, View::default(), filter, size(24, 32));
                assert!(got == own(format, (32, 24), &bytes, colour), "{format} {filter:?} {colour:?}");
                let want = decode(format, (32, 24), &bytes, colour, true);
                // Factors are rounded to 16 bits: the result is the nearest byte but for ties.
                let (largest, _) = difference(&got, &want);
                assert!(largest <= 0.51, "{format} {filter:?} {colour:?}: {largest}");
            }
        }
    }
}

#[test]
fn turned_and_mirrored_frames_are_permutations_of_the_upright_ones_input() {
    for format in Format::ALL {
        for filter in [Filter::Area, Filter::Bilinear] {
            let (width, height) = (50, 38);
            let bytes = noise(format, (width, height), 1, &mut Rng(11));
            for rotation in ROTATIONS {
                for mirror in [false, true] {
                    // Without chroma's pairs out of step the resized picture turns with the frame:
                    // whole bytes are equal.
                    let turned = matches!(rotation, Rotation::Quarter | Rotation::ThreeQuarters);
                    let (to, upright) = (size(20, 24), if turned { size(24, 20) } else { size(20, 24) });
                    let view = View { rotation, mirror, ..View::default() };
                    let got = rows(format, (width, height), &bytes, COLOURS[0], view, filter, to);
                    let plain = rows(format, (width, height), &bytes, COLOURS[0], View::default(), filter, upright);
                    assert!(got == plain.viewed(view), "{format} {filter:?} {rotation:?} mirror {mirror}");
                }
            }
        }
    }
}

#[test]
fn regions_at_odd_pixels_have_the_chroma_of_their_pixels() {
    for format in Format::ALL {
        for (y, x) in [(0, 0), (1, 0), (0, 1), (1, 1), (7, 13)] {
            for (height, width) in [(1, 1), (2, 2), (3, 5), (17, 31), (20, 30)] {
                let region = Some(Region { y, x, height, width });
                for rotation in ROTATIONS {
                    for fit in [Fit::Stretch, Fit::Crop, BARS] {
                        let view = View { region, rotation, mirror: x == 1, fit };
                        compare_noise(format, ((44, 37), 3), COLOURS[1], view, Filter::Area, size(8, 12), 5);
                        compare_noise(format, ((44, 37), 0), COLOURS[2], view, Filter::Bilinear, size(8, 12), 6);
                    }
                }
            }
        }
    }
}

#[test]
fn ratios_whose_sums_need_32_bits_are_exact_as_well() {
    // 521 and 32 have no common factor: 255 * 521 needs 17 bits.
    for format in [Format::Nv12, Format::Rgb565, Format::Rgba, Format::Gray8] {
        for rotation in [Rotation::None, Rotation::Quarter] {
            compare_noise(format, ((67, 521), 0), COLOURS[0], View { rotation, ..View::default() }, Filter::Area, size(32, 31), 8);
            compare_noise(format, ((521, 67), 0), COLOURS[0], View { rotation, ..View::default() }, Filter::Area, size(31, 32), 8);
        }
    }
}

#[test]
fn white_and_black_stay_white_and_black_at_any_ratio() {
    for (width, height) in [(1, 1), (3, 2), (640, 480), (1280, 720), (1021, 1019), (2000, 3)] {
        for value in [0, 255] {
            let bytes = reference::Bytes { planes: vec![(vec![value; width * height], width)] };
            let got = rows(Format::Gray8, (width, height), &bytes, COLOURS[0], View::default(), Filter::Area, size(32, 64));
            assert!(got.pixels.iter().all(|pixel| *pixel == [value; 3]), "{width}x{height} {value}");
        }
    }
}

#[test]
fn rows_in_any_order_are_the_same() {
    use hrvit_camera::{Frame, Geometry, Kernels, Rows};
    let bytes: Vec<u8> = (0..Format::Nv12.frame_bytes(90, 70)).map(|i| (i * 37 % 251) as u8).collect();
    for rotation in ROTATIONS {
        let view = View { rotation, fit: BARS, ..View::default() };
        let geometry = Geometry::new(90, 70, view, size(64, 40)).unwrap();
        let frame = Frame::packed(Format::Nv12, 90, 70, &bytes).unwrap();
        let mut scratch = vec![0; Rows::scratch_words(Format::Nv12, &geometry, Filter::Area).unwrap()];
        let mut rows = Rows::new(Kernels::detect(), frame, geometry, Filter::Area, &mut scratch).unwrap();
        let mut all = vec![[0; 3 * 40]; 64];
        all.iter_mut().enumerate().for_each(|(y, row)| rows.read(y, row).unwrap());
        for y in [63, 0, 17, 16, 15, 33, 2, 63, 31] {
            let mut row = [1; 3 * 40];
            rows.read(y, &mut row).unwrap();
            assert_eq!(row, all[y], "{rotation:?} row {y}");
        }
    }
}

fn view() -> impl Strategy<Value = (View, (usize, usize))> {
    let extent = (1usize..60, 1usize..60);
    (extent, 0usize..4, any::<bool>(), 0usize..3, any::<[u16; 4]>(), any::<bool>()).prop_map(|((width, height), turns, mirror, fit, cut, all)| {
        let width = width.next_multiple_of(2);
        let part = |pixels: usize, first: u16, length: u16| {
            let start = usize::from(first) % pixels;
            (start, 1 + usize::from(length) % (pixels - start))
        };
        let ((y, rows), (x, columns)) = (part(height, cut[0], cut[1]), part(width, cut[2], cut[3]));
        let region = (!all).then_some(Region { y, x, height: rows, width: columns });
        (View { region, rotation: ROTATIONS[turns], mirror, fit: [Fit::Stretch, Fit::Crop, BARS][fit] }, (width, height))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_view_of_any_frame_is_the_float_filter(
        (view, extent) in view(), format in 0..Format::ALL.len(), colour in 0usize..4, area in any::<bool>(),
        to in (1u16..48, 1u16..48), gap in 0usize..9, seed in any::<u64>(),
    ) {
        let filter = if area { Filter::Area } else { Filter::Bilinear };
        compare_noise(Format::ALL[format], (extent, gap), COLOURS[colour], view, filter, size(to.0, to.1), seed);
    }
}
