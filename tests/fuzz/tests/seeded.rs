//! Every target's body on random bytes of fixed seeds: a short round of what the fuzzer does for
//! hours.

use hrvit_fuzz::{TARGETS, Tally, seeded_input};

/// Runs a target on `count` inputs of up to `longest` bytes. Fails if fewer than `accepted` of them
/// are valid: what is refused at the door tests nothing.
fn round(target: &str, count: u64, longest: u32, accepted: u64) {
    let (_, body) = TARGETS.iter().find(|(name, _)| *name == target).unwrap_or_else(|| panic!("no target {target}"));
    let (mut tally, mut data) = (Tally::ZERO, Vec::new());
    for seed in 0..count {
        seeded_input(seed, longest, &mut data);
        tally.count(body(&data));
    }
    println!("{target}: {} of {count} accepted", tally.accepted);
    assert!(tally.accepted >= accepted, "{target}: {} of {count} inputs are valid, expected {accepted}", tally.accepted);
}

#[test]
fn load() {
    round("load", 6000, 200, 500);
}

#[test]
fn run_image() {
    round("run_image", 1000, 120, 700);
}

#[test]
fn kernels() {
    round("kernels", 100_000, 160, 60_000);
}

#[test]
fn checkpoint() {
    round("checkpoint", 10_000, 400, 300);
}

#[test]
fn spec() {
    round("spec", 4000, 200, 400);
}

#[test]
fn log() {
    round("log", 4000, 300, 400);
}

#[test]
fn capi() {
    round("capi", 40_000, 300, 400);
}
