//! The attention in another order: powers are summed in lanes, as many as the instruction set has
//! keys at a time, and weighted sums are fused.

use half::f16;

use super::{BLOCK, StripF16, scalar};
use crate::isa::{Emulated, Order};
use crate::math_f32::{narrow, widen};
use crate::orders::{LANES, exp2};
use crate::slices::{rows, rows_mut};

/// Keys that Helium takes at a time.
const MVE_KEYS: usize = 4;

/// Computes the strip; `scratch` holds [`scratch`](super::scratch) elements.
pub(super) fn run(emulated: Emulated, args: &StripF16<'_>, scratch: &mut [f32], out: &mut [f16]) {
    let StripF16 { q, v, dim } = *args;
    let order = emulated.order();
    let definition = match order {
        Order::Scalar => true,
        Order::Avx2 => dim > 256,
        Order::Neon => false,
        Order::Mve => !dim.is_multiple_of(LANES) || dim > 128,
    };
    if definition {
        return scalar::run(args, scratch, out);
    }
    let keys = v.len() / dim;
    // Keys up to whole blocks have a power, too, of 2^-125.
    let Some(powers) = scratch.get_mut(..keys.next_multiple_of(BLOCK)) else { return };
    for (q, out) in rows(q, dim).zip(rows_mut(out, dim)) {
        powers.fill(f32::MIN);
        for (score, key) in powers.iter_mut().zip(rows(v, dim)) {
            *score = q.iter().zip(key).fold(0.0, |sum, (q, v)| sum + widen(*q) * widen(*v));
        }
        let most = powers.iter().fold(f32::MIN, |most, score| score.max(most));
        powers.iter_mut().for_each(|score| *score = exp2(order, *score - most));
        let reciprocal = 1.0 / total(order, powers);
        for (i, out) in out.iter_mut().enumerate() {
            let vector = i < dim / LANES * LANES;
            let terms = powers.iter().zip(rows(v, dim)).map(|(power, v)| (*power, widen(v[i])));
            let sum = terms.fold(0.0, |sum, (power, v)| if vector { order.fma(sum, power, v) } else { sum + power * v });
            *out = narrow(sum * reciprocal);
        }
    }
}

/// The sum of the powers, a whole number of blocks.
fn total(order: Order, powers: &[f32]) -> f32 {
    if order == Order::Mve {
        let mut lanes = [0.0; MVE_KEYS];
        powers.chunks(MVE_KEYS).for_each(|powers| lanes.iter_mut().zip(powers).for_each(|(lane, power)| *lane += power));
        return lanes.iter().sum();
    }
    let mut lanes = [0.0; LANES];
    powers.chunks(LANES).for_each(|powers| lanes.iter_mut().zip(powers).for_each(|(lane, power)| *lane += power));
    order.sum(lanes)
}
