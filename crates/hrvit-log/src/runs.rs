//! Labels side by side, as short text: `12x3,244x0` is class 3 twelve times, then class 0.

/// Writes labels, each run of equal ones as its length and its class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Runs<'l>(pub &'l [u8]);

impl<'l> Runs<'l> {
    /// Length and class of each run.
    fn pairs(self) -> impl Iterator<Item = (usize, u8)> + 'l {
        self.0.chunk_by(|a, b| a == b).map(|run| (run.len(), run.first().copied().unwrap_or(0)))
    }
}

impl core::fmt::Display for Runs<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (at, (length, class)) in self.pairs().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            core::write!(f, "{comma}{length}x{class}")?;
        }
        Ok(())
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Runs<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        for (at, (length, class)) in self.pairs().enumerate() {
            if at > 0 {
                defmt::write!(f, ",");
            }
            // A part of a row has fewer labels.
            defmt::write!(f, "{=u16}x{=u8}", length as u16, class);
        }
    }
}

/// The labels in `text`, which [`Runs`] wrote, at most `most` of them; `None` if it is no such
/// text.
#[cfg(feature = "std")]
#[must_use]
pub fn labels(text: &str, most: usize) -> Option<Vec<u8>> {
    let mut labels = Vec::new();
    for run in text.split(',') {
        let (length, class) = run.split_once('x')?;
        let (length, class): (usize, u8) = (length.parse().ok()?, class.parse().ok()?);
        if length == 0 || length > most - labels.len() {
            return None;
        }
        labels.resize(labels.len() + length, class);
    }
    Some(labels)
}
