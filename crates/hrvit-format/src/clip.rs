//! Frames behind a model image: a device without a camera runs them in turn.
//!
//! The frames begin at the first multiple of [`ALIGN`] behind the image: one file holds image and
//! frames. All numbers are little-endian.
//!
//! | offset | bytes | what |
//! |---:|---:|---|
//! | 0 | 8 | `HRViTclp` |
//! | 8 | 2 | version, 1 |
//! | 10 | 2 | height |
//! | 12 | 2 | width |
//! | 14 | 2 | frames |
//! | 16 | 4 | CRC32 of all frames |
//! | 20 | 4 | CRC32 of the bytes before |
//! | 24 | 40 | zeros |
//! | 64 | 3 x height x width each | frames, `[height, width, 3]`, RGB |

use crate::{bytes::crc32, error::LoadError, record::ALIGN, sections::Start, sentence::sentences, size::Size};

const MAGIC: &[u8; 8] = b"HRViTclp";
const VERSION: u16 = 1;
/// Bytes in front of the frames.
const HEADER: usize = 64;
/// Bytes of the header that its CRC covers.
const COVERED: usize = 20;

/// Why frames behind an image cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClipError {
    /// The bytes before the frames are no valid image.
    Image(LoadError),
    /// The CRC of the header does not match.
    Header,
    /// The frames were written for another version of the format.
    Version(u16),
    /// The header gives frames a size that no network has.
    Size,
    /// The memory ends before the frames do, or their CRC does not match.
    Frames,
}

sentences!(ClipError {
    Self::Image(error) => ("{}", error),
    Self::Header => ("frames behind the image: the CRC of their header does not match; pack and flash them again"),
    Self::Version(version) => ("frames behind the image: version {}, this build reads 1; pack them again", version),
    Self::Size => ("frames behind the image: their size is none of a network's, multiples of 32; pack them again"),
    Self::Frames => ("frames behind the image: cut off or corrupt, their CRC does not match; flash them again"),
});

impl core::error::Error for ClipError {}

/// Frames behind an image, read in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clip<'a> {
    size: Size,
    count: u16,
    frames: &'a [u8],
}

impl<'a> Clip<'a> {
    /// The frames behind the image at the start of `memory`. `None` if no frames lie there.
    ///
    /// # Errors
    /// If `memory` does not start with a valid image, or the frames are damaged.
    pub fn behind_image(memory: &'a [u8]) -> Result<Option<Self>, ClipError> {
        let image = Start::read(memory).map_err(ClipError::Image)?.total_len();
        let Some((header, rest)) = memory.get(image.next_multiple_of(ALIGN)..).and_then(|rest| rest.split_at_checked(HEADER)) else { return Ok(None) };
        if !header.starts_with(MAGIC) {
            return Ok(None);
        }
        let short = |at: usize| header.get(at..at + 2).and_then(|bytes| bytes.try_into().ok()).map_or(0, u16::from_le_bytes);
        let word = |at: usize| header.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes);
        if crc32(header.get(..COVERED).unwrap_or_default()) != word(COVERED) {
            return Err(ClipError::Header);
        }
        let (version, height, width, count) = (short(8), short(10), short(12), short(14));
        if version != VERSION {
            return Err(ClipError::Version(version));
        }
        let size = Size::new(height, width).map_err(|_| ClipError::Size)?;
        let frames = size.pixels().checked_mul(3 * usize::from(count)).and_then(|bytes| rest.get(..bytes));
        match frames.filter(|frames| crc32(frames) == word(16)) {
            Some(frames) => Ok(Some(Self { size, count, frames })),
            None => Err(ClipError::Frames),
        }
    }

    /// Height and width of every frame.
    pub fn size(&self) -> Size {
        self.size
    }

    /// The frames, `[height, width, 3]` each, in order.
    pub fn frames(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        // Every size has pixels. `max` tells the compiler so.
        self.frames.chunks_exact((3 * self.size.pixels()).max(1)).take(self.count.into())
    }
}

/// `image` with `frames` of `size` behind it, `[height, width, 3]` each.
///
/// # Errors
/// If `image` is invalid, a frame has another size, or there are too many frames.
#[cfg(feature = "std")]
pub fn with_frames(image: &[u8], size: Size, frames: &[Vec<u8>]) -> Result<Vec<u8>, ClipError> {
    let bytes = 3 * size.pixels();
    let count = u16::try_from(frames.len()).map_err(|_| ClipError::Frames)?;
    if frames.iter().any(|frame| frame.len() != bytes) {
        return Err(ClipError::Frames);
    }
    let frames = frames.concat();
    let mut header = MAGIC.to_vec();
    [VERSION, size.height, size.width, count].iter().for_each(|short| header.extend(short.to_le_bytes()));
    header.extend(crc32(&frames).to_le_bytes());
    header.extend(crc32(&header).to_le_bytes());
    header.resize(HEADER, 0);
    let image_bytes = Start::read(image).map_err(ClipError::Image)?.total_len();
    let mut file = image.get(..image_bytes).ok_or(ClipError::Image(LoadError::Truncated { needed: image_bytes, found: image.len() }))?.to_vec();
    file.resize(image_bytes.next_multiple_of(ALIGN), 0);
    file.extend(header);
    file.extend(frames);
    Ok(file)
}
