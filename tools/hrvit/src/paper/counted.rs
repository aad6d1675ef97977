//! Counted instructions of a frame, from `tests/data/counts` and `docs/performance.md` as this
//! build found them.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Serialize;

const COUNTS: &str = include_str!("../../../../tests/data/counts/nano_192x256.toml");
const PERFORMANCE: &str = include_str!("../../../../docs/performance.md");

/// Executed instructions of one frame.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Instructions {
    /// Variant, size and classes.
    pub network: &'static str,
    /// `m55` or `a76`.
    pub processor: &'static str,
    /// Millions of instructions.
    pub millions: f64,
    /// The file that has the count.
    pub source: &'static str,
}

/// Every count on Cortex-M55 and Cortex-A76.
///
/// # Errors
/// If a file has another form than the commands write that make it.
pub fn counted() -> Result<Vec<Instructions>> {
    let counts: BTreeMap<String, BTreeMap<String, u64>> = toml::from_str(COUNTS).context("tests/data/counts/nano_192x256.toml")?;
    let frame = counts.get("frame").context("tests/data/counts/nano_192x256.toml has no frame")?;
    let mut all = Vec::new();
    for processor in ["m55", "a76"] {
        let count = *frame.get(processor).with_context(|| format!("tests/data/counts/nano_192x256.toml has no {processor}"))?;
        all.push(Instructions {
            network: "nano segmentor, 192x256, 11 classes",
            processor,
            millions: count as f64 / 1e6,
            source: "tests/data/counts/nano_192x256.toml",
        });
    }
    let b1 = "b1 segmentor, 224x224, 19 classes";
    let source = "docs/performance.md";
    all.push(Instructions { network: b1, processor: "m55", millions: on_m55()? as f64 / 1e6, source });
    all.push(Instructions { network: b1, processor: "a76", millions: on_a76()?, source });
    Ok(all)
}

/// Cells of a Markdown table's line, without marks of emphasis.
fn cells(line: &str) -> Vec<String> {
    line.trim_matches('|').split('|').map(|cell| cell.trim().replace("**", "")).collect()
}

/// Column `column` of the line that begins with `row`, in the lines from the first with `start` on.
fn cell(start: &str, header: &str, column: &str, row: &str) -> Result<String> {
    let what = || format!("docs/performance.md: expected {column:?} of {row:?} behind {start:?}");
    let mut lines = PERFORMANCE.lines().skip_while(|line| !line.starts_with(start));
    let names = lines.find(|line| line.starts_with(header)).map(cells).with_context(what)?;
    let values = lines.find(|line| line.starts_with(row)).map(cells).with_context(what)?;
    let at = names.iter().position(|name| name == column).with_context(what)?;
    values.get(at).cloned().with_context(what)
}

fn on_m55() -> Result<u64> {
    let cell = cell("## b1 224x224 on m55", "| kind of block", "instructions a frame", "| frame |")?;
    cell.replace(',', "").parse().with_context(|| format!("docs/performance.md: {cell:?} is no count"))
}

fn on_a76() -> Result<f64> {
    let cell = cell("## Rivals on ARM", "| b1 224x224 |", "a76", "| hrvit, int8 |")?;
    cell.replace(',', "").parse().with_context(|| format!("docs/performance.md: {cell:?} is no count"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_is_found_and_plausible() {
        let counted = counted().unwrap();
        assert_eq!(counted.len(), 4);
        // From 1 to 5 MACs an instruction: 394 million for nano, 1,809 for b1.
        for (count, macs) in counted.iter().zip([394.0, 394.0, 1809.0, 1809.0]) {
            assert!((1.0..6.0).contains(&(macs / count.millions)), "{count:?}");
        }
    }

    #[test]
    fn cells_lose_their_emphasis() {
        assert_eq!(cells("| hrvit, int8 | **704.4** | 1 |"), ["hrvit, int8", "704.4", "1"]);
    }
}
