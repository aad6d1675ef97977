//! Frames as cameras leave them in memory: no header, one after another.

use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use hrvit_camera::{Format, MAX_SIDE, Range};

use super::camera::{Camera, Colours, Layout, Matrix};
use crate::decoding::MaxPixels;

/// Layout and size of raw frames, and what their luma and chroma mean where the option says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawFormat {
    format: Format,
    width: u32,
    height: u32,
    /// Of each plane; empty without gaps.
    strides: Vec<usize>,
    matrix: Option<Matrix>,
    range: Option<Range>,
}

impl FromStr for RawFormat {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let expected = || {
            let names = Format::ALL.map(Format::name).join(", ");
            format!(
                "{text:?}: expected LAYOUT:WIDTHxHEIGHT, nv12:640x480 for example, and behind it ,full or ,limited ,bt601 or ,bt709 ,stride=BYTES; layouts are {names}"
            )
        };
        let (name, rest) = text.split_once(':').with_context(expected)?;
        let format: Format = name.parse().ok().with_context(expected)?;
        let mut parts = rest.split(',');
        let (width, height) = parts.next().and_then(|size| size.split_once(['x', 'X'])).with_context(expected)?;
        let side = |text: &str| text.parse::<u32>().ok().filter(|&side| side > 0).with_context(expected);
        let mut found = Self { format, width: side(width)?, height: side(height)?, strides: Vec::new(), matrix: None, range: None };
        if matches!(format, Format::Yuyv | Format::Uyvy) {
            ensure!(found.width.is_multiple_of(2), "{text}: two pixels of {name} share their chroma, the width must be even");
        }
        for part in parts {
            let twice = || format!("{text:?}: {part} is the second of its kind");
            if let Some(strides) = part.strip_prefix("stride=") {
                ensure!(found.strides.is_empty(), twice());
                found.strides = found.strides_of(strides)?;
            } else if let Some(range) =
                [("full", Range::Full), ("limited", Range::Limited)].into_iter().find_map(|(name, range)| (name == part).then_some(range))
            {
                ensure!(found.range.replace(range).is_none(), twice());
            } else {
                let matrix = Matrix::from_str(part, true).ok().with_context(expected)?;
                ensure!(found.matrix.replace(matrix).is_none(), twice());
            }
        }
        Ok(found)
    }
}

/// Most bytes from one row to the next.
const MAX_STRIDE: usize = 1 << 30;
/// Most bytes of a frame, strides included.
const MAX_FRAME: usize = 1 << 31;

impl RawFormat {
    /// Strides of all planes from one, which planes with fewer columns have a part of, or from one
    /// for each, `1536/768/768`.
    fn strides_of(&self, text: &str) -> Result<Vec<usize>> {
        let given: Vec<usize> = text.split('/').map(str::parse).collect::<Result<_, _>>().ok().with_context(|| format!("stride={text}: expected bytes"))?;
        ensure!(given.iter().all(|stride| *stride <= MAX_STRIDE), "stride={text}: expected at most {MAX_STRIDE} bytes from one row to the next");
        let planes = self.format.planes();
        let width = self.width as usize;
        let strides = match given.as_slice() {
            // Two planes have the same: pairs of chroma take as many bytes as two pixels.
            [stride] if planes == 3 => {
                let whole = self.format.row_bytes(0, 8);
                (0..planes).map(|plane| (stride * self.format.row_bytes(plane, 8)).div_ceil(whole)).collect()
            }
            [stride] => vec![*stride; planes],
            all if all.len() == planes => all.to_vec(),
            all => bail!("stride={text}: {} strides, {} has {planes} planes", all.len(), self.format),
        };
        for (plane, stride) in strides.iter().enumerate() {
            let row = self.format.row_bytes(plane, width);
            ensure!(
                (row..=MAX_STRIDE).contains(stride),
                "stride={text}: {stride} bytes for rows of {row} in plane {plane}: give the bytes from one row to the next"
            );
        }
        Ok(strides)
    }

    /// How a frame's bytes lie. `matrix` and `full` are what other options ask for.
    ///
    /// # Errors
    /// If the frame has more pixels than allowed, or the options contradict the format.
    pub fn layout(&self, matrix: Option<Matrix>, full: bool) -> Result<Layout> {
        MaxPixels::of_process().check(self.width, self.height, 4)?;
        let (width, height) = (self.width as usize, self.height as usize);
        ensure!(width <= MAX_SIDE && height <= MAX_SIDE, "raw frames of {width}x{height}: expected sides of at most {MAX_SIDE}");
        ensure!(matrix.is_none() || self.matrix.is_none_or(|own| Some(own) == matrix), "--raw and --matrix ask for different matrices: leave one out");
        ensure!(!full || self.range != Some(Range::Limited), "--raw asks for limited range and --full-range for full range: leave one out");
        let range = self.range.unwrap_or(if full { Range::Full } else { Range::Limited });
        let colours = Colours { matrix: self.matrix.or(matrix).unwrap_or_default(), range };
        let packed = Layout::packed(self.format, width, height, colours);
        let layout = if self.strides.is_empty() { packed } else { Layout { strides: self.strides.clone(), ..packed } };
        let bytes = layout.bytes();
        ensure!(bytes <= MAX_FRAME, "raw frames of {bytes} bytes with their strides: expected at most {MAX_FRAME}");
        Ok(layout)
    }
}

/// A frame of exactly as many bytes as `layout` asks for.
///
/// # Errors
/// If there are more or fewer.
pub fn frame(layout: &Layout, bytes: Vec<u8>) -> Result<Camera> {
    let expected = layout.bytes();
    ensure!(bytes.len() == expected, "a frame of {} bytes: expected {expected}", bytes.len());
    Camera::new(layout.clone(), bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(format: &str, bytes: &[u8]) -> Vec<u8> {
        let layout = format.parse::<RawFormat>().unwrap().layout(None, false).unwrap();
        frame(&layout, bytes.to_vec()).unwrap().picture().unwrap().into_raw()
    }

    #[test]
    fn all_layouts_of_one_picture_are_that_picture() {
        // 4x2 pixels in two columns of chroma.
        let (luma, u, v) = ([50, 60, 70, 80, 90, 100, 110, 120u8], [100, 140u8], [90, 200u8]);
        let each: Vec<u8> = (0..8).map(|i| u[i % 4 / 2]).chain((0..8).map(|i| v[i % 4 / 2])).collect();
        let expected = picture("i444:4x2", &[&luma[..], &each].concat());
        assert_eq!(picture("i420:4x2", &[&luma[..], &u, &v].concat()), expected);
        assert_eq!(picture("i422:4x2", &[&luma[..], &u, &u, &v, &v].concat()), expected);
        assert_eq!(picture("nv12:4x2", &[&luma[..], &[u[0], v[0], u[1], v[1]]].concat()), expected);
        assert_eq!(picture("NV21:4x2", &[&luma[..], &[v[0], u[0], v[1], u[1]]].concat()), expected);
        let pairs = |order: fn(u8, u8, u8, u8) -> [u8; 4]| (0..4).flat_map(|i| order(luma[2 * i], luma[2 * i + 1], u[i % 2], v[i % 2])).collect::<Vec<_>>();
        assert_eq!(picture("yuyv:4x2", &pairs(|y, z, u, v| [y, u, z, v])), expected);
        assert_eq!(picture("uyvy:4x2", &pairs(|y, z, u, v| [u, y, v, z])), expected);
        assert_eq!(picture("rgb:4x2", &expected), expected);
        assert_eq!(picture("bgr:4x2", &expected.chunks(3).flat_map(|p| [p[2], p[1], p[0]]).collect::<Vec<_>>()), expected);
        assert_eq!(picture("rgba:4x2", &expected.chunks(3).flat_map(|p| [p[0], p[1], p[2], 9]).collect::<Vec<_>>()), expected);
        assert_eq!(picture("bgra:4x2", &expected.chunks(3).flat_map(|p| [p[2], p[1], p[0], 9]).collect::<Vec<_>>()), expected);
        assert_eq!(picture("gray:4x2", &luma), luma.iter().flat_map(|&grey| [grey; 3]).collect::<Vec<_>>());
        assert_eq!(picture("rgb565:2x1", &[0x1f, 0xf8, 0xe0, 0x07]), [255, 0, 255, 0, 255, 0]);
    }

    #[test]
    fn odd_sizes_have_chroma_for_the_last_row_and_column() {
        let layout = "i420:3x3".parse::<RawFormat>().unwrap().layout(None, false).unwrap();
        assert_eq!(layout.bytes(), 9 + 4 + 4);
        let made = picture("i420:3x3", &[vec![81; 9], vec![128, 128, 128, 90], vec![128, 128, 128, 240]].concat());
        assert_eq!((&made[..3], &made[24..]), (&[76; 3][..], &[254, 0, 0][..]));
    }

    #[test]
    fn colours_and_strides_stand_behind_the_size() {
        let colours = |text: &str, matrix, full| text.parse::<RawFormat>().unwrap().layout(matrix, full).map(|layout| layout.colours);
        let (limited, full) = (Range::Limited, Range::Full);
        assert_eq!(colours("nv12:4x2", None, false).unwrap(), Colours { matrix: Matrix::Bt601, range: limited });
        assert_eq!(colours("nv12:4x2,full,bt709", None, false).unwrap(), Colours { matrix: Matrix::Bt709, range: full });
        assert_eq!(colours("nv12:4x2,bt709", Some(Matrix::Bt709), true).unwrap(), Colours { matrix: Matrix::Bt709, range: full });
        assert!(colours("nv12:4x2,bt709", Some(Matrix::Bt601), false).unwrap_err().to_string().contains("--matrix"));
        assert!(colours("nv12:4x2,limited", None, true).unwrap_err().to_string().contains("--full-range"));
        let strides = |text: &str| text.parse::<RawFormat>().unwrap().layout(None, false).unwrap().strides;
        assert_eq!(strides("nv12:4x2"), [4, 4]);
        assert_eq!(strides("nv12:4x2,stride=10"), [10, 10]);
        assert_eq!(strides("i420:4x2,stride=11"), [11, 6, 6]);
        assert_eq!(strides("i420:4x2,stride=8/3/2"), [8, 3, 2]);
        assert_eq!(strides("i411:8x2,stride=16"), [16, 4, 4]);
        assert_eq!(strides("i444:8x2,stride=16"), [16, 16, 16]);
        assert_eq!(picture("gray:2x2,stride=3", &[1, 2, 99, 3, 4, 99]), [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]);
        for (text, said) in [("rgb:4x2,stride=11", "rows of 12"), ("nv12:4x2,stride=4/4/4", "2 planes"), ("nv12:4x2,stride=x", "bytes")] {
            let error = text.parse::<RawFormat>().unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn what_is_no_format_is_refused_with_the_layouts() {
        for text in ["nv12", "nv12:640", "nv13:640x480", "nv12:0x480", "nv12:640x-1", "yuyv:3x2", "nv12:4x4,ful", "nv12:4x4,full,full"] {
            let error = text.parse::<RawFormat>().unwrap_err().to_string();
            assert!(error.contains("nv12:640x480") || error.contains("even") || error.contains("second"), "{error}");
        }
        let large = "nv12:4000000000x4000000000".parse::<RawFormat>().unwrap().layout(None, false);
        assert!(large.unwrap_err().to_string().contains("--max-pixels"));
    }
}
