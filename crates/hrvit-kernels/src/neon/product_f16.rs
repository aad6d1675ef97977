//! The sums of every f16 product: up to 8 rows with 8 channels, in f32.
//!
//! A turn is 4 steps of depth: their weights are widened once, then each row multiplies them by its
//! 4 values, lane by lane. The sums are those of the definition, in its order: products of two f16
//! are exact in f32.

use core::arch::asm;
use core::mem::MaybeUninit;

use half::f16;

use super::floats::Eight;
use crate::floats::Products;

/// Most rows.
pub(crate) const ROWS: usize = 8;

/// Elements of rows as products take them.
pub(crate) type Row = f16;
/// Room for an element that is widened before, of which there is none.
pub(crate) type Room = MaybeUninit<()>;
/// Whether elements are widened before.
pub(crate) const WIDENS: bool = false;

/// Calls the body for tiles of rows.
macro_rules! tiles {
    ($($of:tt)+) => { $crate::floats::steps!([8 4 2 1] $($of)+) };
}
/// Calls the body for groups of blocks of 8 channels.
macro_rules! blocks {
    ($($of:tt)+) => { $crate::floats::steps!([1] $($of)+) };
}
pub(crate) use {blocks, tiles};

/// `values` as products take them.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn widened<'v>(values: &'v [f16], _: &'v mut [Room]) -> &'v [Row] {
    values
}

/// `fmla`, after widening: in every processor.
pub(crate) struct Fma;

/// The lines that load and widen one row's elements: 4, and 1.
macro_rules! row_f16 {
    (4 $v:literal $name:literal) => {
        concat!("ld1 {{", $v, ".4h}}, [{", $name, "}], #8\nfcvtl ", $v, ".4s, ", $v, ".4h")
    };
    (1 $v:literal $name:literal) => {
        concat!("ld1 {{", $v, ".h}}[0], [{", $name, "}], #2\nfcvtl ", $v, ".4s, ", $v, ".4h")
    };
}
macro_rules! row_f32 {
    (4 $v:literal $name:literal) => {
        concat!("ld1 {{", $v, ".4s}}, [{", $name, "}], #16")
    };
    (1 $v:literal $name:literal) => {
        concat!("ld1 {{", $v, ".s}}[0], [{", $name, "}], #4")
    };
}

/// The lines that load and widen the weights of one step of depth, into v0 and v4 or v0 and v1.
macro_rules! one_f16 {
    () => {
        "ld1 {{v0.8h}}, [{weights}], {stride}\nfcvtl2 v4.4s, v0.8h\nfcvtl v0.4s, v0.4h"
    };
}
macro_rules! one_f32 {
    () => {
        "ld1 {{v0.4s, v1.4s}}, [{weights}], {stride}"
    };
}

/// The lines that load and widen the weights of four steps of depth: `$load` loads them.
macro_rules! widened {
    ($($load:literal)+) => {
        concat!($($load, "\n",)+ "fcvtl2 v4.4s, v0.8h\nfcvtl v0.4s, v0.4h\nfcvtl2 v5.4s, v1.8h\nfcvtl v1.4s, v1.4h\n",
            "fcvtl2 v6.4s, v2.8h\nfcvtl v2.4s, v2.4h\nfcvtl2 v7.4s, v3.8h\nfcvtl v3.4s, v3.4h")
    };
}
macro_rules! four_f16 {
    () => {
        widened!("ld1 {{v0.8h}}, [{weights}], {stride}" "ld1 {{v1.8h}}, [{weights}], {stride}" "ld1 {{v2.8h}}, [{weights}], {stride}" "ld1 {{v3.8h}}, [{weights}], {stride}")
    };
}
/// Weights that lie one behind the other.
macro_rules! four_f16_dense {
    () => {
        widened!("ld1 {{v0.8h, v1.8h, v2.8h, v3.8h}}, [{weights}], #64")
    };
}
macro_rules! four_f32 {
    () => {
        concat!(
            "ld1 {{v0.4s, v1.4s}}, [{weights}], {stride}\nld1 {{v2.4s, v3.4s}}, [{weights}], {stride}\n",
            "ld1 {{v4.4s, v5.4s}}, [{weights}], {stride}\nld1 {{v6.4s, v7.4s}}, [{weights}], {stride}"
        )
    };
}

/// The products of rows with one step of depth, the rows' lane `$lane`.
macro_rules! step {
    ($low:literal $high:literal $lane:literal $(($v:literal $s0:literal $s1:literal))+) => {
        concat!($(
            "fmla ", $s0, ".4s, ", $low, ".4s, ", $v, ".s[", $lane, "]\n",
            "fmla ", $s1, ".4s, ", $high, ".4s, ", $v, ".s[", $lane, "]\n",
        )+)
    };
}

/// The products of rows with four steps of depth, by the order in which their weights lie.
macro_rules! four_steps {
    (halves $($rows:tt)+) => {
        concat!(step!("v0" "v4" "0" $($rows)+), step!("v1" "v5" "1" $($rows)+), step!("v2" "v6" "2" $($rows)+), step!("v3" "v7" "3" $($rows)+))
    };
    (pairs $($rows:tt)+) => {
        concat!(step!("v0" "v1" "0" $($rows)+), step!("v2" "v3" "1" $($rows)+), step!("v4" "v5" "2" $($rows)+), step!("v6" "v7" "3" $($rows)+))
    };
}
macro_rules! one_step {
    (halves $($rows:tt)+) => { step!("v0" "v4" "0" $($rows)+) };
    (pairs $($rows:tt)+) => { step!("v0" "v1" "0" $($rows)+) };
}

/// The whole loop, for groups of up to 4 rows: their number, their pointer's name, their vector,
/// their sums. `$row` loads a row, `$four` and `$one` the weights.
macro_rules! multiply {
    ([$rows:expr, $weights:expr, $stride:expr, $depth:expr, $sums:expr, $row:ident, $order:ident $four:ident $one:ident]; $([$(($index:literal $name:ident $text:literal $v:tt $s0:tt $s1:tt))+])+) => {
        asm!(
            "cbz {fours}, 3f",
            "2:",
            "sub {fours}, {fours}, #1",
            $four!(),
            $($($row!(4 $v $text),)+ four_steps!($order $(($v $s0 $s1))+),)+
            "cbnz {fours}, 2b",
            "3:",
            "cbz {ones}, 5f",
            "4:",
            "sub {ones}, {ones}, #1",
            $one!(),
            $($($row!(1 $v $text),)+ one_step!($order $(($v $s0 $s1))+),)+
            "cbnz {ones}, 4b",
            "5:",
            fours = inout(reg) $depth / 4 => _,
            ones = inout(reg) $depth % 4 => _,
            weights = inout(reg) $weights[0] => _,
            stride = in(reg) $stride,
            $($($name = inout(reg) $rows[$index] => _, inout($s0) $sums[$index][0][0], inout($s1) $sums[$index][0][1],)+)+
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _, out("v7") _,
            out("v8") _, out("v9") _, out("v10") _, out("v11") _,
            options(pure, readonly, nostack, preserves_flags),
        )
    };
}

/// [`multiply`] for any number of rows.
macro_rules! any_rows {
    ($rows_of:ident, $how:tt) => {
        match $rows_of {
            1 => multiply!($how; [(0 a0 "a0" "v8" "v16" "v17")]),
            2 => multiply!($how; [(0 a0 "a0" "v8" "v16" "v17") (1 a1 "a1" "v9" "v18" "v19")]),
            4 => multiply!($how;
                [(0 a0 "a0" "v8" "v16" "v17") (1 a1 "a1" "v9" "v18" "v19") (2 a2 "a2" "v10" "v20" "v21") (3 a3 "a3" "v11" "v22" "v23")]),
            _ => multiply!($how;
                [(0 a0 "a0" "v8" "v16" "v17") (1 a1 "a1" "v9" "v18" "v19") (2 a2 "a2" "v10" "v20" "v21") (3 a3 "a3" "v11" "v22" "v23")]
                [(4 a4 "a4" "v8" "v24" "v25") (5 a5 "a5" "v9" "v26" "v27") (6 a6 "a6" "v10" "v28" "v29") (7 a7 "a7" "v11" "v30" "v31")]),
        }
    };
}

/// Bytes of a step's weights in f16.
const STEP: usize = 16;

/// Implements [`Products`] for one type of rows and weights in f16.
macro_rules! products_f16 {
    ($a:ty, $row:ident) => {
        impl Products<$a, f16, Eight, ROWS> for Fma {
            #[inline(always)]
            unsafe fn add<const R: usize, const N: usize>(rows: &[*const $a; ROWS], weights: [*const f16; N], stride: usize, depth: usize, sums: &mut [[Eight; N]; ROWS]) {
                // SAFETY: the lines read what the caller vouches for.
                unsafe {
                    if stride == STEP {
                        any_rows!(R, [rows, weights, stride, depth, sums, $row, halves four_f16_dense one_f16])
                    } else {
                        any_rows!(R, [rows, weights, stride, depth, sums, $row, halves four_f16 one_f16])
                    }
                }
            }
        }
    };
}

products_f16!(f16, row_f16);
products_f16!(f32, row_f32);

impl Products<f16, f32, Eight, ROWS> for Fma {
    #[inline(always)]
    unsafe fn add<const R: usize, const N: usize>(
        rows: &[*const f16; ROWS],
        weights: [*const f32; N],
        stride: usize,
        depth: usize,
        sums: &mut [[Eight; N]; ROWS],
    ) {
        // SAFETY: the lines read what the caller vouches for.
        unsafe { any_rows!(R, [rows, weights, stride, depth, sums, row_f16, pairs four_f32 one_f32]) }
    }
}

/// `fmlal` and `fmlal2`, which need no widening: a turn is 8 steps of depth.
pub(crate) struct Fmlal;

/// The products of rows with one step of depth by `fmlal`.
macro_rules! long_step {
    ($w:literal $lane:literal $(($v:literal $s0:literal $s1:literal))+) => {
        concat!($(
            "fmlal ", $s0, ".4s, ", $w, ".4h, ", $v, ".h[", $lane, "]\n",
            "fmlal2 ", $s1, ".4s, ", $w, ".4h, ", $v, ".h[", $lane, "]\n",
        )+)
    };
}

/// The whole loop by `fmlal`; rows as in [`multiply`].
macro_rules! multiply_long {
    ($rows:expr, $weights:expr, $stride:expr, $depth:expr, $sums:expr; $(($index:literal $name:ident $text:literal $v:tt $s0:tt $s1:tt))+) => {
        asm!(
            ".arch_extension fp16fml",
            "cbz {eights}, 3f",
            "2:",
            "sub {eights}, {eights}, #1",
            $(concat!("ld1 {{", $v, ".8h}}, [{", $text, "}], #16"),)+
            "ld1 {{v8.8h}}, [{weights}], {stride}", "ld1 {{v9.8h}}, [{weights}], {stride}",
            "ld1 {{v10.8h}}, [{weights}], {stride}", "ld1 {{v11.8h}}, [{weights}], {stride}",
            "ld1 {{v12.8h}}, [{weights}], {stride}", "ld1 {{v13.8h}}, [{weights}], {stride}",
            "ld1 {{v14.8h}}, [{weights}], {stride}", "ld1 {{v15.8h}}, [{weights}], {stride}",
            long_step!("v8" "0" $(($v $s0 $s1))+),
            long_step!("v9" "1" $(($v $s0 $s1))+),
            long_step!("v10" "2" $(($v $s0 $s1))+),
            long_step!("v11" "3" $(($v $s0 $s1))+),
            long_step!("v12" "4" $(($v $s0 $s1))+),
            long_step!("v13" "5" $(($v $s0 $s1))+),
            long_step!("v14" "6" $(($v $s0 $s1))+),
            long_step!("v15" "7" $(($v $s0 $s1))+),
            "cbnz {eights}, 2b",
            "3:",
            "cbz {ones}, 5f",
            "4:",
            "sub {ones}, {ones}, #1",
            "ld1 {{v8.8h}}, [{weights}], {stride}",
            $(concat!("ld1 {{", $v, ".h}}[0], [{", $text, "}], #2"),)+
            long_step!("v8" "0" $(($v $s0 $s1))+),
            "cbnz {ones}, 4b",
            "5:",
            eights = inout(reg) $depth / 8 => _,
            ones = inout(reg) $depth % 8 => _,
            weights = inout(reg) $weights[0] => _,
            stride = in(reg) $stride,
            $($name = inout(reg) $rows[$index] => _, inout($s0) $sums[$index][0][0], inout($s1) $sums[$index][0][1], out($v) _,)+
            out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _, out("v14") _, out("v15") _,
            options(pure, readonly, nostack, preserves_flags),
        )
    };
}

impl Products<f16, f16, Eight, ROWS> for Fmlal {
    #[inline(always)]
    unsafe fn add<const R: usize, const N: usize>(
        rows: &[*const f16; ROWS],
        weights: [*const f16; N],
        stride: usize,
        depth: usize,
        sums: &mut [[Eight; N]; ROWS],
    ) {
        // SAFETY: the lines read what the caller vouches for.
        unsafe {
            match R {
                1 => multiply_long!(rows, weights, stride, depth, sums; (0 a0 "a0" "v0" "v16" "v17")),
                2 => multiply_long!(rows, weights, stride, depth, sums; (0 a0 "a0" "v0" "v16" "v17") (1 a1 "a1" "v1" "v18" "v19")),
                4 => multiply_long!(rows, weights, stride, depth, sums;
                    (0 a0 "a0" "v0" "v16" "v17") (1 a1 "a1" "v1" "v18" "v19") (2 a2 "a2" "v2" "v20" "v21") (3 a3 "a3" "v3" "v22" "v23")),
                _ => multiply_long!(rows, weights, stride, depth, sums;
                    (0 a0 "a0" "v0" "v16" "v17") (1 a1 "a1" "v1" "v18" "v19") (2 a2 "a2" "v2" "v20" "v21") (3 a3 "a3" "v3" "v22" "v23")
                    (4 a4 "a4" "v4" "v24" "v25") (5 a5 "a5" "v5" "v26" "v27") (6 a6 "a6" "v6" "v28" "v29") (7 a7 "a7" "v7" "v30" "v31")),
            }
        }
    }
}
