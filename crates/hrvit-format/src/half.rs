//! Half-precision steps: how their weights lie, and what their records must satisfy.
//!
//! A step of [`Precision::Fp16`](crate::record::Precision::Fp16) has f16 weights, f32 biases and LayerNorm parameters, and no multiplier, shift or table: nothing is
//! requantised. Its tensors are f16. All values are finite (checked at load), every sum is f32 and every store saturates: no NaN and no infinity can arise.

use crate::{
    error::OpField,
    graph::{Op, OpKind, Step, StepOps},
    record::{ALIGN, Arrays, NONE, OpRecord},
    step::{OpParams, StepParams},
    validate,
};

/// Output channels of a block of weights.
const BLOCK: usize = 8;
/// `eps` of a LayerNorm is stored in units of `2^-EPS_BITS`.
pub const EPS_BITS: u32 = 40;
/// The real number that `stored` stands for as the `eps` of a LayerNorm.
pub fn eps(stored: u64) -> f32 {
    stored as f32 / (1u64 << EPS_BITS) as f32
}

/// The number that f16 bits stand for; exact for all finite ones.
pub fn to_f32(bits: u16) -> f32 {
    // The exponent's bias is 15 here and 127 there.
    let magnitude = f32::from_bits(u32::from(bits & 0x7fff) << 13) * f32::from_bits((127 + 112) << 23);
    if bits >> 15 == 0 { magnitude } else { -magnitude }
}

/// Real value of one code of a residual stream in integers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CodeScale(pub f32);

impl CodeScale {
    /// Whether streams can be converted by it: 2^-126 to 2^64.
    pub(crate) fn is_usable(self) -> bool {
        (f32::MIN_POSITIVE..=MAX_PARAMETER).contains(&self.0)
    }
}

/// Largest `eps`: 1024.
const MAX_EPS: u64 = 1 << (EPS_BITS + 10);
/// Largest magnitude of a bias, a LayerNorm parameter or the scale of a stream, 2^64: what kernels take, whose sums are then far inside f32.
const MAX_PARAMETER: f32 = f32::from_bits((127 + 64) << 23);

/// How the weights of an operator lie.
#[derive(Clone, Copy)]
enum Order {
    /// `[segments][ceil(channels / 8)][depth][8]`: each segment of the output channels in blocks of its own, padded with zeros.
    Blocks { segments: usize },
    /// As the integer steps have them: depthwise `[ky][kx][channel]`, [`OpKind::DesLeft`] `[k][k]`.
    Plain,
}

fn order(op: &Op) -> Order {
    match op.kind {
        _ if op.depthwise => Order::Plain,
        OpKind::DesLeft => Order::Plain,
        // Both halves of q and of v are used by themselves.
        OpKind::Qkv => Order::Blocks { segments: 4 },
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

/// Where the weight that has number `at` in [`Packing::Rows`](crate::record::Packing::Rows) lies.
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

/// The arrays of `op` in a half-precision step.
pub(crate) fn arrays(op: &Op) -> Arrays {
    let c = usize::from(op.cout);
    match op.kind {
        kind if kind.is_norm() => Arrays { bias: c, mult: c, ..Arrays::NONE },
        _ if op.kernel == 0 => Arrays::NONE,
        OpKind::StemConv1 => Arrays { weights: 2 * weight_len(op), bias: 4 * c, ..Arrays::NONE },
        _ => Arrays { weights: 2 * weight_len(op), bias: c, ..Arrays::NONE },
    }
}

/// Checks all operators of one half-precision step; the error names the operator's index within the step.
pub(crate) fn check(_: Step, ops: &StepOps, params: &StepParams<'_>) -> Result<(), (u16, OpField)> {
    for ((index, op), record) in (0u16..).zip(ops).zip(params.ops) {
        let at = |field| (index, field);
        validate::shape(op, record).map_err(at)?;
        fields(op, record).map_err(at)?;
        values(op, &params.op(usize::from(index), op).ok_or(at(OpField::Array))?).map_err(at)?;
    }
    Ok(())
}

fn fields(op: &Op, record: &OpRecord) -> Result<(), OpField> {
    let arrays = arrays(op);
    let present = |offset: u32, count: usize, align: u32| if count == 0 { offset == NONE } else { offset != NONE && offset.is_multiple_of(align) };
    let placed = present(record.weights, arrays.weights, ALIGN as u32)
        && present(record.bias, arrays.bias, 4)
        && present(record.mult, arrays.mult, 4)
        && (record.shift, record.three, record.table) == (NONE, NONE, NONE);
    if !placed {
        return Err(OpField::Array);
    }
    if record.table_len != 0 {
        return Err(OpField::Table);
    }
    if record.code_bits != 0 {
        return Err(OpField::CodeBits);
    }
    if record.pre_shift != 0 {
        return Err(OpField::PreShift);
    }
    if (record.zero, record.lo, record.hi, record.pad) != (0, i16::MIN, i16::MAX, 0) {
        return Err(OpField::Range);
    }
    let eps = if op.kind.is_norm() { 1..=MAX_EPS } else { 0..=0 };
    if record.norm_shift != 0 || !eps.contains(&record.eps) { Err(OpField::Norm) } else { Ok(()) }
}

fn values(op: &Op, params: &OpParams<'_>) -> Result<(), OpField> {
    let (halves, _) = params.weights.as_chunks::<2>();
    let bits = |at: usize| halves.get(at).map_or(0, |&[low, high]| u16::from_le_bytes([low as u8, high as u8]));
    const EXPONENT: u16 = 0x7c00;
    if (0..halves.len()).any(|at| bits(at) & EXPONENT == EXPONENT) {
        return Err(OpField::Weight);
    }
    if let Order::Blocks { segments } = order(op)
        && padding(op, segments).any(|at| bits(at) != 0)
    {
        return Err(OpField::Weight);
    }
    let bounded = |values: &[i32]| values.iter().all(|bits| f32::from_bits(*bits as u32).abs() <= MAX_PARAMETER);
    if bounded(params.bias) && bounded(params.mult) { Ok(()) } else { Err(if op.kind.is_norm() { OpField::Norm } else { OpField::Weight }) }
}

/// Places of the blocks' padding.
fn padding(op: &Op, segments: usize) -> impl Iterator<Item = usize> {
    let (depth, each) = (op.depth(), usize::from(op.cout) / segments);
    let padded = each.next_multiple_of(BLOCK);
    let used = if each.is_multiple_of(BLOCK) { BLOCK } else { each % BLOCK };
    let last = padded.saturating_sub(BLOCK) * depth;
    (0..segments).flat_map(move |segment| (0..depth).flat_map(move |i| (used..BLOCK).map(move |c| segment * padded * depth + last + i * BLOCK + c)))
}

impl<'a> OpParams<'a> {
    /// The range of bytes of the f16 weights of the output channels `first .. first + count` that are a whole segment of `op`, or all of them.
    pub fn half_weights(&self, op: &Op, first: usize, count: usize) -> Option<&'a [i8]> {
        let Order::Blocks { segments } = order(op) else { return Some(self.weights) };
        let each = usize::from(op.cout) / segments;
        if count == usize::from(op.cout) {
            // Several segments are one operand only where their blocks have no padding between them.
            return (first == 0 && (segments == 1 || each.is_multiple_of(BLOCK))).then_some(self.weights);
        }
        let len = 2 * each.next_multiple_of(BLOCK) * op.depth();
        let whole = count == each && first.is_multiple_of(each);
        let at = first.checked_div(each)? * len;
        if whole { self.weights.get(at..at + len) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        network::{Head, Network},
        spec::{Spec, VARIANTS},
    };

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
