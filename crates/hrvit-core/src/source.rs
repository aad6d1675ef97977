//! Places of a model: memory that can be addressed, or a device that pages its weights through a
//! buffer.

use hrvit_format::{Model, ModelHead, Records, StepId};

use crate::error::Never;

/// A model as an engine uses it: its records at any time, and the weights of one step at a time.
///
/// [`Model`] and, with feature `std`, `ModelBuf` are read in place, owned, borrowed or shared;
/// [`crate::Streamed`] pages groups in.
pub trait ModelSource {
    /// Why a group could not be had.
    type Error;

    /// The head of the image.
    fn head(&self) -> ModelHead<'_>;

    /// The image's records that an engine needs for every step.
    fn records(&self) -> Records<'_>;

    /// Bytes of buffer that [`ModelSource::fetch`] needs; 0 where groups are the source's own
    /// memory.
    fn buffer_bytes(&self) -> usize {
        0
    }

    /// Brings the weight group of `id` to the front of `buffer` (64-byte aligned), where the source
    /// has no memory of its own for it.
    ///
    /// # Errors
    /// If the group cannot be had, or is not the one that was checked.
    fn fetch(&mut self, _id: StepId, _buffer: &mut [u8]) -> Result<(), Self::Error> {
        Ok(())
    }

    /// The weight group of `id`: the source's own memory, or the front of the `buffer` that was
    /// fetched into.
    fn group<'b>(&'b self, id: StepId, buffer: &'b [u8]) -> Option<&'b [u8]>;
}

impl ModelSource for Model<'_> {
    type Error = Never;

    fn head(&self) -> ModelHead<'_> {
        Model::head(self).clone()
    }

    fn records(&self) -> Records<'_> {
        ModelHead::records(self)
    }

    fn group<'b>(&'b self, id: StepId, _buffer: &'b [u8]) -> Option<&'b [u8]> {
        Model::group(self, id)
    }
}

#[cfg(feature = "std")]
impl ModelSource for hrvit_format::ModelBuf {
    type Error = Never;

    fn head(&self) -> ModelHead<'_> {
        self.model().head().clone()
    }

    fn records(&self) -> Records<'_> {
        hrvit_format::ModelBuf::records(self)
    }

    fn group<'b>(&'b self, id: StepId, _buffer: &'b [u8]) -> Option<&'b [u8]> {
        hrvit_format::ModelBuf::group(self, id)
    }
}

/// Sources whose groups are their own memory, behind a pointer that many may hold.
macro_rules! shared {
    ($($(#[$built:meta])* $pointer:ty),*) => {$(
        $(#[$built])*
        impl<M: ModelSource<Error = Never>> ModelSource for $pointer {
            type Error = Never;

            fn head(&self) -> ModelHead<'_> {
                (**self).head()
            }

            fn records(&self) -> Records<'_> {
                (**self).records()
            }

            fn group<'b>(&'b self, id: StepId, buffer: &'b [u8]) -> Option<&'b [u8]> {
                (**self).group(id, buffer)
            }
        }
    )*};
}

shared!(&M, #[cfg(feature = "std")] std::sync::Arc<M>);
