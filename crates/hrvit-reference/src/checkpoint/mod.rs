//! Checkpoints: reading, checking, making and writing them.
//!
//! A [`Checkpoint`] holds exactly the tensors that its network has ([`crate::parameters()`]), as
//! f32, all finite. Every reader names the first tensor that does not fit and says what was
//! expected.

mod choice;
mod closest;
mod error;
mod fit;
mod header;
mod hints;
mod kind;
mod naming;
mod part;
mod safe;
mod selection;
mod sets;
mod synthetic;
mod taken;
mod tensor;

use std::collections::BTreeMap;
use std::path::Path;

use hrvit_format::{Network, Preprocess};

use crate::listed::{ClassNames, Listed};
use crate::parameters::{Parameter, parameters};
use crate::pth::{self, Form, Source, View};

use choice::{Choice, Chosen};

pub use {
    error::CheckpointError,
    selection::{Averaged, Selection},
    taken::Taken,
    tensor::Tensor,
};

/// Bytes that a file's description may take for each tensor of the network, however small. They
/// cover averages of it and the optimiser's state that training keeps.
const DESCRIPTION: u64 = 8 << 10;
/// Bytes that are read of a pipe, beyond 16 times the network's tensors.
const MAX_PIPE: u64 = 16 << 20;

/// The weights of one network.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    network: Network,
    tensors: BTreeMap<String, Tensor>,
    origin: String,
    taken: Taken,
    class_names: Option<ClassNames>,
    preprocess: Preprocess,
}

impl Checkpoint {
    /// Reads a `.safetensors` or `.pth` file (of torch.save, as a zip archive or one stream, by
    /// pickle protocols 2 to 5). The first bytes tell the form. See [`Self::read_selected`].
    pub fn read(path: &Path, network: &Network) -> Result<Self, CheckpointError> {
        Self::read_selected(path, network, &Selection::default())
    }

    /// Reads of a file what `selection` says.
    ///
    /// Prefixes of the network's names are found: dictionaries, wrappers (`module.`, `_orig_mod.`)
    /// and any prefix that all share. Tensors that serve training alone, integers and the counters
    /// of BatchNorms are left out; [`Self::taken`] says what was. f16, bf16 and f64 become f32.
    /// Nothing in the file is run, and names and shapes are compared with the network's before a
    /// value is read. A pipe is read whole, up to 16 MiB and 16 times the network's tensors.
    pub fn read_selected(path: &Path, network: &Network, selection: &Selection) -> Result<Self, CheckpointError> {
        network.validate()?;
        let source = Source::open(path, MAX_PIPE.saturating_add(16 * bytes(network))).map_err(|source| CheckpointError::File { path: path.into(), source })?;
        Self::read_source(path, source, network, selection)
    }

    /// Reads the bytes of a file, which errors and [`Self::origin`] call `path`.
    pub fn read_bytes(path: &Path, bytes: &[u8], network: &Network) -> Result<Self, CheckpointError> {
        Self::read_bytes_selected(path, bytes, network, &Selection::default())
    }

    /// [`Self::read_selected`] of bytes in memory.
    pub fn read_bytes_selected(path: &Path, bytes: &[u8], network: &Network, selection: &Selection) -> Result<Self, CheckpointError> {
        network.validate()?;
        Self::read_source(path, Source::of(bytes), network, selection)
    }

    /// Reads a file whose form its first bytes say.
    fn read_source(path: &Path, mut source: Source<'_>, network: &Network, selection: &Selection) -> Result<Self, CheckpointError> {
        let file = |source| CheckpointError::File { path: path.into(), source };
        if source.len() == 0 {
            return Err(CheckpointError::Empty { path: path.into() });
        }
        let head = source.head(64).map_err(file)?;
        if let Some(form) = Form::of(&head) {
            Self::read_pth(path, source, form, network, selection)
        } else if head.get(8) == Some(&b'{') || (kind::known(&head).is_none() && path.extension().is_some_and(|extension| extension == "safetensors")) {
            Self::read_safetensors(path, source, network, selection)
        } else {
            Err(CheckpointError::UnknownFormat { path: path.into(), found: kind::of(&head) })
        }
    }

    fn read_safetensors(path: &Path, mut source: Source<'_>, network: &Network, selection: &Selection) -> Result<Self, CheckpointError> {
        let mut budget = pth::budget(&source, bytes(network));
        let found = header::read(&mut source, &mut budget);
        let found = found.map_err(|reason| CheckpointError::Damaged { path: path.into(), reason: format!("not a whole .safetensors file: {reason}") })?;
        let listed = found.into_iter().map(|(name, part)| Listed { dictionary: 0, name, part }).collect();
        Self::assemble(network, choice::choose(network, listed, selection)?, path.display().to_string(), |name, part| safe::load(&mut source, path, name, part))
    }

    fn read_pth(path: &Path, source: Source<'_>, form: Form, network: &Network, selection: &Selection) -> Result<Self, CheckpointError> {
        let damaged = |reason: String| CheckpointError::Damaged { path: path.into(), reason };
        let allowance = bytes(network).max(DESCRIPTION * parameters(network).len() as u64);
        let (mut pth, found) = pth::open(source, form, allowance).map_err(damaged)?;
        let choice = choice::choose(network, found.tensors, selection)?;
        let load = |name: &str, view: Result<View, String>| {
            let view = view.map_err(|reason| damaged(format!("{name}: {reason}")))?;
            view.element().map_err(|found| CheckpointError::ElementType { name: name.to_owned(), found: found.to_owned() })?;
            let data = pth.load(&view).map_err(|reason| damaged(format!("{name}: {reason}")))?;
            Ok(Tensor { shape: view.shape, data })
        };
        Ok(Self { class_names: found.class_names, ..Self::assemble(network, choice, path.display().to_string(), load)? })
    }

    /// A checkpoint from bare names. `origin` says where the tensors come from, in words.
    pub fn new(network: &Network, tensors: BTreeMap<String, Tensor>, origin: String) -> Result<Self, CheckpointError> {
        network.validate()?;
        let listed = tensors.into_iter().map(|(name, part)| Listed { dictionary: 0, name, part }).collect();
        let selection = Selection { prefix: Some(String::new()), ..Selection::default() };
        Self::assemble(network, choice::choose(network, listed, &selection)?, origin, |_, tensor| Ok(tensor))
    }

    /// Loads what was chosen, now that all names and shapes are the network's.
    fn assemble<P>(
        network: &Network,
        choice: Choice<P>,
        origin: String,
        mut load: impl FnMut(&str, P) -> Result<Tensor, CheckpointError>,
    ) -> Result<Self, CheckpointError> {
        let mut tensors = BTreeMap::new();
        for Chosen { parameter: Parameter { name, shape }, recipe, sources } in choice.tensors {
            let mut loaded = Vec::new();
            for (name, part) in sources {
                let tensor = load(&name, part)?;
                check(&name, &tensor)?;
                loaded.push(tensor);
            }
            let tensor = recipe.apply(&shape, loaded);
            check(&name, &tensor)?;
            tensors.insert(name, tensor);
        }
        Ok(Self { network: network.clone(), tensors, origin, taken: choice.taken, class_names: None, preprocess: Preprocess::IMAGENET })
    }

    /// Weights that follow from the tensors' names and `seed` alone.
    ///
    /// For the tensor `name` of shape `[d0, d1, ..]`: state = FNV-1a-64(name) XOR seed; element i
    /// takes the (i+1)-th SplitMix64 output z of that state; u = (z >> 40) / 2^23 - 1, in [-1, 1).
    /// In f64, then rounded to f32: running mean 0.2u, running variance 1 + 0.5u, bias 0.1u, other
    /// 1-D tensors 1 + 0.25u, all others u·sqrt(3 / (d1·d2·..)).
    pub fn synthetic(network: &Network, seed: u64) -> Result<Self, CheckpointError> {
        let tensors = parameters(network).into_iter().map(|parameter| (parameter.name.clone(), synthetic::tensor(&parameter, seed))).collect();
        Self::new(network, tensors, format!("synthetic weights, seed {seed}"))
    }

    /// The bytes of a `.safetensors` file with all tensors as f32 under bare names; its metadata
    /// holds `origin`, `network` (JSON) and `generator`.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, CheckpointError> {
        safe::bytes(&self.network, &self.origin, self.iter())
    }

    /// The network whose weights these are.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Origin of the weights, in words: the file's path or the seed.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The parts that were taken of the file.
    pub fn taken(&self) -> &Taken {
        &self.taken
    }

    /// How a picture becomes the network's input: as for ImageNet, unless told otherwise.
    pub fn preprocess(&self) -> &Preprocess {
        &self.preprocess
    }

    /// The same weights of a network that was trained on pictures prepared in another way.
    #[must_use]
    pub fn with_preprocess(self, preprocess: Preprocess) -> Self {
        Self { preprocess, ..self }
    }

    /// The same weights with other names of classes, or none.
    #[must_use]
    pub fn with_class_names(self, class_names: Option<ClassNames>) -> Self {
        Self { class_names, ..self }
    }

    /// Names of classes that the file has beside the weights, as mmsegmentation saves them.
    pub fn class_names(&self) -> Option<&ClassNames> {
        self.class_names.as_ref()
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

/// Checks a tensor's values.
fn check(name: &str, tensor: &Tensor) -> Result<(), CheckpointError> {
    let name = || name.to_owned();
    let count = tensor.shape.iter().product::<usize>();
    if tensor.data.len() != count {
        return Err(CheckpointError::Misshapen { name: name(), expected: tensor.shape.clone(), found: vec![tensor.data.len()], hint: None });
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
