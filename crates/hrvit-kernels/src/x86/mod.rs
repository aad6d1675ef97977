//! What the integer kernels of x86-64 are written over: [`Lanes`], the primitives of one
//! instruction set, a token each; the requantisation of a vector; ways of storing.
//!
//! A kernel is one generic function, `#[inline(always)]`. The row `Avx2.. => x86` of a `backends!`
//! list compiles it for every set, with its features. The token proves them: primitives are safe to
//! call. Only those that take pointers are not.

mod place;
pub(crate) mod rates;
pub(crate) mod rows;
pub(crate) mod sink;
pub(crate) mod stores;
mod ymm;
mod zmm;

use core::ops::IndexMut;

pub(crate) use place::{Place, first_channels};
pub(crate) use zmm::{across, load_i8, load_i32, side_by_side, upper_halves};

/// Channels of a [`Lanes::Block`].
pub(crate) const BLOCK: usize = 16;

/// Tokens whose statistics are one [`Lanes::Block`] of 64-bit numbers.
pub(crate) const TOKENS: usize = 8;

/// Declares primitives: safe by the token that they are methods of. A body is compiled with its
/// features, closures in it too.
macro_rules! primitives {
    ($features:literal $($name:ident($($arg:ident: $type:ty),*) -> $out:ty { $($body:tt)* })*) => {$(
        #[inline(always)]
        fn $name(self, $($arg: $type),*) -> $out {
            #[inline]
            #[target_feature(enable = $features)]
            #[allow(unused_unsafe, reason = "not every body moves memory")]
            fn compiled($($arg: $type),*) -> $out {
                // SAFETY: a load moves a whole array, or what a slice has.
                unsafe { $($body)* }
            }
            // SAFETY: the token proves the instructions.
            unsafe { compiled($($arg),*) }
        }
    )*};
}
use primitives;

/// Declares primitives that take pointers: safe by the caller's promise too. Part of whatever calls
/// them: no closure is in them.
macro_rules! unsafe_primitives {
    ($($name:ident($($arg:ident: $type:ty),*) $(-> $out:ty)? { $($body:tt)* })*) => {$(
        #[inline(always)]
        unsafe fn $name(self, $($arg: $type),*) $(-> $out)? {
            // SAFETY: the caller's promise; the token proves the instructions.
            unsafe { $($body)* }
        }
    )*};
}
use unsafe_primitives;

/// The block of what `$register` is for the number `$i` of each of its registers. No closure: that
/// would be a function without the features.
macro_rules! block {
    ($v:expr, |$i:ident| $register:expr) => {{
        let mut block = $v.zeros();
        for $i in 0..$crate::x86::parts($v) {
            block[$i] = $register;
        }
        block
    }};
}
pub(crate) use block;

/// An element that is widened to 32 bits.
pub(crate) trait Element: Copy {
    /// 16 of them.
    fn whole<V: Lanes>(v: V, values: &[Self; BLOCK]) -> V::Block;
    /// The 16 from `first` on, 0 beyond the end.
    fn load<V: Lanes>(v: V, values: &[Self], first: usize) -> V::Block;
}

/// Declares the primitives of an element.
macro_rules! elements {
    ($($type:ty: $whole:ident, $load:ident;)*) => {$(
        impl Element for $type {
            #[inline(always)]
            fn whole<V: Lanes>(v: V, values: &[Self; BLOCK]) -> V::Block {
                v.$whole(values)
            }

            #[inline(always)]
            fn load<V: Lanes>(v: V, values: &[Self], first: usize) -> V::Block {
                v.$load(values, first)
            }
        }
    )*};
}
elements! { i8: widen_i8, load_i8; i16: widen_i16, load_i16; i32: whole_i32, load_i32; }

/// Registers of a block.
#[inline(always)]
pub(crate) fn parts<V: Lanes>(_: V) -> usize {
    BLOCK / V::LANES
}

/// Work that an instruction set compiles as one function, see [`Lanes::apart`].
pub(crate) trait Task {
    /// Does it. Inlined always, into the function that has the instructions.
    fn run<V: Lanes>(self, v: V);
}

/// The primitives of an instruction set. Numbers wrap.
pub(crate) trait Lanes: Copy {
    /// A register: [`Lanes::LANES`] values of 32 bits, or twice as many of 16.
    type Vec: Copy;
    /// The registers of 16 values of 32 bits, channels in an order of the set's own.
    type Block: Copy + IndexMut<usize, Output = Self::Vec>;
    /// Four blocks as 16 bits, in an order of the set's own.
    type Words: Copy;
    /// Four blocks as 8 bits, one after the other.
    type Bytes: Copy;

    /// Values of 32 bits in a register.
    const LANES: usize;
    /// Values of 16 bits in a register.
    const WORDS: usize = 2 * Self::LANES;

    /// Runs `task` as a function of its own: its registers and its stack do not lie beside those of
    /// other tasks.
    fn apart<T: Task>(self, task: T);

    /// The block of zeros.
    fn zeros(self) -> Self::Block;

    /// The same value in every lane.
    fn splat(self, value: i32) -> Self::Vec;
    /// One value in the lower half of the lanes, another in the upper half.
    fn two(self, low: i32, high: i32) -> Self::Vec;
    /// The same value in every 64 bits.
    fn splat64(self, value: i64) -> Self::Vec;
    /// `a & b`.
    fn and(self, a: Self::Vec, b: Self::Vec) -> Self::Vec;
    /// `a + b`.
    fn add(self, a: Self::Vec, b: Self::Vec) -> Self::Vec;
    /// `a - b`.
    fn sub(self, a: Self::Vec, b: Self::Vec) -> Self::Vec;
    /// `a * b`.
    fn mul(self, a: Self::Vec, b: Self::Vec) -> Self::Vec;
    /// The smaller.
    fn min(self, a: Self::Vec, b: Self::Vec) -> Self::Vec;
    /// The larger.
    fn max(self, a: Self::Vec, b: Self::Vec) -> Self::Vec;
    /// `a << bits`, 0 to 31.
    fn shl(self, a: Self::Vec, bits: i32) -> Self::Vec;
    /// `a >> bits`, lane by lane, with the sign; 32 bits or more give the sign alone.
    fn shr(self, a: Self::Vec, bits: Self::Vec) -> Self::Vec;

    /// `yes` where `a > b`, else `no`.
    fn where_larger(self, a: Self::Vec, b: Self::Vec, yes: Self::Vec, no: Self::Vec) -> Self::Vec;

    /// The 16-bit values of two registers in turn, in two registers of an order of the set's own.
    fn in_turn(self, a: Self::Vec, b: Self::Vec) -> [Self::Vec; 2];
    /// The lanes of [`Lanes::in_turn`] in the order of the values.
    fn natural(self, in_turn: [Self::Vec; 2]) -> [Self::Vec; 2];
    /// Sums of two neighbouring 16-bit products.
    fn products(self, a: Self::Vec, b: Self::Vec) -> Self::Vec;
    /// `sum + products(a, b)`.
    fn dot(self, sum: Self::Vec, a: Self::Vec, b: Self::Vec) -> Self::Vec;

    /// `a + b` on 64 bits.
    fn add64(self, a: Self::Vec, b: Self::Vec) -> Self::Vec;
    /// `a - b` on 64 bits.
    fn sub64(self, a: Self::Vec, b: Self::Vec) -> Self::Vec;
    /// `a << bits` on 64 bits; 64 bits or more give 0.
    fn shl64(self, a: Self::Vec, bits: Self::Vec) -> Self::Vec;
    /// 64-bit products of the even lanes.
    fn mul_even(self, a: Self::Vec, b: Self::Vec) -> Self::Vec;
    /// The same without signs.
    fn mul_even_unsigned(self, a: Self::Vec, b: Self::Vec) -> Self::Vec;
    /// The odd lanes in the place of the even ones, 0 in their own.
    fn odd(self, a: Self::Vec) -> Self::Vec;
    /// The upper halves of 64-bit products: those of `even` in the even lanes, of `odd` in the odd
    /// ones.
    fn upper_halves(self, even: Self::Vec, odd: Self::Vec) -> Self::Vec;
    /// `(product + 2^(bits - 1)) >> bits` of 64-bit products below 2^61 in magnitude, `bits` in
    /// 16..=32: the lower halves in their lanes.
    fn shifted(self, even: Self::Vec, odd: Self::Vec, bits: u32) -> Self::Vec;

    /// Two 16-bit values of a view's row in every lane: those at `2 j`. `x` is the row of `p`
    /// values, or the first of the two that a register has.
    ///
    /// # Safety
    /// [`Lanes::LANES`] values, or `p` where that is more, may be read from `x` on.
    unsafe fn pair_of_each_row(self, x: *const i16, p: usize, j: usize) -> Self::Vec;
    /// The lower halves of the lanes of `low` in the lower ones, of `high` in the upper ones.
    fn merged(self, low: Self::Vec, high: Self::Vec) -> Self::Vec;
    /// The lower half of a register, twice, and the upper half.
    fn halves(self, both: Self::Vec) -> [Self::Vec; 2];
    /// Entries of a table of two entries or more, in the lower halves of the lanes.
    ///
    /// # Safety
    /// Every index is below the length of the table.
    unsafe fn entries(self, table: &[i16], index: Self::Vec) -> Self::Vec;

    /// The sum of the 64-bit lanes of each of 8 registers.
    fn totals(self, of: [Self::Vec; TOKENS]) -> Self::Block;
    /// The 8 numbers of 64 bits.
    fn eight(self, block: Self::Block) -> [i64; TOKENS];
    /// [`rsqrt`](crate::math::rsqrt) of the first `count` of 8 numbers, anything behind them.
    fn rsqrt(self, variances: Self::Block, count: usize) -> (Self::Block, Self::Block);

    /// 16 values.
    fn whole_i32(self, values: &[i32; BLOCK]) -> Self::Block;
    /// 16 values of 16 bits.
    fn widen_i16(self, values: &[i16; BLOCK]) -> Self::Block;
    /// 16 values of 8 bits.
    fn widen_i8(self, values: &[i8; BLOCK]) -> Self::Block;
    /// The 16 values from `first` on, 0 beyond the end.
    fn load_i32(self, values: &[i32], first: usize) -> Self::Block;
    /// The same from 16 bits.
    fn load_i16(self, values: &[i16], first: usize) -> Self::Block;
    /// The same from 8 bits.
    fn load_i8(self, values: &[i8], first: usize) -> Self::Block;

    /// The 16 sums of the values from `first` on of both, each times its weight; anything beyond the
    /// end.
    fn weighed(self, a: &[i16], b: &[i16], first: usize, weights: Self::Vec) -> Self::Block;
    /// The first `count` of [`Lanes::LANES`] values, 0 behind them.
    ///
    /// # Safety
    /// They may be read.
    unsafe fn load_lanes(self, from: *const i32, count: usize) -> Self::Vec;
    /// Stores the first `count` lanes.
    ///
    /// # Safety
    /// They may be written.
    unsafe fn store_lanes(self, to: *mut i32, count: usize, lanes: Self::Vec);
    /// A lane of every `stride` values.
    ///
    /// # Safety
    /// They may be read.
    unsafe fn gather(self, from: *const i32, stride: usize) -> Self::Vec;

    /// The [`Lanes::WORDS`] values from `first` on, 0 beyond the end: the even ones, the odd ones.
    fn even_and_odd(self, values: &[i32], first: usize) -> [Self::Vec; 2];
    /// The first `count` of [`Lanes::WORDS`] values, 0 behind them.
    ///
    /// # Safety
    /// They may be read.
    unsafe fn load_words(self, from: *const i16, count: usize) -> Self::Vec;
    /// Even and odd lanes, saturated to 16 bits, in the lower halves.
    fn saturated(self, even: Self::Vec, odd: Self::Vec) -> [Self::Vec; 2];
    /// Even and odd channels saturated to 16 bits, in an order of the set's own.
    fn pack(self, even: Self::Vec, odd: Self::Vec) -> Self::Vec;
    /// Stores the first `count` of the packed channels.
    ///
    /// # Safety
    /// They may be written.
    unsafe fn store_packed_words(self, out: *mut i16, count: usize, packed: Self::Vec);
    /// Stores the first of the packed channels of two registers, clamped.
    ///
    /// # Safety
    /// They may be written.
    unsafe fn store_packed_bytes(self, out: [*mut i8; 2], counts: [usize; 2], packed: [Self::Vec; 2], range: [i8; 2]);

    /// Saturated to 16 bits.
    fn words(self, blocks: [Self::Block; 4]) -> Self::Words;
    /// `clamp(words + offset, lo, hi)`, the sum saturated.
    fn clamp_words(self, words: Self::Words, offset: i16, range: [i16; 2]) -> Self::Words;
    /// `clamp(words + offset, lo, hi)`, the sum saturated.
    fn codes(self, words: Self::Words, offset: i16, range: [i8; 2]) -> Self::Bytes;

    /// The channels of a run of `place` that are stored, anything in the others.
    ///
    /// # Safety
    /// They may be read.
    unsafe fn old_i16(self, place: Place<i16>, run: usize) -> Self::Block;
    /// The same of 32 bits.
    ///
    /// # Safety
    /// They may be read.
    unsafe fn old_i32(self, place: Place<i32>, run: usize) -> Self::Block;
    /// Stores the run of `place`.
    ///
    /// # Safety
    /// The channels of `place` may be written, here and below.
    unsafe fn store_i32(self, place: Place<i32>, run: usize, block: Self::Block);
    /// Stores four runs.
    ///
    /// # Safety
    /// As above.
    unsafe fn store_words(self, place: Place<i16>, words: Self::Words);
    /// Stores four runs.
    ///
    /// # Safety
    /// As above.
    unsafe fn store_bytes(self, place: Place<i8>, bytes: Self::Bytes);
    /// Stores the entries of a table for four runs of indices.
    ///
    /// # Safety
    /// As above; every index is below the length of the table.
    unsafe fn store_entries(self, place: Place<i8>, table: &[i8; stores::ENTRIES], index: Self::Words);
}
