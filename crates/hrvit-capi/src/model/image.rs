//! A checked image and the memory that it lies in.

use core::ffi::{c_char, c_void};

use hrvit_core::Model;
#[cfg(feature = "std")]
use hrvit_core::{AlignedBytes, ModelHead, START_BYTES};

use crate::failure::Failure;
use crate::memory::shared;
#[cfg(not(feature = "std"))]
use crate::status::*;

/// A checked image and the memory that it lies in. Engines hold copies of [`Image::model`], which
/// borrow that memory: it must outlive them, as the count in the model's slot sees to.
pub(crate) struct Image {
    model: Model<'static>,
    bytes: &'static [u8],
    /// Behind what borrows it; where the memory is the caller's, nothing.
    #[cfg(feature = "std")]
    _own: Option<Own>,
}

/// Memory of an image that is the library's. Its bytes stay where they are when it moves.
#[cfg(feature = "std")]
enum Own {
    Copied(AlignedBytes),
    Mapped(memmap2::Mmap),
}

#[cfg(feature = "std")]
impl Own {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Copied(bytes) => bytes,
            Self::Mapped(map) => map,
        }
    }
}

impl Image {
    /// The image at `bytes`, read in place.
    ///
    /// # Safety
    /// `image` is NULL, or leads to `bytes` bytes that nobody changes until the result and all
    /// copies of its model are gone.
    pub unsafe fn lent(image: *const c_void, bytes: usize) -> Result<Self, Failure> {
        // SAFETY: the caller vouches for it.
        let bytes = unsafe { shared::<u8>("image", image.cast(), bytes)? };
        let model = Model::load(bytes)?;
        // Memory behind the image in its slot of flash is not lent.
        let bytes = bytes.get(..model.total_len()).unwrap_or(bytes);
        Ok(Self {
            model,
            bytes,
            #[cfg(feature = "std")]
            _own: None,
        })
    }

    /// A copy of the image at `bytes`.
    ///
    /// # Safety
    /// `image` is NULL, or leads to `bytes` bytes that nobody changes meanwhile.
    #[cfg(feature = "std")]
    pub unsafe fn copied(image: *const c_void, bytes: usize) -> Result<Self, Failure> {
        // SAFETY: the caller vouches for it.
        let bytes = unsafe { shared::<u8>("image", image.cast(), bytes)? };
        // Not what lies behind the image. An image that cannot be is refused when it is loaded.
        let start = AlignedBytes::from(bytes.get(..START_BYTES).unwrap_or(bytes));
        let bytes = ModelHead::image_len(&start).ok().and_then(|len| bytes.get(..len)).unwrap_or(bytes);
        let mut own = crate::memory::zeroed(bytes.len())?;
        own.copy_from_slice(bytes);
        Self::own(Own::Copied(own))
    }

    /// The image in a file: mapped, or read to memory.
    ///
    /// # Safety
    /// `path` leads to a text that ends with a NUL. Nobody changes a file that is mapped until the
    /// result and all copies of its model are gone.
    #[cfg(feature = "std")]
    pub unsafe fn of_file(path: *const c_char, is_copied: bool) -> Result<Self, Failure> {
        use std::io::Read;

        use crate::status::{HRVIT_ERROR_ARGUMENT, HRVIT_ERROR_FILE};

        // SAFETY: the caller vouches for it.
        let path = path_of(unsafe { core::ffi::CStr::from_ptr(path) }).ok_or_else(|| Failure::text(HRVIT_ERROR_ARGUMENT, "the path is not UTF-8"))?;
        let failed = |error: std::io::Error| Failure::owned(HRVIT_ERROR_FILE, format!("{}: {error}", path.display()));
        let mut file = std::fs::File::open(path).map_err(failed)?;
        let about = file.metadata().map_err(failed)?;
        // Only files have a length to be mapped; reading a folder says what it is.
        if is_copied || !about.is_file() || about.len() == 0 {
            let mut own = crate::memory::zeroed(usize::try_from(about.len()).unwrap_or(usize::MAX))?;
            file.read_exact(&mut own).map_err(failed)?;
            return Self::own(Own::Copied(own));
        }
        let mut options = memmap2::MmapOptions::new();
        // Every byte is checked now: pages come in one go.
        // SAFETY: the caller vouches that nobody changes the file.
        Self::own(Own::Mapped(unsafe { options.populate().map(&file) }.map_err(failed)?))
    }

    #[cfg(feature = "std")]
    fn own(own: Own) -> Result<Self, Failure> {
        let bytes = own.bytes();
        // SAFETY: the bytes lie on the heap or in a mapping, where they stay when `own` moves into
        // the result; it is dropped after the model, and nothing writes to it.
        let bytes = unsafe { core::slice::from_raw_parts(bytes.as_ptr(), bytes.len()) };
        Ok(Self { model: Model::load(bytes)?, bytes, _own: Some(own) })
    }

    #[cfg(not(feature = "std"))]
    pub unsafe fn copied(_: *const c_void, _: usize) -> Result<Self, Failure> {
        Err(Failure::text(HRVIT_ERROR_UNSUPPORTED, "this build of the library cannot copy an image: it has no memory of its own"))
    }

    #[cfg(not(feature = "std"))]
    pub unsafe fn of_file(_: *const c_char, _: bool) -> Result<Self, Failure> {
        Err(Failure::text(HRVIT_ERROR_UNSUPPORTED, "this build of the library reads no files"))
    }

    /// The model.
    pub fn model(&self) -> &Model<'static> {
        &self.model
    }

    /// Its bytes; a file's with what lies behind it.
    pub fn bytes(&self) -> &[u8] {
        self.bytes
    }
}

#[cfg(all(feature = "std", unix))]
fn path_of(text: &core::ffi::CStr) -> Option<&std::path::Path> {
    use std::os::unix::ffi::OsStrExt;

    Some(std::ffi::OsStr::from_bytes(text.to_bytes()).as_ref())
}

#[cfg(all(feature = "std", not(unix)))]
fn path_of(text: &core::ffi::CStr) -> Option<&std::path::Path> {
    text.to_str().ok().map(std::path::Path::new)
}
