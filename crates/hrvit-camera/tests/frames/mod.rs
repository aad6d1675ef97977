//! Frames to resize, and what the crate makes of them.
#![allow(dead_code, reason = "each test uses a part of it")]

use hrvit_camera::{Filter, Format, Frame, Geometry, Kernels, Matrix, Plane, Range, Rows, View};
use hrvit_format::Size;

use crate::reference::{Bytes, Picture, is_yuv};

/// A small generator (splitmix64): the same frames in every run.
#[derive(Clone)]
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub fn byte(&mut self) -> u8 {
        self.next() as u8
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// Planes of noise, `gap` bytes between rows.
pub fn noise(format: Format, (width, height): (usize, usize), gap: usize, rng: &mut Rng) -> Bytes {
    let planes = (0..format.planes()).map(|plane| {
        let stride = format.row_bytes(plane, width) + gap * (plane + 1);
        // The last row ends with its pixels.
        let bytes = stride * (format.rows(plane, height) - 1) + format.row_bytes(plane, width);
        ((0..bytes).map(|_| rng.byte()).collect(), stride)
    });
    Bytes { planes: planes.collect() }
}

/// Planes that show `picture` in red, green and blue: chroma of full range is the mean of its
/// pixels.
pub fn encode(format: Format, picture: &Picture<[f64; 3]>, gap: usize) -> Bytes {
    let (width, height) = (picture.width, picture.height);
    let mut rng = Rng(7);
    let mut bytes = noise(format, (width, height), gap, &mut rng);
    let strides: Vec<usize> = bytes.planes.iter().map(|plane| plane.1).collect();
    let byte = |real: f64| real.round().clamp(0.0, 255.0) as u8;
    let yuv = |[r, g, b]: [f64; 3]| {
        let y = 0.299 * r + 0.587 * g + 0.114 * b;
        [y, 128.0 + (b - y) / 1.772, 128.0 + (r - y) / 1.402]
    };
    // Mean chroma of the pixels that share it.
    let chroma = |y: usize, x: usize, (rows, columns): (usize, usize)| {
        let all: Vec<[f64; 3]> = (y / rows * rows..(y / rows * rows + rows).min(height))
            .flat_map(|row| (x / columns * columns..(x / columns * columns + columns).min(width)).map(move |column| (row, column)))
            .map(|(row, column)| yuv(picture.at(row, column)))
            .collect();
        [1, 2].map(|part| byte(all.iter().map(|yuv| yuv[part]).sum::<f64>() / all.len() as f64))
    };
    for y in 0..height {
        for x in 0..width {
            let rgb = picture.at(y, x);
            let luma = byte(yuv(rgb)[0]);
            let [r, g, b] = rgb.map(byte);
            let mut put = |plane: usize, row: usize, at: usize, value: u8| bytes.planes[plane].0[row * strides[plane] + at] = value;
            match format {
                Format::Nv12 | Format::Nv21 | Format::I420 => {
                    put(0, y, x, luma);
                    let [u, v] = chroma(y, x, (2, 2));
                    match format {
                        Format::Nv12 => [(1, x / 2 * 2, u), (1, x / 2 * 2 + 1, v)],
                        Format::Nv21 => [(1, x / 2 * 2, v), (1, x / 2 * 2 + 1, u)],
                        _ => [(1, x / 2, u), (2, x / 2, v)],
                    }
                    .into_iter()
                    .for_each(|(plane, at, value)| put(plane, y / 2, at, value));
                }
                Format::I422 | Format::I411 | Format::I444 => {
                    let columns = match format {
                        Format::I422 => 2,
                        Format::I411 => 4,
                        _ => 1,
                    };
                    put(0, y, x, luma);
                    let [u, v] = chroma(y, x, (1, columns));
                    put(1, y, x / columns, u);
                    put(2, y, x / columns, v);
                }
                Format::Yuyv | Format::Uyvy => {
                    let [u, v] = chroma(y, x, (1, 2));
                    let first = usize::from(format == Format::Uyvy);
                    put(0, y, 2 * x + first, luma);
                    put(0, y, x / 2 * 4 + 1 - first, u);
                    put(0, y, x / 2 * 4 + 3 - first, v);
                }
                Format::Rgb | Format::Bgr | Format::Rgba | Format::Bgra => {
                    let step = if matches!(format, Format::Rgb | Format::Bgr) { 3 } else { 4 };
                    let order = if matches!(format, Format::Rgb | Format::Rgba) { [r, g, b] } else { [b, g, r] };
                    (0..3).for_each(|c| put(0, y, step * x + c, order[c]));
                }
                Format::Rgb565 => {
                    let pixel = u16::from(r >> 3) << 11 | u16::from(g >> 2) << 5 | u16::from(b >> 3);
                    (0..2).for_each(|c| put(0, y, 2 * x + c, pixel.to_le_bytes()[c]));
                }
                _ => put(0, y, x, luma),
            }
        }
    }
    bytes
}

/// Every row of the input in its order, `[height][width]`.
pub fn rows(format: Format, size: (usize, usize), bytes: &Bytes, colour: (Matrix, Range), view: View, filter: Filter, input: Size) -> Picture<[u8; 3]> {
    let planes: Vec<Plane<'_>> = bytes.planes.iter().map(|(bytes, stride)| Plane { bytes, stride: *stride }).collect();
    let frame = Frame::new(format, size.0, size.1, &planes).unwrap().with_colour(colour.0, colour.1);
    let geometry = Geometry::new(size.0, size.1, view, input).unwrap();
    let mut scratch = vec![0xdead_beef; Rows::scratch_words(format, &geometry, filter).unwrap()];
    let mut rows = Rows::new(Kernels::detect(), frame, geometry, filter, &mut scratch).unwrap();
    let width = usize::from(input.width);
    let mut pixels = vec![0; 3 * width * usize::from(input.height)];
    for (y, row) in pixels.chunks_exact_mut(3 * width).enumerate() {
        rows.read(y, row).unwrap();
    }
    let (pixels, _) = pixels.as_chunks::<3>();
    Picture { width, height: input.height.into(), pixels: pixels.to_vec() }
}

/// The frame's own pixels.
pub fn own(format: Format, (width, height): (usize, usize), bytes: &Bytes, colour: (Matrix, Range)) -> Picture<[u8; 3]> {
    let planes: Vec<Plane<'_>> = bytes.planes.iter().map(|(bytes, stride)| Plane { bytes, stride: *stride }).collect();
    let frame = Frame::new(format, width, height, &planes).unwrap().with_colour(colour.0, colour.1);
    let mut pixels = vec![0; 3 * width * height];
    pixels.chunks_exact_mut(3 * width).enumerate().for_each(|(y, row)| frame.row(y, row).unwrap());
    let (pixels, _) = pixels.as_chunks::<3>();
    Picture { width, height, pixels: pixels.to_vec() }
}

/// Something like a photograph: smooth shading, edges, some noise; colours that are not too strong.
pub fn scene(width: usize, height: usize, seed: u64) -> Picture<[f64; 3]> {
    let mut rng = Rng(seed);
    let grain: Vec<f64> = (0..width * height).map(|_| f64::from(rng.byte()) / 255.0 - 0.5).collect();
    Picture::from_fn(width, height, |y, x| {
        let (v, h) = (y as f64 / height as f64, x as f64 / width as f64);
        let shade = 110.0 + 50.0 * (6.0 * h + 2.0 * v).sin() + 30.0 * (9.0 * v - 4.0 * h * v).cos();
        let edge = if (h - 0.5).powi(2) + (v - 0.6).powi(2) < 0.06 { 35.0 } else { 0.0 };
        let noise = 12.0 * grain[y * width + x];
        [shade + edge + noise, shade * 0.95 + noise, shade * 0.9 - edge / 2.0 + noise].map(|value| value.clamp(0.0, 255.0))
    })
}

/// Largest and mean difference.
pub fn difference(got: &Picture<[u8; 3]>, want: &Picture<[f64; 3]>) -> (f64, f64) {
    assert_eq!((got.width, got.height), (want.width, want.height));
    let each = got.pixels.iter().flatten().zip(want.pixels.iter().flatten()).map(|(got, want)| f64::from(*got) - want);
    let (largest, sum) = each.fold((0.0f64, 0.0), |(largest, sum), each| (largest.max(each.abs()), sum + each.abs()));
    (largest, sum / (3 * got.pixels.len()) as f64)
}

/// Whether a format takes frames of this width.
pub fn takes(format: Format, width: usize) -> bool {
    !matches!(format, Format::Yuyv | Format::Uyvy) || width.is_multiple_of(2)
}

/// Frames of colours that the format cannot show exceed 0 to 255 in the reference.
pub fn keeps_colours(format: Format) -> bool {
    !is_yuv(format)
}
