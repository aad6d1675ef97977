//! The depthwise convolution, 8 channels of up to 8 neighbouring tokens at a time. Weights are
//! widened once for all rows of a call, and a value that is read serves every token whose window it
//! is in. Generated per instruction set from its `floats`.
//!
//! Sums are those of the definition, in its order. Kernels above 9x9 are left to `scalar`, as are
//! the last channels where 8 do not divide them.

/// Makes it for the token `$token` of the instruction set in the folder `$isa`, which proves
/// `$features`.
macro_rules! rows {
    ($token:ident, $isa:ident, $features:literal) => {
        use core::mem::MaybeUninit;

        use half::f16;

        use crate::dwconv_f16::{DepthwiseF16, MAX_KERNEL, rest, scalar};
        use crate::epilogue_f16::EpilogueF16;
        use crate::isa::$token;
        use crate::$isa::floats::{Eight, LANES, fma, load, load_up_to, put_rows};

        /// Most output tokens at a time.
        const TOKENS: usize = 8;

        /// How 8 values are multiplied by weights.
        pub(in crate::dwconv_f16) trait Products {
            /// 8 values or weights.
            type Vector: Copy;

            /// 8 of them.
            ///
            /// # Safety
            /// The processor has the instructions, as below.
            unsafe fn load(values: &[f16; LANES]) -> Self::Vector;

            /// `sum + x * y` in f32, rounded once.
            ///
            /// # Safety
            /// As above.
            unsafe fn fma(sum: Eight, x: Self::Vector, y: Self::Vector) -> Eight;
        }

        /// Values and weights are widened.
        struct Widened;

        impl Products for Widened {
            type Vector = Eight;

            #[inline(always)]
            unsafe fn load(values: &[f16; LANES]) -> Eight {
                // SAFETY: by the contract, as below.
                unsafe { load(values) }
            }

            #[inline(always)]
            unsafe fn fma(sum: Eight, x: Eight, y: Eight) -> Eight {
                // SAFETY: as above.
                unsafe { fma(sum, x, y) }
            }
        }

        /// Computes the rows.
        pub(in crate::dwconv_f16) fn run(_: $token, args: &DepthwiseF16<'_>, epilogue: EpilogueF16<'_>, out_stride: usize) {
            // SAFETY: the token proves the features.
            unsafe { all::<Widened>(args, epilogue, out_stride) }
        }

        /// Computes the rows by the instructions of `P`.
        ///
        /// # Safety
        /// The processor has the features and the instructions of `P`.
        pub(in crate::dwconv_f16) unsafe fn all<P: Products>(args: &DepthwiseF16<'_>, mut epilogue: EpilogueF16<'_>, out_stride: usize) {
            if args.kernel > MAX_KERNEL {
                return scalar::run(args, epilogue, out_stride);
            }
            let channels = args.bias.len();
            let vectors = channels / LANES * LANES;
            for first in (0..vectors).step_by(LANES) {
                // SAFETY: the caller vouches for the instructions; the entry has checked that rows,
                // weights and output hold every token's channels; the kernel is small enough.
                unsafe { block::<P>(args, &mut epilogue, out_stride, first) }
            }
            if vectors < channels {
                rest(args, vectors, epilogue, out_stride);
            }
        }

        /// One output row of 8 channels.
        struct Row<'a, P: Products> {
            /// The convolution.
            args: &'a DepthwiseF16<'a>,
            /// Its input rows.
            rows: &'a [Option<&'a [f16]>],
            /// The first channel.
            first: usize,
            bias: Eight,
            /// A vector of weights for each tap.
            taps: *const P::Vector,
            /// Index at which the row's first token is stored.
            at: usize,
            out_stride: usize,
        }

        /// Channels `first..first + 8` of all tokens of all rows.
        ///
        /// # Safety
        /// The processor has the instructions, and the channels exist. The lengths are those that
        /// the entry documents, the kernel has at most [`MAX_KERNEL`] rows.
        #[target_feature(enable = $features)]
        unsafe fn block<P: Products>(args: &DepthwiseF16<'_>, epilogue: &mut EpilogueF16<'_>, out_stride: usize, first: usize) {
            let DepthwiseF16 { kernel, stride, weights, weight_stride, .. } = *args;
            let mut taps = [const { MaybeUninit::<P::Vector>::uninit() }; MAX_KERNEL * MAX_KERNEL];
            for (tap, to) in taps.iter_mut().enumerate().take(kernel * kernel) {
                // SAFETY: `weights` holds the 8 channels of every tap.
                to.write(unsafe { P::load(&*weights.as_ptr().add(tap * weight_stride + first).cast()) });
            }
            let bias = load_up_to(args.bias, first);
            for line in 0..args.lines() {
                let rows = args.rows.get(line * stride..).and_then(|rows| rows.get(..kernel)).unwrap_or_default();
                let row = Row::<P> { args, rows, first, bias, taps: taps.as_ptr().cast(), at: line * args.columns_out() * out_stride + first, out_stride };
                // SAFETY: as above; the weights of every tap were written.
                unsafe {
                    match (kernel, stride) {
                        (3, 1) => row.dense::<3>(epilogue),
                        (5, 1) => row.dense::<5>(epilogue),
                        _ => row.strided(epilogue),
                    }
                }
            }
        }

        impl<P: Products> Row<'_, P> {
            /// All tokens, for a `K`x`K` kernel of stride 1, `K` at most 5.
            ///
            /// # Safety
            /// The processor has the features. The lengths are those that the entry documents, and
            /// `taps` points to `K * K` taps.
            #[inline]
            #[target_feature(enable = $features)]
            unsafe fn dense<const K: usize>(&self, epilogue: &mut EpilogueF16<'_>) {
                let columns = self.args.columns;
                let mut x = 0;
                // SAFETY: by the contract; the tokens exist, and windows without an edge lie inside
                // the map.
                unsafe {
                    while x + TOKENS <= columns {
                        if x >= K / 2 && x + TOKENS + K / 2 <= columns {
                            self.neighbours::<K, TOKENS, false>(epilogue, x);
                        } else {
                            self.neighbours::<K, TOKENS, true>(epilogue, x);
                        }
                        x += TOKENS;
                    }
                    if columns - x >= 4 {
                        self.neighbours::<K, 4, true>(epilogue, x);
                        x += 4;
                    }
                    if columns - x >= 2 {
                        self.neighbours::<K, 2, true>(epilogue, x);
                        x += 2;
                    }
                    if columns - x >= 1 {
                        self.neighbours::<K, 1, true>(epilogue, x);
                    }
                }
            }

            /// `T` neighbouring tokens from `x` on; `EDGE` says that columns of their windows may
            /// lie outside of the map.
            ///
            /// # Safety
            /// As for [`Row::dense`]; the tokens exist, and without an edge their windows lie
            /// inside the map.
            #[inline(never)]
            #[target_feature(enable = $features)]
            unsafe fn neighbours<const K: usize, const T: usize, const EDGE: bool>(&self, epilogue: &mut EpilogueF16<'_>, x: usize) {
                let DepthwiseF16 { in_stride, columns, .. } = *self.args;
                let mut sums = [[self.bias]; T];
                let mut taps = self.taps;
                for row in self.rows {
                    let here = taps;
                    taps = taps.wrapping_add(K);
                    let Some(row) = row else { continue };
                    // Of column `x - K / 2`, which may lie in front of the row.
                    let mut from = row.as_ptr().wrapping_add(self.first + x * in_stride).wrapping_sub(K / 2 * in_stride);
                    // SAFETY: the features by this function's attribute; `taps` points to so many;
                    // a column inside the map has the 8 channels.
                    unsafe {
                        let weights: [P::Vector; K] = core::array::from_fn(|kx| *here.add(kx));
                        // Written out, as compilers leave some of such a loop a loop.
                        crate::dwconv_f16::rows::columns!([0 1 2 3 4 5 6 7 8 9 10 11] J, if J < T + K - 1 {
                            let inside = !EDGE || (J >= K / 2 || x + J >= K / 2) && (J < T + K / 2 || x + J < columns + K / 2);
                            if inside {
                                let value = P::load(&*from.cast());
                                for (t, [sums]) in sums.iter_mut().enumerate() {
                                    if t <= J && J < t + K {
                                        *sums = P::fma(*sums, value, weights[J - t]);
                                    }
                                }
                            }
                            from = from.wrapping_add(in_stride);
                        });
                    }
                }
                put_rows(epilogue, self.at + x * self.out_stride, self.out_stride, &sums);
            }

            /// All tokens, for any kernel and stride.
            ///
            /// # Safety
            /// As for [`Row::dense`], with `kernel * kernel` taps.
            #[inline(never)]
            #[target_feature(enable = $features)]
            unsafe fn strided(&self, epilogue: &mut EpilogueF16<'_>) {
                let DepthwiseF16 { columns, kernel, stride, .. } = *self.args;
                let tokens = self.args.columns_out();
                // Windows of the tokens from `start` to `end` lie inside the map.
                let start = (kernel / 2).div_ceil(stride).min(tokens);
                let end = columns.saturating_sub(kernel / 2).div_ceil(stride);
                let mut x = 0;
                while x < tokens {
                    // SAFETY: by the contract; the tokens exist, and groups lie inside the map.
                    unsafe {
                        if x >= start && x + 4 <= end {
                            self.group::<4>(epilogue, x);
                            x += 4;
                        } else {
                            self.group::<1>(epilogue, x);
                            x += 1;
                        }
                    }
                }
            }

            /// `T` tokens from `x` on, which share the weights.
            ///
            /// # Safety
            /// As for [`Row::strided`]; the tokens exist, and if there are more than one, their
            /// windows lie inside the map.
            #[inline]
            #[target_feature(enable = $features)]
            unsafe fn group<const T: usize>(&self, epilogue: &mut EpilogueF16<'_>, x: usize) {
                let DepthwiseF16 { in_stride, columns, kernel, stride, .. } = *self.args;
                // Taps inside the map.
                let left = (kernel / 2).saturating_sub(x * stride);
                let right = (columns + kernel / 2).saturating_sub(x * stride).min(kernel);
                let mut sums = [[self.bias]; T];
                for (ky, row) in self.rows.iter().enumerate() {
                    let Some(row) = row else { continue };
                    let mut from = row.as_ptr().wrapping_add((x * stride + left).wrapping_sub(kernel / 2).wrapping_mul(in_stride).wrapping_add(self.first));
                    for kx in left..right {
                        // SAFETY: the features by this function's attribute; the tap is one of the
                        // kernel's, and its column inside the map for each token.
                        unsafe {
                            let weight = *self.taps.add(ky * kernel + kx);
                            for (t, [sums]) in sums.iter_mut().enumerate() {
                                *sums = P::fma(*sums, P::load(&*from.wrapping_add(t * stride * in_stride).cast()), weight);
                            }
                        }
                        from = from.wrapping_add(in_stride);
                    }
                }
                put_rows(epilogue, self.at + x * self.out_stride, self.out_stride, &sums);
            }
        }
    };
}

/// Says `$body` for each of the numbers, written out.
macro_rules! columns {
    ([$($number:literal)+] $column:ident, $body:expr) => {
        $({
            const $column: usize = $number;
            $body
        })+
    };
}

pub(super) use {columns, rows};
