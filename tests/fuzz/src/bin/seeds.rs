//! Runs a target on the inputs of consecutive seeds. `cargo xtask fuzz TARGET --seeds N` builds it
//! with AddressSanitizer and starts it:
//!
//! `seeds TARGET FIRST COUNT LONGEST [each]`
//!
//! Writes a tally to the file that `HRVIT_FUZZ_TALLY` names, once a second; with `each`, prints
//! every seed before its input runs.

use std::time::{Duration, Instant};

use hrvit_fuzz::{TARGETS, Tally, seeded_input};

/// Inputs between two looks at the clock.
const BLOCK: u64 = 64;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [target, first, count, longest, each @ ..] = words.as_slice() else { panic!("expected TARGET FIRST COUNT LONGEST [each]") };
    let number = |text: &str| text.parse::<u64>().unwrap_or_else(|error| panic!("{text}: {error}"));
    let (first, count, longest) = (number(first), number(count), u32::try_from(number(longest)).unwrap_or(u32::MAX));
    let (_, body) = TARGETS.iter().find(|(name, _)| name == target).unwrap_or_else(|| panic!("no target {target}"));
    let file = std::env::var_os("HRVIT_FUZZ_TALLY");
    let write = |tally: &Tally| {
        if let Some(path) = &file {
            std::fs::write(path, tally.line()).unwrap_or_else(|error| panic!("writing {}: {error}", path.display()));
        }
    };
    let (mut tally, mut written, mut bytes) = (Tally::ZERO, Instant::now(), Vec::new());
    for seed in first..first.saturating_add(count) {
        if !each.is_empty() {
            println!("seed {seed}");
        }
        seeded_input(seed, longest, &mut bytes);
        tally.count(body(&bytes));
        if tally.inputs().is_multiple_of(BLOCK) && written.elapsed() >= Duration::from_secs(1) {
            written = Instant::now();
            write(&tally);
        }
    }
    write(&tally);
    if target == "capi" {
        print!("{}", hrvit_fuzz::calls_made());
    }
}
