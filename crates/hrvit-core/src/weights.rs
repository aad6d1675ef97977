//! Where a step's weights come from: memory that can be addressed, or a device that pages them through a buffer.

use core::convert::Infallible;

use hrvit_format::{Model, StepId};

/// Hands out the weight group of one step at a time.
pub trait WeightSource {
    /// Why a group could not be had.
    type Error;

    /// Bytes of buffer that [`WeightSource::step`] needs; 0 if it hands out memory of its own.
    fn buffer_bytes(&self) -> usize;

    /// The weight group of `id`, either the source's own memory or a part of `buffer` (64-byte aligned, [`WeightSource::buffer_bytes`] long).
    fn step<'b>(&mut self, id: StepId, buffer: &'b mut [u8]) -> Result<&'b [u8], Self::Error>
    where
        Self: 'b;
}

/// The image itself, addressed in place.
#[derive(Clone, Copy, Debug)]
pub struct Mapped<'a> {
    model: &'a Model<'a>,
}

impl<'a> Mapped<'a> {
    /// Weights of `model` where they lie.
    pub fn new(model: &'a Model<'a>) -> Self {
        Self { model }
    }
}

impl WeightSource for Mapped<'_> {
    type Error = Infallible;

    fn buffer_bytes(&self) -> usize {
        0
    }

    fn step<'b>(&mut self, id: StepId, _buffer: &'b mut [u8]) -> Result<&'b [u8], Infallible>
    where
        Self: 'b,
    {
        Ok(self.model.group(id).unwrap_or(&[]))
    }
}
