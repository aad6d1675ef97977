//! The target of the kernels. Each input calls one safe entry of `hrvit-kernels` on every
//! instruction set of the machine. Its lengths mostly fit each other.

mod compare;
mod convolution;
mod elements;
mod elements_s16;
mod floats;
mod functions;
mod mathematics;
mod operands;
mod products;
mod resize;
mod tokens;

use operands::Operands;

use crate::{Choices, Verdict};

/// An entry: its name, and what draws its arguments, calls it and compares.
type Entry = (&'static str, fn(&mut Operands<'_>) -> Verdict);

/// Entries by families.
const FAMILIES: [&[Entry]; 12] = [
    products::ENTRIES,
    convolution::ENTRIES,
    tokens::ENTRIES,
    elements::ENTRIES,
    elements_s16::ENTRIES,
    resize::ENTRIES,
    floats::products::ENTRIES,
    floats::tokens::ENTRIES,
    floats::elements::ENTRIES,
    floats::resize::ENTRIES,
    functions::ENTRIES,
    mathematics::ENTRIES,
];

/// Calls one entry of the kernels with arguments out of `data`.
///
/// An entry never panics and never leaves its arguments, which end where their heap blocks do.
/// Every instruction set gives scalar's result: the same error, after which outputs are as they
/// were, or the same integers. Floats are within the bounds of the conformance suite. Values are
/// compared where all arguments are inside their documented ranges; elsewhere the verdict is
/// [`Verdict::Skipped`].
pub fn kernels(data: &[u8]) -> Verdict {
    run(data).1
}

/// The number of the entry, in the order of [`FAMILIES`], and the verdict.
fn run(data: &[u8]) -> (usize, Verdict) {
    let mut choices = Choices::new(data);
    let number = choices.below(FAMILIES.iter().map(|family| family.len()).sum());
    let (name, entry) = FAMILIES.iter().copied().flatten().nth(number).expect("it is below their count");
    let _named = NamedOnPanic(name);
    (number, entry(&mut Operands::new(choices)))
}

/// Says which entry was called when a panic passes.
struct NamedOnPanic(&'static str);

impl Drop for NamedOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("entry {}", self.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use hrvit_tests::rng::Rng;

    use super::*;

    /// Random bytes of a seed.
    fn bytes(seed: u64) -> Vec<u8> {
        let mut rng = Rng::new(seed);
        (0..20).flat_map(|_| rng.bits().to_le_bytes()).collect()
    }

    #[test]
    fn random_bytes_reach_every_entry_and_most_are_accepted() {
        let names: Vec<&str> = FAMILIES.into_iter().flatten().map(|(name, _)| *name).collect();
        // Accepted, refused, skipped.
        let mut counts = vec![[0u32; 3]; names.len()];
        for seed in 0..20_000 {
            let (number, verdict) = run(&bytes(seed));
            let at = match verdict {
                Verdict::Accepted => 0,
                Verdict::Refused => 1,
                Verdict::Skipped => 2,
            };
            counts[number][at] += 1;
        }
        // Functions of slices of any length, or of no slice at all, refuse nothing.
        let total = ["relu_s32", "relu_f32"].into_iter().chain(functions::ENTRIES.iter().chain(mathematics::ENTRIES).map(|(name, _)| *name));
        let total: Vec<&str> = total.collect();
        for (name, [accepted, refused, _]) in names.iter().zip(&counts) {
            assert!(*accepted >= 100, "{name} was accepted {accepted} times");
            assert!(*refused > 0 || total.contains(name), "{name} was never refused");
        }
        let accepted: u32 = counts.iter().map(|[accepted, ..]| accepted).sum();
        assert!(accepted >= 12_000, "{accepted} of 20000 were accepted");
    }

    #[test]
    fn no_bytes_are_a_valid_call_of_every_entry() {
        for number in 0..FAMILIES.iter().map(|family| family.len()).sum::<usize>() {
            assert_eq!(run(&[number as u8]), (number, Verdict::Accepted));
        }
    }
}
