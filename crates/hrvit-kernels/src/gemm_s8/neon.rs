//! The product without `sdot`: 4 rows with 8 channels in
//! [`Packing::Rows`](crate::packing::Packing::Rows).
//!
//! `smull` and `smlal2` put two products into each 16-bit lane, at most `2 * 128 * 127 = 32512`:
//! exact, as weights lie in -127..=127. `sadalp` adds neighbouring lanes to 32 bits. Codes and
//! weights are read where they lie.

use core::arch::aarch64::*;
use core::arch::asm;

use super::{Gemm, neon_in_order, scalar};
use crate::epilogue::Epilogue;
use crate::isa::Neon;
use crate::neon::product::{BLOCK, Micro, ROWS, Sums, Weights, drive};
use crate::neon::{load_part, load_s8x8, load_s32x4, store_s8x16};
use crate::packing::Packing;

/// Steps of depth in a vector.
const STEPS: usize = 16;
/// Steps of depth in half a vector.
const HALF: usize = 8;
/// Channels that are multiplied at once.
const CHANNELS: usize = 4;

/// Weights in [`Packing::Rows`](crate::packing::Packing::Rows).
pub(super) fn rows(token: Neon, args: &Gemm<'_>, epilogue: Epilogue<'_>) {
    // SAFETY: the token proves NEON.
    unsafe { drive::<Smull>(args, epilogue, scalar::rows, token.in_order()) }
}

/// The instructions.
pub(crate) struct Smull;

/// Pointers to 4 rows and to their last whole vectors, and the tails behind these, padded with
/// zeros.
pub(crate) struct Rows {
    a: [*const i8; CHANNELS],
    last: [*const i8; CHANNELS],
    tail: [[i8; STEPS]; CHANNELS],
}

/// Accumulators of 4 rows: per row one vector for each of 4 channels, to be added up.
type Partial = [[int32x4_t; CHANNELS]; CHANNELS];

/// Multiplies 16 steps of a row of weights, in a register, with those of the rows listed, and gives
/// the sums of neighbours to `$into`: `sadalp` adds them to the accumulators, `saddlp` sets these.
/// Each row has a vector, one for its products, and an accumulator.
macro_rules! sixteen {
    ($into:literal, $weights:literal; $(($v:tt $p:tt $s:tt)),+) => {
        concat!(
            $("smull ", $p, ".8h, ", $weights, ".8b, ", $v, ".8b\n",)+
            $("smlal2 ", $p, ".8h, ", $weights, ".16b, ", $v, ".16b\n",)+
            $($into, " ", $s, ".4s, ", $p, ".8h\n",)+
        )
    };
}

/// 32 steps of the rows listed with 4 rows of weights, the first of them given to `$into`.
macro_rules! thirty_two_steps {
    ($into:literal; $(($name:ident $v:tt $w:tt $p:tt $s0:tt $s1:tt $s2:tt $s3:tt)),+) => {
        concat!(
            $("ld1 {{", $v, ".16b, ", $w, ".16b}}, [{", stringify!($name), "}], #32\n",)+
            "ld1 {{v8.16b, v9.16b}}, [{w0}], #32\n",
            "ld1 {{v10.16b, v11.16b}}, [{w1}], #32\n",
            sixteen!($into, "v8"; $(($v $p $s0)),+),
            sixteen!("sadalp", "v9"; $(($w $p $s0)),+),
            "ld1 {{v8.16b, v9.16b}}, [{w2}], #32\n",
            sixteen!($into, "v10"; $(($v $p $s1)),+),
            sixteen!("sadalp", "v11"; $(($w $p $s1)),+),
            "ld1 {{v10.16b, v11.16b}}, [{w3}], #32\n",
            sixteen!($into, "v8"; $(($v $p $s2)),+),
            sixteen!("sadalp", "v9"; $(($w $p $s2)),+),
            sixteen!($into, "v10"; $(($v $p $s3)),+),
            sixteen!("sadalp", "v11"; $(($w $p $s3)),+),
        )
    };
}

/// 16 steps of the rows listed with 4 rows of weights, given to `$into`.
macro_rules! sixteen_steps {
    ($into:literal; $(($name:ident $v:tt $p:tt $s0:tt $s1:tt $s2:tt $s3:tt)),+) => {
        concat!(
            $("ld1 {{", $v, ".16b}}, [{", stringify!($name), "}]\n",)+
            "ld1 {{v8.16b}}, [{w0}]\n",
            "ld1 {{v9.16b}}, [{w1}]\n",
            "ld1 {{v10.16b}}, [{w2}]\n",
            "ld1 {{v11.16b}}, [{w3}]\n",
            sixteen!($into, "v8"; $(($v $p $s0)),+),
            sixteen!($into, "v9"; $(($v $p $s1)),+),
            sixteen!($into, "v10"; $(($v $p $s2)),+),
            sixteen!($into, "v11"; $(($v $p $s3)),+),
        )
    };
}

/// Sets the accumulators of the rows listed to the products of `$twice` times 32 and `$once` times
/// 16 steps, of some at least: number of a row, its pointer's name, its two vectors, a vector for
/// their products and its accumulators.
macro_rules! multiply {
    ($a:expr, $weights:expr, $twice:expr, $once:expr, $acc:expr;
     $(($row:literal $name:ident $v:tt $w:tt $p:tt $s0:tt $s1:tt $s2:tt $s3:tt)),+) => {
        asm!(
            "cbz {twice}, 5f",
            thirty_two_steps!("saddlp"; $(($name $v $w $p $s0 $s1 $s2 $s3)),+),
            "subs {twice}, {twice}, #1",
            "b.eq 3f",
            "2:",
            "subs {twice}, {twice}, #1",
            thirty_two_steps!("sadalp"; $(($name $v $w $p $s0 $s1 $s2 $s3)),+),
            "b.ne 2b",
            "3:",
            "cbz {once}, 6f",
            sixteen_steps!("sadalp"; $(($name $v $p $s0 $s1 $s2 $s3)),+),
            "b 6f",
            "5:",
            sixteen_steps!("saddlp"; $(($name $v $p $s0 $s1 $s2 $s3)),+),
            "6:",
            twice = inout(reg) $twice => _,
            once = in(reg) $once,
            w0 = inout(reg) $weights[0] => _,
            w1 = inout(reg) $weights[1] => _,
            w2 = inout(reg) $weights[2] => _,
            w3 = inout(reg) $weights[3] => _,
            $($name = inout(reg) $a[$row] => _, out($s0) $acc[$row][0], out($s1) $acc[$row][1], out($s2) $acc[$row][2], out($s3) $acc[$row][3],
              out($v) _, out($w) _, out($p) _,)+
            out("v8") _, out("v9") _, out("v10") _, out("v11") _,
            options(pure, readonly, nostack),
        )
    };
}

/// Adds 16 steps to the accumulators of the rows listed, as above.
macro_rules! sixteen_more {
    ($a:expr, $weights:expr, $acc:expr; $(($row:literal $name:ident $v:tt $w:tt $p:tt $s0:tt $s1:tt $s2:tt $s3:tt)),+) => {
        asm!(
            sixteen_steps!("sadalp"; $(($name $v $p $s0 $s1 $s2 $s3)),+),
            w0 = in(reg) $weights[0],
            w1 = in(reg) $weights[1],
            w2 = in(reg) $weights[2],
            w3 = in(reg) $weights[3],
            $($name = in(reg) $a[$row], inout($s0) $acc[$row][0], inout($s1) $acc[$row][1], inout($s2) $acc[$row][2], inout($s3) $acc[$row][3],
              out($v) _, out($p) _,)+
            out("v8") _, out("v9") _, out("v10") _, out("v11") _,
            options(pure, readonly, nostack, preserves_flags),
        )
    };
}

/// Products of 4 or 2 rows with 4 channels.
///
/// # Safety
/// The processor has NEON; `32 * twice + 16 * once` codes, more than none, may be read from each of
/// the first `2 * PAIRS` rows and from each row of weights; `once` is 0 or 1.
#[inline(always)]
unsafe fn multiply<const PAIRS: usize>(a: &[*const i8; CHANNELS], weights: &[*const i8; CHANNELS], twice: usize, once: usize, acc: &mut Partial) {
    // SAFETY: the asm reads what the caller vouches for.
    unsafe {
        match PAIRS {
            1 => multiply!(a, weights, twice, once, acc; (0 a0 "v0" "v1" "v12" "v16" "v17" "v18" "v19"), (1 a1 "v2" "v3" "v13" "v20" "v21" "v22" "v23")),
            _ => multiply!(a, weights, twice, once, acc; (0 a0 "v0" "v1" "v12" "v16" "v17" "v18" "v19"), (1 a1 "v2" "v3" "v13" "v20" "v21" "v22" "v23"),
                (2 a2 "v4" "v5" "v14" "v24" "v25" "v26" "v27"), (3 a3 "v6" "v7" "v15" "v28" "v29" "v30" "v31")),
        }
    }
}

/// Start of the last whole vector of a row of `depth` codes.
#[inline(always)]
fn last(depth: usize) -> usize {
    (depth / STEPS * STEPS).wrapping_sub(STEPS)
}

/// Products of 4 rows with 4 channels, for cores that execute in order. `a` and `weights`, those of
/// the first channel, point to their last whole vectors.
///
/// # Safety
/// The processor has NEON; `depth` has [`FEWEST`](neon_in_order::FEWEST) whole vectors or more,
/// which may be read of each row and of each row of weights; the other channels' lie behind the
/// first one's.
#[inline(always)]
unsafe fn multiply_in_order(a: &[*const i8; CHANNELS], weights: *const i8, depth: usize, acc: &mut Partial) {
    let [[s0, s1, s2, s3], [s4, s5, s6, s7], [s8, s9, s10, s11], [s12, s13, s14, s15]] = acc;
    // SAFETY: the function reads what the caller vouches for, and changes the registers that are
    // named.
    unsafe {
        asm!(
            "bl {function}",
            function = sym neon_in_order::sixteen_steps,
            inout("x0") a[0] => _, inout("x1") a[1] => _, inout("x2") a[2] => _, inout("x3") a[3] => _,
            inout("x4") weights => _, inout("x5") depth => _, out("x6") _, out("x7") _,
            inout("x8") last(depth).wrapping_neg() => _, out("x16") _, out("x17") _, out("x30") _,
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _, out("v7") _,
            out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _, out("v14") _, out("v15") _,
            out("v16") *s0, out("v17") *s1, out("v18") *s2, out("v19") *s3, out("v20") *s4, out("v21") *s5, out("v22") *s6, out("v23") *s7,
            out("v24") *s8, out("v25") *s9, out("v26") *s10, out("v27") *s11, out("v28") *s12, out("v29") *s13, out("v30") *s14, out("v31") *s15,
            options(pure, readonly),
        );
    }
}

/// Adds products of 16 steps of 4 or 2 rows with 4 channels.
///
/// # Safety
/// The processor has NEON; 16 codes may be read from each of the first `2 * PAIRS` rows and from
/// each row of weights.
#[inline(always)]
unsafe fn multiply_more<const PAIRS: usize>(a: &[*const i8; CHANNELS], weights: &[*const i8; CHANNELS], acc: &mut Partial) {
    // SAFETY: the asm reads what the caller vouches for.
    unsafe {
        match PAIRS {
            1 => sixteen_more!(a, weights, acc; (0 a0 "v0" "v1" "v12" "v16" "v17" "v18" "v19"), (1 a1 "v2" "v3" "v13" "v20" "v21" "v22" "v23")),
            _ => sixteen_more!(a, weights, acc; (0 a0 "v0" "v1" "v12" "v16" "v17" "v18" "v19"), (1 a1 "v2" "v3" "v13" "v20" "v21" "v22" "v23"),
                (2 a2 "v4" "v5" "v14" "v24" "v25" "v26" "v27"), (3 a3 "v6" "v7" "v15" "v28" "v29" "v30" "v31")),
        }
    }
}

/// Adds products of 8 steps of 4 or 2 rows with 4 channels.
///
/// # Safety
/// The processor has NEON; 8 codes may be read from each of the first `2 * PAIRS` rows and from
/// each row of weights.
#[inline(always)]
unsafe fn multiply_half<const PAIRS: usize>(a: [*const i8; CHANNELS], weights: [*const i8; CHANNELS], acc: &mut Partial) {
    // SAFETY: the caller vouches for the codes.
    unsafe {
        let weights = weights.map(|row| load_s8x8(row));
        for (a, acc) in a.into_iter().zip(acc).take(2 * PAIRS) {
            let a = load_s8x8(a);
            for (acc, weights) in acc.iter_mut().zip(weights) {
                *acc = vpadalq_s16(*acc, vmull_s8(a, weights));
            }
        }
    }
}

impl Micro for Smull {
    const PACKING: Packing = Packing::Rows;
    const ROWS: usize = CHANNELS;
    const IN_ORDER: bool = true;
    type Rows<const GROUPS: usize> = Rows;

    #[inline(always)]
    fn new<const GROUPS: usize>() -> Rows {
        Rows { a: [core::ptr::null(); CHANNELS], last: [core::ptr::null(); CHANNELS], tail: [[0; STEPS]; CHANNELS] }
    }

    #[inline(always)]
    unsafe fn prepare<const PAIRS: usize, const PADDED: bool, const GROUPS: usize>(rows: &mut Rows, a: &[*const i8; ROWS], depth: usize) {
        rows.a = core::array::from_fn(|i| a[i]);
        rows.last = rows.a.map(|row| row.wrapping_add(last(depth)));
        if !depth.is_multiple_of(HALF) {
            // SAFETY: the caller vouches for `depth` codes.
            unsafe { tails(&rows.a, depth, &mut rows.tail) };
        }
    }

    #[inline(always)]
    unsafe fn multiply<const PAIRS: usize, const GROUPS: usize, const IN_ORDER: bool>(rows: &Rows, weights: Weights, first: usize, start: *const i32) -> Sums {
        let Weights { start: weights, channels, depth } = weights;
        // SAFETY: the caller vouches for `depth` codes of each row, and the checked weights hold
        // `depth` for each channel up to the last, which stands for those that are missing. NEON is
        // in every AArch64 processor.
        unsafe {
            let missing = (first + BLOCK).saturating_sub(channels);
            let starts = [load_s32x4(start), load_s32x4(start.add(CHANNELS))];
            let [low, high] = if IN_ORDER && PAIRS == 2 && missing == 0 && depth >= neon_in_order::FEWEST * STEPS {
                let weights = weights.add(first * depth);
                [quarter_in_order(rows, weights, depth, starts[0]), quarter_in_order(rows, weights.add(CHANNELS * depth), depth, starts[1])]
            } else {
                let at = |c: usize| if missing == 0 { weights.add((first + c) * depth) } else { weights.add((first + c).min(channels - 1) * depth) };
                let low = quarter::<PAIRS>(rows, core::array::from_fn(at), depth, starts[0]);
                [low, quarter::<PAIRS>(rows, core::array::from_fn(|c| at(CHANNELS + c)), depth, starts[1])]
            };
            core::array::from_fn(|row| [low[row % CHANNELS], high[row % CHANNELS]])
        }
    }
}

/// `start` plus the products of the rows with 4 channels.
///
/// # Safety
/// The processor has NEON; `depth` codes may be read from each of the first `2 * PAIRS` rows and
/// from each row of weights.
#[inline(always)]
unsafe fn quarter<const PAIRS: usize>(rows: &Rows, weights: [*const i8; CHANNELS], depth: usize, start: int32x4_t) -> [int32x4_t; CHANNELS] {
    let (twice, once) = (depth / (2 * STEPS), depth / STEPS % 2);
    // SAFETY: the caller vouches for the codes.
    unsafe {
        let mut acc = [[vdupq_n_s32(0); CHANNELS]; CHANNELS];
        if depth >= STEPS {
            multiply::<PAIRS>(&rows.a, &weights, twice, once, &mut acc);
        }
        added(start, rest::<PAIRS>(rows, weights, depth, acc))
    }
}

/// The same of 4 rows on cores that execute in order, with 4 channels that lie one behind the other
/// from `weights` on.
///
/// # Safety
/// As for [`quarter`]; `depth` has [`FEWEST`](neon_in_order::FEWEST) whole vectors or more.
#[inline(always)]
unsafe fn quarter_in_order(rows: &Rows, weights: *const i8, depth: usize, start: int32x4_t) -> [int32x4_t; CHANNELS] {
    // SAFETY: the caller vouches for the codes.
    unsafe {
        let mut acc = [[vdupq_n_s32(0); CHANNELS]; CHANNELS];
        multiply_in_order(&rows.last, weights.add(last(depth)), depth, &mut acc);
        if !depth.is_multiple_of(STEPS) {
            acc = rest::<2>(rows, core::array::from_fn(|c| weights.add(c * depth)), depth, acc);
        }
        added(start, acc)
    }
}

/// Adds the products of what follows the last whole vectors.
///
/// # Safety
/// As for [`quarter`].
#[inline(always)]
unsafe fn rest<const PAIRS: usize>(rows: &Rows, weights: [*const i8; CHANNELS], depth: usize, mut acc: Partial) -> Partial {
    // SAFETY: the caller vouches for the codes.
    unsafe {
        if depth % STEPS == HALF {
            let last = |row: *const i8| row.add(depth - HALF);
            multiply_half::<PAIRS>(rows.a.map(last), weights.map(last), &mut acc);
        } else if !depth.is_multiple_of(STEPS) {
            let mut tail = [[0; STEPS]; CHANNELS];
            tails(&weights, depth, &mut tail);
            multiply_more::<PAIRS>(&rows.tail.each_ref().map(|row| row.as_ptr()), &tail.each_ref().map(|row| row.as_ptr()), &mut acc);
        }
    }
    acc
}

/// `start` plus the sums of each row's accumulators.
#[inline]
#[target_feature(enable = "neon")]
fn added(start: int32x4_t, acc: Partial) -> [int32x4_t; CHANNELS] {
    acc.map(|[a, b, c, d]| vaddq_s32(start, neighbours(neighbours(a, b), neighbours(c, d))))
}

/// The sums of neighbouring lanes of `a`, then of `b`. Written as an instruction: compilers make
/// three of it.
#[inline]
#[target_feature(enable = "neon")]
fn neighbours(a: int32x4_t, b: int32x4_t) -> int32x4_t {
    let sums;
    // SAFETY: NEON on registers, by this function's attribute.
    unsafe { asm!("addp {0:v}.4s, {1:v}.4s, {2:v}.4s", out(vreg) sums, in(vreg) a, in(vreg) b, options(pure, nomem, nostack, preserves_flags)) };
    sums
}

/// Tails behind the last whole vector of rows of `depth`; `tails` is zero behind them.
///
/// # Safety
/// `depth` codes may be read from each pointer.
#[inline(always)]
unsafe fn tails(rows: &[*const i8; CHANNELS], depth: usize, tails: &mut [[i8; STEPS]; CHANNELS]) {
    let rest = depth % STEPS;
    for (tail, row) in tails.iter_mut().zip(rows) {
        // SAFETY: the caller vouches for the codes, and `rest` is less than the 16 of `tail`.
        unsafe { store_s8x16(tail.as_mut_ptr(), load_part(row.add(depth - rest), rest)) };
    }
}
