//! CSWin (arXiv 2107.00652 and its public code), priced.

use hrvit_format::Size;

use super::heads;
use super::pricing::{Extent, Filter, Operators, Pairs};

/// Strips of every stage.
pub const WINDOWS: [u64; 4] = [1, 2, 7, 7];
/// Heads of every stage.
pub const HEADS: [u64; 4] = [2, 4, 8, 16];
const RATIO: u64 = 4;

/// One of CSWin-Ti, -T and -S with a SegFormer head. The head is public. Its width is the one that
/// gives the published parameters.
#[derive(Clone, Copy, Debug)]
pub struct CsWin {
    width: u64,
    depths: [u64; 4],
    head_width: u64,
}

/// Reach of a block's attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Strips of so many rows and columns, half of the channels each.
    Strips(u64),
    /// The whole map.
    Everything,
}

impl CsWin {
    /// By the ending of its name: `Ti`, `T` or `S`. Ti is T with half of the channels.
    pub fn new(name: &str) -> Option<Self> {
        let (width, depths, head_width) = match name {
            "Ti" => (32, [1, 2, 21, 1], 256),
            "T" => (64, [1, 2, 21, 1], 256),
            "S" => (64, [2, 4, 32, 2], 768),
            _ => return None,
        };
        Some(Self { width, depths, head_width })
    }

    /// Its operators on frames of `size`.
    pub fn operators(&self, size: Size, classes: u16) -> Operators {
        let widths = [1, 2, 4, 8].map(|times| times * self.width);
        let mut operators = Operators::default();
        let mut inputs = 3;
        for stage in 0..4 {
            let (map, width) = (Extent::of_branch(size, stage), widths[stage]);
            let side = if stage == 0 { 7 } else { 3 };
            operators.layer("patch embedding", Filter::dense(inputs, width, side), map);
            operators.norm(width);
            let reach = if stage == 3 { Reach::Everything } else { Reach::Strips(WINDOWS[stage]) };
            for _ in 0..self.depths[stage] {
                block(&mut operators, map, width, reach, HEADS[stage]);
            }
            operators.norm(width);
            inputs = width;
        }
        heads::segformer(&mut operators, size, widths, self.head_width, classes.into());
        operators
    }
}

/// A block: attention with a depthwise convolution of the values as position, and a plain
/// feed-forward network.
pub fn block(operators: &mut Operators, map: Extent, width: u64, reach: Reach, heads: u64) {
    operators.norm(width);
    operators.layer("queries, keys, values", Filter::dense(width, 3 * width, 1), map);
    operators.layer("position", Filter::depthwise(width, 3), map);
    match reach {
        Reach::Everything => operators.attention(Pairs::all(map, map), heads, width, map),
        Reach::Strips(window) => {
            operators.attention(Pairs::strips(map, window), heads / 2, width / 2, map);
            operators.attention(Pairs::strips(map.turned(), window), heads / 2, width / 2, map);
        }
    }
    operators.layer("attention output", Filter::dense(width, width, 1), map);
    operators.norm(width);
    operators.layer("feed-forward 1", Filter::dense(width, RATIO * width, 1), map);
    operators.layer("feed-forward 2", Filter::dense(RATIO * width, width, 1), map);
}
