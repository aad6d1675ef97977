//! The resized row, added to a sum, on vectors of 8 channels. Generated per instruction set from
//! its `floats`; tails use the definition's formula. Sums are those of the definition, in its
//! order.

/// Makes it for the token `$token` of the instruction set in the folder `$isa`, which proves
/// `$features`.
macro_rules! sums {
    ($token:ident, $isa:ident, $features:literal) => {
        /// Adds the resized row to `acc`.
        pub(in crate::resize_f16) fn bilinear_add(_: $token, source: &Rows<'_, f16>, columns: usize, first: usize, acc: &mut [f32]) {
            // SAFETY: the token proves the features.
            unsafe { add_row(source, columns, first, acc) }
        }

        #[target_feature(enable = $features)]
        fn add_row(source: &Rows<'_, f16>, columns: usize, first: usize, acc: &mut [f32]) {
            use crate::$isa::floats::{LANES, add, fma, load, load_f32, mul, splat, store_f32};
            let unit = scalar::unit(source.factor);
            for (x, acc) in crate::slices::rows_mut(acc, source.channels).enumerate() {
                let Some(corners) = source.corners(first + x, columns) else { continue };
                let weights = corners.map(|(_, weight)| weight as f32 * unit);
                let [wa, wb, wc, wd] = weights.map(|weight| splat(weight));
                let [a, b, c, d] = corners.map(|(corner, _)| corner.as_chunks::<LANES>());
                let (acc, acc_tail) = acc.as_chunks_mut::<LANES>();
                for (acc, ((a, b), (c, d))) in acc.iter_mut().zip(a.0.iter().zip(b.0).zip(c.0.iter().zip(d.0))) {
                    let sum = fma(mul(load(a), wa), load(b), wb);
                    store_f32(acc, add(load_f32(acc), fma(fma(sum, load(c), wc), load(d), wd)));
                }
                for (acc, ((a, b), (c, d))) in acc_tail.iter_mut().zip(a.1.iter().zip(b.1).zip(c.1.iter().zip(d.1))) {
                    *acc += widen(*a) * weights[0] + widen(*b) * weights[1] + widen(*c) * weights[2] + widen(*d) * weights[3];
                }
            }
        }
    };
}

pub(super) use sums;
