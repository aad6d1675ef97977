//! Runs checks one after another. Prints all failures together, then a table of results, times and
//! cores kept busy, then the checks that were skipped.

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
    table.set_header(["check", "result", "seconds", "cores"]);
    let (mut failures, mut skipped) = (Vec::new(), Vec::new());
    for (number, check) in (1..).zip(checks) {
        eprintln!("[{number}/{}] {}", checks.len(), check.name);
        let (start, before) = (Instant::now(), processor_seconds());
        let outcome = check.make(root);
        let seconds = start.elapsed().as_secs_f64();
        let cores = before.zip(processor_seconds()).map_or_else(String::new, |(before, after)| format!("{:.1}", (after - before) / seconds.max(0.01)));
        let word = outcome.as_ref().map_or_else(|_| "FAILED".to_owned(), Made::word);
        table.add_row([check.name.as_str(), &word, &format!("{seconds:.1}"), &cores]);
        match outcome {
            Ok(made) => skipped.extend(made.skipped().iter().map(|line| format!("SKIPPED {}: {line}", check.name))),
            Err(error) => failures.push((check.name.as_str(), error)),
        }
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for (name, error) in &failures {
        println!("\n---- {name} ----\n{error:#}");
    }
    println!("{table}");
    skipped.iter().for_each(|line| println!("{line}"));
    Ok(failures.is_empty())
}

/// Processor time of all programs that this one has waited for, in seconds. None if the system does
/// not tell it (`/proc/self/stat`, proc(5): fields 16 and 17, in hundredths of a second).
fn processor_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let ticks: u64 = stat.rsplit_once(')')?.1.split_whitespace().skip(13).take(2).map(|field| field.parse::<u64>()).sum::<Result<_, _>>().ok()?;
    Some(ticks as f64 / 100.0)
}
