//! Sums over frames whose result does not depend on who adds up which part. Frames are counted in
//! fixed blocks. Blocks are added in their order.
//!
//! Which frame is in which block depends only on the number of frames and on the size of a sum. All
//! cores count, each a block at a time.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use anyhow::{Context, Result, ensure};
use rayon::prelude::*;

/// Most blocks.
const MOST: usize = 256;
/// Bytes that the sums of all blocks may take together.
const BYTES: usize = 256 << 20;
/// Fewest blocks, whatever they take: work for as many cores.
const FEWEST: usize = 16;

/// Sums that can be added up.
pub trait Sum: Send + Sync {
    /// Adds another's.
    fn merge(&mut self, other: &Self);
}

/// One of several parts of a data set, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which.
    pub number: usize,
    /// Of how many.
    pub of: usize,
}

impl Shard {
    /// All there is.
    pub const WHOLE: Self = Self { number: 1, of: 1 };

    fn has(self, block: usize) -> bool {
        block % self.of == self.number - 1
    }

    /// The blocks of this part.
    pub fn blocks(self, blocks: usize) -> Vec<usize> {
        (0..blocks).filter(|&block| self.has(block)).collect()
    }
}

impl FromStr for Shard {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let parse = || -> Option<Self> {
            let (number, of) = text.split_once('/')?;
            let (number, of) = (number.parse().ok()?, of.parse().ok()?);
            (1..=of).contains(&number).then_some(Self { number, of })
        };
        parse().with_context(|| format!("{text:?}: expected I/N with I from 1 to N, 1/4 for the first of four"))
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

/// How many blocks there are of so many frames, where a sum takes so many bytes.
pub fn count(frames: usize, bytes: usize) -> usize {
    frames.min(MOST).min((BYTES / bytes.max(1)).max(FEWEST))
}

/// The frames of a block.
fn frames_of(block: usize, blocks: usize, frames: usize) -> Range<usize> {
    block * frames / blocks..(block + 1) * frames / blocks
}

/// The sums of every block of `shard`, which are of `frames` frames in `blocks` blocks; at most
/// `at_once` blocks at a time.
///
/// # Errors
/// If the part holds no block, or a frame fails.
pub fn sums<T: Sum>(frames: usize, blocks: usize, shard: Shard, at_once: usize, frame: impl Fn(usize) -> Result<T> + Sync) -> Result<Vec<(usize, T)>> {
    let own = shard.blocks(blocks);
    ensure!(!own.is_empty(), "--shard {shard}: these frames make {blocks} parts at most");
    let block = |&block: &usize| {
        let mut rest = frames_of(block, blocks, frames);
        let mut total = frame(rest.next().context("a block without frames")?)?;
        rest.try_for_each(|at| frame(at).map(|one| total.merge(&one)))?;
        Ok((block, total))
    };
    let mut sums = Vec::with_capacity(own.len());
    for blocks in own.chunks(at_once.max(1)) {
        sums.extend(blocks.par_iter().map(block).collect::<Result<Vec<_>>>()?);
    }
    Ok(sums)
}

/// All blocks together, in their order.
pub fn total<T: Sum>(mut blocks: Vec<(usize, T)>) -> Option<T> {
    blocks.sort_by_key(|(block, _)| *block);
    let mut sums = blocks.into_iter().map(|(_, sum)| sum);
    let mut total = sums.next()?;
    sums.for_each(|sum| total.merge(&sum));
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Real(f64);

    impl Sum for Real {
        fn merge(&mut self, other: &Self) {
            self.0 += other.0;
        }
    }

    #[test]
    fn parts_add_up_to_the_bits_of_the_whole() {
        // Addition of these is not associative.
        let frame = |at: usize| Ok(Real(1.0 / (at as f64 + 0.3) * if at.is_multiple_of(3) { 1e9 } else { -0.7 }));
        for frames in [1, 7, 300, 1000] {
            for bytes in [1, 16 << 20, 1 << 30] {
                let blocks = count(frames, bytes);
                let whole = total(sums(frames, blocks, Shard::WHOLE, usize::MAX, frame).unwrap()).unwrap().0;
                for of in 1..=blocks.min(5) {
                    let parts = (1..=of).rev().flat_map(|number| sums(frames, blocks, Shard { number, of }, 3, frame).unwrap()).collect();
                    assert_eq!(total(parts).unwrap().0.to_bits(), whole.to_bits(), "{frames} frames in {of} parts");
                }
            }
        }
        assert!(sums(2, 2, Shard { number: 3, of: 3 }, 1, frame).is_err());
    }

    #[test]
    fn every_frame_is_in_one_block() {
        for frames in [1, 255, 256, 257, 5000] {
            let blocks = count(frames, 1);
            let all: Vec<usize> = (0..blocks).flat_map(|block| frames_of(block, blocks, frames)).collect();
            assert_eq!(all, (0..frames).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_shard_is_a_number_of_a_count() {
        assert_eq!("2/3".parse::<Shard>().unwrap(), Shard { number: 2, of: 3 });
        for text in ["0/3", "4/3", "1", "1/0", "a/b", "1/2/3", "-1/2"] {
            assert!(text.parse::<Shard>().unwrap_err().to_string().contains("I/N"), "{text}");
        }
    }
}
