//! Attention on MVE, three queries at a time: logits and weighted sums are products of three rows ([`dots`]), with the keys as channels and with the values transposed
//! once a strip. Codes of 8 keys at a time come from the table of [`super::table`].
//!
//! Codes of 8 bits are unsigned, so the transposed values have 128 added to them; 128 times the sum of the codes is taken away again.

use core::arch::asm;
use core::mem::MaybeUninit;

use super::reciprocal::reciprocal;
use super::table::codes_of;
use super::{Strip, mve_long};
use crate::isa::Mve;
use crate::mve::dots::{self, Dots};
use crate::mve::tile::{COLUMNS, ROWS, Tile};

/// Tiles of logits. The second one takes the weighted sums when all codes are made.
const TILES: usize = 2;
/// Bytes of transposed values.
const VALUES: usize = 24 * 64;

/// Computes the strip; heads of other than 8, 16, 24 or 32 channels and strips beyond the buffers are left to [`mve_long`].
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
    let fits = keys <= TILES * COLUMNS && keys % COLUMNS != 1 && padded * dim <= VALUES;
    let Some(codes) = codes_of(args.exp, args.bits).filter(|_| fits) else { return mve_long::run(mve, args, scores, out) };
    let narrow = args.bits == 8;
    let mut values = Values([MaybeUninit::uninit(); VALUES]);
    let mut threes = Threes { args, keys, padded, multiply, codes, narrow, values: values.0.as_ptr().cast(), tiles: [const { Tile::new() }; TILES] };
    // SAFETY: the token proves MVE. `v` has 2 or more keys of `dim` channels, `values` room for `dim` rows of `padded` bytes, by the checks above.
    unsafe { transpose(args.v, [dim, keys, padded], narrow, values.0.as_mut_ptr().cast()) };
    let (mut q, mut out) = (args.q, out);
    while !q.is_empty() {
        let len = q.len().min(ROWS * dim);
        let (Some((rows, q_left)), Some((to, out_left))) = (q.split_at_checked(len), out.split_at_mut_checked(len)) else { return };
        // Without a division, which could be by zero for all that a compiler knows.
        let count = 1 + usize::from(len >= 2 * dim) + usize::from(len >= 3 * dim);
        // SAFETY: the token proves MVE; `rows` and `to` have `count` rows of `dim` elements, and the values are written.
        unsafe { threes.queries(rows, count, to) };
        (q, out) = (q_left, out_left);
    }
}

/// Transposed values `[dim, padded]`.
#[repr(C, align(16))]
struct Values([MaybeUninit<u8>; VALUES]);

/// What all queries share.
struct Threes<'a> {
    args: &'a Strip<'a>,
    /// An even number, or not one beyond whole tiles.
    keys: usize,
    /// `keys`, rounded up to whole vectors.
    padded: usize,
    multiply: unsafe extern "C" fn(&Dots<i8>),
    /// Codes by distance, the last for all larger ones.
    codes: &'static [u16],
    /// Codes have 8 bits.
    narrow: bool,
    values: *const i8,
    tiles: [Tile; TILES],
}

impl Threes<'_> {
    /// One to three queries.
    ///
    /// # Safety
    /// The processor has MVE; `q` and `out` have `rows` rows of `dim` elements, one to three; the values are written.
    #[inline(always)]
    unsafe fn queries(&mut self, q: &[i8], rows: usize, out: &mut [i16]) {
        let dim = self.args.dim;
        let row = |i: usize| q.as_ptr().wrapping_add(i.min(rows - 1) * dim);
        let to = |i: usize| out.as_ptr().cast_mut().wrapping_add(i.min(rows - 1) * dim);
        // SAFETY: by the contract; a row that does not exist is the last one.
        unsafe {
            let maxima = self.logits([row(0), row(1), row(2)]);
            let [first, ..] = &mut self.tiles;
            let start = first.start();
            let sums: [u32; ROWS] = core::array::from_fn(|i| self.codes(i, maxima[i]));
            let [.., last] = &mut self.tiles;
            let tile = last.start();
            let end = tile.wrapping_add(dim);
            let code_rows: [*const i32; ROWS] = core::array::from_fn(|i| start.wrapping_add(i * COLUMNS).cast_const());
            if self.narrow {
                let multiply = if self.padded == 16 { dots::u8 } else { dots::u8_whole };
                multiply(&Dots { a: code_rows.map(<*const i32>::cast), weights: self.values, depth: self.padded, tile, tile_end: end });
            } else {
                dots::s16(&Dots { a: code_rows.map(<*const i32>::cast), weights: self.values, depth: self.padded, tile, tile_end: end });
            }
            for (i, sum) in sums.into_iter().enumerate().take(rows) {
                divide(tile.wrapping_add(i * COLUMNS), sum, self.narrow, dim, to(i));
            }
        }
    }

    /// Logits of three queries over every key, and their maxima.
    ///
    /// # Safety
    /// As for [`Threes::queries`]; `dim` codes are readable from each of the pointers on.
    #[inline(always)]
    unsafe fn logits(&mut self, a: [*const i8; ROWS]) -> [i32; ROWS] {
        let (dim, keys, multiply) = (self.args.dim, self.keys, self.multiply);
        let mut maxima = [i32::MIN; ROWS];
        for (tile, first) in self.tiles.iter_mut().zip((0..keys).step_by(COLUMNS)) {
            let len = COLUMNS.min(keys - first);
            let start = tile.start();
            let pairs = |column: usize, len: usize| {
                let weights = self.args.v.as_ptr().wrapping_add((first + column) * dim);
                let tile = start.wrapping_add(column);
                // SAFETY: MVE and rows by the contract; the keys from `first + column` on exist, and their sums lie inside the tile.
                unsafe { multiply(&Dots { a, weights, depth: dim, tile, tile_end: tile.wrapping_add(len) }) };
            };
            pairs(0, len & !1);
            if len % 2 != 0 {
                // In a pair with the key before it.
                pairs(len - 2, 2);
            }
            // SAFETY: MVE; the sums of `len` keys were written in each of three rows, which lie 256 bytes apart.
            unsafe {
                asm!(
                    "vmov.i32 q1, #0x80000000",
                    "vmov q2, q1",
                    "vmov q3, q1",
                    "dlstp.32 lr, lr",
                    "2:",
                    "vldrw.u32 q0, [{logits}], #16",
                    "vmax.s32 q1, q1, q0",
                    "vldrw.u32 q0, [{logits}, #240]",
                    "vmax.s32 q2, q2, q0",
                    "vldrw.u32 q0, [{logits}, #496]",
                    "vmax.s32 q3, q3, q0",
                    "letp lr, 2b",
                    "vmaxv.s32 {first}, q1",
                    "vmaxv.s32 {second}, q2",
                    "vmaxv.s32 {third}, q3",
                    logits = inout(reg) start => _, first = inout(reg) maxima[0], second = inout(reg) maxima[1], third = inout(reg) maxima[2],
                    inout("lr") len => _, out("q0") _, out("q1") _, out("q2") _, out("q3") _, options(nostack, readonly),
                );
            }
        }
        maxima
    }

    /// Codes of one row of all tiles, one after another from the start of that row of the first tile on, and their sum.
    ///
    /// Codes of the second tile go where logits of the first were. Up to 7 codes more are written, of whatever the tile holds there; they meet values of 0.
    ///
    /// # Safety
    /// The processor has MVE; the logits are written.
    #[inline(always)]
    unsafe fn codes(&mut self, row: usize, maximum: i32) -> u32 {
        let mut sum = 0;
        let [first, second] = &mut self.tiles;
        let mut to: *mut u8 = first.start().wrapping_add(row * COLUMNS).cast();
        let args = self.args;
        // SAFETY: MVE and logits by the contract; 8 logits lie in a row of the tile wherever one is read, as a row is whole vectors of them. Distances are cut at the last
        // index of the codes. A vector of codes is at most half as long as that of logits, and written after these.
        unsafe {
            let from = first.start().wrapping_add(row * COLUMNS);
            let len = self.keys.min(COLUMNS);
            to = if self.narrow {
                codes_of_row::<true>(args, self.codes, maximum, from, len, to, &mut sum)
            } else {
                codes_of_row::<false>(args, self.codes, maximum, from, len, to, &mut sum)
            };
            if let Some(len) = self.keys.checked_sub(COLUMNS).filter(|len| *len != 0) {
                let from = second.start().wrapping_add(row * COLUMNS);
                if self.narrow {
                    codes_of_row::<true>(args, self.codes, maximum, from, len, to, &mut sum);
                } else {
                    codes_of_row::<false>(args, self.codes, maximum, from, len, to, &mut sum);
                }
            }
        }
        sum
    }
}

/// Codes of 8 distances: logits at r0, codes to r1.
macro_rules! eight_codes {
    ($predicate:literal, $add:literal, $store:literal) => {
        concat!(
            "vld20.32 {{q0, q1}}, [r0]\nvld21.32 {{q0, q1}}, [r0]!\n",
            "vsub.i32 q0, q0, {maximum}\nvsub.i32 q1, q1, {maximum}\n",
            "vqdmulh.s32 q0, q0, {mult}\nvqdmulh.s32 q1, q1, {mult}\n",
            "vrshl.s32 q0, {shift}\nvrshl.s32 q1, {shift}\n",
            "vqmovnb.s32 q2, q0\nvqmovnt.s32 q2, q1\nvmin.u16 q2, q2, q4\n",
            "vldrh.u16 q3, [{codes}, q2, uxtw #1]\n",
            $predicate,
            $add,
            " r2, q3\n",
            $store
        )
    };
}

/// Codes of `len` logits to `to` on, as bytes or as words, and where they end; their sum is added to `sum`. A multiplier and a difference that both are negative give the
/// distance's product.
///
/// # Safety
/// The processor has MVE. `len`, rounded up to 8, logits are readable, and as many codes writable, at or after `to`.
#[inline(never)]
unsafe fn codes_of_row<const NARROW: bool>(args: &Strip<'_>, codes: &[u16], maximum: i32, from: *const i32, len: usize, to: *mut u8, sum: &mut u32) -> *mut u8 {
    let mut end = to;
    macro_rules! row {
        ($store:literal) => {
            asm!(
                "vdup.16 q4, {last}",
                "wls lr, lr, 3f",
                "2:",
                eight_codes!("", "vaddva.u16", $store),
                "le lr, 2b",
                "3:",
                "cbz {rest}, 4f",
                "vctp.16 {rest}",
                eight_codes!("vpst\n", "vaddvat.u16", $store),
                "4:",
                last = in(reg) codes.len().wrapping_sub(1), rest = in(reg) len % 8, maximum = in(reg) maximum, mult = in(reg) args.mult.wrapping_neg(),
                shift = in(reg) 31 - i32::from(args.shift), codes = in(reg) codes.as_ptr(),
                inout("r0") from => _, inout("r1") end, inout("r2") *sum, inout("lr") len / 8 => _,
                out("q0") _, out("q1") _, out("q2") _, out("q3") _, out("q4") _, options(nostack),
            )
        };
    }
    // SAFETY: by the contract; indices are at most that of the last code.
    unsafe {
        if NARROW {
            row!("vstrb.16 q3, [r1], #8");
        } else {
            row!("vstrh.16 q3, [r1], #16");
        }
    }
    end
}

/// `to[channel][key] = v[key][channel]`, with 128 added where `flip`, rows of `padded` bytes that end with zeros.
///
/// # Safety
/// The processor has MVE; `v` has `keys` rows of `dim`, and `dim * padded` bytes are writable; `padded` is `keys` rounded up to 16.
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
    // A vector shifts by 32 or more. Where k is less the sums are small: below 2^(39 - zeros), shifted by 32 - k = zeros - 22.
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
