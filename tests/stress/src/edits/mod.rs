//! Edits of a checkpoint. Each finds its sites from the network, whatever its widths and head, and
//! draws site and numbers from a seed.
//!
//! | module | what it holds |
//! |---|---|
//! | [`paths`] | channels on their way from writers to readers |
//! | [`exact`] | edits that keep the function |
//! | [`decision`] | edits that keep every decision |
//! | [`stress`] | edits that make another network, one that is hard to quantise |

pub mod decision;
pub mod exact;
pub mod paths;
pub mod stress;

use anyhow::Result;
use hrvit_reference::Checkpoint;
use hrvit_tests::rng::Rng;

use crate::tensors::Tensors;

/// Property that an edit keeps, from the strongest to the weakest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// The logits.
    Exact,
    /// The class of every pixel or frame.
    Decision,
    /// Nothing: judged against its own float network.
    Stress,
}

/// One kind of edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Positive factors on channels before a ReLU, undone by its readers.
    Relu,
    /// Factors on channels between two linear layers, undone by the second.
    Linear,
    /// Factors on channels of a LayerNorm's affine part, undone by its readers.
    Norm,
    /// Constants on channels that linear layers read, undone by their biases.
    Shift,
    /// One factor of a million, up or down, on all channels of a path.
    Whole,
    /// Other running means and variances of a BatchNorm, undone by its affine part.
    Statistics,
    /// Factors on rows of a layer, undone by the BatchNorm behind it.
    BeforeBatchNorm,
    /// Constants of an attention's term moved to the shortcut beside it.
    BiasExchange,
    /// Large weights of channels that nothing reads; the unedited network is one whose readers are
    /// zero there.
    Unread,
    /// Large weights that read channels which are zero on every frame; the unedited network has the
    /// channels and small weights.
    Loud,
    /// One constant on all logits.
    Offset,
    /// Classes that are never picked, put far below the others; where there are none, the unedited
    /// network is one with some.
    Masked,
    /// 100 on one channel of a residual stream, undone by its LayerNorms.
    Stream100,
    /// Up to 10 000 on up to three channels of a residual stream.
    Stream,
    /// The same constant on all channels of a residual stream.
    StreamMean,
    /// q 10 or 100 times larger.
    SharpAttention,
    /// A row of a layer is zero.
    DeadRow,
    /// v is zero.
    DeadValues,
    /// The diversity-enhancing shortcut is zero.
    DeadShortcut,
    /// A channel of v where Hardswish is zero.
    DeadHardswish,
    /// A branch switched off by its embedding's LayerNorm.
    DeadBranch,
    /// GELUs deep in their flat part.
    DeadGelu,
    /// Both layers of an embedding a thousand or a million times larger or smaller.
    EmbeddingScale,
}

impl Kind {
    /// Every kind that keeps the function.
    pub const EXACT: [Self; 10] =
        [Self::Relu, Self::Linear, Self::Norm, Self::Shift, Self::Whole, Self::Statistics, Self::BeforeBatchNorm, Self::BiasExchange, Self::Unread, Self::Loud];
    /// Every kind that keeps the decisions.
    pub const DECISION: [Self; 2] = [Self::Offset, Self::Masked];
    /// Every kind that makes another network.
    pub const STRESS: [Self; 11] = [
        Self::Stream100,
        Self::Stream,
        Self::StreamMean,
        Self::SharpAttention,
        Self::DeadRow,
        Self::DeadValues,
        Self::DeadShortcut,
        Self::DeadHardswish,
        Self::DeadBranch,
        Self::DeadGelu,
        Self::EmbeddingScale,
    ];

    /// Property that it keeps.
    pub fn family(self) -> Family {
        if Self::EXACT.contains(&self) {
            Family::Exact
        } else if Self::DECISION.contains(&self) {
            Family::Decision
        } else {
            Family::Stress
        }
    }
}

/// A network and what edits have made of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// The network that the edited one is compared with: the checkpoint, or what [`Kind::Unread`],
    /// [`Kind::Loud`] and [`Kind::Masked`] start from.
    pub base: Tensors,
    /// The edited network.
    pub edited: Tensors,
    /// Edits so far.
    pub kinds: Vec<Kind>,
    /// Text of each edit.
    pub notes: Vec<String>,
    /// Whether the float logits must be the same bits as the base's.
    pub bits: bool,
    /// Whether the base is another network than the checkpoint.
    pub rebased: bool,
}

impl Case {
    /// No edit yet.
    pub fn new(checkpoint: &Checkpoint) -> Self {
        let tensors = Tensors::of(checkpoint);
        Self { base: tensors.clone(), edited: tensors, kinds: Vec::new(), notes: Vec::new(), bits: true, rebased: false }
    }

    /// One edit of `kind`, drawn from `seed`; none where the network has no site for it. `unpicked`
    /// are the classes that the network never picks.
    pub fn edited(checkpoint: &Checkpoint, kind: Kind, seed: u64, unpicked: &[usize]) -> Option<Self> {
        let mut case = Self::new(checkpoint);
        case.edit(kind, &mut Rng::new(seed), unpicked).then_some(case)
    }

    /// The edits of `list`, one after another; kinds without a site are left out.
    pub fn of(checkpoint: &Checkpoint, list: &[(Kind, u64)], unpicked: &[usize]) -> Self {
        let mut case = Self::new(checkpoint);
        for &(kind, seed) in list {
            case.edit(kind, &mut Rng::new(seed), unpicked);
        }
        case
    }

    /// Adds an edit of `kind`; false, and nothing is changed, where the network has no site for it.
    pub fn edit(&mut self, kind: Kind, rng: &mut Rng, unpicked: &[usize]) -> bool {
        let note = match kind.family() {
            Family::Exact => exact::edit(self, kind, rng),
            Family::Decision => decision::edit(self, kind, rng, unpicked),
            Family::Stress => stress::edit(self, kind, rng),
        };
        let Some(note) = note else { return false };
        self.kinds.push(kind);
        self.notes.push(format!("{kind:?}: {note}"));
        true
    }

    /// The weakest promise of all edits.
    pub fn family(&self) -> Family {
        self.kinds.iter().map(|kind| kind.family()).max().unwrap_or(Family::Exact)
    }

    /// Text of the edits.
    pub fn name(&self) -> String {
        self.notes.join("; ")
    }

    /// The edited checkpoint.
    ///
    /// # Errors
    /// If a value is not finite.
    pub fn checkpoint(&self) -> Result<Checkpoint> {
        self.edited.checkpoint(&self.name())
    }

    /// The checkpoint that the edited one is compared with.
    ///
    /// # Errors
    /// If a value is not finite.
    pub fn base_checkpoint(&self) -> Result<Checkpoint> {
        self.base.checkpoint("unedited")
    }
}

/// `count` edits of kinds drawn from `kinds`, each with a seed of its own, so that some of them can
/// be made without the others.
pub fn draw(kinds: &[Kind], count: usize, seed: u64) -> Vec<(Kind, u64)> {
    let mut rng = Rng::new(seed);
    (0..count).map(|_| (pick(kinds, &mut rng), rng.bits())).collect()
}

/// One of `list`, which must not be empty.
pub fn pick<T: Clone>(list: &[T], rng: &mut Rng) -> T {
    list[rng.int(0, list.len() as i64 - 1) as usize].clone()
}

/// `count` different numbers below `below`, in order; all of them where there are no more.
pub fn pick_several(below: usize, count: usize, rng: &mut Rng) -> Vec<usize> {
    let mut left: Vec<usize> = (0..below).collect();
    let mut picked: Vec<usize> = (0..count.min(below)).map(|_| left.swap_remove(rng.int(0, left.len() as i64 - 1) as usize)).collect();
    picked.sort_unstable();
    picked
}
