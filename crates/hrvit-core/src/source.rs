//! Sources of a model: addressable memory, or a device whose weights are paged through a buffer.

use hrvit_format::{Model, ModelHead, Records, StepId};

use crate::error::Never;

/// A model as an engine uses it: its records at any time, and the weights of one step at a time.
///
/// [`Model`] and, with feature `std`, `ModelBuf` are read in place. An engine may own, borrow or
/// share them. [`crate::Streamed`] pages weight groups into a buffer.
pub trait ModelSource {
    /// Why a weight group could not be fetched.
    type Error;

    /// The head of the image.
    fn head(&self) -> ModelHead<'_>;

    /// The image's records that an engine needs for every step.
    fn records(&self) -> Records<'_>;

    /// Bytes of the buffer that [`ModelSource::fetch`] needs. 0 if groups lie in the source's own
    /// memory.
    fn buffer_bytes(&self) -> usize {
        0
    }

    /// Brings the weight group of step `id` to the front of `buffer`, which is 64-byte aligned.
    /// Does nothing if the group lies in the source's own memory.
    ///
    /// # Errors
    /// If the group cannot be read, or differs from the one that was checked.
    fn fetch(&mut self, _id: StepId, _buffer: &mut [u8]) -> Result<(), Self::Error> {
        Ok(())
    }

    /// The weight group of step `id`, in the source's own memory or at the front of the `buffer`
    /// that [`ModelSource::fetch`] has filled.
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

/// Sources with groups in their own memory, behind a shared pointer.
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
