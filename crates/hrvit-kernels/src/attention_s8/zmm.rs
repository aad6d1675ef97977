//! Attention on AVX-512: logits by `vpdpbusd`, 32 keys of four queries at a time; codes 32 at a
//! time, the exponent's 64 entries being one `vpermi2w`; weighted sums of eight queries at a time,
//! by `vpdpwssd` from codes of 15 bits, by `vpdpbusd` from those of 8.
//!
//! Keys become unsigned by 128 more. That adds the same number to all logits of a query, which
//! their distances from the maximum do not see.

use core::arch::x86_64::*;
use core::mem::MaybeUninit;

use super::Strip;
use super::avx2::{self, MIN_SHIFT, reciprocal};
use crate::isa::Avx512;
use crate::slices::{rows as each_row, rows_mut};
use crate::x86::{BLOCK as LANES, across, first_channels, load_i8, side_by_side, upper_halves};

/// Keys whose codes are computed at a time: two vectors of logits, one of codes.
const KEYS: usize = 2 * LANES;
/// Most keys that the buffers hold; longer strips are left to `avx2`.
const MAX_KEYS: usize = 1536;
/// Largest head that they hold, and that of the longest strips; heads that are no multiple of 4 are
/// left to `avx2`.
const MAX_DIM: usize = 128;
const MAX_DIM_OF_LONGEST: usize = 32;
/// Vectors of 16 keys by 4 channels that they hold.
const MAX_BY_KEY: usize = MAX_KEYS / LANES * MAX_DIM_OF_LONGEST / 4;
/// Vectors of 16 channels by 2 keys, or more, that they hold.
const MAX_BY_CHANNEL: usize = MAX_KEYS / 2 * MAX_DIM_OF_LONGEST / LANES;
/// Queries whose logits are computed at a time.
const ROWS: usize = 4;
/// Queries whose weighted sums are computed at a time.
const QUERIES: usize = 2 * ROWS;

/// Computes the strip.
pub(super) fn run(token: Avx512, args: &Strip<'_>, scores: &mut [i32], out: &mut [i16]) {
    let padded = (args.v.len() / args.dim.max(1)).next_multiple_of(KEYS);
    let fits = args.dim <= MAX_DIM
        && args.dim.is_multiple_of(4)
        && padded <= MAX_KEYS
        && padded / LANES * (args.dim / 4) <= MAX_BY_KEY
        && padded / 2 * args.dim.div_ceil(LANES) <= MAX_BY_CHANNEL;
    if !fits || args.shift < MIN_SHIFT {
        return avx2::run(token.into(), args, scores, out);
    }
    // SAFETY: the token proves AVX-512.
    unsafe { if args.bits == 8 { strip::<4>(args, padded, out) } else { strip::<2>(args, padded, out) } }
}

/// Packed values, logits and codes of one strip.
struct Buffers {
    by_key: [MaybeUninit<__m512i>; MAX_BY_KEY],
    by_channel: [MaybeUninit<__m512i>; MAX_BY_CHANNEL],
    logits: [MaybeUninit<__m512i>; QUERIES * MAX_KEYS / LANES],
    codes: [MaybeUninit<i32>; QUERIES * MAX_KEYS / 2],
}

/// The strip; `padded` is its number of keys, rounded up to whole [`KEYS`]. 32 bits hold the codes
/// of `STEP` keys: 2 of 15 bits, or 4 of 8.
#[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
fn strip<const STEP: usize>(args: &Strip<'_>, padded: usize, out: &mut [i16]) {
    let dim = args.dim;
    let mut buffers = Buffers {
        by_key: [const { MaybeUninit::uninit() }; MAX_BY_KEY],
        by_channel: [const { MaybeUninit::uninit() }; MAX_BY_CHANNEL],
        logits: [const { MaybeUninit::uninit() }; QUERIES * MAX_KEYS / LANES],
        codes: [const { MaybeUninit::uninit() }; QUERIES * MAX_KEYS / 2],
    };
    let by_key = pack_by_key(args, padded, &mut buffers.by_key);
    let by_channel = pack_by_channel::<STEP>(args, padded, &mut buffers.by_channel);
    let exponent = Exponent::new(args);
    let keys = args.v.len() / dim;
    for (q, out) in args.q.chunks(QUERIES * dim).zip(out.chunks_mut(QUERIES * dim)) {
        let queries = q.len() / dim;
        let mut maxima = [_mm512_setzero_si512(); QUERIES];
        let rows = q.chunks(ROWS * dim).zip(buffers.logits.chunks_mut(ROWS * (padded / LANES)));
        for ((q, out), maxima) in rows.zip(maxima.as_chunks_mut::<ROWS>().0) {
            *maxima = logits(q, dim, by_key, keys, out);
        }
        let maxima = across(maxima, |a, b| _mm256_max_epi32(a, b));
        let mut sums = [_mm512_setzero_si512(); QUERIES];
        let rows = each_row(&buffers.logits, padded / LANES).zip(rows_mut(&mut buffers.codes, padded / STEP));
        for ((sum, maximum), (logits, codes)) in sums.iter_mut().zip(maxima).zip(rows).take(queries) {
            // SAFETY: `logits` above has written `padded / 16` vectors for each query.
            *sum = exponent.codes::<STEP>(unsafe { logits.assume_init_ref() }, maximum, keys, codes);
        }
        let divisors = across(sums, |a, b| _mm256_add_epi32(a, b)).map(|sum| reciprocal(sum as u32));
        // SAFETY: the loop above has written all codes of each query.
        let codes = unsafe { buffers.codes.get_unchecked(..queries * (padded / STEP)).assume_init_ref() };
        let turn = Turn::<STEP> { codes, queries, steps: padded / STEP, used: keys.div_ceil(STEP), divisors, dim };
        let mut rest = by_channel;
        for first in (0..dim).step_by(2 * LANES) {
            let blocks = (dim - first).div_ceil(LANES).min(2);
            let (values, later) = rest.split_at(blocks * turn.steps);
            match blocks {
                1 => turn.values::<1>(values, first, out),
                _ => turn.values::<2>(values, first, out),
            }
            rest = later;
        }
    }
}

/// The values with keys as channels, 128 more: for 32 keys at a time and 4 channels at a time two
/// vectors of 16 keys, in the order in which `vpackssdw` brings them into the natural one. Values
/// beyond the last key are any numbers.
#[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
fn pack_by_key<'b>(args: &Strip<'_>, padded: usize, buffer: &'b mut [MaybeUninit<__m512i>]) -> &'b [__m512i] {
    let groups = args.dim / 4;
    let keys = args.v.len() / args.dim;
    let buffer = buffer.get_mut(..padded / LANES * groups).unwrap_or_default();
    let order = [first_keys(), _mm512_add_epi32(first_keys(), _mm512_set1_epi32(4))];
    let offsets = order.map(|order| _mm512_mullo_epi32(order, _mm512_set1_epi32(args.dim as i32)));
    for (b, block) in rows_mut(buffer, 2 * groups).enumerate() {
        let left = _mm512_set1_epi32((keys - KEYS * b) as i32);
        for (g, vectors) in block.as_chunks_mut::<2>().0.iter_mut().enumerate() {
            let from = args.v.as_ptr().wrapping_add(KEYS * b * args.dim + 4 * g);
            for ((vector, order), offsets) in vectors.iter_mut().zip(order).zip(offsets) {
                let inside = _mm512_cmplt_epi32_mask(order, left);
                // SAFETY: the lanes of keys inside the strip read 4 channels each, which exist.
                let four = unsafe { _mm512_mask_i32gather_epi32::<1>(_mm512_setzero_si512(), inside, offsets, from.cast()) };
                vector.write(_mm512_xor_si512(four, _mm512_set1_epi8(i8::MIN)));
            }
        }
    }
    // SAFETY: the loops above have written all blocks.
    unsafe { buffer.assume_init_ref() }
}

/// Keys of the first of two vectors; those of the second one are 4 further on.
#[inline]
#[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
fn first_keys() -> __m512i {
    _mm512_setr_epi32(0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27)
}

/// The values with their channels as channels: up to two blocks of 16 channels side by side, `STEP`
/// keys a step, zeros beyond the last key.
#[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
fn pack_by_channel<'b, const STEP: usize>(args: &Strip<'_>, padded: usize, buffer: &'b mut [MaybeUninit<__m512i>]) -> &'b [__m512i] {
    let steps = padded / STEP;
    let buffer = buffer.get_mut(..args.dim.div_ceil(LANES) * steps).unwrap_or_default();
    let codes = |key: usize, channel: usize| {
        let row = args.v.get(key * args.dim..(key + 1) * args.dim).unwrap_or_default();
        load_i8(row, channel)
    };
    let mut rest = &mut *buffer;
    for first in (0..args.dim).step_by(2 * LANES) {
        let blocks = (args.dim - first).div_ceil(LANES).min(2);
        let (now, later) = rest.split_at_mut(blocks * steps);
        for (step, vectors) in rows_mut(now, blocks).enumerate() {
            for (block, vector) in vectors.iter_mut().enumerate() {
                let channel = first + block * LANES;
                let codes = |key| codes(STEP * step + key, channel);
                vector.write(if STEP == 4 {
                    side_by_side([codes(0), codes(1), codes(2), codes(3)])
                } else {
                    let (even, odd) = (_mm512_cvtepi8_epi32(codes(0)), _mm512_cvtepi8_epi32(codes(1)));
                    _mm512_mask_blend_epi16(0xaaaa_aaaa, even, _mm512_slli_epi32::<16>(odd))
                });
            }
        }
        rest = later;
    }
    // SAFETY: the loops above have written all blocks.
    unsafe { buffer.assume_init_ref() }
}

/// Logits of up to 4 queries over all keys into rows of one vector per 16 keys, each plus a number
/// of its query; and their maxima over the real keys, lane by lane.
#[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
fn logits(q: &[i8], dim: usize, by_key: &[__m512i], keys: usize, out: &mut [MaybeUninit<__m512i>]) -> [__m512i; ROWS] {
    let groups = dim / 4;
    let stride = by_key.len() / groups;
    let (fours, _) = q.as_chunks::<4>();
    let mut each = each_row(fours, groups);
    let first = each.next().unwrap_or_default();
    let queries = [first, each.next().unwrap_or(first), each.next().unwrap_or(first), each.next().unwrap_or(first)];
    let mut rows = rows_mut(out, stride);
    let mut rows = [rows.next(), rows.next(), rows.next(), rows.next()].map(|row| row.unwrap_or_default().as_chunks_mut::<2>().0.iter_mut());
    let mut maxima = [_mm512_set1_epi32(i32::MIN); ROWS];
    for (b, block) in each_row(by_key, 2 * groups).enumerate() {
        let mut acc = [[_mm512_setzero_si512(); 2]; ROWS];
        for (g, keys) in block.as_chunks::<2>().0.iter().enumerate() {
            for (acc, query) in acc.iter_mut().zip(queries) {
                // SAFETY: a query has as many groups of 4 channels as a block.
                let query = _mm512_set1_epi32(i32::from_ne_bytes(unsafe { query.get_unchecked(g) }.map(|code| code as u8)));
                acc[0] = _mm512_dpbusd_epi32(acc[0], keys[0], query);
                acc[1] = _mm512_dpbusd_epi32(acc[1], keys[1], query);
            }
        }
        let last = _mm512_set1_epi32((keys - KEYS * b) as i32);
        let inside = [_mm512_cmplt_epi32_mask(first_keys(), last), _mm512_cmplt_epi32_mask(first_keys(), _mm512_sub_epi32(last, _mm512_set1_epi32(4)))];
        for ((row, maximum), acc) in rows.iter_mut().zip(&mut maxima).zip(acc) {
            for (inside, acc) in inside.into_iter().zip(acc) {
                *maximum = _mm512_mask_max_epi32(*maximum, inside, *maximum, acc);
            }
            if let Some(out) = row.next() {
                *out = acc.map(MaybeUninit::new);
            }
        }
    }
    maxima
}

/// Codes of up to 8 queries and what their sums are divided by.
struct Turn<'a, const STEP: usize> {
    /// `[queries, steps]`.
    codes: &'a [i32],
    queries: usize,
    steps: usize,
    /// Steps with real keys.
    used: usize,
    divisors: [(i32, u32); QUERIES],
    dim: usize,
}

impl<const STEP: usize> Turn<'_, STEP> {
    /// Weighted sums of `N` blocks of 16 channels from `first` on, divided by the sums of the
    /// codes.
    #[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
    fn values<const N: usize>(&self, values: &[__m512i], first: usize, out: &mut [i16]) {
        let mut acc = [[_mm512_setzero_si512(); N]; QUERIES];
        let mut rows = [self.codes.as_ptr(); QUERIES];
        for (i, row) in rows.iter_mut().enumerate() {
            *row = row.wrapping_add(i.min(self.queries - 1) * self.steps);
        }
        for (i, values) in values.as_chunks::<N>().0.iter().enumerate().take(self.used) {
            for (acc, row) in acc.iter_mut().zip(rows) {
                // SAFETY: every row has as many codes as there are steps.
                let codes = _mm512_set1_epi32(unsafe { row.add(i).read() });
                for (acc, values) in acc.iter_mut().zip(values) {
                    *acc = if STEP == 4 { _mm512_dpbusd_epi32(*acc, codes, *values) } else { _mm512_dpwssd_epi32(*acc, *values, codes) };
                }
            }
        }
        for ((acc, (r, k)), out) in acc.iter().zip(self.divisors).zip(out.chunks_mut(self.dim)) {
            for (n, acc) in acc.iter().enumerate() {
                let first = first + n * LANES;
                // SAFETY: the mask has only channels of this query.
                unsafe { _mm256_mask_storeu_epi16(out.as_mut_ptr().add(first), first_channels(self.dim - first), divide(*acc, r, k)) };
            }
        }
    }
}

/// `(sum * r + 2^(k - 1)) >> k` of 16 sums.
#[inline]
#[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
fn divide(sums: __m512i, r: i32, k: u32) -> __m256i {
    let (r, half, k) = (_mm512_set1_epi32(r), _mm512_set1_epi64(1i64.wrapping_shl(k.wrapping_sub(1))), _mm512_set1_epi64(k.into()));
    let even = _mm512_srav_epi64(_mm512_add_epi64(_mm512_mul_epi32(sums, r), half), k);
    let odd = _mm512_srav_epi64(_mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64::<32>(sums), r), half), k);
    _mm512_cvtepi32_epi16(_mm512_mask_shuffle_epi32::<0b10_10_00_00>(even, 0xaaaa, odd))
}

/// Distances to codes: `(exp[t & 63] + 2^(n - 1)) >> n`, `n = (t >> 6) + 15 - bits`, 32 keys at a
/// time. The shift of the distances is above 32: their rounding term is a number of the product's
/// upper half.
///
/// The table holds `2 exp`: `(2 exp >> n) + 1`, halved, is the code for every n, and from n = 16 on
/// `vpsrlvw` gives 0.
struct Exponent {
    mult: __m512i,
    half: __m512i,
    shift: __m512i,
    /// Twice the entries.
    entries: [__m512i; 2],
    /// `15 - bits`.
    least: __m512i,
}

impl Exponent {
    #[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
    fn new(args: &Strip<'_>) -> Self {
        let mut doubled = [[0u16; 32]; 2];
        doubled.as_flattened_mut().iter_mut().zip(args.exp).for_each(|(to, from)| *to = 2 * from);
        // SAFETY: each load reads the 64 bytes of a reference, without alignment.
        let entries = unsafe { [_mm512_loadu_si512(doubled[0].as_ptr().cast()), _mm512_loadu_si512(doubled[1].as_ptr().cast())] };
        Self {
            mult: _mm512_set1_epi32(args.mult),
            half: _mm512_set1_epi32(1i32.wrapping_shl(u32::from(args.shift - MIN_SHIFT))),
            shift: _mm512_set1_epi32(i32::from(args.shift) - 32),
            entries,
            least: _mm512_set1_epi16(15 - i16::from(args.bits)),
        }
    }

    /// Codes of one query from its logits, zero beyond `keys`, those of `STEP` keys in each element
    /// (2 or, of 8 bits, 4); returns their sums, lane by lane.
    #[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
    fn codes<const STEP: usize>(&self, logits: &[__m512i], maximum: i32, keys: usize, codes: &mut [MaybeUninit<i32>]) -> __m512i {
        let (maximum, one) = (_mm512_set1_epi32(maximum), _mm512_set1_epi16(1));
        let mut sum = _mm512_setzero_si512();
        let mut left = keys;
        for ([first, second], out) in logits.as_chunks::<2>().0.iter().zip(codes.chunks_exact_mut(KEYS / STEP)) {
            let t = _mm512_packs_epi32(self.distances(_mm512_sub_epi32(maximum, *first)), self.distances(_mm512_sub_epi32(maximum, *second)));
            let entry = _mm512_permutex2var_epi16(self.entries[0], t, self.entries[1]);
            let n = _mm512_add_epi16(_mm512_srli_epi16::<6>(t), self.least);
            let mut codes = _mm512_avg_epu16(_mm512_srlv_epi16(entry, n), _mm512_setzero_si512());
            if left < KEYS {
                codes = _mm512_maskz_mov_epi16((1 << left) - 1, codes);
            }
            left = left.saturating_sub(KEYS);
            sum = _mm512_dpwssd_epi32(sum, codes, one);
            // SAFETY: each store writes the `KEYS / STEP` elements of `out`, without alignment.
            unsafe {
                if STEP == 4 {
                    _mm256_storeu_si256(out.as_mut_ptr().cast(), _mm512_cvtepi16_epi8(codes));
                } else {
                    _mm512_storeu_si512(out.as_mut_ptr().cast(), codes);
                }
            }
        }
        sum
    }

    /// `t` of 16 logits below the maximum.
    #[inline]
    #[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
    fn distances(&self, below: __m512i) -> __m512i {
        let even = _mm512_mul_epi32(below, self.mult);
        let odd = _mm512_mul_epi32(_mm512_srli_epi64::<32>(below), self.mult);
        _mm512_srav_epi32(_mm512_add_epi32(upper_halves(even, odd), self.half), self.shift)
    }
}
