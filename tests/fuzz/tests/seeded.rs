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
    round("load", 3000, 200, 100);
}

#[test]
fn run_image() {
    round("run_image", 300, 120, 200);
}
