//! HRNetV2 with blocks of MiT or CSWin for its residual ones (table 6), priced by one reading.
//!
//! HRNetV2 is published (arXiv 1908.07919 and its code). It has a stem, four bottlenecks, and one,
//! four and three modules of two, three and four branches with four blocks each. Transitions and
//! fusions are dense 3x3 convolutions. The paper replaces the residual blocks and publishes no
//! definition. This reading keeps all else. Each branch of a module begins with the 3x3 patch
//! embedding of MiT and CSWin. The transition is the embedding of a new branch. Reductions of MiT's
//! keys are depthwise. Dense ones would add a fifth to the parameters, too much for the printed
//! ones.

use hrvit_format::Size;

use super::cswin::{self, Reach};
use super::heads;
use super::mit::{self, Reduction};
use super::pricing::{Extent, Filter, Operators};

const STEM: u64 = 64;
/// Outputs of the four bottlenecks.
const EXPANDED: u64 = 256;
/// Modules with two, three and four branches.
const MODULES: [usize; 3] = [1, 4, 3];
const BLOCKS: u64 = 4;
/// MiT's own heads do not divide these widths.
const MIT_HEADS: [u64; 4] = [1, 2, 4, 8];

/// Which blocks replace the residual ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocks {
    /// MiT's.
    Mit,
    /// CSWin's.
    CsWin,
}

/// One of the six networks of table 6.
#[derive(Clone, Copy, Debug)]
pub struct HrNet {
    /// Channels of the first branch: 18, 32 or 40.
    pub width: u64,
    /// Its blocks.
    pub blocks: Blocks,
}

impl HrNet {
    fn widths(&self) -> [u64; 4] {
        [1, 2, 4, 8].map(|times| times * self.width)
    }

    /// SegFormer's head is wide on large networks, as on MiT-B2 and HRViT-b3.
    fn head_width(&self) -> u64 {
        if self.width < 40 { 256 } else { 768 }
    }

    /// Its operators on frames of `size`.
    pub fn operators(&self, size: Size, classes: u16) -> Operators {
        let mut operators = Operators::default();
        let (map, widths) = (Extent::of_branch(size, 0), self.widths());
        conv_bn(&mut operators, "stem", (3, STEM), map.times(2));
        conv_bn(&mut operators, "stem", (STEM, STEM), map);
        for number in 0..4 {
            let inputs = if number == 0 { STEM } else { EXPANDED };
            heads::bottleneck(&mut operators, (inputs, STEM, EXPANDED), number == 0, map);
        }
        let mut before = vec![EXPANDED];
        for (&modules, branches) in MODULES.iter().zip(2..) {
            let now = &widths[..branches];
            let old = transition(&mut operators, size, &before, now);
            for module in 0..modules {
                for branch in 0..branches {
                    self.branch(&mut operators, size, branch, module > 0 || branch < old);
                }
                fusion(&mut operators, size, now);
            }
            before = now.to_vec();
        }
        heads::segformer(&mut operators, size, widths, self.head_width(), classes.into());
        operators
    }

    fn branch(&self, operators: &mut Operators, size: Size, branch: usize, embedded: bool) {
        let (map, width) = (Extent::of_branch(size, branch), self.widths()[branch]);
        if embedded {
            operators.layer("patch embedding", Filter::dense(width, width, 3), map);
            operators.norm(width);
        }
        for _ in 0..BLOCKS {
            match self.blocks {
                Blocks::Mit => mit::block(operators, map, width, (mit::REDUCTIONS[branch], Reduction::Depthwise), MIT_HEADS[branch]),
                Blocks::CsWin => cswin::block(operators, map, width, Reach::Strips(cswin::WINDOWS[branch]), cswin::HEADS[branch]),
            }
        }
        operators.norm(width);
    }
}

/// A dense 3x3 convolution without bias and its BatchNorm.
fn conv_bn(operators: &mut Operators, name: &'static str, (inputs, outputs): (u64, u64), out: Extent) {
    operators.layer(name, Filter::dense(inputs, outputs, 3).unbiased(), out);
    operators.norm(outputs);
}

/// From the branches of one stage to those of the next; returns how many branches keep their width.
fn transition(operators: &mut Operators, size: Size, before: &[u64], now: &[u64]) -> usize {
    let mut kept = 0;
    for (branch, &width) in now.iter().enumerate() {
        match before.get(branch) {
            Some(&same) if same == width => kept += 1,
            from => {
                let inputs = from.or(before.last()).copied().unwrap_or(width);
                conv_bn(operators, "transition", (inputs, width), Extent::of_branch(size, branch));
            }
        }
    }
    kept
}

/// Every branch from every other: up by a 1x1 convolution, down by 3x3 convolutions of stride 2.
fn fusion(operators: &mut Operators, size: Size, widths: &[u64]) {
    for (to, &outputs) in widths.iter().enumerate() {
        for (from, &inputs) in widths.iter().enumerate() {
            if from > to {
                operators.layer("fusion", Filter::dense(inputs, outputs, 1).unbiased(), Extent::of_branch(size, from));
                operators.norm(outputs);
            }
            for branch in from + 1..=to {
                let outputs = if branch == to { outputs } else { inputs };
                conv_bn(operators, "fusion", (inputs, outputs), Extent::of_branch(size, branch));
            }
        }
    }
}
