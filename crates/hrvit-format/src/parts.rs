//! Parts of a network, each of one precision, and sets of parts with codes of two bytes.

use crate::{graph::Step, network::Network, precision::Precision};

/// A set of parts of a network. The steps of a part hand each other tensors in a precision's own
/// format, so that all of them have the same precision. These are the parts:
///
/// * the stem;
/// * the *entry* of a module: the stage norms before it, its fusions and its patch embeddings;
/// * every attention block and every MixCFN. Here all blocks of a kind in a module and branch share
///   an entry: only the model's records tell them apart;
/// * the head with the stage norms before it.
///
/// The residual stream between blocks is converted when a half-precision block follows an integer
/// block, or an integer block follows a half-precision block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    stem: bool,
    /// One bit per module.
    entries: u8,
    /// One bit per module and branch.
    attention: u32,
    mix_cfn: u32,
    head: bool,
}

impl Parts {
    /// No part.
    pub const NONE: Self = Self { stem: false, entries: 0, attention: 0, mix_cfn: 0, head: false };
    /// Every part.
    pub const ALL: Self = Self { stem: true, entries: u8::MAX, attention: u32::MAX, mix_cfn: u32::MAX, head: true };

    /// The part of `step`.
    pub fn of(network: &Network, step: Step) -> Self {
        let place = |module: u8, branch: u8| 1u32.checked_shl(u32::from(module) * 4 + u32::from(branch)).unwrap_or(0);
        let entry = |module: u8| Self { entries: 1u8.checked_shl(module.into()).unwrap_or(0), ..Self::NONE };
        let head = Self { head: true, ..Self::NONE };
        match step {
            Step::Stem => Self { stem: true, ..Self::NONE },
            Step::Fusion { module, .. } | Step::PatchEmbed { module, .. } => entry(module),
            Step::StageNorm { module, .. } if usize::from(module) + 1 < network.spec.modules() => entry(module + 1),
            Step::Attention { module, branch, .. } => Self { attention: place(module, branch), ..Self::NONE },
            Step::MixCfn { module, branch, .. } => Self { mix_cfn: place(module, branch), ..Self::NONE },
            Step::StageNorm { .. } | Step::Logits | Step::LabelMap | Step::Increase { .. } | Step::Classify => head,
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            stem: self.stem | other.stem,
            entries: self.entries | other.entries,
            attention: self.attention | other.attention,
            mix_cfn: self.mix_cfn | other.mix_cfn,
            head: self.head | other.head,
        }
    }

    /// Adds the part of `step`.
    pub fn insert(&mut self, network: &Network, step: Step) {
        *self = self.or(Self::of(network, step));
    }

    /// Whether the set includes the part of `step`. For a block: any block of the same kind, module
    /// and branch.
    pub fn contains(&self, network: &Network, step: Step) -> bool {
        self.covers(Self::of(network, step))
    }

    /// Whether this set includes all parts of `other`.
    pub fn covers(&self, other: Self) -> bool {
        self.or(other) == *self
    }

    /// Whether a part, other than attention blocks and MixCFNs, is in both sets.
    pub(crate) fn share_tensors_with(self, other: Self) -> bool {
        (self.stem && other.stem) || self.entries & other.entries != 0 || (self.head && other.head)
    }
}

/// The parts whose operators hand each other codes of two bytes, by precision. All other parts are
/// int8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WideParts {
    fp16: Parts,
    int16x8: Parts,
}

impl WideParts {
    /// No part.
    pub const NONE: Self = Self { fp16: Parts::NONE, int16x8: Parts::NONE };
    /// Every part in half precision.
    pub const ALL: Self = Self { fp16: Parts::ALL, int16x8: Parts::NONE };
    /// Every part in [`Precision::Int16x8`].
    pub const ALL_INT16X8: Self = Self { fp16: Parts::NONE, int16x8: Parts::ALL };

    /// The parts in `precision`. None for [`Precision::Int8`].
    pub fn of(&self, precision: Precision) -> Parts {
        match precision {
            Precision::Int8 => Parts::NONE,
            Precision::Int16x8 => self.int16x8(),
            Precision::Fp16 => self.fp16,
        }
    }

    /// Adds the part of `step`, which runs in `precision`.
    pub fn insert(&mut self, network: &Network, step: Step, precision: Precision) {
        match precision {
            Precision::Int8 => {}
            Precision::Int16x8 => self.int16x8.insert(network, step),
            Precision::Fp16 => self.fp16.insert(network, step),
        }
    }

    /// Whether the set includes the part of `step`. For a block: any block of the same kind, module
    /// and branch.
    pub fn contains(&self, network: &Network, step: Step) -> bool {
        self.fp16.or(self.int16x8()).contains(network, step)
    }

    /// Whether this set includes all parts of `other`, in the same precisions.
    pub fn covers(&self, other: Self) -> bool {
        self.fp16.covers(other.fp16) && self.int16x8().covers(other.int16x8())
    }

    /// Whether the entry of any module has codes of two bytes. Results of its fusions and the stage
    /// norms that they read then take 16 bits each, at the same time.
    pub fn any_entry(&self) -> bool {
        (self.fp16.entries | self.int16x8().entries) != 0
    }

    /// The parts in int16x8. None in a build that refuses images with such parts.
    fn int16x8(&self) -> Parts {
        if cfg!(any(feature = "int16x8", feature = "std")) { self.int16x8 } else { Parts::NONE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{network::Head, spec::Spec};

    #[test]
    fn tensors_that_are_handed_over_have_one_precision() {
        let network = Network { spec: Spec::variant("nano").unwrap(), head: Head::Segformer, classes: 11 };
        let of = |step| Parts::of(&network, step);
        let fusion = of(Step::Fusion { module: 2, branch: 1 });
        let norm = of(Step::StageNorm { module: 1, branch: 0 });
        let block = of(Step::MixCfn { module: 2, branch: 1, block: 0 });
        assert!(fusion.share_tensors_with(norm));
        assert!(!fusion.share_tensors_with(block));
        assert!(!block.share_tensors_with(block), "blocks of a stage are chosen one by one");
        assert!(Parts::ALL.covers(fusion) && !fusion.covers(block));
    }

    #[test]
    fn precisions_are_told_apart() {
        let network = Network { spec: Spec::variant("nano").unwrap(), head: Head::Segformer, classes: 11 };
        let (mut parts, fusion) = (WideParts::NONE, Step::Fusion { module: 2, branch: 1 });
        parts.insert(&network, fusion, Precision::Int8);
        assert_eq!(parts, WideParts::NONE);
        parts.insert(&network, fusion, Precision::Int16x8);
        assert!(parts.any_entry() && parts.contains(&network, fusion));
        assert!(WideParts::ALL_INT16X8.covers(parts) && !WideParts::ALL.covers(parts));
    }
}
