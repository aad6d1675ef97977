//! Memory that starts at a multiple of [`ALIGN`] bytes.

use crate::record::ALIGN;

/// A value whose first byte lies at a multiple of [`ALIGN`], for images that are part of a program.
///
/// ```
/// use hrvit_format::{Model, aligned::Aligned};
///
/// // In a program: a model image.
/// static IMAGE: &Aligned<[u8]> =
///     &Aligned(*include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")));
///
/// let refused = Model::load(&IMAGE.0).unwrap_err();
/// assert_eq!(refused, hrvit_format::LoadError::BadMagic);
/// ```
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aligned<T: ?Sized>(pub T);

const _: () = assert!(align_of::<Aligned<u8>>() == ALIGN);

#[cfg(feature = "std")]
pub use host::AlignedBytes;

#[cfg(feature = "std")]
mod host {
    use std::{collections::TryReserveError, fs::File, io, io::Read, path::Path, vec::Vec};

    use bytemuck::{Pod, Zeroable};

    use super::ALIGN;

    #[repr(C, align(64))]
    #[derive(Clone, Copy, Pod, Zeroable)]
    struct Chunk([u8; ALIGN]);

    /// A byte buffer on the heap whose first byte lies at a multiple of [`ALIGN`], for arenas and
    /// for model images read from files.
    #[derive(Clone)]
    pub struct AlignedBytes {
        chunks: Vec<Chunk>,
        len: usize,
    }

    impl AlignedBytes {
        /// `len` zero bytes.
        pub fn zeroed(len: usize) -> Self {
            Self { chunks: vec![Chunk([0; ALIGN]); len.div_ceil(ALIGN)], len }
        }

        /// `len` zero bytes, or an error if there is no memory for them.
        ///
        /// # Errors
        /// If the bytes cannot be allocated.
        pub fn try_zeroed(len: usize) -> Result<Self, TryReserveError> {
            let mut chunks = Vec::new();
            chunks.try_reserve_exact(len.div_ceil(ALIGN))?;
            chunks.resize(len.div_ceil(ALIGN), Chunk([0; ALIGN]));
            Ok(Self { chunks, len })
        }

        /// The bytes of a file.
        ///
        /// # Errors
        /// If the file cannot be opened or read, or changes its length while it is read.
        pub fn read(path: &Path) -> io::Result<Self> {
            let mut file = File::open(path)?;
            let len = usize::try_from(file.metadata()?.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
            let mut bytes = Self::zeroed(len);
            file.read_exact(&mut bytes)?;
            Ok(bytes)
        }
    }

    impl From<&[u8]> for AlignedBytes {
        fn from(bytes: &[u8]) -> Self {
            let mut aligned = Self::zeroed(bytes.len());
            aligned.copy_from_slice(bytes);
            aligned
        }
    }

    impl std::fmt::Debug for AlignedBytes {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "AlignedBytes({} bytes)", self.len)
        }
    }

    impl std::ops::Deref for AlignedBytes {
        type Target = [u8];
        fn deref(&self) -> &[u8] {
            &bytemuck::cast_slice(&self.chunks)[..self.len]
        }
    }

    impl AsMut<[u8]> for AlignedBytes {
        fn as_mut(&mut self) -> &mut [u8] {
            self
        }
    }

    impl std::ops::DerefMut for AlignedBytes {
        fn deref_mut(&mut self) -> &mut [u8] {
            &mut bytemuck::cast_slice_mut(&mut self.chunks)[..self.len]
        }
    }
}
