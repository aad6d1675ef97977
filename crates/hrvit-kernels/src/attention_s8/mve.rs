//! Attention on MVE, three queries at a time: logits and weighted sums are products of three rows
//! ([`dots`]), with the keys as channels and with the values transposed once a strip. Codes of 8
//! keys at a time come from the table of [`super::table`].
//!
//! Codes of 8 bits are unsigned, so the transposed values have 128 added to them; 128 times the sum
//! of the codes is taken away again.

use core::arch::{asm, naked_asm};
use core::mem::MaybeUninit;

use super::reciprocal::reciprocal;
use super::table::codes_of;
use super::{Strip, mve_long};
use crate::isa::Mve;
use crate::mve::dots::{self, Dots};
use crate::mve::tile::{COLUMNS, ROWS, Tile};

/// Bytes for one or two tiles of logits and the transposed values behind them.
const ROOM: usize = 4 * size_of::<Tile>();
/// Most keys: those of two tiles.
const MAX_KEYS: usize = 2 * COLUMNS;

/// Computes the strip; heads of other than 8, 16, 24 or 32 channels and strips beyond the buffers
/// are left to [`mve_long`].
#[inline(never)] // its buffers would lie on the stack of every instruction set
pub(super) fn run(mve: Mve, args: &Strip<'_>, scores: &mut [i32], out: &mut [i16]) {
    let (dim, keys) = (args.dim, scores.len());
    let multiply: unsafe extern "C" fn(&Dots<i8>) = match dim {
        8 => dots::s8_of_8,
        16 => dots::s8_of_16,
        24 => dots::s8,
        32 => dots::s8_of_32,
        _ => return mve_long::run(mve, args, scores, out),
    };
    let padded = keys.next_multiple_of(16);
    // A tile of one key has no pair of channels.
    let tiles = if keys <= COLUMNS { 1 } else { 2 };
    let fits = keys <= MAX_KEYS && keys % COLUMNS != 1 && tiles * size_of::<Tile>() + padded * dim <= ROOM;
    let Some(table) = codes_of(args.exp, args.bits).filter(|_| fits) else { return mve_long::run(mve, args, scores, out) };
    let narrow = args.bits == 8;
    let mut room = Room([MaybeUninit::uninit(); ROOM]);
    let first = room.0.as_mut_ptr().cast::<i32>();
    let (second, values) = (first.wrapping_add(ROWS * COLUMNS), room.0.as_mut_ptr().wrapping_add(tiles * size_of::<Tile>()));
    // SAFETY: the token proves MVE. `v` has 2 or more keys of `dim` channels, and behind the tiles
    // there is room for `dim` rows of `padded` bytes, by the checks above.
    unsafe { transpose(args.v, [dim, keys, padded], narrow, values.cast()) };
    // Codes of one tile leave the second half of each row.
    let sums = if tiles == 1 { first.wrapping_add(COLUMNS / 2) } else { second };
    let (len, more) = (keys.min(COLUMNS), keys.saturating_sub(COLUMNS));
    let logits = |tile: *mut i32, from: usize, column: usize, len: usize| {
        let (weights, tile) = (args.v.as_ptr().wrapping_add((from + column) * dim), tile.wrapping_add(column));
        Dots { a: [args.q.as_ptr(); ROWS], weights, depth: dim, tile, tile_end: tile.wrapping_add(len) }
    };
    // The last of an odd number of keys in a pair with the one before it.
    let (last, from, column) = if more == 0 { (first, 0, len - 2) } else { (second, COLUMNS, more.saturating_sub(2)) };
    let mut products = [logits(first, 0, 0, len & !1), logits(second, COLUMNS, 0, more & !1), logits(last, from, column, 2)];
    let exist = [true, more != 0, keys % 2 != 0];
    let mut codes = Codes {
        first,
        second,
        len,
        more,
        table: table.as_ptr(),
        last: table.len().wrapping_sub(1),
        mult: args.mult.wrapping_neg(),
        shift: 31 - i32::from(args.shift),
        sums: [0; ROWS],
    };
    let rows: [*const i32; ROWS] = core::array::from_fn(|row| first.wrapping_add(row * COLUMNS).cast_const());
    let weights = values.cast_const().cast();
    let weighted = Dots { a: rows.map(<*const i32>::cast::<u8>), weights, depth: padded, tile: sums, tile_end: sums.wrapping_add(dim) };
    let finely = Dots { a: rows.map(<*const i32>::cast::<i16>), weights, depth: padded, tile: sums, tile_end: sums.wrapping_add(dim) };
    let (mut q, mut to, mut left) = (args.q.as_ptr(), out.as_mut_ptr(), out.len().checked_div(dim).unwrap_or(0));
    while left != 0 {
        let next = |row: *const i8, exists: bool| if exists { row.wrapping_add(dim) } else { row };
        let row = next(q, left > 1);
        let a = [q, row, next(row, left > 2)];
        // SAFETY: the token proves MVE. `left` queries and outputs of `dim` elements are left, and
        // a query that does not exist is the one before it; keys, values and tiles
        // were made above. Codes of the second tile go where logits of the first were. Up to 7
        // codes more are written, of whatever the tile holds there; they meet values
        // of 0. The weighted sums go where no codes are, when all of these are made.
        unsafe {
            for (product, exists) in products.iter_mut().zip(exist) {
                if exists {
                    product.a = a;
                    multiply(product);
                }
            }
            if narrow {
                codes8(&mut codes);
                match padded {
                    64 => dots::u8_of_64(&weighted),
                    _ if padded.is_multiple_of(32) => dots::u8_whole(&weighted),
                    _ => dots::u8(&weighted),
                }
            } else {
                codes16(&mut codes);
                dots::s16(&finely);
            }
            for (row, sum) in codes.sums.iter().enumerate().take(left) {
                divide(sums.wrapping_add(row * COLUMNS), *sum, narrow, dim, to);
                to = to.wrapping_add(dim);
            }
        }
        q = q.wrapping_add(ROWS * dim);
        left = left.saturating_sub(ROWS);
    }
}

/// Logits, and transposed values `[dim, padded]`.
#[repr(C, align(16))]
struct Room([MaybeUninit<u8>; ROOM]);

/// Logits of three queries, and their codes. The assembly reads the fields at their offsets.
#[repr(C)]
struct Codes {
    /// Logits of the first query, those of the others 256 and 512 bytes further on; codes go to the
    /// same places, one after another.
    first: *mut i32,
    /// Logits of the keys beyond those of the first tile.
    second: *mut i32,
    /// Keys in the first tile, not 0.
    len: usize,
    /// Keys in the second.
    more: usize,
    /// Codes by distance, the last for all larger ones.
    table: *const u16,
    /// Index of the last.
    last: usize,
    /// Less than 0: with a difference that is negative too it makes the distance's product.
    mult: i32,
    shift: i32,
    /// Sums of the codes of each query; before them their largest logits.
    sums: [u32; ROWS],
}

/// A function that makes the codes of three queries: what stores 8 of them at r1 on.
macro_rules! codes {
    ($(#[$doc:meta])* $name:ident, $store:literal) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// The processor has MVE. The logits are written, and those of a tile are whole vectors of
        /// 8; the codes' places are writable.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(codes: &mut Codes) {
            naked_asm!(
                ".cpu cortex-m55",
                "push {{r4-r11, lr}}",
                "vpush {{d8-d9}}",
                "ldrd r6, r7, [r0]",
                "ldrd r8, r9, [r0, #8]",
                "vmov.i32 q1, #0x80000000",
                "vmov q2, q1",
                "vmov q3, q1",
                "mov r10, r6",
                "dlstp.32 lr, r8",
                "2:",
                codes!(@largest),
                "letp lr, 2b",
                "mov r10, r7",
                "wlstp.32 lr, r9, 3f",
                "2:",
                codes!(@largest),
                "letp lr, 2b",
                "3:",
                "mov r8, #0x80000000",
                "mov r9, r8",
                "mov r10, r8",
                "vmaxv.s32 r8, q1",
                "vmaxv.s32 r9, q2",
                "vmaxv.s32 r10, q3",
                "add r12, r0, #32",
                "stm r12, {{r8, r9, r10}}",
                "ldrd r3, r4, [r0, #16]",
                "vdup.16 q4, r4",
                "ldrd r4, r5, [r0, #24]",
                "1:",
                "ldrd r11, r9, [r0, #8]",
                "mov r1, r6",
                "mov r10, r6",
                "ldr r8, [r12]",
                "mov r2, #0",
                "lsr lr, r11, #3",
                "wls lr, lr, 3f",
                "2:",
                codes!(@eight "", "vaddva.u16", $store),
                "le lr, 2b",
                "3:",
                "cmp r9, #0",
                "beq 4f",
                "mov r10, r7",
                "mov r11, r9",
                "lsr lr, r9, #3",
                "wls lr, lr, 4f",
                "2:",
                codes!(@eight "", "vaddva.u16", $store),
                "le lr, 2b",
                "4:",
                "ands r11, #7",
                "beq 5f",
                "vctp.16 r11",
                codes!(@eight "vpst\n", "vaddvat.u16", $store),
                "5:",
                "str r2, [r12], #4",
                "add r9, r0, #44",
                "add r6, #256",
                "add r7, #256",
                "cmp r12, r9",
                "bne 1b",
                "vpop {{d8-d9}}",
                "pop {{r4-r11, pc}}",
            )
        }
    };
    (@largest) => {
        "vldrw.u32 q0, [r10], #16\nvmax.s32 q1, q1, q0\nvldrw.u32 q0, [r10, #240]\nvmax.s32 q2, q2, q0\nvldrw.u32 q0, [r10, #496]\nvmax.s32 q3, q3, q0"
    };
    (@eight $predicate:literal, $add:literal, $store:literal) => {
        concat!(
            "vld20.32 {{q0, q1}}, [r10]\nvld21.32 {{q0, q1}}, [r10]!\n",
            "vsub.i32 q0, q0, r8\nvsub.i32 q1, q1, r8\n",
            "vqdmulh.s32 q0, q0, r4\nvqdmulh.s32 q1, q1, r4\n",
            "vrshl.s32 q0, r5\nvrshl.s32 q1, r5\n",
            "vqmovnb.s32 q2, q0\nvqmovnt.s32 q2, q1\nvmin.u16 q2, q2, q4\n",
            "vldrh.u16 q3, [r3, q2, uxtw #1]\n",
            $predicate,
            $add,
            " r2, q3\n",
            $store
        )
    };
}

codes! {
    /// Codes of 8 bits, as bytes.
    codes8, "vstrb.16 q3, [r1], #8"
}
codes! {
    /// Codes of 15 bits, as words of 16.
    codes16, "vstrh.16 q3, [r1], #16"
}

/// `to[channel][key] = v[key][channel]`, with 128 added where `flip`, rows of `padded` bytes that
/// end with zeros.
///
/// # Safety
/// The processor has MVE; `v` has `keys` rows of `dim`, and `dim * padded` bytes are writable;
/// `padded` is `keys` rounded up to 16.
#[inline(always)]
unsafe fn transpose(v: &[i8], [dim, keys, padded]: [usize; 3], flip: bool, to: *mut u8) {
    // SAFETY: by the contract; `8 * dim` is below 2^16.
    unsafe {
        asm!(
            "vmov.i32 q3, #0",
            "vdup.16 q2, {flip}",
            "mov r2, #0",
            "vidup.u16 q0, r2, #1",
            "vmul.i16 q0, q0, {dim}",
            "1:",
            "add r2, r1, {padded}",
            "sub r3, r2, #16",
            "vstrb.8 q3, [r3]",
            "mov r3, {v}",
            "dlstp.16 lr, {keys}",
            "2:",
            "vldrb.u16 q1, [r3, q0]",
            "veor q1, q1, q2",
            "vstrb.16 q1, [r1], #8",
            "add r3, r3, {dim}, lsl #3",
            "letp lr, 2b",
            "mov r1, r2",
            "add {v}, #1",
            "subs {left}, #1",
            "bne 1b",
            flip = in(reg) if flip { 0x80 } else { 0 }, dim = in(reg) dim, keys = in(reg) keys, padded = in(reg) padded, v = inout(reg) v.as_ptr() => _,
            left = inout(reg) dim => _, inout("r1") to => _, out("r2") _, out("r3") _, out("lr") _,
            out("q0") _, out("q1") _, out("q2") _, out("q3") _, options(nostack),
        );
    }
}

/// Divides the weighted sums of one query by the sum of its codes.
///
/// # Safety
/// The processor has MVE; `dim` sums are readable and as many outputs writable.
#[inline(always)]
unsafe fn divide(sums: *const i32, sum: u32, narrow: bool, dim: usize, out: *mut i16) {
    let (r, k) = reciprocal(sum);
    // A vector shifts by 32 or more. If k is less the sums are small: below 2^(39 - zeros),
    // shifted by 32 - k = zeros - 22.
    let (shift, pre_shift) = (31 - k.max(32) as i32, 32u32.saturating_sub(k));
    // SAFETY: by the contract; the loop has `dim` lanes in all.
    unsafe {
        asm!(
            "dlstp.32 lr, lr",
            "2:",
            "vldrw.u32 q0, [{sums}], #16",
            "vsub.i32 q0, q0, {offset}",
            "vshl.s32 q0, {pre_shift}",
            "vqdmulh.s32 q0, q0, {r}",
            "vrshl.s32 q0, {shift}",
            "vstrh.32 q0, [r1], #8",
            "letp lr, 2b",
            sums = inout(reg) sums => _, offset = in(reg) if narrow { sum.wrapping_mul(128) } else { 0 }, pre_shift = in(reg) pre_shift, r = in(reg) r,
            shift = in(reg) shift, inout("r1") out => _, inout("lr") dim => _, out("q0") _, options(nostack),
        );
    }
}
