//! The LayerNorm with sums in 8 lanes. Generated per instruction set from its `floats` primitives;
//! tails use `scalar`.

/// Makes it for the token `$token` of the instruction set in the folder `$isa`, which proves
/// `$features`.
macro_rules! tokens {
    ($token:ident, $isa:ident, $features:literal) => {
        use half::f16;

        use crate::isa::$token;
        use crate::layernorm_f16::NormF16;
        use crate::math_f32::{narrow, widen};
        use crate::slices::{rows, rows_mut};
        use crate::$isa::floats::{Eight, LANES, add, fma, load, load_f32, mul, reciprocal_root, splat, store, sub, sum};

        /// Tokens.
        pub(in crate::layernorm_f16) fn tokens(_: $token, x: &[f16], norm: &NormF16<'_>, out: &mut [f16]) {
            let channels = norm.gain.len();
            for (x, out) in rows(x, channels).zip(rows_mut(out, channels)) {
                // SAFETY: the token proves the features.
                unsafe { token(x, norm, out) };
            }
        }

        /// Tokens, in place.
        pub(in crate::layernorm_f16) fn tokens_in_place(_: $token, x: &mut [f16], norm: &NormF16<'_>) {
            for x in rows_mut(x, norm.gain.len()) {
                // SAFETY: the token proves the features.
                unsafe { token_in_place(x, norm) };
            }
        }

        /// One token.
        #[target_feature(enable = $features)]
        fn token(x: &[f16], norm: &NormF16<'_>, out: &mut [f16]) {
            let shared = statistics(x, norm.eps);
            let ((x, x_tail), (out, out_tail)) = (x.as_chunks(), out.as_chunks_mut());
            let ((gain, gain_tail), (offset, offset_tail)) = (norm.gain.as_chunks(), norm.offset.as_chunks());
            for ((x, out), (gain, offset)) in x.iter().zip(out).zip(gain.iter().zip(offset)) {
                store(out, eight(load(x), shared, gain, offset));
            }
            for ((x, out), (gain, offset)) in x_tail.iter().zip(out_tail).zip(gain_tail.iter().zip(offset_tail)) {
                *out = one(*x, shared, *gain, *offset);
            }
        }

        /// One token, in place.
        #[target_feature(enable = $features)]
        fn token_in_place(x: &mut [f16], norm: &NormF16<'_>) {
            let shared = statistics(x, norm.eps);
            let ((gain, gain_tail), (offset, offset_tail)) = (norm.gain.as_chunks(), norm.offset.as_chunks());
            let (x, x_tail) = x.as_chunks_mut();
            for (x, (gain, offset)) in x.iter_mut().zip(gain.iter().zip(offset)) {
                store(x, eight(load(x), shared, gain, offset));
            }
            for (x, (gain, offset)) in x_tail.iter_mut().zip(gain_tail.iter().zip(offset_tail)) {
                *x = one(*x, shared, *gain, *offset);
            }
        }

        /// Mean and `1 / sqrt(variance + eps)` of one token.
        #[inline]
        #[target_feature(enable = $features)]
        fn statistics(token: &[f16], eps: f32) -> (f32, f32) {
            let channels = token.len() as f32;
            let (blocks, tail) = token.as_chunks::<LANES>();
            let (pairs, last) = blocks.as_chunks::<2>();
            let mut sums = [splat(0.0); 2];
            for [low, high] in pairs {
                sums = [add(sums[0], load(low)), add(sums[1], load(high))];
            }
            for block in last {
                sums[0] = add(sums[0], load(block));
            }
            let mean = tail.iter().fold(sum(add(sums[0], sums[1])), |sum, x| sum + widen(*x)) / channels;
            let means = splat(mean);
            let mut squares = [splat(0.0); 2];
            for [low, high] in pairs {
                let (low, high) = (sub(load(low), means), sub(load(high), means));
                squares = [fma(squares[0], low, low), fma(squares[1], high, high)];
            }
            for block in last {
                let d = sub(load(block), means);
                squares[0] = fma(squares[0], d, d);
            }
            let squares = tail.iter().fold(sum(add(squares[0], squares[1])), |sum, x| sum + (widen(*x) - mean) * (widen(*x) - mean));
            (mean, reciprocal_root(squares / channels + eps))
        }

        /// 8 channels through the affine.
        #[inline]
        #[target_feature(enable = $features)]
        fn eight(x: Eight, (mean, r): (f32, f32), gain: &[f32; LANES], offset: &[f32; LANES]) -> Eight {
            let x = mul(sub(x, splat(mean)), splat(r));
            fma(load_f32(offset), x, load_f32(gain))
        }

        /// One channel through the affine.
        #[inline(always)]
        fn one(x: f16, (mean, r): (f32, f32), gain: f32, offset: f32) -> f16 {
            narrow((widen(x) - mean) * r * gain + offset)
        }
    };
}

pub(super) use tokens;
