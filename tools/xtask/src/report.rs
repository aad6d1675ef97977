//! Runs checks one after another and prints what failed, all together, then a table of results and
//! times, then what was not made.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};

use crate::checks::Check;
use crate::made::Made;

/// Makes every check, also after one has failed; `true` if all hold.
pub fn run(root: &Path, checks: &[Check]) -> Result<bool> {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["check", "result", "seconds"]);
    let (mut failures, mut skipped) = (Vec::new(), Vec::new());
    for (number, check) in (1..).zip(checks) {
        eprintln!("[{number}/{}] {}", checks.len(), check.name);
        let start = Instant::now();
        let outcome = check.make(root);
        let seconds = format!("{:.1}", start.elapsed().as_secs_f64());
        let word = outcome.as_ref().map_or_else(|_| "FAILED".to_owned(), Made::word);
        table.add_row([check.name.as_str(), &word, &seconds]);
        match outcome {
            Ok(made) => skipped.extend(made.skipped().iter().map(|line| format!("SKIPPED {}: {line}", check.name))),
            Err(error) => failures.push((check.name.as_str(), error)),
        }
    }
    if let Some(column) = table.column_mut(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for (name, error) in &failures {
        println!("\n---- {name} ----\n{error:#}");
    }
    println!("{table}");
    skipped.iter().for_each(|line| println!("{line}"));
    Ok(failures.is_empty())
}
