//! A backbone with a head.

use serde::{Deserialize, Serialize};

use crate::{
    sentence::sentences,
    spec::{BRANCHES, Spec, SpecError},
};

/// Head on top of the backbone.
///
/// The enum is exhaustive: each head has its own output, which callers must handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[serde(rename_all = "lowercase")]
pub enum Head {
    /// All-MLP segmentation head (SegFormer), logits at 1/4 of the input.
    Segformer,
    /// HRNetV2's classification head.
    Classifier,
}

impl Head {
    /// All heads.
    pub const ALL: [Self; 2] = [Self::Segformer, Self::Classifier];

    /// `segformer` or `classifier`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Segformer => "segformer",
            Self::Classifier => "classifier",
        }
    }
}

impl core::fmt::Display for Head {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no [`Head`] has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownHead;

sentences!(UnknownHead {
    Self => ("unknown head: expected segformer or classifier"),
});

impl core::error::Error for UnknownHead {}

impl core::str::FromStr for Head {
    type Err = UnknownHead;

    fn from_str(name: &str) -> Result<Self, UnknownHead> {
        Self::ALL.into_iter().find(|head| head.name() == name).ok_or(UnknownHead)
    }
}

/// A backbone with a head. It determines the names and shapes of all tensors of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// The backbone.
    pub spec: Spec,
    /// The head.
    pub head: Head,
    /// Number of classes.
    pub classes: u16,
}

impl Network {
    /// Checks the backbone and the class count.
    ///
    /// # Errors
    /// The first invalid field: an error of [`Spec::validate`], then [`SpecError::Channels`] and
    /// [`SpecError::Classes`].
    pub fn validate(&self) -> Result<(), SpecError> {
        self.spec.validate()?;
        for branch in 0..BRANCHES {
            let (k, p) = self.spec.des_shape(branch);
            if k * p != self.spec.channels(branch) {
                return Err(SpecError::Channels(branch as u8));
            }
        }
        let most = match self.head {
            Head::Segformer => 256,
            Head::Classifier => 32767,
        };
        if !(1..=most).contains(&self.classes) {
            return Err(SpecError::Classes(self.classes));
        }
        Ok(())
    }
}
