//! A picture of three planes: luma, and two of chroma with fewer rows or columns.

use anyhow::{Context, Result, ensure};
use image::RgbImage;

use super::colour::Conversion;

/// For how many columns and rows of pixels one value of chroma stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chroma {
    /// Columns.
    pub columns: usize,
    /// Rows.
    pub rows: usize,
}

impl Chroma {
    /// Bytes of one plane.
    pub fn bytes(self, width: usize, height: usize) -> usize {
        width.div_ceil(self.columns) * height.div_ceil(self.rows)
    }
}

/// Planes of 8 bits.
#[derive(Clone, Copy, Debug)]
pub struct Planes<'a> {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Luma of every pixel.
    pub luma: &'a [u8],
    /// U or Cb.
    pub u: &'a [u8],
    /// V or Cr.
    pub v: &'a [u8],
    /// Pixels that one value of them stands for.
    pub chroma: Chroma,
}

impl Planes<'_> {
    /// The picture in red, green and blue.
    ///
    /// # Errors
    /// If a plane has more or fewer bytes than its size asks for.
    pub fn picture(&self, conversion: &Conversion) -> Result<RgbImage> {
        let (width, height) = (self.width, self.height);
        let chroma = self.chroma.bytes(width, height);
        let fits = self.luma.len() == width * height && self.u.len() == chroma && self.v.len() == chroma;
        ensure!(fits, "planes of {}, {} and {} bytes for {width}x{height} pixels", self.luma.len(), self.u.len(), self.v.len());
        let mut pixels = Vec::with_capacity(3 * width * height);
        for (y, row) in self.luma.chunks_exact(width).enumerate() {
            let first = y / self.chroma.rows * width.div_ceil(self.chroma.columns);
            for (x, &luma) in row.iter().enumerate() {
                let at = first + x / self.chroma.columns;
                pixels.extend(conversion.rgb(luma, self.u[at], self.v[at]));
            }
        }
        RgbImage::from_raw(u32::try_from(width)?, u32::try_from(height)?, pixels).context("planes of other pixels than they say")
    }
}
