//! Frames as cameras leave them in memory: no header, one after another.

use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};
use image::RgbImage;

use super::colour::Conversion;
use super::planes::{Chroma, Planes};
use crate::decoding::MaxPixels;

/// Order of the bytes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Luma, then U and V in turn for every four pixels.
    Nv12,
    /// As NV12, V first.
    Nv21,
    /// Luma, then U, then V for every four pixels.
    I420,
    /// Y U Y V for every two pixels.
    Yuyv,
    /// U Y V Y for every two pixels.
    Uyvy,
    /// Three bytes a pixel.
    Rgb,
    /// Three bytes a pixel, blue first.
    Bgr,
    /// Four bytes a pixel; the fourth is left out.
    Rgba,
    /// One byte a pixel, 0 to 255.
    Gray,
}

/// Names on the command line.
const LAYOUTS: [(&str, Layout); 9] = [
    ("nv12", Layout::Nv12),
    ("nv21", Layout::Nv21),
    ("i420", Layout::I420),
    ("yuyv", Layout::Yuyv),
    ("uyvy", Layout::Uyvy),
    ("rgb", Layout::Rgb),
    ("bgr", Layout::Bgr),
    ("rgba", Layout::Rgba),
    ("gray", Layout::Gray),
];

/// Layout and size of raw frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawFormat {
    layout: Layout,
    width: u32,
    height: u32,
}

impl FromStr for RawFormat {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let expected = || format!("{text:?}: expected LAYOUT:WIDTHxHEIGHT, nv12:640x480 for example; layouts are {}", LAYOUTS.map(|(name, _)| name).join(", "));
        let (name, size) = text.split_once(':').with_context(expected)?;
        let (_, layout) = *LAYOUTS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).with_context(expected)?;
        let (width, height) = size.split_once(['x', 'X']).with_context(expected)?;
        let side = |text: &str| text.parse::<u32>().ok().filter(|&side| side > 0).with_context(expected);
        let format = Self { layout, width: side(width)?, height: side(height)? };
        if matches!(layout, Layout::Yuyv | Layout::Uyvy) {
            ensure!(format.width.is_multiple_of(2), "{text}: two pixels of {name} share their chroma, the width must be even");
        }
        Ok(format)
    }
}

impl RawFormat {
    /// Bytes of a frame.
    ///
    /// # Errors
    /// If the frame has more pixels than allowed.
    pub fn frame_bytes(&self) -> Result<usize> {
        MaxPixels::of_process().check(self.width, self.height, 4)?;
        let (width, height) = (self.width as usize, self.height as usize);
        let pixels = width * height;
        Ok(match self.layout {
            Layout::Nv12 | Layout::Nv21 | Layout::I420 => pixels + 2 * (width.div_ceil(2) * height.div_ceil(2)),
            Layout::Yuyv | Layout::Uyvy => 2 * pixels,
            Layout::Rgb | Layout::Bgr => 3 * pixels,
            Layout::Rgba => 4 * pixels,
            Layout::Gray => pixels,
        })
    }

    /// Makes a picture of a frame's bytes.
    ///
    /// # Errors
    /// If there are more or fewer bytes than a frame has.
    pub fn picture(&self, bytes: &[u8], conversion: &Conversion) -> Result<RgbImage> {
        let expected = self.frame_bytes()?;
        ensure!(bytes.len() == expected, "a frame of {} bytes: expected {expected}", bytes.len());
        let (width, height) = (self.width as usize, self.height as usize);
        let chroma = Chroma { columns: 2, rows: 2 };
        let (luma, rest) = bytes.split_at(bytes.len().min(width * height));
        let quarter = width.div_ceil(2) * height.div_ceil(2);
        // Chroma in turn: one plane of each.
        let apart = |first: usize| rest.chunks_exact(2).map(|pair| pair[first]).collect::<Vec<u8>>();
        let planes = |u: &[u8], v: &[u8]| Planes { width, height, luma, u, v, chroma }.picture(conversion);
        // Two pixels of four bytes, luma and chroma at these places.
        let packed = |[first, second, u, v]: [usize; 4]| {
            let pair = |four: &[u8]| [conversion.rgb(four[first], four[u], four[v]), conversion.rgb(four[second], four[u], four[v])].into_iter().flatten();
            bytes.chunks_exact(4).flat_map(pair).collect::<Vec<u8>>()
        };
        let pixels = match self.layout {
            Layout::Nv12 => return planes(&apart(0), &apart(1)),
            Layout::Nv21 => return planes(&apart(1), &apart(0)),
            Layout::I420 => return planes(&rest[..quarter], &rest[quarter..]),
            Layout::Yuyv => packed([0, 2, 1, 3]),
            Layout::Uyvy => packed([1, 3, 0, 2]),
            Layout::Rgb => bytes.to_vec(),
            Layout::Bgr => bytes.chunks_exact(3).flat_map(|pixel| [pixel[2], pixel[1], pixel[0]]).collect(),
            Layout::Rgba => bytes.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect(),
            Layout::Gray => bytes.iter().flat_map(|&grey| [grey; 3]).collect(),
        };
        match RgbImage::from_raw(self.width, self.height, pixels) {
            Some(picture) => Ok(picture),
            None => bail!("a raw frame of other pixels than it says"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::colour::Matrix;
    use super::*;

    fn picture(format: &str, bytes: &[u8]) -> Vec<u8> {
        let format: RawFormat = format.parse().unwrap();
        format.picture(bytes, &Conversion::new(Matrix::Bt601, false)).unwrap().into_raw()
    }

    #[test]
    fn all_layouts_of_one_picture_are_that_picture() {
        let conversion = Conversion::new(Matrix::Bt601, false);
        // 4x2 pixels in two columns of chroma.
        let (luma, u, v) = ([50, 60, 70, 80, 90, 100, 110, 120u8], [100, 140u8], [90, 200u8]);
        let expected: Vec<u8> = (0..8).flat_map(|i| conversion.rgb(luma[i], u[i % 4 / 2], v[i % 4 / 2])).collect();
        assert_eq!(picture("i420:4x2", &[&luma[..], &u, &v].concat()), expected);
        assert_eq!(picture("nv12:4x2", &[&luma[..], &[u[0], v[0], u[1], v[1]]].concat()), expected);
        assert_eq!(picture("NV21:4x2", &[&luma[..], &[v[0], u[0], v[1], u[1]]].concat()), expected);
        let pairs = |order: fn(u8, u8, u8, u8) -> [u8; 4]| (0..4).flat_map(|i| order(luma[2 * i], luma[2 * i + 1], u[i % 2], v[i % 2])).collect::<Vec<_>>();
        assert_eq!(picture("yuyv:4x2", &pairs(|y, z, u, v| [y, u, z, v])), expected);
        assert_eq!(picture("uyvy:4x2", &pairs(|y, z, u, v| [u, y, v, z])), expected);
        assert_eq!(picture("rgb:4x2", &expected), expected);
        assert_eq!(picture("bgr:4x2", &expected.chunks(3).flat_map(|p| [p[2], p[1], p[0]]).collect::<Vec<_>>()), expected);
        assert_eq!(picture("rgba:4x2", &expected.chunks(3).flat_map(|p| [p[0], p[1], p[2], 9]).collect::<Vec<_>>()), expected);
        assert_eq!(picture("gray:4x2", &luma), luma.iter().flat_map(|&grey| [grey; 3]).collect::<Vec<_>>());
    }

    #[test]
    fn odd_sizes_have_chroma_for_the_last_row_and_column() {
        let format: RawFormat = "i420:3x3".parse().unwrap();
        assert_eq!(format.frame_bytes().unwrap(), 9 + 4 + 4);
        let bytes: Vec<u8> = [vec![128; 9], vec![128, 128, 128, 240], vec![128; 4]].concat();
        let made = picture("i420:3x3", &bytes);
        assert_eq!(made[..3], Conversion::new(Matrix::Bt601, false).grey(128));
        assert_eq!(made[24..], Conversion::new(Matrix::Bt601, false).rgb(128, 240, 128));
    }

    #[test]
    fn what_is_no_format_is_refused_with_the_layouts() {
        for text in ["nv12", "nv12:640", "nv13:640x480", "nv12:0x480", "nv12:640x-1", "yuyv:3x2"] {
            let error = text.parse::<RawFormat>().unwrap_err().to_string();
            assert!(error.contains("nv12:640x480") || error.contains("even"), "{error}");
        }
        assert!("nv12:4000000000x4000000000".parse::<RawFormat>().unwrap().frame_bytes().unwrap_err().to_string().contains("--max-pixels"));
    }
}
