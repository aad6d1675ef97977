//! Ablations: techniques of the paper that are taken out of a network (table 5).

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Convolutions between the two linear layers of the feed-forward block.
///
/// The enum is exhaustive: code that builds the block must know every kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Between {
    /// 3x3 and 5x5 depthwise, each on half of the channels: the paper's MixCFN.
    #[default]
    #[serde(rename = "mixed")]
    MixedScale,
    /// 3x3 depthwise on all channels.
    #[serde(rename = "3x3")]
    Scale3,
    /// 5x5 depthwise on all channels.
    #[serde(rename = "5x5")]
    Scale5,
    /// No convolution.
    #[serde(rename = "nothing")]
    Nothing,
}

impl Between {
    /// Every kind, in the order of its number in an image.
    pub const ALL: [Self; 4] = [Self::MixedScale, Self::Scale3, Self::Scale5, Self::Nothing];

    /// Whether there is a 3x3 convolution, and whether there is one of 5x5.
    pub const fn convolves(self) -> [bool; 2] {
        match self {
            Self::MixedScale => [true, true],
            Self::Scale3 => [true, false],
            Self::Scale5 => [false, true],
            Self::Nothing => [false, false],
        }
    }

    /// How many of `hidden` channels the 3x3 and the 5x5 convolution have.
    pub const fn shares(self, hidden: u16) -> [u16; 2] {
        match self.convolves() {
            [true, true] => [hidden / 2, hidden - hidden / 2],
            [true, false] => [hidden, 0],
            [false, true] => [0, hidden],
            [false, false] => [0, 0],
        }
    }
}

/// Techniques to take out of the network. The default takes out none.
///
/// In text formats an ablation is a table of these fields, each of which is optional. An image
/// stores its [`Ablation::bits`] in the prologue, not in the descriptive header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(remote = "Self", default, deny_unknown_fields)]
pub struct Ablation {
    /// Keys have a separate projection (without equation 4).
    pub own_keys: bool,
    /// Patch embeddings are dense 3x3 convolutions (without equation 6).
    pub dense_embedding: bool,
    /// Convolutions of the feed-forward block.
    pub between: Between,
    /// No convolution beside the attention.
    pub no_parallel_path: bool,
    /// No Hardswish and BatchNorm around the attention's output projection.
    pub no_extra_norm: bool,
    /// Fusions sum only their own branch and its neighbours.
    pub sparse_fusion: bool,
    /// No diversity-enhancing shortcut (without equation 5).
    pub no_des: bool,
}

/// First bit of [`Ablation::between`].
const BETWEEN: u32 = 6;

impl Ablation {
    /// The paper's network.
    pub const NONE: Self = Self {
        own_keys: false,
        dense_embedding: false,
        between: Between::MixedScale,
        no_parallel_path: false,
        no_extra_norm: false,
        sparse_fusion: false,
        no_des: false,
    };
    /// All optimisations of the blocks taken out. Fusions stay dense.
    pub const ALL_BLOCKS: Self = Self {
        own_keys: true,
        dense_embedding: true,
        between: Between::Nothing,
        no_parallel_path: true,
        no_extra_norm: true,
        sparse_fusion: false,
        no_des: true,
    };
    /// Each technique taken out alone, every kind of [`Between`], and last all techniques together.
    pub const EACH_AND_ALL: [Self; 10] = [
        Self { no_des: true, ..Self::NONE },
        Self { no_parallel_path: true, ..Self::NONE },
        Self { sparse_fusion: true, ..Self::NONE },
        Self { between: Between::Scale3, ..Self::NONE },
        Self { between: Between::Scale5, ..Self::NONE },
        Self { between: Between::Nothing, ..Self::NONE },
        Self { no_extra_norm: true, ..Self::NONE },
        Self { own_keys: true, ..Self::NONE },
        Self { dense_embedding: true, ..Self::NONE },
        Self { sparse_fusion: true, ..Self::ALL_BLOCKS },
    ];

    /// Whether it is the paper's network.
    pub fn is_none(&self) -> bool {
        *self == Self::NONE
    }

    /// Its number in an image. Each technique has one bit, [`Ablation::between`] has two.
    /// [`Ablation::NONE`] is 0.
    pub fn bits(&self) -> u16 {
        let flags = [self.own_keys, self.dense_embedding, self.no_parallel_path, self.no_extra_norm, self.sparse_fusion, self.no_des];
        let flags = flags.iter().rev().fold(0, |bits, &flag| (bits << 1) | u16::from(flag));
        flags | ((self.between as u16) << BETWEEN)
    }

    /// The ablation with this number, if there is one.
    pub fn of_bits(bits: u16) -> Option<Self> {
        let flag = |bit: u32| (bits >> bit) & 1 == 1;
        Some(Self {
            own_keys: flag(0),
            dense_embedding: flag(1),
            between: *Between::ALL.get(usize::from(bits >> BETWEEN))?,
            no_parallel_path: flag(2),
            no_extra_norm: flag(3),
            sparse_fusion: flag(4),
            no_des: flag(5),
        })
    }
}

impl Serialize for Ablation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { Self::serialize(self, serializer) } else { serializer.serialize_unit() }
    }
}

impl<'de> Deserialize<'de> for Ablation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() { Self::deserialize(deserializer) } else { <()>::deserialize(deserializer).map(|()| Self::NONE) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_eight_bits_is_an_ablation_and_no_other() {
        for bits in 0..256 {
            assert_eq!(Ablation::of_bits(bits).map(|ablation| ablation.bits()), Some(bits));
        }
        assert_eq!(Ablation::of_bits(256), None);
        assert_eq!((Ablation::NONE.bits(), Ablation::default()), (0, Ablation::NONE));
    }
}
