//! Runs checks: the lanes beside each other, a lane's checks one after another. Prints all failures
//! together, then a table of results and times, the checks that were skipped, and how long it took.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Result, anyhow};
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};

use crate::checks::Check;
use crate::made::Made;

/// A check that was made.
struct Outcome<'a> {
    name: &'a str,
    made: Result<Made>,
    seconds: f64,
}

/// Makes every check, also after one has failed; `true` if all hold.
///
/// # Errors
/// If a check panics.
pub fn run(root: &Path, lanes: &[Vec<Check>]) -> Result<bool> {
    let (start, before) = (Instant::now(), processor_seconds());
    let outcomes = outcomes(root, lanes)?;
    let seconds = start.elapsed().as_secs_f64();
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["check", "result", "seconds"]);
    for Outcome { name, made, seconds } in &outcomes {
        let word = made.as_ref().map_or_else(|_| "FAILED".to_owned(), Made::word);
        table.add_row([*name, &word, &format!("{seconds:.1}")]);
        if let Err(error) = made {
            println!("\n---- {name} ----\n{error:#}");
        }
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("{table}");
    for Outcome { name, made, .. } in &outcomes {
        made.iter().flat_map(Made::skipped).for_each(|line| println!("SKIPPED {name}: {line}"));
    }
    let busy = before.zip(processor_seconds()).map_or_else(String::new, |(before, after)| format!(", {:.1} cores busy", (after - before) / seconds.max(0.01)));
    println!("{} checks in {seconds:.0} s{busy}", outcomes.len());
    Ok(outcomes.iter().all(|outcome| outcome.made.is_ok()))
}

/// Makes every check; the outcomes in the order of the lanes.
fn outcomes<'a>(root: &Path, lanes: &'a [Vec<Check>]) -> Result<Vec<Outcome<'a>>> {
    let (begun, count) = (AtomicUsize::new(0), lanes.iter().map(Vec::len).sum::<usize>());
    let outcome = |check: &'a Check| {
        eprintln!("[{}/{count}] {}", begun.fetch_add(1, Ordering::Relaxed) + 1, check.name);
        let start = Instant::now();
        let made = check.make(root);
        if made.is_err() {
            eprintln!("FAILED {}: its output follows at the end", check.name);
        }
        Outcome { name: &check.name, made, seconds: start.elapsed().as_secs_f64() }
    };
    std::thread::scope(|scope| {
        let lanes: Vec<_> = lanes.iter().map(|checks| scope.spawn(|| checks.iter().map(outcome).collect::<Vec<_>>())).collect();
        let made: Result<Vec<_>> = lanes.into_iter().map(|lane| lane.join().map_err(|_| anyhow!("a check panicked"))).collect();
        Ok(made?.into_iter().flatten().collect())
    })
}

/// Processor time of all programs that this one has waited for, in seconds. None if the system does
/// not tell it (`/proc/self/stat`, proc(5): fields 16 and 17, in hundredths of a second).
fn processor_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let ticks: u64 = stat.rsplit_once(')')?.1.split_whitespace().skip(13).take(2).map(|field| field.parse::<u64>()).sum::<Result<_, _>>().ok()?;
    Some(ticks as f64 / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::Kind;

    fn check(name: &str, rule: fn(&Path) -> Result<Vec<String>>) -> Check {
        Check { name: name.to_owned(), kind: Kind::Rule(rule) }
    }

    #[test]
    fn every_check_of_every_lane_is_made_after_one_has_failed_too() {
        let fine = |_: &Path| Ok(Vec::new());
        let lanes = [vec![check("a", |_| Ok(vec!["wrong".to_owned()])), check("b", fine)], vec![check("c", fine)]];
        let made = outcomes(Path::new("."), &lanes).unwrap();
        let made: Vec<_> = made.iter().map(|outcome| (outcome.name, outcome.made.is_ok())).collect();
        assert_eq!(made, [("a", false), ("b", true), ("c", true)]);
        assert!(!run(Path::new("."), &lanes).unwrap() && run(Path::new("."), &lanes[1..]).unwrap());
    }
}
