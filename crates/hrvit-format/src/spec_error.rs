//! Why a description of a network is invalid.

use crate::sentence::sentences;

/// Number of branches of the last modules, at 1/4, 1/8, 1/16 and 1/32 of the input.
pub const BRANCHES: usize = 4;
/// The most modules (fusion + stage) that a [`Spec`](crate::Spec) may have. The published variants
/// have six.
pub const MAX_MODULES: usize = 8;

/// Why a [`Spec`](crate::Spec) or an input size is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpecError {
    /// `stem` must be even, at least 2 and at most 1024.
    Stem(u16),
    /// Channels of the branch must be a multiple of 4 between 8 and 1024.
    Channels(u8),
    /// `blocks` must have one to [`MAX_MODULES`] modules. The first must have one branch. Each next
    /// module must have as many branches as the one before, or one more. The last must have four.
    Modules,
    /// `head_dim` must not be zero.
    HeadDim,
    /// On the branch, half the channels must be a multiple of the head dimension
    /// `min(C / (C / head_dim), C / 2)`.
    Heads(u8),
    /// The branch's window must not be zero.
    Window(u8),
    /// The branch's MixCFN ratio must be 1 to 8.
    Ratio(u8),
    /// `head_width` must be between 1 and 4096.
    HeadWidth(u16),
    /// Class count must be 1 to 256 for a segmentor and 1 to 32767 for a classifier.
    Classes(u16),
    /// Input height and width must be multiples of 32, at least 32 and at most 4096.
    Size {
        /// Height asked for.
        height: u16,
        /// Width asked for.
        width: u16,
    },
    /// The text is not an input size.
    SizeText,
}

sentences!(SpecError {
    Self::Stem(n) => ("stem = {}: expected an even number of channels from 2 to 1024", n),
    Self::Channels(branch) => ("channels[{}]: expected a multiple of 4 from 8 to 1024", branch),
    Self::Modules => (
        "blocks: expected 1 to {} modules, the first with one branch, each next with as many or one more, the last with {}",
        MAX_MODULES,
        BRANCHES
    ),
    Self::HeadDim => ("head_dim: must not be zero"),
    Self::Heads(branch) => ("head_dim: on branch {}, C / 2 is not a multiple of the head dimension min(C / (C / head_dim), C / 2)", branch),
    Self::Window(branch) => ("windows[{}]: must not be zero", branch),
    Self::Ratio(branch) => ("ratios[{}]: expected 1 to 8", branch),
    Self::HeadWidth(n) => ("head_width = {}: expected 1 to 4096", n),
    Self::Classes(n) => ("classes = {}: expected 1 to 256 for a segmentor, 1 to 32767 for a classifier", n),
    Self::Size { height, width } => ("size {}x{}: height and width must be multiples of 32 from 32 to 4096", height, width),
    Self::SizeText => ("expected HEIGHTxWIDTH in pixels, such as 192x256"),
});

impl core::error::Error for SpecError {}
