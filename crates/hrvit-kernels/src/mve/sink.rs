//! Ways of storing a tile: [`Epilogue`](crate::epilogue::Epilogue) on vectors of 4 channels.
//!
//! The requantisation is `vqdmulh` (truncating) and `vrshl` by `31 - shift`: the floor of a floor, so exactly the rounding rule where `shift >= 32`.

use core::arch::asm;

use super::tile::{COLUMNS, Channels, ROWS, Tile};
use crate::epilogue::Epilogue;
use crate::requant::{Range8, Requant, TensorRequant};

/// A way of storing accumulators.
pub(crate) trait Sink: Copy {
    /// What is stored.
    type Out;

    /// Requantises one row of accumulators and stores it.
    ///
    /// # Safety
    /// The processor has MVE. As many accumulators as `channels` are readable from `acc` on, and as many elements readable and writable from `out` on.
    unsafe fn row(self, acc: *const i32, channels: Channels<'_>, out: *mut Self::Out);

    /// Requantises three rows of a tile and stores them.
    ///
    /// # Safety
    /// As for [`Sink::row`], for each of the three rows of the [`Tile`](super::tile::Tile) at `acc`, and each of the outputs.
    unsafe fn rows(self, acc: *const i32, channels: Channels<'_>, out: [*mut Self::Out; ROWS]);

    /// Requantises 16-bit values and stores them.
    ///
    /// # Safety
    /// The processor has MVE. As many values as multipliers and shifts are readable from `x` on, and as many elements readable and writable from `out` on.
    unsafe fn words(self, x: *const i16, requant: Requant<'_>, out: *mut Self::Out);
}

/// From the accumulators in q0, with bias q4, multipliers q1 and shifts q2.
macro_rules! requantise {
    () => {
        "vadd.i32 q0, q0, q4\nvqdmulh.s32 q0, q0, q1\nvrshl.s32 q0, q0, q2"
    };
}

/// Loads what 4 channels are requantised with.
macro_rules! load_channels {
    () => {
        "vldrw.u32 q1, [{mult}], #16\nvldrb.u32 q2, [r0], #4\nvldrw.u32 q4, [{bias}], #16\nvsub.i32 q2, q7, q2"
    };
}

/// `[$out] = clamp(q0 + zero, q5, q6)`.
macro_rules! store8 {
    ($out:literal) => {
        concat!("vadd.i32 q0, q0, {zero}\nvmax.s32 q0, q0, q5\nvmin.s32 q0, q0, q6\nvstrb.32 q0, [", $out, "], #4")
    };
}

/// `[$out] = table[clamp(q0 + zero, q5, q6)]`.
macro_rules! table8 {
    ($out:literal) => {
        concat!("vadd.i32 q0, q0, {zero}\nvmin.s32 q0, q0, q6\nvmax.s32 q0, q0, q5\nvldrb.u32 q3, [{table}, q0]\nvstrb.32 q3, [", $out, "], #4")
    };
}

/// `[$out] = saturate(q0)`.
macro_rules! store16 {
    ($out:literal) => {
        concat!("vqmovnb.s32 q0, q0\nvstrh.32 q0, [", $out, "], #8")
    };
}

/// `[$out] = saturate([$out] + q0)`.
macro_rules! add16 {
    ($out:literal) => {
        concat!("vldrh.s32 q3, [", $out, "]\nvadd.i32 q0, q0, q3\nvqmovnb.s32 q0, q0\nvstrh.32 q0, [", $out, "], #8")
    };
}

/// `[$out] += q0`.
macro_rules! add32 {
    ($out:literal) => {
        concat!("vldrw.u32 q3, [", $out, "]\nvadd.i32 q0, q0, q3\nvstrw.32 q0, [", $out, "], #16")
    };
}

/// Implements both functions of a [`Sink`], with the shifts at r0 and the outputs at r1 to r3 (narrow loads and stores take no higher base): lines before the loop, the line that stores one vector, further operands.
macro_rules! loops {
    ($out:ty, [$($before:literal),*], $store:ident, |$this:ident| { $($operands:tt)* }) => {
        type Out = $out;

        #[inline]
        unsafe fn row(self, acc: *const i32, channels: Channels<'_>, out: *mut $out) {
            let $this = self;
            let Channels { bias, mult, shift } = channels;
            // SAFETY: MVE, `acc` and `out` by the contract; the three slices have `bias.len()` elements, which is how many lanes the loop has in all.
            unsafe {
                asm!(
                    "vmov.i32 q7, #31", $($before,)*
                    "dlstp.32 lr, lr",
                    "2:",
                    load_channels!(),
                    "vldrw.u32 q0, [{acc}], #16", requantise!(), $store!("r1"),
                    "letp lr, 2b",
                    mult = inout(reg) mult.as_ptr() => _, bias = inout(reg) bias.as_ptr() => _, acc = inout(reg) acc => _, $($operands)*
                    inout("r0") shift.as_ptr() => _, inout("r1") out => _, inout("lr") bias.len() => _,
                    out("q0") _, out("q1") _, out("q2") _, out("q3") _, out("q4") _, out("q5") _, out("q6") _, out("q7") _, options(nostack),
                );
            }
        }

        #[inline]
        unsafe fn rows(self, acc: *const i32, channels: Channels<'_>, [out0, out1, out2]: [*mut $out; ROWS]) {
            let $this = self;
            let Channels { bias, mult, shift } = channels;
            // SAFETY: as in `row`; the second and the third row of a tile lie 256 and 512 bytes after the first.
            unsafe {
                asm!(
                    "vmov.i32 q7, #31", $($before,)*
                    "dlstp.32 lr, lr",
                    "2:",
                    load_channels!(),
                    "vldrw.u32 q0, [{acc}], #16", requantise!(), $store!("r1"),
                    "vldrw.u32 q0, [{acc}, #240]", requantise!(), $store!("r2"),
                    "vldrw.u32 q0, [{acc}, #496]", requantise!(), $store!("r3"),
                    "letp lr, 2b",
                    mult = inout(reg) mult.as_ptr() => _, bias = inout(reg) bias.as_ptr() => _, acc = inout(reg) acc => _, $($operands)*
                    inout("r0") shift.as_ptr() => _, inout("r1") out0 => _, inout("r2") out1 => _, inout("r3") out2 => _, inout("lr") bias.len() => _,
                    out("q0") _, out("q1") _, out("q2") _, out("q3") _, out("q4") _, out("q5") _, out("q6") _, out("q7") _, options(nostack),
                );
            }
        }

        #[inline]
        unsafe fn words(self, x: *const i16, requant: Requant<'_>, out: *mut $out) {
            let $this = self;
            let Requant { mult, shift, pre_shift } = requant;
            // SAFETY: MVE, `x` and `out` by the contract; the two slices have `mult.len()` elements, which is how many lanes the loop has in all.
            unsafe {
                asm!(
                    "vmov.i32 q7, #31", $($before,)*
                    "dlstp.32 lr, lr",
                    "2:",
                    "vldrw.u32 q1, [{mult}], #16", "vldrb.u32 q2, [r0], #4", "vsub.i32 q2, q7, q2",
                    "vldrh.s32 q0, [r2], #8", "vshl.s32 q0, {pre_shift}", "vqdmulh.s32 q0, q0, q1", "vrshl.s32 q0, q0, q2", $store!("r1"),
                    "letp lr, 2b",
                    mult = inout(reg) mult.as_ptr() => _, pre_shift = in(reg) u32::from(pre_shift), $($operands)*
                    inout("r0") shift.as_ptr() => _, inout("r1") out => _, inout("r2") x => _, inout("lr") mult.len() => _,
                    out("q0") _, out("q1") _, out("q2") _, out("q3") _, out("q5") _, out("q6") _, out("q7") _, options(nostack),
                );
            }
        }
    };
}

/// `out = clamp(rq + zero, lo, hi)`.
#[derive(Clone, Copy)]
pub(crate) struct Store8(pub(crate) Range8);

impl Sink for Store8 {
    loops!(i8, ["vdup.32 q5, {lo}", "vdup.32 q6, {hi}"], store8, |this| {
        zero = in(reg) this.0.zero, lo = in(reg) this.0.lo, hi = in(reg) this.0.hi,
    });
}

/// `out = clamp(rq, -32768, 32767)`.
#[derive(Clone, Copy)]
pub(crate) struct Store16;

impl Sink for Store16 {
    loops!(i16, [], store16, |_this| {});
}

/// `out = clamp(out + rq, -32768, 32767)`.
#[derive(Clone, Copy)]
pub(crate) struct Add16;

impl Sink for Add16 {
    loops!(i16, [], add16, |_this| {});
}

/// `out += rq`.
#[derive(Clone, Copy)]
pub(crate) struct Add32;

impl Sink for Add32 {
    loops!(i32, [], add32, |_this| {});
}

/// `out = table[clamp(rq + zero, 0, table.len() - 1)]`; the table is not empty and shorter than 2^31.
#[derive(Clone, Copy)]
pub(crate) struct Table8<'a> {
    pub(crate) table: &'a [i8],
    pub(crate) zero: i32,
}

impl Sink for Table8<'_> {
    loops!(i8, ["vmov.i32 q5, #0", "vdup.32 q6, {last}"], table8, |this| {
        zero = in(reg) this.zero, last = in(reg) this.table.len().wrapping_sub(1), table = in(reg) this.table.as_ptr(),
    });
}

/// Requantises accumulators that share one multiplier, and stores them.
macro_rules! uniform {
    ($(#[$doc:meta])* $name:ident, $sink:ty, $before:literal, $store:ident, |$this:ident| { $($operands:tt)* }) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// The processor has MVE; `out` is at least as long as `acc`.
        pub(crate) unsafe fn $name(acc: &[i32], requant: TensorRequant, $this: $sink, out: &mut [i8]) {
            // SAFETY: MVE by the contract; the loop has `acc.len()` lanes in all, and both slices have as many elements.
            unsafe {
                asm!(
                    $before, "vdup.32 q6, {hi}",
                    "dlstp.32 lr, lr",
                    "2:",
                    "vldrw.u32 q0, [{acc}], #16", "vshl.s32 q0, {pre_shift}", "vqdmulh.s32 q0, q0, {mult}", "vrshl.s32 q0, {shift}", $store!("r1"),
                    "letp lr, 2b",
                    acc = inout(reg) acc.as_ptr() => _, pre_shift = in(reg) u32::from(requant.pre_shift), mult = in(reg) requant.mult,
                    shift = in(reg) 31 - i32::from(requant.shift), $($operands)*
                    inout("r1") out.as_mut_ptr() => _, inout("lr") acc.len() => _,
                    out("q0") _, out("q3") _, out("q5") _, out("q6") _, options(nostack),
                );
            }
        }
    };
}

uniform! {
    /// Stores codes of 8 bits.
    store8_uniform, Store8, "vdup.32 q5, {lo}", store8, |this| { zero = in(reg) this.0.zero, lo = in(reg) this.0.lo, hi = in(reg) this.0.hi, }
}
uniform! {
    /// Looks up codes of 8 bits.
    table8_uniform, Table8<'_>, "vmov.i32 q5, #0", table8, |this| {
        zero = in(reg) this.zero, hi = in(reg) this.table.len().wrapping_sub(1), table = in(reg) this.table.as_ptr(),
    }
}

/// Where the rows of a tile go in an output: `rows` of them, 1 to [`ROWS`], the first from element `first` on, each next one `stride` elements further on.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) first: usize,
    pub(crate) stride: usize,
    pub(crate) rows: usize,
}

/// Stores the first rows of a tile of the same channels.
///
/// # Safety
/// The processor has MVE. The accumulators of `channels` in those rows are written, and the output holds as many elements from each of their places on.
#[inline(never)] // one for all operators
pub(crate) unsafe fn store(epilogue: &mut Epilogue<'_>, tile: &mut Tile, channels: &Channels<'_>, pre_shift: u8, place: Place) {
    let mut channels = *channels;
    if pre_shift != 0 {
        let Some(without_bias) = channels.without_bias() else { return };
        // SAFETY: written, by the contract.
        unsafe { channels.shift_left(tile, place.rows, pre_shift) };
        channels = without_bias;
    }
    // SAFETY: by the contract.
    unsafe {
        match epilogue {
            Epilogue::Store8 { out, range } => store_by(Store8(*range), tile, channels, out, place),
            Epilogue::Store16 { out } => store_by(Store16, tile, channels, out, place),
            Epilogue::Add16 { out } => store_by(Add16, tile, channels, out, place),
            Epilogue::Add32 { out } => store_by(Add32, tile, channels, out, place),
            Epilogue::Table8 { out, table, zero } => store_by(Table8 { table, zero: *zero }, tile, channels, out, place),
        }
    }
}

/// [`store`] by one sink, without `pre_shift`.
///
/// # Safety
/// As for [`store`].
#[inline(always)]
unsafe fn store_by<S: Sink>(sink: S, tile: &mut Tile, channels: Channels<'_>, out: &mut [S::Out], place: Place) {
    let acc = tile.start();
    let out = out.as_mut_ptr();
    let row = |row: usize| out.wrapping_add(place.first + row * place.stride);
    if place.rows == ROWS {
        // SAFETY: by the contract.
        return unsafe { sink.rows(acc, channels, [row(0), row(1), row(2)]) };
    }
    for index in 0..place.rows {
        // SAFETY: by the contract.
        unsafe { sink.row(acc.wrapping_add(index * COLUMNS), channels, row(index)) };
    }
}
