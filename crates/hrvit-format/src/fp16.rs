//! Half-precision steps: order of their weights, and meaning of their numbers.
//!
//! A step of [`Precision::Fp16`](crate::record::Precision::Fp16) has f16 weights, f32 biases and
//! LayerNorm parameters, and no multiplier, shift or table: nothing is requantised. Its tensors are
//! f16. All values are finite (checked at load), every sum is f32 and every store saturates: no NaN
//! and no infinity can arise.

use core::ops::Range;

use hrvit_kernels::contract::MAX_PARAMETER_F16;

use crate::op::{Op, OpKind};

/// Output channels of a block of weights.
pub(crate) const BLOCK: usize = 8;
/// `eps` of a LayerNorm is stored in units of `2^-EPS_BITS`.
pub const EPS_BITS: u32 = 40;

/// The real `eps` of a LayerNorm, from its stored number.
pub fn eps(stored: u64) -> f32 {
    stored as f32 / (1u64 << EPS_BITS) as f32
}

/// Converts the bits of an f16 to an integer with the same order as the numbers, and back. It turns
/// sign and magnitude into two's complement. -0 comes before 0.
pub const fn ordered(bits: i16) -> i16 {
    bits ^ ((bits >> 15) & i16::MAX)
}

/// The number of these f16 bits. Exact for every finite number.
pub fn to_f32(bits: u16) -> f32 {
    // The exponent's bias is 15 here and 127 there.
    let magnitude = f32::from_bits(u32::from(bits & 0x7fff) << 13) * f32::from_bits((127 + 112) << 23);
    if bits >> 15 == 0 { magnitude } else { -magnitude }
}

/// Real value of one code of an integer residual stream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CodeScale(pub f32);

impl CodeScale {
    /// Whether streams can be converted by it: 2^-126 to 2^64.
    pub(crate) fn is_usable(self) -> bool {
        (f32::MIN_POSITIVE..=f32::from_bits(MAX_PARAMETER_F16)).contains(&self.0)
    }
}

/// How the weights of an operator lie.
#[derive(Clone, Copy)]
pub(crate) enum Order {
    /// `[segments][ceil(channels / 8)][depth][8]`: each segment of the output channels in blocks of
    /// its own, padded with zeros.
    Blocks {
        /// Parts of the output channels that are used by themselves.
        segments: usize,
    },
    /// As the integer steps have them: depthwise `[ky][kx][channel]`, [`OpKind::DesLeft`] `[k][k]`.
    Plain,
}

/// How the weights of `op` lie.
pub(crate) fn order(op: &Op) -> Order {
    match op.kind {
        _ if op.depthwise => Order::Plain,
        OpKind::DesLeft => Order::Plain,
        // Both halves of q, of v and of keys of their own are used by themselves.
        OpKind::Qkv => Order::Blocks { segments: if usize::from(op.cout) > 2 * usize::from(op.cin) { 6 } else { 4 } },
        _ => Order::Blocks { segments: 1 },
    }
}

/// Number of f16 weights of `op`, padding included.
pub fn weight_len(op: &Op) -> usize {
    match order(op) {
        _ if op.kernel == 0 => 0,
        Order::Plain => op.weight_count(),
        Order::Blocks { segments } => segments * (usize::from(op.cout) / segments).next_multiple_of(BLOCK) * op.depth(),
    }
}

/// Index, in an image, of the f16 weight with index `at` in
/// [`Packing::Rows`](crate::record::Packing::Rows).
pub fn weight_index(op: &Op, at: usize) -> usize {
    match order(op) {
        Order::Plain => at,
        Order::Blocks { segments } => {
            let depth = op.depth().max(1);
            let (channel, i, each) = (at / depth, at % depth, (usize::from(op.cout) / segments).max(1));
            let (segment, channel) = (channel / each, channel % each);
            segment * each.next_multiple_of(BLOCK) * depth + (channel / BLOCK * depth + i) * BLOCK + channel % BLOCK
        }
    }
}

/// Places of the blocks' padding.
pub(crate) fn padding(op: &Op, segments: usize) -> impl Iterator<Item = usize> {
    let (depth, each) = (op.depth(), usize::from(op.cout) / segments);
    let padded = each.next_multiple_of(BLOCK);
    let used = if each.is_multiple_of(BLOCK) { BLOCK } else { each % BLOCK };
    let last = padded.saturating_sub(BLOCK) * depth;
    (0..segments).flat_map(move |segment| (0..depth).flat_map(move |i| (used..BLOCK).map(move |c| segment * padded * depth + last + i * BLOCK + c)))
}

/// Bytes of the f16 weights of the output channels `first .. first + count` among all of `op`'s;
/// `None` unless they are a whole segment, or all.
pub(crate) fn part(op: &Op, first: usize, count: usize) -> Option<Range<usize>> {
    let all = 0..2 * weight_len(op);
    let Order::Blocks { segments } = order(op) else { return Some(all) };
    let each = usize::from(op.cout) / segments;
    if count == usize::from(op.cout) {
        // Several segments are one operand only where their blocks have no padding between them.
        return (first == 0 && (segments == 1 || each.is_multiple_of(BLOCK))).then_some(all);
    }
    let len = 2 * each.next_multiple_of(BLOCK) * op.depth();
    let at = first.checked_div(each)? * len;
    (count == each && first.is_multiple_of(each)).then_some(at..at + len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Head, Network, Spec, VARIANTS};

    #[test]
    fn every_weight_has_a_place_of_its_own_and_the_rest_is_padding() {
        for name in VARIANTS {
            for head in [Head::Segformer, Head::Classifier] {
                let network = Network { spec: Spec::variant(name).unwrap(), head, classes: 19 };
                for op in network.steps().flat_map(|step| network.ops(step)).filter(|op| op.kernel > 0 && op.weight_count() < 1 << 16) {
                    let mut used = std::vec![0u8; weight_len(&op)];
                    (0..op.weight_count()).for_each(|at| used[weight_index(&op, at)] += 1);
                    if let Order::Blocks { segments } = order(&op) {
                        padding(&op, segments).for_each(|at| used[at] += 1);
                    }
                    assert!(used.iter().all(|&count| count == 1), "{name} {op:?}");
                }
            }
        }
    }
}
