//! The product: tiles of rows with blocks of 8 channels. Generated per instruction set from its
//! `floats` and `product_f16`. Where rows are widened before, that is done for as many at a time as
//! leave room for weights in the first-level cache, and deeper products than 5120 are left to
//! `scalar`.
//!
//! Sums are those of the definition, in its order.

/// Makes it for the token `$token` of the instruction set in the folder `$isa`, which proves
/// `$features`.
macro_rules! product {
    ($token:ident, $isa:ident, $features:literal) => {
        use core::mem::MaybeUninit;

        use half::f16;

        use crate::epilogue_f16::EpilogueF16;
        use crate::floats::{Products, pointers};
        use crate::gemm_f16::{BLOCK, GemmF16, scalar};
        use crate::isa::$token;
        use crate::$isa::floats::{Eight, load_up_to, put, put_rows};
        use crate::$isa::product_f16::{Fma, ROWS, Room, Row, WIDENS, blocks, tiles, widened};

        /// Deepest product whose rows are widened before.
        const MAX_DEPTH: usize = 5120;
        /// Widened activations that leave room for weights in the first-level cache.
        const CACHED: usize = 6144;

        /// Computes the product.
        pub(in crate::gemm_f16) fn run(_: $token, args: &GemmF16<'_>, epilogue: EpilogueF16<'_>) {
            #[target_feature(enable = $features)]
            fn run(args: &GemmF16<'_>, epilogue: EpilogueF16<'_>) {
                // SAFETY: the instructions by the attribute; the entry has checked the lengths.
                unsafe { product::<Fma>(args, epilogue) }
            }
            // SAFETY: the token proves the features.
            unsafe { run(args, epilogue) }
        }

        /// All rows, by the instructions of `P`.
        ///
        /// # Safety
        /// The processor has the features and the instructions of `P`. The entry has checked the
        /// lengths.
        #[inline(always)]
        pub(in crate::gemm_f16) unsafe fn product<P: Products<Row, f16, Eight, ROWS>>(args: &GemmF16<'_>, mut epilogue: EpilogueF16<'_>) {
            let GemmF16 { a, depth, weights, bias } = *args;
            if WIDENS && depth > MAX_DEPTH {
                return scalar::run(args, epilogue);
            }
            let mut room: [Room; ROWS * MAX_DEPTH] = [const { MaybeUninit::uninit() }; ROWS * MAX_DEPTH];
            let cout = bias.len();
            let rows_at_once = if WIDENS { (CACHED / (ROWS * depth)).max(1) * ROWS } else { (a.len() / depth).max(1) };
            for (group, a) in a.chunks(rows_at_once * depth).enumerate() {
                // SAFETY: the caller vouches for the features.
                let a = unsafe { widened(a, &mut room) };
                blocks!(cout.div_ceil(BLOCK), |block, N| {
                    let first = block * BLOCK;
                    let len = (cout - first).min(N * BLOCK);
                    // SAFETY: as above.
                    let start: [Eight; N] = core::array::from_fn(|n| unsafe { load_up_to(bias, first + n * BLOCK) });
                    let weights: [*const f16; N] = core::array::from_fn(|n| weights.as_ptr().wrapping_add((block + n) * depth * BLOCK));
                    tiles!(a.len() / depth, |row, R| {
                        let mut sums = [start; ROWS];
                        let at = (group * rows_at_once + row) * cout + first;
                        // SAFETY: as above; `row + R` rows of `depth` elements exist, as do the
                        // `depth` steps of the blocks' weights.
                        unsafe {
                            P::add::<R, N>(&pointers::<Row, R, ROWS>(a, depth, row), weights, size_of::<[f16; BLOCK]>(), depth, &mut sums);
                            let sums = sums.get(..R).unwrap_or_default();
                            if len == N * BLOCK {
                                put_rows(&mut epilogue, at, cout, sums);
                            } else {
                                sums.iter().enumerate().for_each(|(r, sums)| put(&mut epilogue, at + r * cout, sums, len));
                            }
                        }
                    });
                });
            }
        }
    };
}

pub(super) use product;
