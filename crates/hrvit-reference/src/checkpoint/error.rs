//! Why a file is no checkpoint of the network asked for.

use std::path::PathBuf;

use hrvit_format::SpecError;

/// Why a file is no checkpoint of the network asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The network itself cannot be built.
    #[error(transparent)]
    Network(#[from] SpecError),
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The file has no bytes.
    #[error("{}: the file is empty; expected a .pth or .safetensors checkpoint", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file is neither what torch.save writes nor a safetensors file.
    #[error("{}: {found}", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
        /// Its kind, as far as its first bytes say, and what to do.
        found: &'static str,
    },
    /// A .pth or safetensors file whose inside is damaged or of another kind.
    #[error("{}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The fault.
        reason: String,
    },
    /// A tensor of a type that is not read.
    #[error("{name}: element type {found} is not read; expected f32, f16, bf16 or f64")]
    ElementType {
        /// The tensor.
        name: String,
        /// Type in the file.
        found: String,
    },
    /// Two tensors have the same name once wrappers are taken off.
    #[error("{name}: the file has this tensor twice (with and without a wrapper such as `module.`); keep one")]
    Twice {
        /// The tensor.
        name: String,
    },
    /// The network's weights are in the file more than once, none of them preferred.
    #[error("the file has these weights under {found}; choose one with --prefix")]
    Several {
        /// Prefixes, each in quotes.
        found: String,
    },
    /// Averaged weights were asked for, or others than averaged ones, and there are none.
    #[error("the file has no {wanted} weights, only those under {found}")]
    Averaged {
        /// Which.
        wanted: &'static str,
        /// Prefixes, each in quotes.
        found: String,
    },
    /// An option of the selection changes nothing.
    #[error("{option}: {reason}")]
    NoEffect {
        /// The option.
        option: String,
        /// Why it changes nothing.
        reason: &'static str,
    },
    /// The head has a BatchNorm behind each branch's convolution, and as mmsegmentation builds it a
    /// ReLU behind that.
    #[error(
        "decode_head.convs.0.bn: mmsegmentation's SegformerHead has BatchNorm and ReLU behind its convs, this network's head has neither: another network. If yours \
         was built without the ReLU (act_cfg=None, or mlp_act=False), --convs-without-relu folds the BatchNorms in"
    )]
    ReluHead,
    /// A tensor of the network is not in the file.
    #[error("{name}: missing; expected shape {expected:?} ({missing} of {total} tensors of the network are missing: {hint})")]
    Missing {
        /// The first tensor that is missing.
        name: String,
        /// Its shape.
        expected: Vec<usize>,
        /// How many are missing.
        missing: usize,
        /// How many the network has.
        total: usize,
        /// A possible reason.
        hint: String,
    },
    /// A tensor beside the weights is not in the network.
    #[error("{name}: the network has no such tensor; found with shape {found:?} ({extra} such tensors: {hint})")]
    Extra {
        /// The first tensor too many, by name.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// How many are too many.
        extra: usize,
        /// A possible reason, and what to do.
        hint: String,
    },
    /// A tensor has another shape than the network gives it.
    #[error("{name}: expected shape {expected:?}, found {found:?}{}", hint.as_ref().map_or_else(String::new, |hint| format!(" ({hint})")))]
    Misshapen {
        /// The tensor.
        name: String,
        /// Shape in the network.
        expected: Vec<usize>,
        /// Shape in the file.
        found: Vec<usize>,
        /// A possible reason.
        hint: Option<String>,
    },
    /// A value is NaN or infinite.
    #[error("{name}: element {index} is {value}; expected finite values")]
    NotFinite {
        /// The tensor.
        name: String,
        /// Position, row-major.
        index: usize,
        /// The value.
        value: f32,
    },
    /// A running variance is below zero.
    #[error("{name}: element {index} is {value}; a variance is not negative")]
    NegativeVariance {
        /// The tensor.
        name: String,
        /// Position.
        index: usize,
        /// The value.
        value: f32,
    },
}
