//! The forward pass exactly as trained: every BatchNorm, LayerNorm and projection on its own, read
//! by the checkpoint's names.

mod backbone;
mod block;
mod heads;

use hrvit_format::{Head, Network};

use crate::checkpoint::Checkpoint;
use crate::map::{Frame, Map};
use crate::parameters::core_prefix;

/// Sees maps of the forward pass under their names, see [`Model::forward`].
pub type NamedTap<'a> = &'a mut dyn FnMut(&str, &Map);

/// HRViT with the weights of a checkpoint.
#[derive(Clone, Debug)]
pub struct Model {
    checkpoint: Checkpoint,
}

impl Model {
    /// The network of `checkpoint` with its weights.
    pub fn new(checkpoint: Checkpoint) -> Self {
        Self { checkpoint }
    }

    /// The weights.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The network.
    pub fn network(&self) -> &Network {
        self.checkpoint.network()
    }

    /// Logits of one frame: `[height / 4, width / 4, classes]` from a segmentor, `[1, 1, classes]`
    /// from a classifier.
    ///
    /// `tap` sees, under the names of the modules that compute them (without `backbone.`): `stem`;
    /// for every module `features.K.out.B`, the fusion's (even K) or stage's (odd K) output on
    /// branch B; inside stages `features.K.patch_embed.B`, per block `features.K.branches.B.N` and
    /// its `attn_norm`, `attn.to_qkv`, `attn.parallel_conv`, `attn`, `des`, `ffn_norm`, `ffn.fc1`
    /// and `ffn`; `logits`.
    pub fn forward(&self, frame: &Frame, tap: NamedTap<'_>) -> Map {
        let spec = &self.network().spec;
        let root = Scope { checkpoint: &self.checkpoint, name: String::new() };
        let core = root.child(core_prefix(self.network().head).trim_end_matches('.'));
        let mut branches = vec![backbone::stem(&core.child("stem"), frame)];
        tap("stem", &branches[0]);
        for module in 0..spec.modules() {
            for (kind, features) in [2 * module, 2 * module + 1].into_iter().enumerate() {
                let name = format!("features.{features}");
                let scope = core.child(&name);
                branches = match kind {
                    0 => backbone::fusion(&scope, spec, module, &branches),
                    _ => backbone::stage(&scope, spec, module, &branches, &name, tap),
                };
                for (branch, map) in branches.iter().enumerate() {
                    tap(&format!("{name}.out.{branch}"), map);
                }
            }
        }
        let logits = match self.network().head {
            Head::Segformer => heads::segformer(&root.child("decode_head"), spec, &branches),
            Head::Classifier => heads::classifier(&root.child("head"), &branches),
        };
        tap("logits", &logits);
        logits
    }
}

/// A part of the checkpoint: all names below one.
pub(crate) struct Scope<'a> {
    pub(crate) checkpoint: &'a Checkpoint,
    pub(crate) name: String,
}

impl<'a> Scope<'a> {
    /// The part below `name` of this one.
    pub(crate) fn child(&self, name: &str) -> Self {
        Self { checkpoint: self.checkpoint, name: self.full(name) }
    }

    fn full(&self, name: &str) -> String {
        if self.name.is_empty() || name.is_empty() { format!("{}{name}", self.name) } else { format!("{}.{name}", self.name) }
    }

    /// The values of a tensor. A checkpoint has every tensor of its network (checked when it is
    /// made), so that asking for another is a mistake in this crate.
    pub(crate) fn get(&self, name: &str) -> &'a [f32] {
        let name = self.full(name);
        match self.checkpoint.get(&name) {
            Some(tensor) => &tensor.data,
            None => panic!("{name}: not a tensor of this network"),
        }
    }
}
