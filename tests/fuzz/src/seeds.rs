//! Inputs of seeds: the same bytes every time, and no search.

use hrvit_tests::rng::Rng;

/// Writes the input of a seed to `bytes`: up to `longest` random ones.
pub fn input(seed: u64, longest: u32, bytes: &mut Vec<u8>) {
    let mut rng = Rng::new(seed);
    let len = rng.int(0, longest.into());
    bytes.clear();
    bytes.extend((0..len).map(|_| rng.bits() as u8));
}
