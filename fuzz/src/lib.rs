//! Counts what becomes of a target's inputs.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use hrvit_fuzz::Verdict;

/// Names the file that the counts are written to, once a second: `executions accepted skipped refused core_seconds`.
const TALLY: &str = "HRVIT_FUZZ_TALLY";

/// Inputs so far.
struct Tally {
    accepted: u64,
    skipped: u64,
    refused: u64,
    written: Option<Instant>,
}

static COUNTS: Mutex<Tally> = Mutex::new(Tally { accepted: 0, skipped: 0, refused: 0, written: None });

/// Runs `target` on one input and counts its verdict.
pub fn run(target: fn(&[u8]) -> Verdict, data: &[u8]) {
    let verdict = target(data);
    let mut tally = COUNTS.lock().unwrap_or_else(|broken| broken.into_inner());
    match verdict {
        Verdict::Accepted => tally.accepted += 1,
        Verdict::Skipped => tally.skipped += 1,
        Verdict::Refused => tally.refused += 1,
    }
    let now = Instant::now();
    if tally.written.is_none_or(|at| now - at >= Duration::from_secs(1)) {
        tally.written = Some(now);
        write(&tally);
    }
}

fn write(tally: &Tally) {
    let Some(path) = std::env::var_os(TALLY) else { return };
    let Tally { accepted, skipped, refused, .. } = tally;
    let text = format!("{} {accepted} {skipped} {refused} {:.1}\n", accepted + skipped + refused, core_seconds());
    std::fs::write(&path, text).unwrap_or_else(|error| panic!("writing {}: {error}", path.display()));
}

/// Processor time of this thread; 0 where the system does not say.
fn core_seconds() -> f64 {
    let nanoseconds = std::fs::read_to_string("/proc/self/schedstat").ok();
    nanoseconds.and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok()).map_or(0.0, |spent| spent / 1e9)
}
