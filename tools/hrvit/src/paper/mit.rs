//! MiT, the backbones of SegFormer (arXiv 2105.15203 and its public code), priced.

use hrvit_format::Size;

use super::heads;
use super::pricing::{Extent, Filter, Operators, Pairs};

/// Keys and values of stage `i` are of a map whose sides are so many times smaller.
pub const REDUCTIONS: [u64; 4] = [8, 4, 2, 1];
const HEADS: [u64; 4] = [1, 2, 5, 8];
const RATIO: u64 = 4;

/// One of MiT-B0 to MiT-B5 with a SegFormer head.
#[derive(Clone, Copy, Debug)]
pub struct Mit {
    widths: [u64; 4],
    depths: [u64; 4],
    head_width: u64,
}

/// Ways to make the keys' map smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// By a dense convolution, as published.
    Dense,
    /// By a convolution of one kernel a channel.
    Depthwise,
}

impl Mit {
    /// By its number, 0 to 4.
    pub fn new(number: u8) -> Option<Self> {
        let (small, large) = ([32, 64, 160, 256], [64, 128, 320, 512]);
        let (widths, depths, head_width) = match number {
            0 => (small, [2, 2, 2, 2], 256),
            1 => (large, [2, 2, 2, 2], 256),
            2 => (large, [3, 4, 6, 3], 768),
            3 => (large, [3, 4, 18, 3], 768),
            4 => (large, [3, 8, 27, 3], 768),
            _ => return None,
        };
        Some(Self { widths, depths, head_width })
    }

    /// Its operators on frames of `size`.
    pub fn operators(&self, size: Size, classes: u16) -> Operators {
        let mut operators = Operators::default();
        let mut inputs = 3;
        for stage in 0..4 {
            let (map, width) = (Extent::of_branch(size, stage), self.widths[stage]);
            let side = if stage == 0 { 7 } else { 3 };
            operators.layer("patch embedding", Filter::dense(inputs, width, side), map);
            operators.norm(width);
            for _ in 0..self.depths[stage] {
                block(&mut operators, map, width, (REDUCTIONS[stage], Reduction::Dense), HEADS[stage]);
            }
            operators.norm(width);
            inputs = width;
        }
        heads::segformer(&mut operators, size, self.widths, self.head_width, classes.into());
        operators
    }
}

/// A block: attention over a smaller map of keys, and a feed-forward network with a 3x3 depthwise
/// convolution.
pub fn block(operators: &mut Operators, map: Extent, width: u64, (by, how): (u64, Reduction), heads: u64) {
    let keys = map.over(by);
    operators.norm(width);
    operators.layer("queries", Filter::dense(width, width, 1), map);
    if by > 1 {
        let filter = match how {
            Reduction::Dense => Filter::dense(width, width, by),
            Reduction::Depthwise => Filter::depthwise(width, by),
        };
        operators.layer("reduction", filter, keys);
        operators.norm(width);
    }
    operators.layer("keys, values", Filter::dense(width, 2 * width, 1), keys);
    operators.attention(Pairs::all(map, keys), heads, width, map);
    operators.layer("attention output", Filter::dense(width, width, 1), map);
    operators.norm(width);
    operators.layer("feed-forward 1", Filter::dense(width, RATIO * width, 1), map);
    operators.layer("feed-forward 3x3", Filter::depthwise(RATIO * width, 3), map);
    operators.layer("feed-forward 2", Filter::dense(RATIO * width, width, 1), map);
}
