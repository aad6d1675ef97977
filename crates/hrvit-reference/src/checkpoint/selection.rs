//! Which of a file's tensors are the weights.

use wildmatch::WildMatch;

/// Which of a file's tensors are the weights. By default: of several sets the averaged ones, and
/// what is not named as the network's tensors must be known from training.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Prefix of the network's names, dictionaries included (`state_dict.net.`); otherwise it is
    /// found.
    pub prefix: Option<String>,
    /// Patterns of names that are left out; `*` stands for any characters, `?` for one.
    pub ignore: Vec<String>,
    /// Which of averaged and last weights.
    pub averaged: Averaged,
    /// Whether BatchNorms behind a SegFormer head's convolutions have no ReLU behind them, and are
    /// folded in.
    pub convs_without_relu: bool,
}

/// Which of averaged and last weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Averaged {
    /// Averaged ones where there are some.
    #[default]
    Preferred,
    /// Averaged ones, or an error.
    Required,
    /// Others than averaged ones, or an error.
    Avoided,
}

impl Selection {
    /// Whether a tensor of this name is left out.
    pub(super) fn ignores(&self, name: &str) -> bool {
        self.ignore.iter().any(|pattern| matches(pattern, name))
    }
}

/// Whether a name is one that the pattern stands for.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    WildMatch::new(pattern).matches(name)
}
