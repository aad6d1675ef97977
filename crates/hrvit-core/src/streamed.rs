//! Weights that are paged in from a device without addressable memory.

use core::{fmt, ops::Range};

use crc32fast::Hasher;
use hrvit_format::{LoadError, ModelHead, Narrowings, Records, START_BYTES, StepId, crc32, record::Section, sentences};

use crate::source::ModelSource;

/// A device that holds a model image and is read by offset: a serial flash, a card, a file.
pub trait ReadImage {
    /// Why bytes could not be read.
    type Error;

    /// Fills `into` with the bytes from `offset` of the image on. A device that delivers fewer must
    /// fail.
    ///
    /// # Errors
    /// If the bytes cannot be read.
    fn read(&mut self, offset: usize, into: &mut [u8]) -> Result<(), Self::Error>;
}

impl<R: ReadImage + ?Sized> ReadImage for &mut R {
    type Error = R::Error;

    fn read(&mut self, offset: usize, into: &mut [u8]) -> Result<(), R::Error> {
        (**self).read(offset, into)
    }
}

/// Why weights could not be streamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamError<E> {
    /// The device failed.
    Read(E),
    /// The device delivered an invalid image, or another image than the one that was checked.
    Image(LoadError),
    /// The buffer is too small.
    Buffer {
        /// Bytes that are needed.
        needed: usize,
        /// Bytes that were given.
        found: usize,
    },
}

sentences!(StreamError<E> {
    Self::Read(error) => ("reading the model image: {}", error),
    Self::Image(error) => ("{}", error),
    Self::Buffer { needed, found } => ("streaming the model image: buffer of {} bytes, {} are needed", found, needed),
});

impl<E: fmt::Debug + fmt::Display> core::error::Error for StreamError<E> {}

/// Reads the head of the image into the front of `buffer` and checks it. `buffer` must start at a
/// multiple of [`hrvit_format::record::ALIGN`] bytes. The head stays in it for as long as the model
/// is used.
///
/// # Errors
/// If the device fails, the head is invalid, or `buffer` is too small for it.
pub fn read_head<'h, R: ReadImage>(reader: &mut R, buffer: &'h mut [u8]) -> Result<ModelHead<'h>, StreamError<R::Error>> {
    let found = buffer.len();
    let too_small = |needed| StreamError::Buffer { needed, found };
    let start = buffer.get_mut(..START_BYTES).ok_or(too_small(START_BYTES))?;
    reader.read(0, start).map_err(StreamError::Read)?;
    let len = ModelHead::head_len(start).map_err(StreamError::Image)?;
    let head = buffer.get_mut(..len).ok_or(too_small(len))?;
    reader.read(0, head).map_err(StreamError::Read)?;
    ModelHead::load(head).map_err(StreamError::Image)
}

/// A model whose weights are paged in from a device, one group at a time. Each group's CRC is
/// checked as it arrives.
#[derive(Debug)]
pub struct Streamed<'h, R> {
    head: ModelHead<'h>,
    reader: R,
}

impl<'h, R: ReadImage> Streamed<'h, R> {
    /// Reads the whole image once, through `buffer`, and checks all that [`crate::Model::load`]
    /// checks. From then on, a group with the right CRC is valid. `buffer` must have
    /// [`ModelHead::largest_group`] bytes and start at a multiple of
    /// [`hrvit_format::record::ALIGN`]; the arena may serve.
    ///
    /// # Errors
    /// If the device fails, the image breaks one of the checks, or `buffer` is too small.
    pub fn open(head: ModelHead<'h>, mut reader: R, buffer: &mut [u8]) -> Result<Self, StreamError<R::Error>> {
        let (weights, end) = (head.weights_range(), head.total_len() - size_of::<u32>());
        let mut narrowings = Narrowings::default();
        let (mut image, mut section) = (Hasher::new(), Hasher::new());
        hash(&mut reader, buffer, 0..weights.start, |bytes| image.update(bytes))?;
        for (id, _) in head.step_ids() {
            let range = head.group_range(id).ok_or(StreamError::Image(LoadError::Step(id)))?;
            // With the padding behind it.
            let (needed, found) = (head.padded_group_len(id), buffer.len());
            let padded = buffer.get_mut(..needed).ok_or(StreamError::Buffer { needed, found })?;
            reader.read(range.start, padded).map_err(StreamError::Read)?;
            image.update(padded);
            section.update(padded);
            let group = padded.get(..range.len()).unwrap_or_default();
            head.check_group(id, group).and_then(|()| narrowings.check(&head, id, group)).map_err(StreamError::Image)?;
        }
        expect(section.finalize(), head.weights_crc(), LoadError::SectionCrc(Section::Weights))?;
        let golden = head.golden_ranges().map_err(StreamError::Image)?;
        let mut behind = weights.end;
        if let Some(golden) = golden {
            let mut section = Hasher::new();
            hash(&mut reader, buffer, golden.crcs.start..golden.labels.end, |bytes| {
                image.update(bytes);
                section.update(bytes);
            })?;
            expect(section.finalize(), golden.crc, LoadError::SectionCrc(Section::Golden))?;
            behind = golden.labels.end;
        }
        hash(&mut reader, buffer, behind..end, |bytes| image.update(bytes))?;
        let mut crc = [0; size_of::<u32>()];
        reader.read(end, &mut crc).map_err(StreamError::Read)?;
        expect(image.finalize(), u32::from_le_bytes(crc), LoadError::ImageCrc)?;
        Ok(Self { head, reader })
    }
}

impl<R: ReadImage> ModelSource for Streamed<'_, R> {
    type Error = StreamError<R::Error>;

    fn head(&self) -> ModelHead<'_> {
        self.head.clone()
    }

    fn records(&self) -> Records<'_> {
        self.head.records()
    }

    fn buffer_bytes(&self) -> usize {
        self.head.largest_group()
    }

    fn fetch(&mut self, id: StepId, buffer: &mut [u8]) -> Result<(), Self::Error> {
        let missing = StreamError::Image(LoadError::Step(id));
        let (Some(range), Some(record)) = (self.head.group_range(id), self.head.records().step(id)) else { return Err(missing) };
        let (needed, found) = (range.len(), buffer.len());
        let group = buffer.get_mut(..needed).ok_or(StreamError::Buffer { needed, found })?;
        self.reader.read(range.start, group).map_err(StreamError::Read)?;
        expect(crc32(group), record.crc, LoadError::StepCrc(id))
    }

    fn group<'b>(&'b self, id: StepId, buffer: &'b [u8]) -> Option<&'b [u8]> {
        buffer.get(..self.head.group_range(id)?.len())
    }
}

fn expect<E>(found: u32, expected: u32, error: LoadError) -> Result<(), StreamError<E>> {
    if found == expected { Ok(()) } else { Err(StreamError::Image(error)) }
}

/// Hands `range` of the image to `update`, piece by piece through `buffer`.
fn hash<R: ReadImage>(reader: &mut R, buffer: &mut [u8], range: Range<usize>, mut update: impl FnMut(&[u8])) -> Result<(), StreamError<R::Error>> {
    let mut at = range.start;
    while at < range.end {
        let len = buffer.len().min(range.end - at);
        let piece = buffer.get_mut(..len).filter(|piece| !piece.is_empty()).ok_or(StreamError::Buffer { needed: 1, found: 0 })?;
        reader.read(at, piece).map_err(StreamError::Read)?;
        update(piece);
        at += len;
    }
    Ok(())
}
