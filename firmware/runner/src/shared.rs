//! One flash with two readers: weights, and the rows and CRCs of the golden frame between them.

use core::cell::RefCell;

use defmt::Format;
use hrvit_core::{ModelHead, ReadImage, StepId, StreamError};
#[cfg(feature = "fp16")]
use hrvit_format::{DriftBound, StepMagnitude};
use hrvit_format::{GoldenRanges, LoadError, record::Section};

use crate::golden::{Golden, RowLost};

/// Why a shared flash could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharedError<E> {
    /// The flash failed.
    Flash(E),
    /// The other reader is at it.
    Busy,
}

impl<E: Format> Format for SharedError<E> {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self {
            Self::Flash(error) => defmt::write!(f, "{}", error),
            Self::Busy => defmt::write!(f, "two readers at a time"),
        }
    }
}

/// One of the readers.
#[derive(Debug)]
pub struct Shared<'r, R>(pub &'r RefCell<R>);

impl<R: ReadImage> ReadImage for Shared<'_, R> {
    type Error = SharedError<R::Error>;

    fn read(&mut self, offset: usize, into: &mut [u8]) -> Result<(), Self::Error> {
        let mut reader = self.0.try_borrow_mut().map_err(|_| SharedError::Busy)?;
        reader.read(offset, into).map_err(SharedError::Flash)
    }
}

/// The golden frame on a flash: its rows are fetched as the engine asks for them, and checked when
/// all have come by.
#[derive(Debug)]
pub struct StreamedGolden<'r, R> {
    reader: Shared<'r, R>,
    ranges: GoldenRanges,
    /// CRC of the CRCs and of the rows so far, or of all of the section.
    crc: u32,
    crcs_crc: u32,
    #[cfg(feature = "fp16")]
    bound: Option<DriftBound>,
}

impl<'r, R: ReadImage> StreamedGolden<'r, R> {
    /// The golden frame of `model`; `None` if it has none.
    pub fn open(model: &ModelHead<'_>, mut reader: Shared<'r, R>) -> Result<Option<Self>, StreamError<SharedError<R::Error>>> {
        let Some(ranges) = model.golden_ranges().map_err(StreamError::Image)? else { return Ok(None) };
        let mut crcs_crc = 0;
        for at in ranges.crcs.clone().step_by(size_of::<u32>()) {
            let mut crc = [0; size_of::<u32>()];
            reader.read(at, &mut crc).map_err(StreamError::Read)?;
            crcs_crc = hrvit_format::crc32_after(crcs_crc, &crc);
        }
        #[cfg(feature = "fp16")]
        let bound = words(ranges.bound(), 0, &mut reader).map_err(StreamError::Read)?;
        Ok(Some(Self {
            reader,
            ranges,
            crc: crcs_crc,
            crcs_crc,
            #[cfg(feature = "fp16")]
            bound: bound.map(|[logits, labels]| DriftBound { logits: f32::from_bits(logits), labels }),
        }))
    }
}

/// The two words at `at`, where `range` has them.
#[cfg(feature = "fp16")]
fn words<R: ReadImage>(range: core::ops::Range<usize>, at: usize, reader: &mut Shared<'_, R>) -> Result<Option<[u32; 2]>, SharedError<R::Error>> {
    let mut words = [[0; size_of::<u32>()]; 2];
    let start = range.start + at;
    if start + size_of_val(&words) > range.end {
        return Ok(None);
    }
    reader.read(start, words.as_flattened_mut())?;
    Ok(Some(words.map(u32::from_le_bytes)))
}

#[cfg(feature = "fp16")]
impl<R: ReadImage> StreamedGolden<'_, R> {
    /// Takes the result, which lies behind the rows, into the CRC.
    fn rest_of_crc(&mut self) -> Result<(), LoadError> {
        let mut chunk = [0; 64];
        let (mut at, end) = (self.ranges.bound().start, self.ranges.labels.end);
        while at < end {
            let bytes = chunk.get_mut(..(end - at).min(64)).unwrap_or_default();
            self.reader.read(at, bytes).map_err(|_| LoadError::SectionCrc(Section::Golden))?;
            self.crc = hrvit_format::crc32_after(self.crc, bytes);
            at += bytes.len();
        }
        Ok(())
    }
}

impl<R: ReadImage> Golden for StreamedGolden<'_, R> {
    fn frame(&self) -> Option<&[u8]> {
        None
    }

    fn row(&mut self, y: usize, pixels: &mut [u8]) -> Result<(), RowLost> {
        if y == 0 {
            self.crc = self.crcs_crc;
        }
        self.reader.read(self.ranges.frame.start + y * pixels.len(), pixels).map_err(|_| RowLost::Golden)?;
        self.crc = hrvit_format::crc32_after(self.crc, pixels);
        Ok(())
    }

    fn crc(&mut self, id: StepId) -> Option<u32> {
        let mut crc = [0; size_of::<u32>()];
        let at = self.ranges.crcs.start + usize::from(id.0) * size_of::<u32>();
        self.reader.read(at, &mut crc).ok()?;
        Some(u32::from_le_bytes(crc))
    }

    #[cfg(feature = "fp16")]
    fn labels(&mut self, at: usize, labels: &mut [u8]) -> bool {
        let from = self.ranges.labels.start + at;
        from + labels.len() <= self.ranges.labels.end && self.reader.read(from, labels).is_ok()
    }

    #[cfg(feature = "fp16")]
    fn bound(&self) -> Option<DriftBound> {
        self.bound
    }

    #[cfg(feature = "fp16")]
    fn magnitude(&mut self, number: usize) -> Option<StepMagnitude> {
        let [magnitude, bound] = words(self.ranges.steps(), number * size_of::<StepMagnitude>(), &mut self.reader).ok()??.map(f32::from_bits);
        Some(StepMagnitude { magnitude, bound })
    }

    fn check(&mut self) -> Result<(), LoadError> {
        #[cfg(feature = "fp16")]
        self.rest_of_crc()?;
        if self.crc == self.ranges.crc { Ok(()) } else { Err(LoadError::SectionCrc(Section::Golden)) }
    }
}
