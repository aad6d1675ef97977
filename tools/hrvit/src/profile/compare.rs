//! Two profiles of one network side by side.

use anyhow::{Context, Result, ensure};
use comfy_table::Table;
use hrvit_log::Log;
use serde::Serialize;

use super::summary::{Cost, Summary};
use crate::output::{grouped, table};

/// One kind of block, then and now.
#[derive(Debug, Serialize)]
pub struct Change {
    /// Kind of block, or `frame`.
    pub name: String,
    /// Units a frame in the older profile.
    pub old: f64,
    /// Units a frame in the newer one.
    pub new: f64,
}

/// Changes of every kind of block and of the whole frame.
///
/// # Errors
/// If one is no profile, or they are not of the same network, input and unit.
pub fn changes(old: &Log, new: &Log) -> Result<Vec<Change>> {
    let (before, after) = (old.run.as_ref().context("the older log has no run")?, new.run.as_ref().context("the newer log has no run")?);
    ensure!(
        (&before.network, &before.size) == (&after.network, &after.size),
        "profiles of different networks: {} {} then, {} {} now",
        before.network,
        before.size,
        after.network,
        after.size
    );
    ensure!(before.unit == after.unit, "profiles in different units: {} then, {} now", before.unit, after.unit);
    let (old, new) = (Summary::of(old, None)?, Summary::of(new, None)?);
    let find = |summary: &Summary, name: &str| summary.kinds.iter().chain([&summary.frame]).find(|cost| cost.name == name).map_or(0.0, |cost| cost.ticks);
    let mut names: Vec<&Cost> = new.kinds.iter().collect();
    names.extend(old.kinds.iter().filter(|cost| !new.kinds.iter().any(|found| found.name == cost.name)));
    names.push(&new.frame);
    Ok(names.into_iter().map(|cost| Change { name: cost.name.clone(), old: find(&old, &cost.name), new: find(&new, &cost.name) }).collect())
}

/// The changes as a table.
pub fn change_table(changes: &[Change]) -> Table {
    let mut table = table(&["kind of block", "then", "now", "change", "now in % of then"], 1);
    for Change { name, old, new } in changes {
        let difference = (new - old).round() as i64;
        let sign = if difference < 0 { "-" } else { "+" };
        let percent = if *old > 0.0 { format!("{:.1}", 100.0 * new / old) } else { "-".to_owned() };
        let cells = [name.clone(), grouped(old.round() as u64), grouped(new.round() as u64), format!("{sign}{}", grouped(difference.unsigned_abs())), percent];
        table.add_row(cells);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::super::example::{PROFILE, edited};
    use super::*;

    #[test]
    fn kinds_are_matched_by_name() {
        let old = Log::parse(PROFILE.lines()).unwrap();
        let new = edited("ticks=1000", "ticks=500").unwrap();
        let changes = changes(&old, &new).unwrap();
        let ffn = changes.iter().find(|change| change.name == "MixCfn").unwrap();
        assert_eq!((ffn.old, ffn.new), (500.0, 250.0));
        assert!(change_table(&changes).to_string().contains("-250"));
    }

    #[test]
    fn a_kind_that_is_gone_is_shown() {
        let old = edited("kind=Stem", "kind=Fusion").unwrap();
        let changes = changes(&old, &Log::parse(PROFILE.lines()).unwrap()).unwrap();
        assert!(changes.iter().any(|change| change.name == "Fusion" && change.new == 0.0 && change.old == 1500.0));
    }

    #[test]
    fn other_networks_and_units_are_not_compared() {
        let log = Log::parse(PROFILE.lines()).unwrap();
        assert!(changes(&edited("size=192x256", "size=64x64").unwrap(), &log).unwrap_err().to_string().contains("64x64"));
        assert!(changes(&edited("unit=instructions", "unit=cycles").unwrap(), &log).unwrap_err().to_string().contains("cycles"));
    }
}
