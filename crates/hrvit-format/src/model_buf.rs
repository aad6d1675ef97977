//! A model image that owns its memory.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use bytemuck::cast_slice;
use hrvit_kernels::Packing;

use crate::{
    aligned::AlignedBytes,
    bytes::Span,
    error::LoadError,
    golden::{Golden, GoldenRanges},
    graph::StepId,
    head::{Extent, ModelHead},
    meta::MetaBuf,
    model::Model,
    record::Section,
    records::Records,
    sections::Start,
};

/// A checked model image that owns its memory.
///
/// ```no_run
/// # fn main() -> Result<(), hrvit_format::ReadError> {
/// let image = hrvit_format::ModelBuf::read("nano.hrvit")?;
/// println!("{} classes", image.model().meta().network.classes);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ModelBuf {
    /// Never changed after it was checked: all places below lie in it, aligned as their elements
    /// ask for.
    image: AlignedBytes,
    meta: MetaBuf,
    packing: Packing,
    steps: Span,
    ops: Span,
    exp: Span,
    extent: Extent,
    golden: Option<GoldenRanges>,
}

impl ModelBuf {
    /// Checks an image and takes its memory.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn load(image: impl Into<AlignedBytes>) -> Result<Self, LoadError> {
        let image = image.into();
        let model = Model::load(&image)?;
        let start = Start::read(&image)?;
        let span = |section| Ok(start.section(section)?.span());
        let (steps, ops, exp) = (span(Section::Steps)?, span(Section::Ops)?, span(Section::Tables)?);
        let (meta, packing, extent, golden) = (MetaBuf::new(model.meta()), model.packing(), model.extent(), model.golden_ranges()?);
        Ok(Self { meta, packing, steps, ops, exp, extent, golden, image })
    }

    /// Copies `bytes` to aligned memory and checks them. `bytes` may lie at any address, as the
    /// result of [`std::fs::read`] does.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LoadError> {
        Self::load(bytes)
    }

    /// Reads and checks the image in a file.
    ///
    /// # Errors
    /// If the file cannot be read, or holds no valid image. The error names the file.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        let path = path.as_ref();
        let at = |cause| ReadError { path: path.to_owned(), cause };
        let image = AlignedBytes::read(path).map_err(|error| at(ReadCause::File(error)))?;
        Self::load(image).map_err(|error| at(ReadCause::Image(error)))
    }

    /// The model, without another check.
    pub fn model(&self) -> Model<'_> {
        let head = ModelHead::of_parts(self.meta.meta(), self.records(), self.extent);
        let weights = &self.image[head.weights_range()];
        // Ranges that could be read when the image was loaded.
        let golden = self.golden.as_ref().and_then(|ranges| Golden::read(&self.image, ranges));
        Model::of_parts(head, weights, golden)
    }

    /// Records of the image that an engine needs for one step.
    pub fn records(&self) -> Records<'_> {
        let bytes = |span: Span| &self.image[span.range()];
        Records { packing: self.packing, steps: cast_slice(bytes(self.steps)), ops: cast_slice(bytes(self.ops)), exp: cast_slice(bytes(self.exp)) }
    }

    /// Bytes of the step's weight group, as they lie in the image.
    pub fn group(&self, id: StepId) -> Option<&[u8]> {
        self.records().step(id)?.span().of(&self.image[self.extent.weights_span().range()])
    }

    /// The image's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.image
    }
}

/// Why a file holds no model that can be used.
#[derive(Debug)]
pub struct ReadError {
    /// The file.
    pub path: PathBuf,
    /// The fault.
    pub cause: ReadCause,
}

/// Fault of a file.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadCause {
    /// The file cannot be read.
    File(io::Error),
    /// The file holds no valid image.
    Image(LoadError),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.cause)
    }
}

impl fmt::Display for ReadCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::Image(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ReadError {}
