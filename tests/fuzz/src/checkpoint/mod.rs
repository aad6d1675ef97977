//! Bytes as a checkpoint.
//!
//! | module | what it makes |
//! |---|---|
//! | [`base`] | the network, its weights, and valid files of them |
//! | [`edit`] | a valid file with changed bytes |
//! | [`file`] | a `.pth` file written by choices: tensors as `torch.save` may leave them, and as it never does |
//! | [`pickle`] | values of a pickle, nested by choices |
//! | [`header`] | a `.safetensors` file written by choices |

mod base;
mod edit;
mod file;
mod header;
mod pickle;

use std::path::Path;

use hrvit_reference::{Checkpoint, CheckpointError};

use crate::{Choices, Verdict};

/// The longest error, in bytes: names and texts of a file are cut.
const LONGEST_ERROR: usize = 1000;

/// Reads a file made of `data`: a panic, an error that is no single line, or other values than were
/// written are findings.
pub fn checkpoint(data: &[u8]) -> Verdict {
    let file = CheckpointFile::new(data);
    match file.read() {
        Ok(read) => {
            // Without a change these are the weights, which are written and read once a process.
            if read.iter().eq(base::checkpoint().iter()) {
                return Verdict::Accepted;
            }
            assert!(!file.intact, "other values than were written");
            let bytes = read.to_safetensors().unwrap_or_else(|error| panic!("writing what was read: {error}"));
            let again = Checkpoint::read_bytes(Path::new("again.safetensors"), &bytes, base::network());
            let again = again.unwrap_or_else(|error| panic!("reading what was written: {error}"));
            assert!(again.iter().eq(read.iter()), "other values after writing and reading");
            Verdict::Accepted
        }
        Err(error) => {
            assert!(!file.intact, "a valid file is refused: {error}");
            let text = error.to_string();
            assert!(text.len() <= LONGEST_ERROR && !text.contains(char::is_control), "an error that is no single line: {text:?}");
            Verdict::Refused
        }
    }
}

/// A file made of fuzzed bytes.
#[derive(Debug)]
pub struct CheckpointFile {
    /// Its bytes.
    pub bytes: Vec<u8>,
    name: &'static str,
    /// Whether it holds the weights of [`base`], so that reading it must give these.
    intact: bool,
}

impl CheckpointFile {
    /// The file that `data` describes; its first byte says how.
    pub fn new(data: &[u8]) -> Self {
        let mut choices = Choices::new(data);
        let mut name = "fuzzed.pth";
        let (bytes, intact) = match choices.below(16) {
            0 => {
                name = choices.pick(&["fuzzed.pth", "fuzzed.safetensors"]);
                (choices.rest().to_vec(), false)
            }
            1..=4 => (edit::edited(&mut choices), false),
            5..=9 => file::written(&mut choices),
            10 | 11 => (file::of_values(&mut choices), false),
            _ => {
                name = "fuzzed.safetensors";
                header::written(&mut choices)
            }
        };
        Self { bytes, name, intact }
    }

    /// Reads it.
    ///
    /// # Errors
    /// If it is no checkpoint of the network.
    pub fn read(&self) -> Result<Checkpoint, CheckpointError> {
        Checkpoint::read_bytes(Path::new(self.name), &self.bytes, base::network())
    }

    /// Bytes of the network's tensors.
    pub fn tensor_bytes() -> usize {
        base::tensor_bytes()
    }

    /// How many tensors the network has.
    pub fn tensors() -> usize {
        base::tensors()
    }
}

/// True about `of` times in 256, and not where there are no more choices.
fn rarely(choices: &mut Choices<'_>, of: u8) -> bool {
    choices.u8() > u8::MAX - of
}

/// A number as no file should have it, or a small one.
fn strange(choices: &mut Choices<'_>) -> i64 {
    match choices.below(8) {
        0..=2 => i64::from(choices.u8()),
        3 => i64::from(choices.u16()),
        4 => -1 - i64::from(choices.u8()),
        5 => choices.pick(&[i64::MAX, i64::MIN, 1 << 62, 1 << 61, 1 << 32, 1 << 31, (1 << 31) - 1, u32::MAX as i64]),
        6 => 1 << choices.below(63),
        _ => choices.u64() as i64,
    }
}

#[cfg(test)]
mod tests {
    use hrvit_tests::rng::Rng;

    use super::*;

    /// Bytes of `len`, their first one `mode`, a part of them zero.
    fn random(rng: &mut Rng, mode: u8, len: usize) -> Vec<u8> {
        let zeros = rng.int(0, 3);
        let byte = |rng: &mut Rng| if rng.int(0, 3) < zeros { 0 } else { rng.bits() as u8 };
        std::iter::once(mode).chain((0..len).map(|_| byte(rng))).collect()
    }

    fn accepted(modes: &[u8], inputs: usize) -> usize {
        let mut rng = Rng::new(1);
        let mut verdict = |at: usize| {
            let len = rng.int(0, 400) as usize;
            checkpoint(&random(&mut rng, modes[at % modes.len()], len))
        };
        (0..inputs).filter(|&at| verdict(at) == Verdict::Accepted).count()
    }

    #[test]
    fn without_choices_every_written_file_is_the_checkpoint() {
        for mode in [5, 12] {
            assert_eq!(checkpoint(&[mode]), Verdict::Accepted, "mode {mode}");
        }
    }

    #[test]
    fn every_valid_file_is_the_checkpoint() {
        for bytes in base::files() {
            let file = CheckpointFile { bytes: bytes.clone(), name: "valid.pth", intact: true };
            assert!(file.read().unwrap().iter().eq(base::checkpoint().iter()));
        }
    }

    #[test]
    fn edited_files_are_read_or_refused() {
        let accepted = accepted(&[1], 600);
        assert!((30..570).contains(&accepted), "{accepted} of 600");
    }

    #[test]
    fn written_files_are_read_or_refused() {
        let accepted = accepted(&[5], 600);
        assert!((100..570).contains(&accepted), "{accepted} of 600");
    }

    #[test]
    fn headers_are_read_or_refused() {
        let accepted = accepted(&[12], 600);
        assert!((100..570).contains(&accepted), "{accepted} of 600");
    }

    #[test]
    fn values_of_any_kind_and_raw_bytes_are_refused() {
        assert_eq!(accepted(&[0, 10], 600), 0);
    }
}
