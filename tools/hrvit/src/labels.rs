//! Label maps: one class index per pixel, read from and written to PNG.
//!
//! The pixel value of a label PNG *is* the class, in a grey file as in one with a palette. The
//! palette only says how viewers show it.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use png::{BitDepth, ColorType};

use crate::decoding::MaxPixels;
use crate::fit::Placement;
use crate::palette::Classes;

/// Label of a pixel that a network did not see, and in data sets of one without a class.
pub const NO_LABEL: u8 = 255;

/// Class index per pixel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelMap {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// `[height, width]`, row by row.
    pub data: Vec<u8>,
}

impl LabelMap {
    /// A map of `height * width` indices.
    ///
    /// # Errors
    /// If the number of indices is another.
    pub fn new(height: usize, width: usize, data: Vec<u8>) -> Result<Self> {
        ensure!(data.len() == height * width, "label map of {} indices: expected {height} rows of {width}", data.len());
        Ok(Self { height, width, data })
    }

    /// Pixels of each of `classes` classes; any other index is left out.
    pub fn histogram(&self, classes: usize) -> Vec<u64> {
        let mut counts = vec![0; classes];
        for &label in &self.data {
            if let Some(count) = counts.get_mut(usize::from(label)) {
                *count += 1;
            }
        }
        counts
    }
}

/// The map of a frame of another size that lies in this one so. Every pixel takes the value of the
/// pixel that its middle lies in, or `outside`.
pub fn nearest(map: &LabelMap, placement: &Placement, height: usize, width: usize, outside: u8) -> LabelMap {
    let columns: Vec<Option<usize>> = (0..width).map(|x| placement.columns.cell(x, width, map.width)).collect();
    let row = |y: usize| {
        let row = placement.rows.cell(y, height, map.height);
        columns.iter().map(move |column| row.zip(*column).map_or(outside, |(y, x)| map.data[y * map.width + x]))
    };
    LabelMap { height, width, data: (0..height).flat_map(row).collect() }
}

/// Reads class indices from a grey or palette PNG of 1, 2, 4 or 8 bits.
///
/// # Errors
/// If the file cannot be read, is no PNG, or has colours instead of indices; names it.
pub fn read(path: &Path) -> Result<LabelMap> {
    read_indices(path).with_context(|| format!("reading labels {}", path.display()))
}

fn read_indices(path: &Path) -> Result<LabelMap> {
    indices(BufReader::new(File::open(path)?), MaxPixels::of_process())
}

fn indices(file: impl BufRead + Seek, most: MaxPixels) -> Result<LabelMap> {
    match picture(file, most, false)? {
        Picture::Indices(map) => Ok(map),
        Picture::Colours { .. } => bail!("pixels are colours: expected one class index per pixel, grey or palette, of at most 8 bits"),
    }
}

/// Content of a label PNG.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Picture {
    /// A value per pixel.
    Indices(LabelMap),
    /// Red, green and blue per pixel.
    Colours {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
        /// Row by row.
        data: Vec<[u8; 3]>,
    },
}

/// Reads a label PNG of 8 bits or less, as its pixels are; with `shown` a palette PNG as its
/// palette shows it.
///
/// # Errors
/// If the file cannot be read or is no such PNG.
pub fn read_any(path: &Path, shown: bool) -> Result<Picture> {
    picture(BufReader::new(File::open(path)?), MaxPixels::of_process(), shown)
}

fn picture(file: impl BufRead + Seek, most: MaxPixels, shown: bool) -> Result<Picture> {
    let mut decoder = png::Decoder::new_with_limits(file, png::Limits { bytes: most.memory() });
    decoder.set_transformations(png::Transformations::IDENTITY);
    let mut reader = decoder.read_info().context("expected a PNG of class indices")?;
    most.check(reader.info().width, reader.info().height, reader.info().bytes_per_pixel() as u64)?;
    let palette = reader.info().palette.as_ref().filter(|_| shown).map(|palette| palette.to_vec());
    let mut packed = vec![0; reader.output_buffer_size().context("picture too large")?];
    let info = reader.next_frame(&mut packed)?;
    reader.finish().context("truncated PNG")?;
    let (height, width) = (info.height as usize, info.width as usize);
    let rows = packed.chunks(info.line_size).take(height);
    let bits = match (info.color_type, info.bit_depth) {
        (ColorType::Rgb | ColorType::Rgba, BitDepth::Eight) => {
            let bytes = if info.color_type == ColorType::Rgb { 3 } else { 4 };
            let data = rows.flat_map(|row| row.chunks_exact(bytes).take(width).map(|pixel| [pixel[0], pixel[1], pixel[2]])).collect();
            return Ok(Picture::Colours { height, width, data });
        }
        (ColorType::Grayscale | ColorType::Indexed, BitDepth::One) => 1,
        (ColorType::Grayscale | ColorType::Indexed, BitDepth::Two) => 2,
        (ColorType::Grayscale | ColorType::Indexed, BitDepth::Four) => 4,
        (ColorType::Grayscale | ColorType::Indexed, BitDepth::Eight) => 8,
        (colour, depth) => bail!("pixels are {colour:?} of {depth:?} bits: expected one class index per pixel, grey or palette, of at most 8 bits"),
    };
    let per_byte = 8 / bits;
    let mask = u8::MAX >> (8 - bits);
    let unpack = |row: &[u8]| -> Vec<u8> {
        let codes = row.iter().flat_map(|&byte| (1..=per_byte).map(move |n| (byte >> (8 - n * bits)) & mask));
        codes.take(width).collect()
    };
    let map = LabelMap::new(height, width, rows.flat_map(unpack).collect())?;
    match (palette, info.color_type) {
        (Some(palette), ColorType::Indexed) => {
            let colour = |&value: &u8| palette.get(3 * usize::from(value)..).and_then(|rest| rest.first_chunk()).copied();
            let data = map.data.iter().map(|value| colour(value).with_context(|| format!("value {value} is not in the palette"))).collect::<Result<_>>()?;
            Ok(Picture::Colours { height, width, data })
        }
        _ => Ok(Picture::Indices(map)),
    }
}

/// The bytes of a palette PNG whose pixel values are the indices and whose palette holds the
/// classes' colours.
///
/// # Errors
/// If the map has no pixels.
pub fn encode(labels: &LabelMap, classes: &Classes) -> Result<Vec<u8>> {
    let mut palette: Vec<u8> = classes.colours().flatten().collect();
    let largest = labels.data.iter().copied().max().map_or(0, usize::from);
    palette.resize(palette.len().max(3 * (largest + 1)), 0);
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, u32::try_from(labels.width)?, u32::try_from(labels.height)?);
    encoder.set_color(ColorType::Indexed);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_palette(palette);
    let mut writer = encoder.write_header().context("label map that PNG cannot hold")?;
    writer.write_image_data(&labels.data)?;
    writer.finish()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png_file(colour: ColorType, depth: BitDepth, width: u32, height: u32, palette: Option<Vec<u8>>, rows: &[u8]) -> tempfile::NamedTempFile {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(colour);
        encoder.set_depth(depth);
        if let Some(palette) = palette {
            encoder.set_palette(palette);
        }
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(rows).unwrap();
        writer.finish().unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    #[test]
    fn palette_pixels_are_indices_not_colours() {
        let palette = vec![128, 128, 128, 128, 0, 0, 192, 192, 128];
        let file = png_file(ColorType::Indexed, BitDepth::Eight, 3, 2, Some(palette), &[0, 1, 2, 2, 1, 0]);
        assert_eq!(read(file.path()).unwrap(), LabelMap { height: 2, width: 3, data: vec![0, 1, 2, 2, 1, 0] });
    }

    #[test]
    fn grey_pixels_are_indices_not_scaled() {
        let file = png_file(ColorType::Grayscale, BitDepth::Eight, 2, 1, None, &[11, 255]);
        assert_eq!(read(file.path()).unwrap().data, [11, 255]);
    }

    #[test]
    fn four_bit_rows_end_in_half_a_byte() {
        let palette = vec![0; 48];
        let file = png_file(ColorType::Indexed, BitDepth::Four, 3, 2, Some(palette), &[0x12, 0x30, 0xab, 0xc0]);
        assert_eq!(read(file.path()).unwrap().data, [1, 2, 3, 10, 11, 12]);
    }

    #[test]
    fn one_bit_rows_are_padded() {
        let file = png_file(ColorType::Grayscale, BitDepth::One, 9, 1, None, &[0b1010_0001, 0b1000_0000]);
        assert_eq!(read(file.path()).unwrap().data, [1, 0, 1, 0, 0, 0, 0, 1, 1]);
    }

    #[test]
    fn colour_labels_are_refused() {
        let file = png_file(ColorType::Rgb, BitDepth::Eight, 1, 1, None, &[1, 2, 3]);
        let error = format!("{:#}", read(file.path()).unwrap_err());
        assert!(error.contains("one class index per pixel"), "{error}");
    }

    #[test]
    fn encoded_labels_read_back_even_beyond_the_classes() {
        let labels = LabelMap::new(2, 2, vec![0, 10, 11, 255]).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), encode(&labels, &Classes::camvid11()).unwrap()).unwrap();
        assert_eq!(read(file.path()).unwrap(), labels);
    }

    #[test]
    fn the_nearest_pixel_is_the_one_that_the_middle_lies_in() {
        let map = LabelMap::new(1, 3, vec![1, 2, 3]).unwrap();
        let nearest = |height, width| nearest(&map, &Placement::WHOLE, height, width, NO_LABEL);
        assert_eq!(nearest(2, 6).data, [1, 1, 2, 2, 3, 3, 1, 1, 2, 2, 3, 3]);
        assert_eq!(nearest(1, 2).data, [1, 3]);
        assert_eq!(nearest(1, 1).data, [2]);
        assert_eq!(nearest(1, 3), map);
    }

    #[test]
    fn histogram_leaves_out_other_indices() {
        let labels = LabelMap::new(1, 5, vec![0, 1, 1, 2, 255]).unwrap();
        assert_eq!(labels.histogram(2), [1, 2]);
    }

    #[test]
    fn too_many_pixels_are_refused_by_the_header_and_a_cut_file_is_an_error() {
        let labels = LabelMap::new(40, 60, (0..2400).map(|i| (i * 7 % 11) as u8).collect()).unwrap();
        let bytes = encode(&labels, &Classes::camvid11()).unwrap();
        let read = |bytes: &[u8], most| indices(std::io::Cursor::new(bytes.to_vec()), MaxPixels(most));
        assert_eq!(read(&bytes, 2400).unwrap(), labels);
        let error = format!("{:#}", read(&bytes, 2399).unwrap_err());
        assert!(error.contains("60x40") && error.contains("--max-pixels"), "{error}");
        for cut in 0..bytes.len() {
            assert!(read(&bytes[..cut], 2400).is_err(), "{cut} bytes");
        }
        // Of a picture of 400 million pixels, the header alone.
        let header = crate::decoding::tests::header_of(20_000, 20_000, BitDepth::One, ColorType::Grayscale);
        let error = format!("{:#}", read(&header, MaxPixels::DEFAULT).unwrap_err());
        assert!(error.contains("20000x20000"), "{error}");
    }
}
