//! Feature maps and input pictures.

use hrvit_format::{Size, SpecError};

/// A feature map `[rows, columns, channels]`, row-major, channels innermost. Read as tokens it is
/// `[rows * columns, channels]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// Rows (1/4 to 1/32 of the picture's height; 1 for a vector).
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// Channels.
    pub channels: usize,
    /// `rows * columns * channels` values.
    pub data: Vec<f32>,
}

impl Map {
    /// A map of zeros.
    pub fn zeros(rows: usize, columns: usize, channels: usize) -> Self {
        Self { rows, columns, channels, data: vec![0.0; rows * columns * channels] }
    }

    /// A map of the same shape whose values are `f` of this one's.
    pub fn map(&self, f: impl Fn(f32) -> f32) -> Self {
        Self { data: self.data.iter().map(|&x| f(x)).collect(), ..*self }
    }

    /// Number of tokens, `rows * columns`.
    pub fn tokens(&self) -> usize {
        self.rows * self.columns
    }

    /// The channels of one token.
    pub fn token(&self, row: usize, column: usize) -> &[f32] {
        let start = (row * self.columns + column) * self.channels;
        &self.data[start..start + self.channels]
    }

    /// Adds another map of the same shape, value by value.
    pub fn add(&mut self, other: &Self) {
        assert_eq!((self.rows, self.columns, self.channels), (other.rows, other.columns, other.channels), "maps of one sum have one shape");
        for (x, y) in self.data.iter_mut().zip(&other.data) {
            *x += y;
        }
    }

    /// Channels `from..to` as a map of their own.
    pub fn channel_range(&self, from: usize, to: usize) -> Self {
        let mut data = Vec::with_capacity(self.tokens() * (to - from));
        for token in self.data.chunks_exact(self.channels) {
            data.extend_from_slice(&token[from..to]);
        }
        Self { channels: to - from, data, ..*self }
    }

    /// The channels of `self` followed by those of `other`, per token.
    pub fn concat_channels(&self, other: &Self) -> Self {
        assert_eq!((self.rows, self.columns), (other.rows, other.columns), "concatenated maps have one size");
        let channels = self.channels + other.channels;
        let mut data = Vec::with_capacity(self.tokens() * channels);
        for (a, b) in self.data.chunks_exact(self.channels).zip(other.data.chunks_exact(other.channels)) {
            data.extend_from_slice(a);
            data.extend_from_slice(b);
        }
        Self { channels, data, ..*self }
    }

    /// Mean over all tokens: a map of one token.
    pub fn mean(&self) -> Self {
        let mut sums = vec![0.0f64; self.channels];
        for token in self.data.chunks_exact(self.channels) {
            for (sum, &x) in sums.iter_mut().zip(token) {
                *sum += f64::from(x);
            }
        }
        let tokens = self.tokens() as f64;
        Self { rows: 1, columns: 1, channels: self.channels, data: sums.iter().map(|sum| (sum / tokens) as f32).collect() }
    }
}

/// An input picture: RGB, 8 bits, `[height, width, 3]`, of a size that the network takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    size: Size,
    rgb: Vec<u8>,
}

/// Why bytes are no [`Frame`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The size is not one that the network takes.
    #[error(transparent)]
    Size(#[from] SpecError),
    /// The number of bytes is not `height * width * 3`.
    #[error("a frame of {size} needs {expected} bytes of RGB, found {found}")]
    Length {
        /// Size asked for.
        size: Size,
        /// `height * width * 3`.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
}

impl Frame {
    /// A frame from `height * width * 3` bytes of RGB.
    pub fn new(size: Size, rgb: Vec<u8>) -> Result<Self, FrameError> {
        let size = Size::new(size.height, size.width)?;
        let expected = size.pixels() * 3;
        if rgb.len() == expected { Ok(Self { size, rgb }) } else { Err(FrameError::Length { size, expected, found: rgb.len() }) }
    }

    /// Height and width.
    pub fn size(&self) -> Size {
        self.size
    }

    /// The bytes, `[height, width, 3]`.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// The raw pixels, 0 to 255, as a map of three channels.
    pub fn to_map(&self) -> Map {
        let (rows, columns) = (usize::from(self.size.height), usize::from(self.size.width));
        Map { rows, columns, channels: 3, data: self.rgb.iter().map(|&x| f32::from(x)).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_one_byte_short_names_both_lengths() {
        let size = Size { height: 32, width: 64 };
        let error = Frame::new(size, vec![0; 32 * 64 * 3 - 1]).unwrap_err();
        assert_eq!(error.to_string(), "a frame of 32x64 needs 6144 bytes of RGB, found 6143");
        assert!(matches!(Frame::new(Size { height: 33, width: 64 }, vec![]), Err(FrameError::Size(_))));
    }

    #[test]
    fn channel_ranges_put_back_together_are_the_map() {
        let map = Map { rows: 2, columns: 3, channels: 5, data: (0..30).map(|x| x as f32).collect() };
        assert_eq!(map.channel_range(0, 2).concat_channels(&map.channel_range(2, 5)), map);
        assert_eq!(map.mean().data, [12.5, 13.5, 14.5, 15.5, 16.5]);
    }
}
