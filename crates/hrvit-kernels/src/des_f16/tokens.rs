//! The shortcut: both products by tiles of rows, hidden values on the stack, their rows padded to
//! whole vectors. Generated per instruction set from its `floats` and `product_f16`.
//!
//! Sums are those of the definition, in its order. Views of more than 64 rows or columns are left
//! to `scalar`.

/// Makes it for the token `$token` of the instruction set in the folder `$isa`, which proves
/// `$features`.
macro_rules! tokens {
    ($token:ident, $isa:ident, $features:literal) => {
        use core::mem::MaybeUninit;

        use half::f16;

        use crate::des_f16::{DesF16, scalar};
        use crate::floats::{Products, pointers};
        use crate::gemm_f16::BLOCK;
        use crate::isa::$token;
        use crate::slices::{rows, rows_mut, window_mut};
        use crate::$isa::floats::{Eight, LANES, activate, add, load_f32, load_up_to, splat, store_f32};
        use crate::$isa::product_f16::{Fma, ROWS, Room, Row, tiles, widened};

        /// Most rows, and most columns, of a token's view.
        const MOST: usize = 64;

        /// Computes all tokens.
        pub(in crate::des_f16) fn run(_: $token, args: &DesF16<'_>, hidden: &mut [f32], out: &mut [f32]) {
            if args.k > MOST || args.p > MOST {
                return scalar::run(args, hidden, out);
            }
            // SAFETY: the token proves the features; the views are small enough, and the entry has
            // checked the lengths.
            unsafe { tokens(args, out) }
        }

        /// All tokens.
        ///
        /// # Safety
        /// A view has at most [`MOST`] rows and columns. The entry has checked the lengths.
        #[inline(never)] // its hidden values would lie on the stack of all other views
        #[target_feature(enable = $features)]
        unsafe fn tokens(args: &DesF16<'_>, out: &mut [f32]) {
            let (k, p) = (args.k, args.p);
            // A block of 8 columns after the other, each row by row.
            let mut hidden = [MaybeUninit::<[f32; LANES]>::uninit(); MOST * MOST / LANES];
            let hidden = hidden.as_mut_ptr().cast::<[f32; LANES]>();
            let mut room: [[Room; MOST * MOST]; 2] = [[const { MaybeUninit::uninit() }; MOST * MOST]; 2];
            let [room_left, room] = &mut room;
            let left = widened(args.left, room_left);
            for (x, out) in rows(args.x, k * p).zip(rows_mut(out, k * p)) {
                let x = widened(x, room);
                for block in 0..p.div_ceil(BLOCK) {
                    let first = block * BLOCK;
                    let bias = load_up_to(args.right_bias, first);
                    // SAFETY: `x` has k rows of p elements, a block of `right` p steps of 8
                    // weights; `hidden` has room for k vectors of each of the at most `MOST / 8`
                    // blocks, and those of this block are written before they are read; `left` has
                    // k rows of k elements.
                    unsafe {
                        let hidden = hidden.add(block * k);
                        let right = args.right.as_ptr().add(block * p * BLOCK);
                        tiles!(k, |row, R| {
                            let mut sums = [[bias]; ROWS];
                            Fma::add::<R, 1>(&pointers::<Row, R, ROWS>(x, p, row), [right], size_of::<[f16; BLOCK]>(), p, &mut sums);
                            for (r, [sums]) in sums.into_iter().enumerate().take(R) {
                                store_f32(&mut *hidden.add(row + r), activate(args.act, sums));
                            }
                        });
                        tiles!(k, |row, R| {
                            let bias = |r: usize| args.left_bias.get(row + r).copied().unwrap_or(0.0);
                            let mut sums: [[Eight; 1]; ROWS] = core::array::from_fn(|r| [splat(bias(r))]);
                            let hidden = hidden.cast_const().cast::<f32>();
                            Fma::add::<R, 1>(&pointers::<Row, R, ROWS>(left, k, row), [hidden], size_of::<[f32; LANES]>(), k, &mut sums);
                            for (r, [sums]) in sums.into_iter().enumerate().take(R) {
                                put(out, (row + r) * p + first, sums, (p - first).min(LANES));
                            }
                        });
                    }
                }
            }
        }

        /// Adds `len` lanes to the elements from `at` on.
        #[inline]
        #[target_feature(enable = $features)]
        fn put(out: &mut [f32], at: usize, sums: Eight, len: usize) {
            if len == LANES {
                if let Some(out) = window_mut(out, at) {
                    store_f32(out, add(load_f32(out), sums));
                }
                return;
            }
            let mut all = [0.0; LANES];
            store_f32(&mut all, sums);
            out.iter_mut().skip(at).take(len).zip(all).for_each(|(out, sum)| *out += sum);
        }
    };
}

pub(super) use tokens;
