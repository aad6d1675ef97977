//! The attention, 4 queries at a time: the keys are transposed once per strip, 8 to a vector, so
//! that logits are sums of 8 keys and powers vectors of 8. Generated per instruction set from its
//! `floats` and `product_f16`.
//!
//! Logits are those of the definition, in its order. Where queries are widened before, heads of
//! more than 256 elements are left to `scalar`.

/// Makes it for the token `$token` of the instruction set in the folder `$isa`, which proves
/// `$features`.
macro_rules! strip {
    ($token:ident, $isa:ident, $features:literal) => {
        use core::mem::MaybeUninit;

        use half::f16;

        use crate::attention_f16::packed::{Place, QUERIES, packed};
        use crate::attention_f16::{BLOCK, StripF16, scalar};
        use crate::floats::{Products, pointers};
        use crate::isa::$token;
        use crate::math_f32;
        use crate::slices::{rows, rows_mut, window_mut};
        use crate::$isa::floats::{Eight, LANES, add, exp2, exp2_of_two, largest, load_f32, max, mul, splat, store, store_f32, sub, sum};
        use crate::$isa::product_f16::{Fma, ROWS, Room, Row, WIDENS, blocks, widened};

        /// Longest head whose queries are widened before.
        const MAX_DIM: usize = 256;

        /// Computes the strip. `scratch` holds [`scratch`](crate::attention_f16::scratch) elements.
        pub(in crate::attention_f16) fn run(_: $token, args: &StripF16<'_>, scratch: &mut [f32], out: &mut [f16]) {
            #[target_feature(enable = $features)]
            fn run(args: &StripF16<'_>, scratch: &mut [f32], out: &mut [f16]) {
                // SAFETY: the features by the attribute.
                unsafe { strip::<Fma>(args, scratch, out) }
            }
            // SAFETY: the token proves the features.
            unsafe { run(args, scratch, out) }
        }

        /// All queries, logits by the instructions of `P`.
        ///
        /// # Safety
        /// The processor has the features and the instructions of `P`.
        #[inline(always)]
        pub(in crate::attention_f16) unsafe fn strip<P: Products<Row, f16, Eight, ROWS>>(args: &StripF16<'_>, scratch: &mut [f32], out: &mut [f16]) {
            let StripF16 { q, v, dim } = *args;
            if WIDENS && dim > MAX_DIM {
                return scalar::run(args, scratch, out);
            }
            let Some((scores, packed)) = packed(args, scratch) else { return };
            let (fours, ones) = q.split_at(q.len() / (QUERIES * dim) * (QUERIES * dim));
            let (out_fours, out_ones) = out.split_at_mut(fours.len());
            for (q, out) in rows(fours, QUERIES * dim).zip(rows_mut(out_fours, QUERIES * dim)) {
                // SAFETY: the caller vouches for the instructions.
                unsafe { queries::<QUERIES, P>(q, packed, v, dim, scores, out) };
            }
            for (q, out) in rows(ones, dim).zip(rows_mut(out_ones, dim)) {
                // SAFETY: as above.
                unsafe { queries::<1, P>(q, packed, v, dim, scores, out) };
            }
        }

        /// `Q` queries; `scores` holds [`QUERIES`] rows of scores, keys up to whole blocks.
        ///
        /// # Safety
        /// The processor has the features and the instructions of `P`.
        #[target_feature(enable = $features)]
        unsafe fn queries<const Q: usize, P: Products<Row, f16, Eight, ROWS>>(
            q: &[f16],
            packed: &[Place],
            v: &[f16],
            dim: usize,
            scores: &mut [f32],
            out: &mut [f16],
        ) {
            let (keys, padded) = (v.len() / dim, scores.len() / QUERIES);
            let mut room: [Room; QUERIES * MAX_DIM] = [const { MaybeUninit::uninit() }; QUERIES * MAX_DIM];
            // SAFETY: these are `Q` queries.
            let pointers_q = unsafe { pointers::<Row, Q, ROWS>(widened(q, &mut room), dim, 0) };
            blocks!(padded / BLOCK, |block, N| {
                let mut sums = [[splat(0.0); N]; ROWS];
                let places: [*const f16; N] = core::array::from_fn(|n| packed.as_ptr().wrapping_add((block + n) * dim).cast());
                // SAFETY: a block has one vector of keys for each of a query's elements.
                unsafe { P::add::<Q, N>(&pointers_q, places, size_of::<Place>(), dim, &mut sums) };
                for (row, sums) in sums.into_iter().enumerate().take(Q) {
                    for (n, sums) in sums.into_iter().enumerate() {
                        let Some(scores) = window_mut(scores, row * padded + (block + n) * BLOCK) else { return };
                        store_f32(scores, sums);
                    }
                }
            });
            let mut reciprocals = [0.0; Q];
            for (scores, reciprocal) in rows_mut(scores, padded).zip(&mut reciprocals) {
                *reciprocal = powers(scores, keys);
            }
            // SAFETY: `scores` holds as many rows, and more.
            let powers = unsafe { pointers::<f32, Q, ROWS>(scores, padded, 0) };
            blocks!(dim / LANES, |block, N| {
                let mut sums = [[splat(0.0); N]; ROWS];
                let values: [*const f16; N] = core::array::from_fn(|n| v.as_ptr().wrapping_add((block + n) * LANES));
                // SAFETY: there is a power for each query and key, and 8 elements in each of these
                // places for each key, keys `dim` elements apart.
                unsafe { Fma::add::<Q, N>(&powers, values, dim * size_of::<f16>(), keys, &mut sums) };
                for (row, (sums, reciprocal)) in sums.into_iter().zip(reciprocals).enumerate() {
                    for (n, sums) in sums.into_iter().enumerate() {
                        let Some(out) = window_mut(out, row * dim + (block + n) * LANES) else { return };
                        store(out, mul(sums, splat(reciprocal)));
                    }
                }
            });
            for i in dim / LANES * LANES..dim {
                for ((scores, reciprocal), out) in rows(scores, padded).zip(reciprocals).zip(rows_mut(out, dim)) {
                    let sum = scores.iter().zip(rows(v, dim)).fold(0.0, |sum, (power, v)| sum + power * math_f32::widen(v[i]));
                    out[i] = math_f32::narrow(sum * reciprocal);
                }
            }
        }

        /// Replaces each of the logits of `keys` keys by its power and returns the reciprocal of
        /// their sum.
        #[inline]
        #[target_feature(enable = $features)]
        fn powers(scores: &mut [f32], keys: usize) -> f32 {
            // No key: no power.
            scores.get_mut(keys..).unwrap_or_default().fill(f32::MIN);
            let (scores, _) = scores.as_chunks_mut::<LANES>();
            let most = scores.iter().fold(splat(f32::MIN), |most, scores| max(most, load_f32(scores)));
            let most = splat(largest(most));
            let mut total = splat(0.0);
            let (pairs, last) = scores.as_chunks_mut::<2>();
            for [low, high] in pairs {
                let powers = exp2_of_two([sub(load_f32(low), most), sub(load_f32(high), most)]);
                total = add(add(total, powers[0]), powers[1]);
                store_f32(low, powers[0]);
                store_f32(high, powers[1]);
            }
            for scores in last {
                let power = exp2(sub(load_f32(scores), most));
                total = add(total, power);
                store_f32(scores, power);
            }
            1.0 / sum(total)
        }
    };
}

pub(super) use strip;
