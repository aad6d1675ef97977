//! Parts that were taken of a file, in words.

use std::fmt;

/// Groups of tensors whose names are shown.
const SHOWN: usize = 5;

/// Parts that were taken of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Prefix of every name, as the file has it; empty if there is none.
    pub prefix: String,
    /// Whether these are averaged weights beside others.
    pub averaged: bool,
    /// Changes beyond reading, in words.
    pub changes: Vec<String>,
    /// Tensors beside the weights that were left out: first part of their names and how many.
    pub left_out: Vec<(String, usize)>,
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.prefix.as_str(), self.averaged) {
            ("", _) => f.write_str("the weights under their own names")?,
            (prefix, true) => write!(f, "the averaged weights under \"{prefix}\"")?,
            (prefix, false) => write!(f, "the weights under \"{prefix}\"")?,
        }
        self.changes.iter().try_for_each(|change| write!(f, "; {change}"))?;
        if self.left_out.is_empty() {
            return Ok(());
        }
        let count: usize = self.left_out.iter().map(|(_, count)| count).sum();
        let names: Vec<&str> = self.left_out.iter().take(SHOWN).map(|(name, _)| name.as_str()).collect();
        let more = if self.left_out.len() > SHOWN { ", .." } else { "" };
        write!(f, "; {count} other tensor{} left out ({}{more})", if count == 1 { "" } else { "s" }, names.join(", "))
    }
}
