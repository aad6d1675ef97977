//! The descriptive header of an image: the network, its classes, how the image was made.

use serde::{Deserialize, Serialize};

use crate::{ablation::Ablation, error::LoadError, network::Network, preprocess::Preprocess, size::Size};

/// Descriptive header of an image, in postcard encoding. Strings and bytes are borrowed from the
/// image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Meta<'a> {
    /// Backbone, head and class count.
    pub network: Network,
    /// Input size that the image was calibrated for.
    pub size: Size,
    /// How a picture becomes the input. All but its [`crate::preprocess::Fit`] is folded into the
    /// stem.
    pub preprocess: Preprocess,
    /// The probability from which a pixel is of the class, for a network that was trained with one
    /// class. The quantiser turns it into a network of two classes: the background and the class.
    pub threshold: Option<f32>,
    /// Class names separated by newlines, or empty.
    pub class_names: &'a str,
    /// Three bytes (R, G, B) per class, or empty.
    pub colours: &'a [u8],
    /// Free text on the image's origin: checkpoint, its CRC, calibration frames, tool version.
    pub provenance: &'a str,
}

impl<'a> Meta<'a> {
    /// Decodes and checks the bytes of the section; the prologue holds the network's `ablation`.
    pub(crate) fn read(section: &'a [u8], ablation: Ablation) -> Result<Self, LoadError> {
        let Ok((mut meta, [])) = postcard::take_from_bytes::<Self>(section) else { return Err(LoadError::Meta) };
        meta.network.spec.ablation = ablation;
        meta.network.validate().map_err(LoadError::Spec)?;
        Size::new(meta.size.height, meta.size.width).map_err(LoadError::Spec)?;
        let classes = usize::from(meta.network.classes);
        let names = meta.class_names.is_empty() || meta.class_names.bytes().filter(|&byte| byte == b'\n').count() + 1 == classes;
        let colours = meta.colours.is_empty() || meta.colours.len() == 3 * classes;
        let threshold = meta.threshold.is_none_or(|threshold| classes == 2 && threshold > 0.0 && threshold < 1.0);
        if names && colours && threshold && meta.preprocess.is_valid() { Ok(meta) } else { Err(LoadError::Meta) }
    }

    /// Name of `class`, if the image names its classes.
    pub fn class_name(&self, class: usize) -> Option<&'a str> {
        // Bytes are split, since splitting text by characters brings a panic into the program.
        let name = self.class_names.as_bytes().split(|&byte| byte == b'\n').nth(class)?;
        core::str::from_utf8(name).ok().filter(|name| !name.is_empty())
    }

    /// Colour (R, G, B) of `class`, if the image has colours.
    pub fn colour(&self, class: usize) -> Option<[u8; 3]> {
        self.colours.get(class.checked_mul(3)?..)?.first_chunk().copied()
    }
}

/// A [`Meta`] that owns its texts.
#[cfg(feature = "std")]
#[derive(Clone, Debug)]
pub(crate) struct MetaBuf {
    network: Network,
    size: Size,
    preprocess: Preprocess,
    threshold: Option<f32>,
    class_names: std::string::String,
    colours: std::vec::Vec<u8>,
    provenance: std::string::String,
}

#[cfg(feature = "std")]
impl MetaBuf {
    /// A copy.
    pub fn new(meta: &Meta<'_>) -> Self {
        let Meta { network, size, preprocess, threshold, class_names, colours, provenance } = meta.clone();
        let (class_names, colours, provenance) = (class_names.into(), colours.into(), provenance.into());
        Self { network, size, preprocess, threshold, class_names, colours, provenance }
    }

    /// The same, borrowed.
    pub fn meta(&self) -> Meta<'_> {
        let Self { network, size, preprocess, threshold, class_names, colours, provenance } = self;
        let (network, size, preprocess, threshold) = (network.clone(), *size, *preprocess, *threshold);
        Meta { network, size, preprocess, threshold, class_names, colours, provenance }
    }
}
