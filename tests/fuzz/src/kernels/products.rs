//! Products on 8 and 16 bits, in every packing.

use hrvit_kernels::{Gemm, GemmS16, Packing};

use super::Entry;
use super::operands::{Block, Operands};
use crate::Verdict;

pub(super) const ENTRIES: &[Entry] = &[("gemm_s8", gemm_s8), ("gemm_s8_packed", gemm_s8_packed), ("gemm_s16", gemm_s16)];

/// Multiplications of one call, mostly.
const WORK: usize = 24_000;

/// `(rows, depth, cout)`; now and then a depth like the longest of the network.
pub(super) fn sizes(operands: &mut Operands<'_>) -> (usize, usize, usize) {
    let depth = if operands.choices.u8() == 255 { 400 + operands.choices.below(4300) } else { operands.size(400) };
    let cout = operands.size(if depth > 400 { 9 } else { 70 });
    (operands.repeats(70, depth * cout, WORK), depth, cout)
}

/// Weights of `[cout, depth]` in `packing`, zeros where it pads; outside of ranges any bytes.
fn packed(operands: &mut Operands<'_>, packing: Packing, depth: usize, cout: usize) -> Block<i8> {
    let right = packing.packed_len(cout, depth).expect("sizes are small");
    let len = operands.len(right);
    if packing == Packing::Rows || !operands.within() {
        return operands.weights(len);
    }
    let rows = operands.weights(cout * depth);
    let mut packed = vec![0; right];
    packing.pack(&rows, depth, &mut packed).expect("lengths are right");
    operands.block(len, |_, i| packed.get(i).copied().unwrap_or_default())
}

fn s8(operands: &mut Operands<'_>, packing: Option<Packing>) -> Verdict {
    let (rows, depth, cout) = sizes(operands);
    let most = depth as i64 * 128 * operands.weight();
    let pre_shift = operands.pre_shift(most);
    let (a, outputs, channels) = (operands.len(rows * depth), operands.len(rows * cout), operands.len(cout));
    let a = operands.codes(a);
    let weights = packed(operands, packing.unwrap_or(Packing::Rows), depth, cout);
    let room = operands.room(most, pre_shift);
    let bias = operands.integers(channels, -room, room);
    let rates = operands.rates(cout, pre_shift, 8 + depth.ilog2() as u8 / 2);
    let args = Gemm { a: &a, depth: operands.count(depth), weights: &weights, bias: &bias, requant: rates.view() };
    operands.agree_stored(outputs, |kernels, epilogue| match packing {
        Some(packing) => kernels.gemm_s8_packed(&args.packed(packing), epilogue),
        None => kernels.gemm_s8(&args, epilogue),
    })
}

fn gemm_s8(operands: &mut Operands<'_>) -> Verdict {
    s8(operands, None)
}

fn gemm_s8_packed(operands: &mut Operands<'_>) -> Verdict {
    let packing = operands.choices.pick(&[Packing::K4, Packing::K8, Packing::Rows]);
    s8(operands, Some(packing))
}

fn gemm_s16(operands: &mut Operands<'_>) -> Verdict {
    let (rows, depth, cout) = sizes(operands);
    // Inputs of any 16 bits where the depth allows them.
    let limit = (i64::from(i32::MAX) / operands.weight() / depth as i64).min(1 << 15);
    let most = depth as i64 * limit * operands.weight();
    let pre_shift = operands.pre_shift(most);
    let (a, outputs, channels, weights) = (operands.len(rows * depth), operands.len(rows * cout), operands.len(cout), operands.len(cout * depth));
    let a = operands.integers(a, -limit, limit.min(i16::MAX.into()));
    let weights = operands.weights(weights);
    let room = operands.room(most, pre_shift);
    let bias = operands.integers(channels, -room, room);
    let rates = operands.rates(cout, pre_shift, 8 + depth.ilog2() as u8 / 2);
    let args = GemmS16 { a: &a, depth: operands.count(depth), weights: &weights, bias: &bias, requant: rates.view() };
    operands.agree_stored(outputs, |kernels, epilogue| kernels.gemm_s16(&args, epilogue))
}
