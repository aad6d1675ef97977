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
        use crate::$isa::floats::{Eight, LANES, add, fma, load, load_f32, mul, reciprocal_root, splat, store, sub, sum};

        /// Tokens.
        pub(in crate::layernorm_f16) fn tokens(_: $token, x: &[f16], norm: &NormF16<'_>, out: &mut [f16]) {
            // SAFETY: the token proves the features; both hold so many elements.
            unsafe { all::<false>(x.as_ptr(), x.len().min(out.len()), norm, out.as_mut_ptr()) }
        }

        /// Tokens, in place.
        pub(in crate::layernorm_f16) fn tokens_in_place(_: $token, x: &mut [f16], norm: &NormF16<'_>) {
            let (len, x) = (x.len(), x.as_mut_ptr());
            // SAFETY: as above.
            unsafe { all::<true>(x, len, norm, x) }
        }

        /// All tokens in `len` elements.
        ///
        /// # Safety
        /// The processor has the features. `len` elements may be read from `x` on and written from
        /// `out` on, which is the same place if `IN_PLACE` says so. There is an offset for every
        /// gain (checked).
        #[target_feature(enable = $features)]
        unsafe fn all<const IN_PLACE: bool>(x: *const f16, len: usize, norm: &NormF16<'_>, out: *mut f16) {
            let channels = norm.gain.len();
            // SAFETY: by the contract; the sizes are those of the gains, and a token lies in front
            // of `len`.
            unsafe {
                match channels {
                    16 => whole::<2, IN_PLACE>(x, len, norm, out),
                    32 => whole::<4, IN_PLACE>(x, len, norm, out),
                    64 => whole::<8, IN_PLACE>(x, len, norm, out),
                    _ => (0..len / channels).for_each(|token| any::<IN_PLACE>(x.add(token * channels), norm, out.add(token * channels))),
                }
            }
        }

        /// Tokens of `8 * N` channels, `N` even, which stay in registers.
        ///
        /// # Safety
        /// As for [`all`]; gains and offsets are `8 * N`.
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

        /// A token of any number of channels.
        ///
        /// # Safety
        /// The token may be read from `x` on and written from `out` on; there is an offset for
        /// every gain.
        #[target_feature(enable = $features)]
        unsafe fn any<const IN_PLACE: bool>(x: *const f16, norm: &NormF16<'_>, out: *mut f16) {
            let channels = norm.gain.len();
            // One pointer takes fewer instructions than two.
            let x = if IN_PLACE { out.cast_const() } else { x };
            // SAFETY: by the contract; nothing is written as long as the slice lives.
            let (mean, r) = statistics(unsafe { core::slice::from_raw_parts(x, channels) }, norm.eps);
            let (means, rs) = (splat(mean), splat(r));
            let (gains, offsets) = (norm.gain.as_chunks().0, norm.offset.as_chunks().0);
            for (block, (gain, offset)) in gains.iter().zip(offsets).enumerate() {
                // SAFETY: by the contract.
                unsafe {
                    let normalised = mul(sub(load(&*x.add(block * LANES).cast()), means), rs);
                    store(&mut *out.add(block * LANES).cast(), fma(load_f32(offset), normalised, load_f32(gain)));
                }
            }
            for (i, (gain, offset)) in norm.gain.iter().zip(norm.offset).enumerate().skip(channels / LANES * LANES) {
                // SAFETY: by the contract.
                unsafe { *out.add(i) = narrow((widen(*x.add(i)) - mean) * r * gain + offset) };
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
    };
}

pub(super) use tokens;
