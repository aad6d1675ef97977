//! The LayerNorm with sums in 8 lanes. Tokens of 16, 32 and 64 channels are read and widened once
//! and stay in registers. Generated per instruction set from its `floats` primitives;
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
            // SAFETY: the token proves the features; both hold so many elements; so below.
            if unsafe { few::<false>(x.as_ptr(), x.len().min(out.len()), norm, out.as_mut_ptr()) } {
                return;
            }
            let channels = norm.gain.len();
            for (x, out) in rows(x, channels).zip(rows_mut(out, channels)) {
                // SAFETY: as above.
                unsafe { token(x, norm, out) };
            }
        }

        /// Tokens, in place.
        pub(in crate::layernorm_f16) fn tokens_in_place(_: $token, x: &mut [f16], norm: &NormF16<'_>) {
            // SAFETY: as above.
            if unsafe { few::<true>(x.as_ptr(), x.len(), norm, x.as_mut_ptr()) } {
                return;
            }
            for x in rows_mut(x, norm.gain.len()) {
                // SAFETY: as above.
                unsafe { token_in_place(x, norm) };
            }
        }

        /// Whether there were so few channels that this has computed the tokens in `len` elements.
        ///
        /// # Safety
        /// The processor has the features. `len` elements may be read from `x` on and written from
        /// `out` on, which is the same place if `IN_PLACE` says so. There is an offset for every
        /// gain (checked).
        #[target_feature(enable = $features)]
        unsafe fn few<const IN_PLACE: bool>(x: *const f16, len: usize, norm: &NormF16<'_>, out: *mut f16) -> bool {
            // SAFETY: by the contract; the sizes are those of the gains.
            unsafe {
                match norm.gain.len() {
                    16 => whole::<2, IN_PLACE>(x, len, norm, out),
                    32 => whole::<4, IN_PLACE>(x, len, norm, out),
                    64 => whole::<8, IN_PLACE>(x, len, norm, out),
                    _ => return false,
                }
            }
            true
        }

        /// Tokens of `8 * N` channels, `N` even, which stay in registers.
        ///
        /// # Safety
        /// As for [`few`]; gains and offsets are `8 * N`.
        #[target_feature(enable = $features)]
        unsafe fn whole<const N: usize, const IN_PLACE: bool>(x: *const f16, len: usize, norm: &NormF16<'_>, out: *mut f16) {
            let channels = (N * LANES) as f32;
            // One pointer takes fewer instructions than two.
            let x = if IN_PLACE { out.cast_const() } else { x };
            let affine: [[Eight; 2]; N] = core::array::from_fn(|i| {
                // SAFETY: gain and offset have `N` vectors each.
                [norm.gain, norm.offset].map(|values| unsafe { load_f32(&*values.as_ptr().add(i * LANES).cast()) })
            });
            for first in (0..len / (N * LANES)).map(|token| token * N * LANES) {
                // SAFETY: the token lies in front of `len`.
                let x: [Eight; N] = core::array::from_fn(|i| unsafe { load(&*x.add(first + i * LANES).cast()) });
                let mean = splat(total(&x, |sum, x| add(sum, x)) / channels);
                let distance = x.map(|x| sub(x, mean));
                let r = splat(reciprocal_root(total(&distance, |sum, d| fma(sum, d, d)) / channels + norm.eps));
                for (i, (distance, [gain, offset])) in distance.into_iter().zip(affine).enumerate() {
                    // SAFETY: as above.
                    unsafe { store(&mut *out.add(first + i * LANES).cast(), fma(offset, mul(distance, r), gain)) };
                }
            }
        }

        /// The sum of all lanes of what `term` adds to a sum, every other vector to one of two.
        #[inline]
        #[target_feature(enable = $features)]
        fn total<const N: usize>(x: &[Eight; N], term: impl Fn(Eight, Eight) -> Eight) -> f32 {
            let mut sums = [splat(0.0); 2];
            for [low, high] in x.as_chunks::<2>().0 {
                sums = [term(sums[0], *low), term(sums[1], *high)];
            }
            sum(add(sums[0], sums[1]))
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
