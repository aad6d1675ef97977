//! The golden frame of an image, wherever its bytes are.

#[cfg(feature = "fp16")]
use hrvit_format::{DriftBound, StepMagnitude};
use hrvit_format::{LoadError, StepId};

/// Source of the golden frame and its CRCs.
pub trait Golden {
    /// The frame, where it can be addressed.
    fn frame(&self) -> Option<&[u8]>;
    /// Row `y` of the frame (`[width, 3]`).
    fn row(&mut self, y: usize, pixels: &mut [u8]) -> Result<(), RowLost>;
    /// The host's CRC of a step.
    fn crc(&mut self, id: StepId) -> Option<u32>;
    /// Whether all rows, asked for in order, and the result were those of the image.
    fn check(&mut self) -> Result<(), LoadError> {
        Ok(())
    }
    /// The definition's labels of such an image from `at` on; whether they could be had.
    #[cfg(feature = "fp16")]
    fn labels(&mut self, at: usize, labels: &mut [u8]) -> bool;
    /// How far the result of such an image may be from the definition's.
    #[cfg(feature = "fp16")]
    fn bound(&self) -> Option<DriftBound>;
    /// Magnitude of what the definition's step leaves behind, by its number among those in half
    /// precision.
    #[cfg(feature = "fp16")]
    fn magnitude(&mut self, number: usize) -> Option<StepMagnitude>;
}

/// Why a row of a frame is not to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowLost {
    /// A row of the golden frame could not be read.
    Golden,
    /// Nobody sends a frame.
    NoMore,
    /// A row did not come over the serial port.
    Serial,
}

/// The golden frame of an image that can be addressed.
impl Golden for hrvit_format::Golden<'_> {
    fn frame(&self) -> Option<&[u8]> {
        Some(self.frame)
    }

    fn row(&mut self, y: usize, pixels: &mut [u8]) -> Result<(), RowLost> {
        let row = self.frame.get(y * pixels.len()..).and_then(|rest| rest.get(..pixels.len()));
        row.map(|row| pixels.copy_from_slice(row)).ok_or(RowLost::Golden)
    }

    fn crc(&mut self, id: StepId) -> Option<u32> {
        self.crcs.get(usize::from(id.0)).copied()
    }

    #[cfg(feature = "fp16")]
    fn labels(&mut self, at: usize, labels: &mut [u8]) -> bool {
        let found = self.result.and_then(|result| result.labels.get(at..)?.get(..labels.len()));
        found.map(|found| labels.copy_from_slice(found)).is_some()
    }

    #[cfg(feature = "fp16")]
    fn bound(&self) -> Option<DriftBound> {
        self.result.map(|result| result.bound)
    }

    #[cfg(feature = "fp16")]
    fn magnitude(&mut self, number: usize) -> Option<StepMagnitude> {
        self.result.and_then(|result| result.steps.get(number).copied())
    }
}
