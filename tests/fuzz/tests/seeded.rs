//! Every target's body on random bytes of fixed seeds: a short round of what the fuzzer does for hours.

use hrvit_fuzz::{TARGETS, Verdict};
use hrvit_tests::rng::Rng;

/// Runs a target on `count` inputs of up to `longest` bytes. Fails if fewer than `accepted` of them are valid: what is refused at the door tests nothing.
fn round(target: &str, count: u64, longest: i64, accepted: u64) {
    let (_, body) = TARGETS.into_iter().find(|(name, _)| *name == target).unwrap_or_else(|| panic!("no target {target}"));
    let valid = (0..count).filter(|seed| {
        let mut rng = Rng::new(*seed);
        let len = rng.int(0, longest);
        let data: Vec<u8> = (0..len).map(|_| rng.bits() as u8).collect();
        body(&data) == Verdict::Accepted
    });
    let valid = valid.count() as u64;
    println!("{target}: {valid} of {count} accepted");
    assert!(valid >= accepted, "{target}: {valid} of {count} inputs are valid, expected {accepted}");
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
