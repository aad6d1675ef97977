//! Checkpoints: reading, checking, making and writing them.
//!
//! A [`Checkpoint`] holds exactly the tensors that its network has ([`crate::parameters()`]), as f32, all finite. Whatever reads one names the first tensor that
//! does not fit and says what was expected.

mod element;
mod header;
mod names;
mod safe;
mod synthetic;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hrvit_format::{Network, SpecError};

use crate::parameters::{Parameter, parameters};
use crate::pth::{self, Form, Source, View, shown};

pub(crate) use element::Element;

/// What a file's description may take for each tensor of the network, however little: with averages of it and the optimiser's state that training keeps.
const DESCRIPTION: u64 = 8 << 10;
/// Bytes that are read of a pipe, beyond 16 times the network's tensors.
const MAX_PIPE: u64 = 16 << 20;

/// One tensor, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Shape, outermost first.
    pub shape: Vec<usize>,
    /// Values; as many as the shape says.
    pub data: Vec<f32>,
}

/// The weights of one network.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    network: Network,
    tensors: BTreeMap<String, Tensor>,
    origin: String,
}

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
        /// What the system said.
        source: std::io::Error,
    },
    /// The file has no bytes.
    #[error("{}: the file is empty; expected a .pth or .safetensors checkpoint", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file is neither what torch.save writes nor a safetensors file.
    #[error("{}: neither a .pth file of torch.save nor a .safetensors file; load it in PyTorch and save its state_dict() with torch.save", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// A .pth or safetensors file whose inside is damaged or of another kind.
    #[error("{}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A tensor of a type that is not read.
    #[error("{name}: element type {found} is not read; expected f32, f16 or bf16")]
    ElementType {
        /// The tensor.
        name: String,
        /// Type in the file.
        found: String,
    },
    /// Two tensors have the same name once prefixes are taken off.
    #[error("{name}: the file has this tensor twice (with and without a `module.` prefix); keep one")]
    Twice {
        /// The tensor.
        name: String,
    },
    /// A tensor of the network is not in the file.
    #[error(
        "{name}: missing; expected shape {expected:?} ({missing} of {total} tensors of the network are missing: check the variant, the head and the class count)"
    )]
    Missing {
        /// The first tensor that is missing.
        name: String,
        /// Its shape.
        expected: Vec<usize>,
        /// How many are missing.
        missing: usize,
        /// How many the network has.
        total: usize,
    },
    /// A tensor of the file is not in the network.
    #[error("{name}: the network has no such tensor; found with shape {found:?} ({extra} such tensors: check the variant and the head)")]
    Extra {
        /// The first tensor too many, by name.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// How many are too many.
        extra: usize,
    },
    /// A tensor has another shape than the network gives it.
    #[error("{name}: expected shape {expected:?}, found {found:?}")]
    Misshapen {
        /// The tensor.
        name: String,
        /// Shape in the network.
        expected: Vec<usize>,
        /// Shape in the file.
        found: Vec<usize>,
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

impl Checkpoint {
    /// Reads a `.pth` (as torch.save writes it, as a zip archive or one stream, by pickle protocols 2 to 5) or `.safetensors` file; which of them it is, its
    /// first bytes say.
    ///
    /// Names may be bare or under `state_dict_ema`, `state_dict` or `model` (in a file with several of these: the first of this list, as timm does) and may
    /// start with `module.`; `num_batches_tracked` is skipped. f16 and bf16 are widened to f32. Nothing in the file is run, and names and shapes are compared
    /// with the network's before a value is read. A pipe is read whole, up to 16 MiB and 16 times the network's tensors.
    pub fn read(path: &Path, network: &Network) -> Result<Self, CheckpointError> {
        network.validate()?;
        let source = Source::open(path, MAX_PIPE.saturating_add(16 * bytes(network))).map_err(|source| CheckpointError::File { path: path.into(), source })?;
        Self::read_source(path, source, network)
    }

    /// Reads the bytes of a file, which errors and [`Self::origin`] call `path`.
    pub fn read_bytes(path: &Path, bytes: &[u8], network: &Network) -> Result<Self, CheckpointError> {
        network.validate()?;
        Self::read_source(path, Source::of(bytes), network)
    }

    /// Reads a file whose form its first bytes say.
    fn read_source(path: &Path, mut source: Source<'_>, network: &Network) -> Result<Self, CheckpointError> {
        let file = |source| CheckpointError::File { path: path.into(), source };
        if source.len() == 0 {
            return Err(CheckpointError::Empty { path: path.into() });
        }
        let head = source.head(32).map_err(file)?;
        if let Some(form) = Form::of(&head) {
            Self::read_pth(path, source, form, network)
        } else if head.get(8) == Some(&b'{') || path.extension().is_some_and(|extension| extension == "safetensors") {
            Self::read_safetensors(path, source, network)
        } else {
            Err(CheckpointError::UnknownFormat { path: path.into() })
        }
    }

    fn read_safetensors(path: &Path, mut source: Source<'_>, network: &Network) -> Result<Self, CheckpointError> {
        let mut budget = pth::budget(&source, bytes(network));
        let found = header::read(&mut source, &mut budget);
        let found = found.map_err(|reason| CheckpointError::Damaged { path: path.into(), reason: format!("not a whole .safetensors file: {reason}") })?;
        let load = |name: &str, part| safe::load(&mut source, path, name, part);
        Self::from_parts(network, names::strip(found)?, path.display().to_string(), |part| part.shape.as_slice(), load)
    }

    fn read_pth(path: &Path, source: Source<'_>, form: Form, network: &Network) -> Result<Self, CheckpointError> {
        let damaged = |reason: String| CheckpointError::Damaged { path: path.into(), reason };
        let allowance = bytes(network).max(DESCRIPTION * parameters(network).len() as u64);
        let (mut pth, found) = pth::open(source, form, allowance, names::MAX_DEPTH, names::is_container).map_err(damaged)?;
        let views = names::strip(found)?.into_iter().map(|(name, view)| match view {
            Ok(view) => Ok((name, view)),
            Err(reason) => Err(damaged(format!("{}: {reason}", shown(&name)))),
        });
        let load = |name: &str, view: View| {
            view.element().map_err(|found| CheckpointError::ElementType { name: name.to_owned(), found: found.to_owned() })?;
            let data = pth.load(&view).map_err(|reason| damaged(format!("{name}: {reason}")))?;
            Ok(Tensor { shape: view.shape, data })
        };
        Self::from_parts(network, views.collect::<Result<_, _>>()?, path.display().to_string(), |view: &View| view.shape.as_slice(), load)
    }

    /// A checkpoint from bare names. `origin` says where the tensors come from, in words.
    pub fn new(network: &Network, mut tensors: BTreeMap<String, Tensor>, origin: String) -> Result<Self, CheckpointError> {
        network.validate()?;
        tensors.retain(|name, _| !names::is_counter(name));
        Self::from_parts(network, tensors, origin, |tensor| tensor.shape.as_slice(), |_, tensor| Ok(tensor))
    }

    /// A checkpoint from bare names and tensors that are loaded once all names and shapes are the network's.
    fn from_parts<P>(
        network: &Network,
        parts: BTreeMap<String, P>,
        origin: String,
        shape: impl Fn(&P) -> &[usize],
        mut load: impl FnMut(&str, P) -> Result<Tensor, CheckpointError>,
    ) -> Result<Self, CheckpointError> {
        fit(&parameters(network), &parts, shape)?;
        let mut tensors = BTreeMap::new();
        for (name, part) in parts {
            let tensor = load(&name, part)?;
            check(&name, &tensor)?;
            tensors.insert(name, tensor);
        }
        Ok(Self { network: network.clone(), tensors, origin })
    }

    /// Weights that follow from the tensors' names and `seed` alone.
    ///
    /// For the tensor `name` of shape `[d0, d1, ..]`: state = FNV-1a-64(name) XOR seed; element i takes the (i+1)-th SplitMix64 output z of that state;
    /// u = (z >> 40) / 2^23 - 1, in [-1, 1). In f64, then rounded to f32: running mean 0.2u, running variance 1 + 0.5u, bias 0.1u, other 1-D tensors
    /// 1 + 0.25u, all others u·sqrt(3 / (d1·d2·..)).
    pub fn synthetic(network: &Network, seed: u64) -> Result<Self, CheckpointError> {
        let tensors = parameters(network).into_iter().map(|parameter| (parameter.name.clone(), synthetic::tensor(&parameter, seed))).collect();
        Self::new(network, tensors, format!("synthetic weights, seed {seed}"))
    }

    /// The bytes of a `.safetensors` file with all tensors as f32 under bare names; its metadata holds `origin`, `network` (JSON) and `generator`.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, CheckpointError> {
        safe::bytes(self)
    }

    /// The network whose weights these are.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Where the weights come from, in words: the file's path or the seed.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The tensor `name`, if the network has it.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name)
    }

    /// Every tensor in order of its name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }
}

/// Bytes of the tensors of `network`.
fn bytes(network: &Network) -> u64 {
    parameters(network).iter().map(|parameter| (parameter.count() * size_of::<f32>()) as u64).sum()
}

/// Checks that `parts` have the names and shapes of `expected`, no more and no fewer.
fn fit<P>(expected: &[Parameter], parts: &BTreeMap<String, P>, shape: impl Fn(&P) -> &[usize]) -> Result<(), CheckpointError> {
    let mut missing = expected.iter().filter(|parameter| !parts.contains_key(&parameter.name));
    if let Some(first) = missing.next() {
        let (name, shape) = (first.name.clone(), first.shape.clone());
        return Err(CheckpointError::Missing { name, expected: shape, missing: 1 + missing.count(), total: expected.len() });
    }
    let known: BTreeMap<_, _> = expected.iter().map(|parameter| (parameter.name.as_str(), &parameter.shape)).collect();
    let mut extra = parts.iter().filter(|(name, _)| !known.contains_key(name.as_str()));
    if let Some((name, part)) = extra.next() {
        return Err(CheckpointError::Extra { name: shown(name), found: shape(part).to_vec(), extra: 1 + extra.count() });
    }
    for (name, part) in parts {
        let (expected, found) = (known[name.as_str()], shape(part));
        if found != expected {
            return Err(CheckpointError::Misshapen { name: name.clone(), expected: expected.clone(), found: found.to_vec() });
        }
    }
    Ok(())
}

/// Checks a tensor's values.
fn check(name: &str, tensor: &Tensor) -> Result<(), CheckpointError> {
    let name = || name.to_owned();
    let count = tensor.shape.iter().product::<usize>();
    if tensor.data.len() != count {
        return Err(CheckpointError::Misshapen { name: name(), expected: tensor.shape.clone(), found: vec![tensor.data.len()] });
    }
    if let Some((index, &value)) = tensor.data.iter().enumerate().find(|(_, value)| !value.is_finite()) {
        return Err(CheckpointError::NotFinite { name: name(), index, value });
    }
    let negative = tensor.data.iter().enumerate().find(|(_, value)| **value < 0.0);
    match negative.filter(|_| name().ends_with("running_var")) {
        Some((index, &value)) => Err(CheckpointError::NegativeVariance { name: name(), index, value }),
        None => Ok(()),
    }
}
