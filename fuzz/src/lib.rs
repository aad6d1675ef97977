//! Counts what becomes of a target's inputs.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use hrvit_fuzz::{Tally, Verdict};

/// Names the file that the counts are written to, once a second, as a line of `Tally`.
const TALLY: &str = "HRVIT_FUZZ_TALLY";

/// Inputs so far, and when their number was written.
static COUNTS: Mutex<(Tally, Option<Instant>)> = Mutex::new((Tally::ZERO, None));

/// Runs `target` on one input and counts its verdict.
pub fn run(target: fn(&[u8]) -> Verdict, data: &[u8]) {
    let verdict = target(data);
    let mut counts = COUNTS.lock().unwrap_or_else(|broken| broken.into_inner());
    let (tally, written) = &mut *counts;
    tally.count(verdict);
    let now = Instant::now();
    if written.is_none_or(|at| now - at >= Duration::from_secs(1)) {
        *written = Some(now);
        write(tally);
    }
}

fn write(tally: &Tally) {
    let Some(path) = std::env::var_os(TALLY) else { return };
    std::fs::write(&path, tally.line()).unwrap_or_else(|error| panic!("writing {}: {error}", path.display()));
}
