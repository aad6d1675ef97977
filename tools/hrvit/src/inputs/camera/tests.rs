//! Frames of cameras against pictures of the same pixels.

use super::*;
use crate::labels::{self, LabelMap, NO_LABEL};

fn nv12(width: usize, height: usize) -> Camera {
    let layout = Layout::packed(Format::Nv12, width, height, Colours::default());
    let bytes = (0..layout.bytes()).map(|at| (at * 7 % 201 + 20) as u8).collect();
    Camera::new(layout, bytes).unwrap()
}

/// A frame whose colours a screen can show: nothing is clamped.
fn soft_nv12(width: usize, height: usize) -> Camera {
    let layout = Layout::packed(Format::Nv12, width, height, Colours::default());
    let byte = |at: usize| if at < width * height { at * 7 % 101 + 70 } else { at * 5 % 17 + 120 };
    let bytes = (0..layout.bytes()).map(|at| byte(at) as u8).collect();
    Camera::new(layout, bytes).unwrap()
}

/// The mean of all pixels that a pixel of the input covers, in real numbers.
fn area(frame: &RgbImage, size: Size) -> Vec<f64> {
    let covered = |pixels: u32, cells: u16, cell: u16, pixel: u32| {
        let scale = f64::from(pixels) / f64::from(cells);
        let (from, to) = (f64::from(cell) * scale, (f64::from(cell) + 1.0) * scale);
        (f64::from(pixel + 1).min(to) - f64::from(pixel).max(from)).max(0.0) / scale
    };
    let mut out = Vec::new();
    for y in 0..size.height {
        for x in 0..size.width {
            let mut sums = [0.0; 3];
            for (column, row, pixel) in frame.enumerate_pixels() {
                let weight = covered(frame.height(), size.height, y, row) * covered(frame.width(), size.width, x, column);
                sums.iter_mut().zip(pixel.0).for_each(|(sum, value)| *sum += weight * f64::from(value));
            }
            out.extend(sums);
        }
    }
    out
}

#[test]
fn an_input_is_the_mean_of_the_pictures_pixels() {
    let camera = soft_nv12(50, 40);
    let (frame, size) = (camera.picture().unwrap(), Size { height: 32, width: 32 });
    let input = camera.input(Fitting::Stretch, size).unwrap();
    let distances: Vec<f64> = input.as_raw().iter().zip(area(&frame, size)).map(|(got, want)| (f64::from(*got) - want).abs()).collect();
    let (largest, mean) = (distances.iter().copied().fold(0.0, f64::max), distances.iter().sum::<f64>() / distances.len() as f64);
    // The picture was rounded once more.
    assert!(largest <= 2.0 && mean <= 0.5, "{largest} {mean}");
    assert_eq!(camera.input(Fitting::Stretch, Size { height: 40, width: 50 }).unwrap(), frame);
}

#[test]
fn labels_lie_where_the_cameras_geometry_says() {
    let bars = [9; 3];
    for fitting in [Fitting::Stretch, Fitting::Crop, Fitting::Letterbox { bars }] {
        for (width, height) in [(100, 37), (37, 100), (64, 64), (641, 481)] {
            let (pixels, size) = (Pixels::try_from(nv12(width, height)).unwrap(), Size { height: 32, width: 64 });
            let (_, placement) = pixels.fitted(fitting, size).unwrap();
            let map: Vec<u8> = (0..size.pixels()).map(|at| (at * 13 % 251) as u8).collect();
            let found = labels::nearest(&LabelMap::new(32, 64, map.clone()).unwrap(), &placement, height, width, NO_LABEL);
            let geometry = Geometry::new(width, height, View { fit: fit(fitting), ..View::default() }, size).unwrap();
            let mut own = vec![0; width * height];
            own.chunks_exact_mut(width).enumerate().for_each(|(y, row)| geometry.frame_row(&map, y, NO_LABEL, row).unwrap());
            assert!(found.data == own, "{fitting:?} {width}x{height}");
        }
    }
}

#[test]
fn bars_are_where_a_pictures_are() {
    let (pixels, size, bars) = (Pixels::try_from(nv12(100, 37)).unwrap(), Size { height: 64, width: 64 }, Fitting::Letterbox { bars: [1, 2, 3] });
    let (own, placement) = pixels.fitted(bars, size).unwrap();
    let (picture, same) = Pixels::from(pixels.rgb).fitted(bars, size).unwrap();
    assert_eq!(placement, same);
    let is_bar = |picture: &RgbImage| picture.pixels().map(|pixel| pixel.0 == [1, 2, 3]).collect::<Vec<_>>();
    assert_eq!(is_bar(&own), is_bar(&picture));
}

#[test]
fn a_picture_comes_back_from_its_frame_of_nv12() {
    let picture = RgbImage::from_fn(37, 21, |x, y| image::Rgb([(60 + 3 * x) as u8, (200 - 5 * y) as u8, (90 + x + 2 * y) as u8]));
    let back = Camera::nv12(&picture).unwrap().picture().unwrap();
    // Chroma is shared by four pixels, which differ by 8 at most.
    let largest = back.as_raw().iter().zip(picture.as_raw()).map(|(back, own)| back.abs_diff(*own)).max();
    assert!(largest.unwrap() <= 12, "{largest:?}");
    let grey = RgbImage::from_pixel(5, 3, image::Rgb([77; 3]));
    assert!(Camera::nv12(&grey).unwrap().picture().unwrap().as_raw().iter().all(|value| value.abs_diff(77) <= 1));
}
