//! The functions of [`math_f32`](crate::math_f32) on vectors, bit by bit the same for one group of
//! values and for two.

/// Makes them for an instruction set of `$features`. `$exp2` and `$gelu` are the polynomials of two
/// groups.
macro_rules! activations {
    ($features:literal, $exp2:ident, $gelu:ident) => {
        $crate::floats::functions! {
            $features;
            /// [`exp2`](crate::math_f32::exp2).
            fn exp2(x: Eight) -> Eight {
                let [x] = exp2_by([x], |[x]| [polynomial(&EXP2, x)]);
                x
            }

            /// [`exp2`] of two times 8 values.
            fn exp2_of_two(x: [Eight; 2]) -> [Eight; 2] {
                exp2_by(x, |x| $exp2(x))
            }

            /// [`gelu`](crate::math_f32::gelu).
            fn gelu(x: Eight) -> Eight {
                let [x] = gelu_by([x], |[x]| [polynomial(&GELU, x)]);
                x
            }

            /// [`gelu`] of two times 8 values.
            fn gelu_of_two(x: [Eight; 2]) -> [Eight; 2] {
                gelu_by(x, |x| $gelu(x))
            }

            /// [`hardswish`](crate::math_f32::hardswish).
            fn hardswish(x: Eight) -> Eight {
                let ramp = min(max(add(x, splat(3.0)), splat(0.0)), splat(6.0));
                mul(x, mul(ramp, splat(1.0 / 6.0)))
            }

            /// The activation.
            fn activate(act: ActivationF16, x: Eight) -> Eight {
                match act {
                    ActivationF16::None => x,
                    ActivationF16::Relu => max(x, splat(0.0)),
                    ActivationF16::Gelu => gelu(x),
                    ActivationF16::ReluGelu => gelu(max(x, splat(0.0))),
                    ActivationF16::Hardswish => hardswish(x),
                }
            }
        }

        /// [`exp2`] of `N` times 8 values by the function of their polynomials.
        #[inline]
        #[target_feature(enable = $features)]
        fn exp2_by<const N: usize>(x: [Eight; N], polynomials: impl FnOnce([Eight; N]) -> [Eight; N]) -> [Eight; N] {
            let x = x.map(|x| max(x, splat(EXP2_MIN)));
            let whole = x.map(|x| round(x));
            let powers = polynomials(core::array::from_fn(|n| sub(x[n], whole[n])));
            core::array::from_fn(|n| scale(powers[n], whole[n]))
        }

        /// [`gelu`] of `N` times 8 values by the function of their polynomials.
        #[inline]
        #[target_feature(enable = $features)]
        fn gelu_by<const N: usize>(x: [Eight; N], polynomials: impl FnOnce([Eight; N]) -> [Eight; N]) -> [Eight; N] {
            let t = x.map(|x| min(abs(x), splat(GELU_MAX)));
            let tails = polynomials(t).map(|root| (0..GELU_SQUARES).fold(root, |root, _| mul(root, root)));
            core::array::from_fn(|n| fms(max(x[n], splat(0.0)), t[n], tails[n]))
        }

        /// The sum of `coefficients[i] * x^i`.
        #[inline]
        #[target_feature(enable = $features)]
        fn polynomial<const N: usize>(coefficients: &[f32; N], x: Eight) -> Eight {
            let mut sum = splat(coefficients[N - 1]);
            for coefficient in coefficients[..N - 1].iter().rev() {
                sum = fma(splat(*coefficient), sum, x);
            }
            sum
        }
    };
}

pub(crate) use activations;
