//! Attention with the DSP extension, two queries at a time: logits as a product whose channels are
//! the keys, then the codes of both queries as halves of one word per key, then the weighted sums
//! of four channels.

use core::arch::{asm, naked_asm};
use core::mem::MaybeUninit;

use super::{Strip, reciprocal::reciprocal, scalar, table::codes_of};
use crate::dsp::dots::{self, Dots, Group, widen};
use crate::dsp::rates::{Rate, shifted};
use crate::dsp::tile::{COLUMNS, Tile};
use crate::isa::Dsp;

/// Tiles of logits, each of [`COLUMNS`] keys.
const TILES: usize = 4;
/// Largest head dimension.
const MAX_DIM: usize = 32;

/// Computes the strip; heads and strips that the loops do not know are left to `scalar`.
#[inline(never)] // its buffers would lie on the stack of every instruction set
pub(super) fn run(dsp: Dsp, args: &Strip<'_>, scores: &mut [i32], out: &mut [i16]) {
    let dim = args.dim;
    let values = match dim {
        8 => values_of_8,
        16 => values_of_16,
        24 => values_of_24,
        32 => values_of_32,
        _ => return scalar::run(args, scores, out),
    };
    if scores.len() > TILES * COLUMNS {
        return scalar::run(args, scores, out);
    }
    // The rounding of `smmla` is that of a shift beyond 32.
    let Some(codes) = codes_of(args.exp, args.bits).filter(|codes| codes.len() >= 1024 && args.shift > 32) else { return scalar::run(args, scores, out) };
    let pairs = Pairs { dsp, args, codes, rate: Rate::new(dsp, args.mult, args.shift) };
    let mut tiles: [Tile; TILES] = [[[0; COLUMNS]; 2]; TILES];
    for (q, out) in args.q.chunks((2 * dim).max(1)).zip(out.chunks_mut((2 * dim).max(1))) {
        let (first, second) = q.split_at_checked(dim).unwrap_or((q, &[]));
        pairs.logits([first, if second.is_empty() { first } else { second }], &mut tiles, scores.len());
        let shares = pairs.codes(&tiles, scores).map(|sum| Share::of(dsp, sum));
        let (out, out_second) = out.split_at_mut_checked(dim).unwrap_or_default();
        for start in (0..dim).step_by(4) {
            let mut of_both = [[0; 4]; 2];
            let codes = scores.as_ptr_range();
            let values_args = Values { v: args.v.as_ptr().wrapping_add(start), codes: codes.start, codes_end: codes.end, sums: &mut of_both };
            // SAFETY: the token proves the DSP extension. There are as many codes, not none, as
            // keys of `dim` channels, of which the four from `start` on are read.
            unsafe { values(&values_args) };
            for ((out, sums), share) in [&mut *out, &mut *out_second].into_iter().zip(&of_both).zip(&shares) {
                share.store(sums, out.get_mut(start..).unwrap_or_default());
            }
        }
    }
}

/// State that all pairs of queries share.
struct Pairs<'a> {
    dsp: Dsp,
    args: &'a Strip<'a>,
    /// Codes by distance.
    codes: &'static [u16],
    rate: Rate,
}

impl Pairs<'_> {
    /// Logits of two queries over all keys.
    fn logits(&self, q: [&[i8]; 2], tiles: &mut [Tile; TILES], keys: usize) {
        let dim = self.args.dim;
        let mut wide = [const { MaybeUninit::<Group>::uninit() }; MAX_DIM / 4];
        let Some(wide) = wide.get_mut(..dim / 4) else { return };
        widen(self.dsp, q[0], q[1], wide);
        let a = wide.as_ptr_range();
        let (tile, v) = (tiles.as_mut_ptr().cast::<i32>(), self.args.v.as_ptr());
        // Whole tiles, pairs of keys of the last one, and the last of an odd number with itself.
        let (mut first, mut column) = (0, 0);
        while first < keys {
            let left = keys - first;
            let (second, len) = if left == 1 { (first, 2) } else { (first + 1, COLUMNS.min(left & !1)) };
            let weights = [first, second].map(|key| v.wrapping_add(key * dim));
            let tile = tile.wrapping_add(column);
            let args = Dots { a: a.start.cast(), a_end: a.end.cast(), weights, skip: dim, tile, tile_end: tile.wrapping_add(len) };
            // SAFETY: the token proves the DSP extension. There are `dim / 4` groups, 2 to 8; `v`
            // holds the keys; an even number of at most `COLUMNS` sums lies inside the tile, as an
            // odd one is alone in its tile or behind fewer than `COLUMNS`.
            unsafe { dots::s8(&args) };
            first += len;
            column += if len == COLUMNS { size_of::<Tile>() / size_of::<i32>() } else { len };
        }
    }

    /// Codes of both queries, those of the first in the lower halves, and their sums.
    fn codes(&self, tiles: &[Tile; TILES], scores: &mut [i32]) -> [u32; 2] {
        let mut maxima = [i32::MIN; 2];
        for (scores, tile) in scores.chunks(COLUMNS).zip(tiles) {
            for (row, maximum) in tile.iter().zip(&mut maxima) {
                *maximum = largest(row.get(..scores.len()).unwrap_or_default(), *maximum);
            }
        }
        if self.args.bits == 8 {
            return self.narrow_codes(maxima, tiles, scores);
        }
        let mut sums = [0u32; 2];
        for (scores, [first, second]) in scores.chunks_mut(COLUMNS).zip(tiles) {
            for ((score, first), second) in scores.iter_mut().zip(first).zip(second) {
                let codes = [self.code(maxima[0].wrapping_sub(*first)), self.code(maxima[1].wrapping_sub(*second))];
                sums = [sums[0].wrapping_add(codes[0]), sums[1].wrapping_add(codes[1])];
                *score = (codes[0] | codes[1] << 16) as i32;
            }
        }
        sums
    }

    /// [`Pairs::codes`] of 8 bits. Sums of both queries are halves of a word, since a code is at
    /// most 255 and there are no more than 256 keys.
    fn narrow_codes(&self, maxima: [i32; 2], tiles: &[Tile; TILES], scores: &mut [i32]) -> [u32; 2] {
        let shift = u32::from(self.args.shift).wrapping_sub(32);
        let mut sums = 0u32;
        for (scores, tile) in scores.chunks_mut(COLUMNS).zip(tiles) {
            let to = scores.as_mut_ptr_range();
            // SAFETY: `dsp` proves the extension. A chunk has 1 to 64 scores, and each row of the
            // tile as many logits, the second 256 bytes after the first. `usat` leaves an index of
            // 10 bits, and `run` has checked that there are as many codes.
            unsafe {
                asm!(
                    "2:",
                    "ldr {a}, [{tile}], #4",
                    "ldr {b}, [{tile}, #252]",
                    "sub {a}, {first}, {a}",
                    "sub {b}, {second}, {b}",
                    "smmla {a}, {a}, {mult}, {half}",
                    "smmla {b}, {b}, {mult}, {half}",
                    "asr {a}, {a}, {shift}",
                    "asr {b}, {b}, {shift}",
                    "usat {a}, #10, {a}",
                    "usat {b}, #10, {b}",
                    "ldrh {a}, [{codes}, {a}, lsl #1]",
                    "ldrh {b}, [{codes}, {b}, lsl #1]",
                    "orr {a}, {a}, {b}, lsl #16",
                    "add {sums}, {sums}, {a}",
                    "str {a}, [{to}], #4",
                    "cmp {to}, {end}",
                    "bne 2b",
                    tile = inout(reg) tile.as_ptr() => _, to = inout(reg) to.start => _, end = in(reg) to.end, first = in(reg) maxima[0], second = in(reg) maxima[1],
                    mult = in(reg) self.args.mult, half = in(reg) 1i32.wrapping_shl(shift) >> 1, shift = in(reg) shift, codes = in(reg) self.codes.as_ptr(),
                    sums = inout(reg) sums, a = out(reg) _, b = out(reg) _, options(nostack),
                );
            }
        }
        [sums & 0xffff, sums >> 16]
    }

    /// Code of one distance below the maximum.
    #[inline(always)]
    fn code(&self, below: i32) -> u32 {
        let t = self.rate.apply(below) as usize;
        self.codes.get(t).copied().unwrap_or_default().into()
    }
}

/// The largest of the logits and `maximum`.
#[inline(never)] // one loop for all tiles
fn largest(logits: &[i32], maximum: i32) -> i32 {
    logits.iter().fold(maximum, |maximum, logit| maximum.max(*logit))
}

/// A division by the sum of a query's codes.
#[derive(Clone, Copy)]
struct Share {
    rate: Rate,
    pre_shift: u8,
}

impl Share {
    /// By `sum`.
    fn of(dsp: Dsp, sum: u32) -> Self {
        let (reciprocal, k) = reciprocal(sum);
        Self { rate: Rate::new(dsp, reciprocal, k.max(32) as u8), pre_shift: 32u32.saturating_sub(k) as u8 }
    }

    /// Stores the shares of four weighted sums, as far as there are outputs.
    #[inline(never)] // one for both queries
    fn store(&self, sums: &[i32; 4], out: &mut [i16]) {
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = self.rate.apply(shifted(*sum, self.pre_shift)) as i16;
        }
    }
}

/// Operands of the functions below. The assembly reads the fields at their offsets.
#[repr(C)]
struct Values<'a> {
    v: *const i8,
    /// One word for each key.
    codes: *const i32,
    codes_end: *const i32,
    /// Four sums of each query.
    sums: &'a mut [[i32; 4]; 2],
}

macro_rules! values {
    ($(#[$doc:meta])* $name:ident, $dim:literal) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// The processor has the DSP extension. There are codes, and for each of them four values
        /// of a key.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(values: &Values<'_>) {
            naked_asm!(
                ".cpu cortex-m7",
                "push {{r3-r11, lr}}",
                "ldrd r1, r2, [r0, #4]",
                "ldr r3, [r0, #12]",
                "str r3, [sp]",
                "ldr r0, [r0]",
                "mov r4, #0",
                "mov r5, #0",
                "mov r6, #0",
                "mov r7, #0",
                "mov r8, #0",
                "mov r9, #0",
                "mov r10, #0",
                "mov r11, #0",
                "sub r3, r2, r1",
                "lsls r3, #29",
                "bpl 2f",
                values!(@key $dim),
                "cmp r1, r2",
                "beq 3f",
                "2:",
                values!(@key $dim),
                values!(@key $dim),
                "cmp r1, r2",
                "bne 2b",
                "3:",
                "ldr r0, [sp]",
                "stm r0, {{r4-r11}}",
                "pop {{r3-r11, pc}}",
            )
        }
    };
    (@key $dim:literal) => {
        concat!(
            "ldr r12, [r0], #",
            $dim,
            "\nldr r3, [r1], #4\nsxtb16 lr, r12, ror #8\nsxtb16 r12, r12\n",
            "smlabb r4, r12, r3, r4\nsmlabb r5, lr, r3, r5\nsmlatb r6, r12, r3, r6\nsmlatb r7, lr, r3, r7\n",
            "smlabt r8, r12, r3, r8\nsmlabt r9, lr, r3, r9\nsmlatt r10, r12, r3, r10\nsmlatt r11, lr, r3, r11"
        )
    };
}

values! {
    /// Weighted sums of keys of 8 channels.
    values_of_8, "8"
}
values! {
    /// Weighted sums of keys of 16 channels.
    values_of_16, "16"
}
values! {
    /// Weighted sums of keys of 24 channels.
    values_of_24, "24"
}
values! {
    /// Weighted sums of keys of 32 channels.
    values_of_32, "32"
}
