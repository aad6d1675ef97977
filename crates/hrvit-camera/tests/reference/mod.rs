//! The same in real numbers and plain permutations, written without the crate's code.
#![allow(dead_code, reason = "each test uses a part of it")]

use hrvit_camera::{Filter, Fit, Format, Matrix, Range, Region, Rotation, View};

/// A picture of real numbers, `[height][width]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture<T> {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<T>,
}

impl<T: Copy> Picture<T> {
    pub fn from_fn(width: usize, height: usize, pixel: impl Fn(usize, usize) -> T) -> Self {
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (y, x))).map(|(y, x)| pixel(y, x)).collect();
        Self { width, height, pixels }
    }

    pub fn at(&self, y: usize, x: usize) -> T {
        self.pixels[y * self.width + x]
    }

    /// Region, rotation and mirror of a view.
    pub fn viewed(&self, view: View) -> Self {
        let Region { y, x, height, width } = view.region.unwrap_or(Region { y: 0, x: 0, height: self.height, width: self.width });
        let part = Self::from_fn(width, height, |row, column| self.at(y + row, x + column));
        let turns = match view.rotation {
            Rotation::None => 0,
            Rotation::Quarter => 1,
            Rotation::Half => 2,
            Rotation::ThreeQuarters => 3,
        };
        let turned = (0..turns).fold(part, |part, _| Self::from_fn(part.height, part.width, |row, column| part.at(part.height - 1 - column, row)));
        if view.mirror { Self::from_fn(turned.width, turned.height, |row, column| turned.at(row, turned.width - 1 - column)) } else { turned }
    }
}

/// Bytes of a frame with its planes' strides, every gap filled with noise.
pub struct Bytes {
    pub planes: Vec<(Vec<u8>, usize)>,
}

/// Places of the components of a pixel: plane, byte of the row, row.
fn places(format: Format, y: usize, x: usize) -> [(usize, usize, usize); 3] {
    match format {
        Format::Nv12 => [(0, x, y), (1, x / 2 * 2, y / 2), (1, x / 2 * 2 + 1, y / 2)],
        Format::Nv21 => [(0, x, y), (1, x / 2 * 2 + 1, y / 2), (1, x / 2 * 2, y / 2)],
        Format::I420 => [(0, x, y), (1, x / 2, y / 2), (2, x / 2, y / 2)],
        Format::I422 => [(0, x, y), (1, x / 2, y), (2, x / 2, y)],
        Format::I411 => [(0, x, y), (1, x / 4, y), (2, x / 4, y)],
        Format::I444 => [0, 1, 2].map(|plane| (plane, x, y)),
        Format::Yuyv => [(0, 2 * x, y), (0, x / 2 * 4 + 1, y), (0, x / 2 * 4 + 3, y)],
        Format::Uyvy => [(0, 2 * x + 1, y), (0, x / 2 * 4, y), (0, x / 2 * 4 + 2, y)],
        Format::Rgb => [0, 1, 2].map(|c| (0, 3 * x + c, y)),
        Format::Bgr => [2, 1, 0].map(|c| (0, 3 * x + c, y)),
        Format::Rgba => [0, 1, 2].map(|c| (0, 4 * x + c, y)),
        Format::Bgra => [2, 1, 0].map(|c| (0, 4 * x + c, y)),
        Format::Gray8 => [(0, x, y); 3],
        Format::Rgb565 => [(0, 2 * x, y); 3],
        _ => unreachable!("a format without a reference"),
    }
}

pub fn is_yuv(format: Format) -> bool {
    use Format::*;
    matches!(format, Nv12 | Nv21 | I420 | I422 | I411 | I444 | Yuyv | Uyvy)
}

/// Red, green and blue of every pixel in real numbers; colours outside of 0 to 255 are kept unless
/// `clamped`.
pub fn decode(format: Format, size: (usize, usize), bytes: &Bytes, colour: (Matrix, Range), clamped: bool) -> Picture<[f64; 3]> {
    Picture::from_fn(size.0, size.1, |y, x| {
        let read = |(plane, byte, row): (usize, usize, usize)| f64::from(bytes.planes[plane].0[row * bytes.planes[plane].1 + byte]);
        if format == Format::Rgb565 {
            let (row, stride) = (&bytes.planes[0].0, bytes.planes[0].1);
            let pixel = u16::from_le_bytes([row[y * stride + 2 * x], row[y * stride + 2 * x + 1]]);
            // The nearest byte of `bits` bits.
            let full = |value: u16, most: f64| (f64::from(value) * 255.0 / most).round();
            return [full(pixel >> 11, 31.0), full(pixel >> 5 & 63, 63.0), full(pixel & 31, 31.0)];
        }
        let values = places(format, y, x).map(read);
        if !is_yuv(format) {
            return values;
        }
        let (kr, kb) = if colour.0 == Matrix::Bt601 { (0.299, 0.114) } else { (0.2126, 0.0722) };
        let kg = 1.0 - kr - kb;
        let [y, u, v] = if colour.1 == Range::Full {
            [values[0], values[1] - 128.0, values[2] - 128.0]
        } else {
            [(values[0] - 16.0) * 255.0 / 219.0, (values[1] - 128.0) * 255.0 / 224.0, (values[2] - 128.0) * 255.0 / 224.0]
        };
        let rgb = [y + 2.0 * (1.0 - kr) * v, y - 2.0 * (1.0 - kb) * kb / kg * u - 2.0 * (1.0 - kr) * kr / kg * v, y + 2.0 * (1.0 - kb) * u];
        if clamped { rgb.map(|value| value.clamp(0.0, 255.0)) } else { rgb }
    })
}

/// Weights of the pixels of one cell, `(pixel, weight)`, whose sum is 1.
fn weights(filter: Filter, pixels: usize, cells: usize, cell: usize) -> Vec<(usize, f64)> {
    let scale = pixels as f64 / cells as f64;
    match filter {
        Filter::Area => {
            let (from, to) = (cell as f64 * scale, (cell + 1) as f64 * scale);
            let covered = |pixel: usize| ((pixel + 1) as f64).min(to) - (pixel as f64).max(from);
            (0..pixels).map(|pixel| (pixel, covered(pixel) / scale)).filter(|(_, weight)| *weight > 0.0).collect()
        }
        Filter::Bilinear => {
            let middle = ((cell as f64 + 0.5) * scale - 0.5).clamp(0.0, (pixels - 1) as f64);
            let left = middle.floor();
            vec![(left as usize, 1.0 - (middle - left)), ((left as usize + 1).min(pixels - 1), middle - left)]
        }
    }
}

/// Each direction resized on its own.
pub fn resized(picture: &Picture<[f64; 3]>, filter: Filter, height: usize, width: usize) -> Picture<[f64; 3]> {
    let rows: Vec<_> = (0..height).map(|cell| weights(filter, picture.height, height, cell)).collect();
    let columns: Vec<_> = (0..width).map(|cell| weights(filter, picture.width, width, cell)).collect();
    Picture::from_fn(width, height, |y, x| {
        let mut sum = [0.0; 3];
        for (row, by_row) in &rows[y] {
            for (column, by_column) in &columns[x] {
                let pixel = picture.at(*row, *column);
                sum.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += by_row * by_column * value);
            }
        }
        sum
    })
}

/// Rows and columns of the largest part of `outer` with the shape of `shape`.
fn shaped(outer: (usize, usize), shape: (usize, usize)) -> (usize, usize) {
    let nearest = |real: f64, most: usize| ((real + 0.5).floor() as usize).clamp(1, most);
    if outer.1 * shape.0 >= outer.0 * shape.1 {
        (outer.0, nearest((outer.0 * shape.1) as f64 / shape.0 as f64, outer.1))
    } else {
        (nearest((outer.1 * shape.0) as f64 / shape.1 as f64, outer.0), outer.1)
    }
}

/// The network's view of a decoded frame, `height` x `width`; clamped.
pub fn input(frame: &Picture<[f64; 3]>, view: View, filter: Filter, (height, width): (usize, usize)) -> Picture<[f64; 3]> {
    let upright = frame.viewed(view);
    let clamp = |picture: Picture<[f64; 3]>| Picture { pixels: picture.pixels.iter().map(|rgb| rgb.map(|value| value.clamp(0.0, 255.0))).collect(), ..picture };
    match view.fit {
        Fit::Stretch => clamp(resized(&upright, filter, height, width)),
        Fit::Crop => {
            let part = shaped((upright.height, upright.width), (height, width));
            let region = Region { y: (upright.height - part.0) / 2, x: (upright.width - part.1) / 2, height: part.0, width: part.1 };
            clamp(resized(&upright.viewed(View { region: Some(region), ..View::default() }), filter, height, width))
        }
        Fit::Letterbox { bars } => {
            let part = shaped((height, width), (upright.height, upright.width));
            let (top, left) = ((height - part.0) / 2, (width - part.1) / 2);
            let shown = clamp(resized(&upright, filter, part.0, part.1));
            Picture::from_fn(width, height, |y, x| match (y.checked_sub(top), x.checked_sub(left)) {
                (Some(row), Some(column)) if row < part.0 && column < part.1 => shown.at(row, column),
                _ => bars.map(f64::from),
            })
        }
    }
}
