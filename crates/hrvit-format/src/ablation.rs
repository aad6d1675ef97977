//! The techniques of the paper that a network goes without (table 5).

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Layers between the two linear ones of the feed-forward network.
///
/// Whoever builds the block must know each: the enum is exhaustive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Between {
    /// 3x3 and 5x5 depthwise, half of the channels each: MixCFN.
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
    /// Every kind, in order of its number in an image.
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

    /// Channels of the 3x3 and of the 5x5 convolution, of `hidden` in all.
    pub const fn shares(self, hidden: u16) -> [u16; 2] {
        match self.convolves() {
            [true, true] => [hidden / 2, hidden - hidden / 2],
            [true, false] => [hidden, 0],
            [false, true] => [0, hidden],
            [false, false] => [0, 0],
        }
    }
}

/// Techniques to take out of the network; the default takes none.
///
/// In text formats it is a table of these fields, each of which may be left out. In an image it is
/// not part of the descriptive header: the prologue holds its bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(remote = "Self", default, deny_unknown_fields)]
pub struct Ablation {
    /// Keys have a projection of their own (equation 4 undone).
    pub own_keys: bool,
    /// Patch embeddings are dense 3x3 convolutions (equation 6 undone).
    pub dense_embedding: bool,
    /// The feed-forward network's convolutions.
    pub between: Between,
    /// No convolution beside the attention.
    pub no_parallel_path: bool,
    /// No Hardswish and BatchNorm around the attention's output projection.
    pub no_extra_norm: bool,
    /// Fusions take in the neighbouring resolutions alone.
    pub sparse_fusion: bool,
    /// No diversity-enhancing shortcut (equation 5 undone).
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
    /// Without every optimisation of the blocks; fusions stay dense.
    pub const ALL_BLOCKS: Self = Self {
        own_keys: true,
        dense_embedding: true,
        between: Between::Nothing,
        no_parallel_path: true,
        no_extra_norm: true,
        sparse_fusion: false,
        no_des: true,
    };
    /// Each technique left out alone, the convolutions of the feed-forward part in every way, and at
    /// last all techniques together.
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

    /// Its number in an image: a bit for each technique, two for [`Ablation::between`]; 0 for
    /// [`Ablation::NONE`].
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
