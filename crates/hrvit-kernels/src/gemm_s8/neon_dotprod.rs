//! The product with `sdot`: 8 rows with a block of 8 channels in
//! [`Packing::K4`](crate::packing::Packing::K4).
//!
//! A vector of weights holds 4 channels of 4 steps of depth, a vector of activations 16 steps of
//! one row; `sdot` by lane multiplies 4 channels with one group of 4 steps. Activations are read
//! where they lie.

use core::arch::aarch64::*;
use core::arch::asm;
use core::mem::MaybeUninit;

use super::{Gemm, neon_dotprod_in_order, scalar};
use crate::epilogue::Epilogue;
use crate::isa::NeonDotprod;
use crate::neon::product::{Micro, ROWS, Sums, Weights, drive};
use crate::neon::{load_part, load_s8x16};
use crate::packing::Packing;

/// Steps of depth in a vector of activations.
const STEPS: usize = 16;
/// Steps of depth in a group.
const GROUP: usize = 4;

/// Weights in [`Packing::K4`](crate::packing::Packing::K4).
pub(super) fn k4(token: NeonDotprod, args: &Gemm<'_>, epilogue: Epilogue<'_>) {
    // SAFETY: the token proves `sdot`.
    unsafe { k4_product(args, epilogue, token.in_order()) }
}

#[target_feature(enable = "neon,dotprod")]
fn k4_product(args: &Gemm<'_>, epilogue: Epilogue<'_>, in_order: bool) {
    // SAFETY: this function's attribute.
    unsafe { drive::<Sdot>(args, epilogue, scalar::k4, in_order) }
}

/// The instruction.
pub(crate) struct Sdot;

/// Pointers to the rows, and the tails behind their last whole vector, padded with zeros.
pub(crate) struct Rows {
    a: [MaybeUninit<*const i8>; ROWS],
    tail: [MaybeUninit<int8x16_t>; ROWS],
}

/// Adds the products of `groups` times 4 steps that are left over: of the rows listed, their vector
/// and their two accumulators.
macro_rules! left_over {
    ($(($v:tt $low:tt $high:tt)),+) => {
        concat!(
            "cbz {groups}, 5f\n",
            $("ld1 {{", $v, ".16b}}, [{tail}], #16\n",)+
            "4:\n",
            "ld1 {{v8.16b, v9.16b}}, [{weights}], #32\n",
            "sub {groups}, {groups}, #1\n",
            $("sdot ", $low, ".4s, v8.16b, ", $v, ".4b[0]\n", "sdot ", $high, ".4s, v9.16b, ", $v, ".4b[0]\n",)+
            $("ext ", $v, ".16b, ", $v, ".16b, ", $v, ".16b, #4\n",)+
            "cbnz {groups}, 4b\n",
            "5:",
        )
    };
}

/// Sets the accumulators of the rows listed to `$start` and adds their products: their number,
/// their pointer's name, their vector and their two accumulators.
macro_rules! multiply {
    ($kept:expr, $weights:expr, $whole:expr, $groups:expr, $start:expr, $acc:expr; $(($row:literal $a:ident $v:tt $low:tt $high:tt)),+) => {
        asm!(
            $(concat!("ld1 {{", $low, ".4s, ", $high, ".4s}}, [{start}]"),)+
            "cbz {whole}, 3f",
            "2:",
            "ld1 {{v8.16b, v9.16b, v10.16b, v11.16b}}, [{weights}], #64",
            $(concat!("ld1 {{", $v, ".16b}}, [{", stringify!($a), "}], #16"),)+
            "ld1 {{v12.16b, v13.16b, v14.16b, v15.16b}}, [{weights}], #64",
            "sub {whole}, {whole}, #1",
            $(concat!("sdot ", $low, ".4s, v8.16b, ", $v, ".4b[0]"), concat!("sdot ", $high, ".4s, v9.16b, ", $v, ".4b[0]"),)+
            $(concat!("sdot ", $low, ".4s, v10.16b, ", $v, ".4b[1]"), concat!("sdot ", $high, ".4s, v11.16b, ", $v, ".4b[1]"),)+
            $(concat!("sdot ", $low, ".4s, v12.16b, ", $v, ".4b[2]"), concat!("sdot ", $high, ".4s, v13.16b, ", $v, ".4b[2]"),)+
            $(concat!("sdot ", $low, ".4s, v14.16b, ", $v, ".4b[3]"), concat!("sdot ", $high, ".4s, v15.16b, ", $v, ".4b[3]"),)+
            "cbnz {whole}, 2b",
            "3:",
            left_over!($(($v $low $high)),+),
            weights = inout(reg) $weights => _,
            whole = inout(reg) $whole => _,
            groups = inout(reg) $groups => _,
            start = in(reg) $start,
            tail = inout(reg) $kept.tail.as_ptr() => _,
            $($a = inout(reg) $kept.a[$row].assume_init() => _, out($low) $acc[$row][0], out($high) $acc[$row][1], out($v) _,)+
            out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _, out("v14") _, out("v15") _,
            options(pure, readonly, nostack, preserves_flags),
        )
    };
}

/// As above, for 8 rows on cores that execute in order: the accumulators of the rows that are
/// numbered. `$whole` is not 0.
macro_rules! multiply_in_order {
    ($kept:expr, $weights:expr, $whole:expr, $groups:expr, $start:expr, $acc:expr; $(($row:literal $a:tt $v:tt $low:tt $high:tt)),+) => {
        asm!(
            $(concat!("ld1 {{", $low, ".4s, ", $high, ".4s}}, [{start}]"),)+
            "bl {function}",
            "mov {weights}, x8",
            left_over!($(($v $low $high)),+),
            function = sym neon_dotprod_in_order::sixteen_steps,
            weights = out(reg) _,
            groups = inout(reg) $groups => _,
            start = in(reg) $start,
            tail = inout(reg) $kept.tail.as_ptr() => _,
            inout("x8") $weights => _, inout("x9") $whole => _, out("x16") _, out("x17") _, out("x30") _,
            $(inout($a) $kept.a[$row].assume_init() => _, out($low) $acc[$row][0], out($high) $acc[$row][1], out($v) _,)+
            out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _, out("v14") _, out("v15") _,
            options(pure, readonly),
        )
    };
}

impl Micro for Sdot {
    const PACKING: Packing = Packing::K4;
    const ROWS: usize = ROWS;
    const IN_ORDER: bool = true;
    type Rows<const GROUPS: usize> = Rows;

    #[inline(always)]
    fn new<const GROUPS: usize>() -> Rows {
        Rows { a: [MaybeUninit::uninit(); ROWS], tail: [MaybeUninit::uninit(); ROWS] }
    }

    #[inline(always)]
    unsafe fn prepare<const PAIRS: usize, const PADDED: bool, const GROUPS: usize>(rows: &mut Rows, a: &[*const i8; ROWS], depth: usize) {
        // One by one: a copy of the array is a call.
        let [first, second, third, fourth, fifth, sixth, seventh, eighth] = a.map(MaybeUninit::new);
        rows.a = [first, second, third, fourth, fifth, sixth, seventh, eighth];
        let rest = depth % STEPS;
        if rest != 0 {
            for (tail, a) in rows.tail.iter_mut().zip(a).take(2 * PAIRS) {
                // SAFETY: the caller vouches for `depth` codes, and for 16 at a time where they are
                // padded.
                unsafe {
                    let a = a.add(depth - rest);
                    tail.write(if PADDED { load_s8x16(a) } else { load_part(a, rest) });
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn multiply<const PAIRS: usize, const GROUPS: usize, const IN_ORDER: bool>(rows: &Rows, weights: Weights, first: usize, start: *const i32) -> Sums {
        let Weights { start: weights, depth, .. } = weights;
        let (whole, groups) = (depth / STEPS, (depth % STEPS).div_ceil(GROUP));
        // SAFETY: the caller vouches for `sdot`. The packed weights hold `ceil(depth / 4)` groups
        // of 32 bytes for the block at `first`, which is what the two loops read; they read 16
        // codes of each row `whole` times, and the tails. All of these rows were prepared.
        unsafe {
            let mut acc = [[vdupq_n_s32(0); 2]; ROWS];
            let weights = weights.add(first * depth.div_ceil(GROUP) * GROUP);
            match PAIRS {
                1 => multiply!(rows, weights, whole, groups, start, acc; (0 a0 "v0" "v16" "v17"), (1 a1 "v1" "v18" "v19")),
                2 => multiply!(rows, weights, whole, groups, start, acc; (0 a0 "v0" "v16" "v17"), (1 a1 "v1" "v18" "v19"), (2 a2 "v2" "v20" "v21"),
                    (3 a3 "v3" "v22" "v23")),
                3 => multiply!(rows, weights, whole, groups, start, acc; (0 a0 "v0" "v16" "v17"), (1 a1 "v1" "v18" "v19"), (2 a2 "v2" "v20" "v21"),
                    (3 a3 "v3" "v22" "v23"), (4 a4 "v4" "v24" "v25"), (5 a5 "v5" "v26" "v27")),
                4 if IN_ORDER && whole != 0 => {
                    multiply_in_order!(rows, weights, whole, groups, start, acc; (0 "x0" "v0" "v16" "v17"), (1 "x1" "v1" "v18" "v19"),
                    (2 "x2" "v2" "v20" "v21"), (3 "x3" "v3" "v22" "v23"), (4 "x4" "v4" "v24" "v25"), (5 "x5" "v5" "v26" "v27"), (6 "x6" "v6" "v28" "v29"),
                    (7 "x7" "v7" "v30" "v31"))
                }
                _ => multiply!(rows, weights, whole, groups, start, acc; (0 a0 "v0" "v16" "v17"), (1 a1 "v1" "v18" "v19"), (2 a2 "v2" "v20" "v21"),
                    (3 a3 "v3" "v22" "v23"), (4 a4 "v4" "v24" "v25"), (5 a5 "v5" "v26" "v27"), (6 a6 "v6" "v28" "v29"), (7 a7 "v7" "v30" "v31")),
            }
            acc
        }
    }
}
