//! The product with `smmla`: 8 rows with a block of 8 channels in
//! [`Packing::K8`](crate::packing::Packing::K8).
//!
//! `smmla` multiplies two rows with two channels, 8 steps of depth at once. Pairs of rows are
//! brought side by side once per tile; the weights lie so already.

use core::arch::aarch64::*;
use core::arch::asm;
use core::mem::MaybeUninit;

use super::{Gemm, scalar};
use crate::epilogue::Epilogue;
use crate::isa::NeonI8mm;
use crate::neon::product::{Micro, ROWS, Sums, Weights, drive};
use crate::neon::{load_part, load_s8x16};
use crate::packing::Packing;

/// Steps of depth in a group.
const GROUP: usize = 8;

/// Weights in [`Packing::K8`](crate::packing::Packing::K8).
pub(super) fn k8(token: NeonI8mm, args: &Gemm<'_>, epilogue: Epilogue<'_>) {
    // SAFETY: the token proves `smmla`.
    unsafe { k8_product(args, epilogue, token.in_order()) }
}

#[target_feature(enable = "neon,i8mm")]
fn k8_product(args: &Gemm<'_>, epilogue: Epilogue<'_>, in_order: bool) {
    // SAFETY: this function's attribute.
    unsafe { drive::<Smmla>(args, epilogue, scalar::k8, in_order) }
}

/// The instruction.
pub(crate) struct Smmla;

/// Pairs of rows: per group of 8 steps one vector for each pair, the 8 codes of its first row and
/// those of its second.
type Pairs<const GROUPS: usize> = [[MaybeUninit<int8x16_t>; ROWS / 2]; GROUPS];

/// The 4 vectors of accumulators of each pair of rows: two rows of two channels each.
type Blocks = [[int32x4_t; 4]; ROWS / 2];

/// Sets the accumulators of the pairs of rows listed to `$start` and adds their products: their
/// vectors of two groups, and their accumulators. `$group` and `$next` are the vectors of all pairs
/// of a group, `$bytes` their size.
macro_rules! multiply {
    ($pairs:expr, $weights:expr, $twice:expr, $once:expr, $start:expr, $acc:expr, $bytes:literal, $group:literal, $next:literal;
     $(($pair:literal $v:tt $w:tt $s0:tt $s1:tt $s2:tt $s3:tt)),+) => {
        asm!(
            // Two channels at a time, the same for both rows.
            $(concat!("ld4r {{", $s0, ".2d, ", $s1, ".2d, ", $s2, ".2d, ", $s3, ".2d}}, [{start}]"),)+
            "cbz {twice}, 3f",
            "2:",
            concat!("ld1 {{", $group, "}}, [{pairs}], #", $bytes),
            "ld1 {{v8.16b, v9.16b, v10.16b, v11.16b}}, [{weights}], #64",
            concat!("ld1 {{", $next, "}}, [{pairs}], #", $bytes),
            "ld1 {{v12.16b, v13.16b, v14.16b, v15.16b}}, [{weights}], #64",
            "sub {twice}, {twice}, #1",
            $(concat!("smmla ", $s0, ".4s, ", $v, ".16b, v8.16b"), concat!("smmla ", $s1, ".4s, ", $v, ".16b, v9.16b"),)+
            $(concat!("smmla ", $s2, ".4s, ", $v, ".16b, v10.16b"), concat!("smmla ", $s3, ".4s, ", $v, ".16b, v11.16b"),)+
            $(concat!("smmla ", $s0, ".4s, ", $w, ".16b, v12.16b"), concat!("smmla ", $s1, ".4s, ", $w, ".16b, v13.16b"),)+
            $(concat!("smmla ", $s2, ".4s, ", $w, ".16b, v14.16b"), concat!("smmla ", $s3, ".4s, ", $w, ".16b, v15.16b"),)+
            "cbnz {twice}, 2b",
            "3:",
            "cbz {once}, 4f",
            concat!("ld1 {{", $group, "}}, [{pairs}]"),
            "ld1 {{v8.16b, v9.16b, v10.16b, v11.16b}}, [{weights}]",
            $(concat!("smmla ", $s0, ".4s, ", $v, ".16b, v8.16b"), concat!("smmla ", $s1, ".4s, ", $v, ".16b, v9.16b"),)+
            $(concat!("smmla ", $s2, ".4s, ", $v, ".16b, v10.16b"), concat!("smmla ", $s3, ".4s, ", $v, ".16b, v11.16b"),)+
            "4:",
            weights = inout(reg) $weights => _,
            pairs = inout(reg) $pairs => _,
            twice = inout(reg) $twice => _,
            once = in(reg) $once,
            start = in(reg) $start,
            $(out($s0) $acc[$pair][0], out($s1) $acc[$pair][1], out($s2) $acc[$pair][2], out($s3) $acc[$pair][3], out($v) _, out($w) _,)+
            out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _, out("v14") _, out("v15") _,
            options(pure, readonly, nostack, preserves_flags),
        )
    };
}

impl Micro for Smmla {
    const PACKING: Packing = Packing::K8;
    const ROWS: usize = ROWS;
    const IN_ORDER: bool = false;
    type Rows<const GROUPS: usize> = Pairs<GROUPS>;

    #[inline(always)]
    fn new<const GROUPS: usize>() -> Pairs<GROUPS> {
        [[MaybeUninit::uninit(); ROWS / 2]; GROUPS]
    }

    #[inline(always)]
    unsafe fn prepare<const PAIRS: usize, const PADDED: bool, const GROUPS: usize>(pairs: &mut Pairs<GROUPS>, a: &[*const i8; ROWS], depth: usize) {
        let (whole, rest) = (depth / (2 * GROUP), depth % (2 * GROUP));
        let mut to = pairs.as_mut_ptr().cast::<int8x16_t>();
        // SAFETY: the caller vouches for `depth` codes of each row, for 16 at a time where they are
        // padded, and for a depth whose groups fit `pairs`: `PAIRS` vectors for each group of 8.
        unsafe {
            for step in 0..whole {
                for pair in 0..PAIRS {
                    let first = load_s8x16(a[2 * pair].add(2 * GROUP * step));
                    let second = load_s8x16(a[2 * pair + 1].add(2 * GROUP * step));
                    put::<PAIRS>(to.add(pair), first, second);
                }
                to = to.add(2 * PAIRS);
            }
            if rest != 0 {
                for pair in 0..PAIRS {
                    let [first, second] = [a[2 * pair], a[2 * pair + 1]].map(|a| {
                        let a = a.add(depth - rest);
                        if PADDED { load_s8x16(a) } else { load_part(a, rest) }
                    });
                    if rest > GROUP {
                        put::<PAIRS>(to.add(pair), first, second);
                    } else {
                        to.add(pair).write(vcombine_s8(vget_low_s8(first), vget_low_s8(second)));
                    }
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn multiply<const PAIRS: usize, const GROUPS: usize, const IN_ORDER: bool>(
        pairs: &Pairs<GROUPS>,
        weights: Weights,
        first: usize,
        start: *const i32,
    ) -> Sums {
        let groups = weights.depth.div_ceil(GROUP);
        let (twice, once) = (groups / 2, groups % 2);
        // SAFETY: the caller vouches for `smmla`. The packed weights hold `groups` groups of 64
        // bytes for the block at `first`, the prepared rows `groups` times one vector per pair:
        // what the asm reads.
        unsafe {
            let mut acc: Blocks = [[vdupq_n_s32(0); 4]; ROWS / 2];
            let weights = weights.start.add(first * groups * GROUP);
            let pairs = pairs.as_ptr();
            match PAIRS {
                1 => multiply!(pairs, weights, twice, once, start, acc, "16", "v0.16b", "v4.16b"; (0 "v0" "v4" "v16" "v17" "v18" "v19")),
                2 => multiply!(pairs, weights, twice, once, start, acc, "32", "v0.16b, v1.16b", "v4.16b, v5.16b";
                    (0 "v0" "v4" "v16" "v17" "v18" "v19"), (1 "v1" "v5" "v20" "v21" "v22" "v23")),
                3 => multiply!(pairs, weights, twice, once, start, acc, "48", "v0.16b, v1.16b, v2.16b", "v4.16b, v5.16b, v6.16b";
                    (0 "v0" "v4" "v16" "v17" "v18" "v19"), (1 "v1" "v5" "v20" "v21" "v22" "v23"), (2 "v2" "v6" "v24" "v25" "v26" "v27")),
                _ => multiply!(pairs, weights, twice, once, start, acc, "64", "v0.16b, v1.16b, v2.16b, v3.16b", "v4.16b, v5.16b, v6.16b, v7.16b";
                    (0 "v0" "v4" "v16" "v17" "v18" "v19"), (1 "v1" "v5" "v20" "v21" "v22" "v23"), (2 "v2" "v6" "v24" "v25" "v26" "v27"),
                    (3 "v3" "v7" "v28" "v29" "v30" "v31")),
            }
            core::array::from_fn(|row| {
                let [a, b, c, d] = acc[row / 2].map(|two| vreinterpretq_s64_s32(two));
                let sums = if row % 2 == 0 { [vzip1q_s64(a, b), vzip1q_s64(c, d)] } else { [vzip2q_s64(a, b), vzip2q_s64(c, d)] };
                sums.map(|four| vreinterpretq_s32_s64(four))
            })
        }
    }
}

/// Writes two groups of a pair of rows, `PAIRS` vectors apart.
///
/// # Safety
/// Both vectors may be written.
#[inline(always)]
unsafe fn put<const PAIRS: usize>(to: *mut int8x16_t, first: int8x16_t, second: int8x16_t) {
    // SAFETY: the caller vouches for both vectors; NEON is in every AArch64 processor.
    unsafe {
        let (first, second) = (vreinterpretq_s64_s8(first), vreinterpretq_s64_s8(second));
        to.write(vreinterpretq_s8_s64(vzip1q_s64(first, second)));
        to.add(PAIRS).write(vreinterpretq_s8_s64(vzip2q_s64(first, second)));
    }
}
