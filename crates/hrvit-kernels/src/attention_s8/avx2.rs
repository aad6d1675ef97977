//! Attention on AVX2: both products are tiles of 4 queries ([`crate::avx2::tile`]), the codes come from byte shuffles, 32 keys at a time.
//!
//! The values are packed twice: with the keys as channels for the logits, with their own channels as channels for the weighted sums. Lanes of 8 keys lie in the
//! order in which the tile leaves them; the second packing takes the keys in the same order, so that nothing is ever brought back.

use core::arch::x86_64::*;
use core::mem::MaybeUninit;

use super::{Strip, scalar};
use crate::avx2::rates::Rates;
use crate::avx2::sink::{Sink, Store16};
use crate::avx2::tile::{Group, ROWS, Sums, multiply, pack, widen};
use crate::isa::Avx2;
use crate::lanes::{rows as each_row, rows_mut};
use crate::requant::Scalar;

/// Most keys that the buffers hold; longer strips are left to `scalar`.
const MAX_KEYS: usize = 1536;
/// Most groups of 8 channels and 4 keys (or of 8 keys and 4 channels) that they hold: 32 channels.
const MAX_GROUPS: usize = MAX_KEYS;
/// Largest head that they hold.
const MAX_DIM: usize = 128;
/// Keys whose codes are made at a time.
const KEYS: usize = 32;
/// Position of each of 16 keys after `vphaddd` (`[0 1 4 5 | 2 3 6 7]` of 8) and `vpackssdw` of two such vectors.
const ORDER: [i16; 16] = [0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15];

/// See [`super::attention_s8`].
pub(super) fn run(_: Avx2, args: &Strip<'_>, scores: &mut [i32], out: &mut [i16]) {
    let keys = (args.v.len() / args.dim.max(1)).next_multiple_of(KEYS);
    let (key_groups, value_groups) = (keys / 8 * args.dim.div_ceil(4), args.dim.div_ceil(8) * (keys / 4));
    if args.dim > MAX_DIM || keys > MAX_KEYS || key_groups.max(value_groups) > MAX_GROUPS {
        return scalar::run(args, scores, out);
    }
    // SAFETY: the token proves AVX2.
    unsafe { strip(args, keys, out) }
}

/// Packed values, logits and codes of one strip.
struct Buffers {
    by_key: [MaybeUninit<Group>; MAX_GROUPS],
    by_channel: [MaybeUninit<Group>; MAX_GROUPS],
    logits: [MaybeUninit<__m256i>; ROWS * MAX_KEYS / 8],
    codes: [MaybeUninit<__m256i>; ROWS * MAX_KEYS / 16],
    queries: [MaybeUninit<i16>; ROWS * MAX_DIM],
}

/// The strip; `padded` is its number of keys, rounded up to whole [`KEYS`].
#[target_feature(enable = "avx2")]
fn strip(args: &Strip<'_>, padded: usize, out: &mut [i16]) {
    let dim = args.dim;
    let groups = dim.div_ceil(4);
    let mut buffers = const {
        Buffers {
            by_key: [MaybeUninit::uninit(); MAX_GROUPS],
            by_channel: [MaybeUninit::uninit(); MAX_GROUPS],
            logits: [MaybeUninit::uninit(); ROWS * MAX_KEYS / 8],
            codes: [MaybeUninit::uninit(); ROWS * MAX_KEYS / 16],
            queries: [MaybeUninit::uninit(); ROWS * MAX_DIM],
        }
    };
    let by_key = pack_by_key(args, padded, &mut buffers.by_key);
    let by_channel = pack_by_channel(args, padded, &mut buffers.by_channel);
    let exponent = Exponent::new(args);
    let keys = args.v.len() / dim;
    for (q, out) in args.q.chunks(ROWS * dim).zip(out.chunks_mut(ROWS * dim)) {
        for (q, wide) in each_row(q, dim).zip(rows_mut(&mut buffers.queries, 4 * groups)) {
            widen(q, wide);
        }
        let queries = q.len() / dim;
        // SAFETY: the loop above has written as many rows.
        let wide = unsafe { buffers.queries.get_unchecked(..queries * 4 * groups).assume_init_ref() };
        let maxima = logits(four_rows(wide, groups), by_key, groups, keys, &mut buffers.logits);
        let mut scales = [(0, 1); ROWS];
        for ((scale, maximum), (logits, codes)) in
            scales.iter_mut().zip(maxima).zip(each_row(&buffers.logits, padded / 8).zip(rows_mut(&mut buffers.codes, padded / 16))).take(queries)
        {
            // SAFETY: `logits` above has written `padded / 8` vectors for each row.
            *scale = reciprocal(exponent.codes(unsafe { logits.assume_init_ref() }, maximum, keys, codes));
        }
        // SAFETY: the loop above has written `padded / 16` vectors for each query; a vector is 16 values of 16 bits.
        let codes: &[i16] = unsafe { core::slice::from_raw_parts(buffers.codes.as_ptr().cast(), queries * padded) };
        values(four_rows(codes, padded / 4), by_channel, padded / 4, dim, scales, out);
    }
}

/// Four rows of `groups` groups of 4, the first one in place of those that do not exist.
#[inline(always)]
fn four_rows(all: &[i16], groups: usize) -> [&[[i16; 4]]; ROWS] {
    let mut rows = each_row(all.as_chunks::<4>().0, groups);
    let first = rows.next().unwrap_or_default();
    [first, rows.next().unwrap_or(first), rows.next().unwrap_or(first), rows.next().unwrap_or(first)]
}

/// The values with keys as channels: blocks of 8 keys.
fn pack_by_key<'b>(args: &Strip<'_>, padded: usize, buffer: &'b mut [MaybeUninit<Group>]) -> &'b [Group] {
    let groups = args.dim.div_ceil(4);
    let buffer = buffer.get_mut(..padded / 8 * groups).unwrap_or_default();
    let mut keys = each_row(args.v, args.dim);
    for block in rows_mut(buffer, groups) {
        pack(core::array::from_fn(|_| keys.next().unwrap_or_default()), block);
    }
    // SAFETY: the loop above has written all blocks.
    unsafe { buffer.assume_init_ref() }
}

/// The values with their channels as channels: blocks of 8 channels, the keys of each 16 in [`ORDER`].
fn pack_by_channel<'b>(args: &Strip<'_>, padded: usize, buffer: &'b mut [MaybeUninit<Group>]) -> &'b [Group] {
    let buffer = buffer.get_mut(..args.dim.div_ceil(8) * (padded / 4)).unwrap_or_default();
    for (b, block) in rows_mut(buffer, padded / 4).enumerate() {
        for (g, group) in block.iter_mut().enumerate() {
            let keys: [[i8; 8]; 4] = core::array::from_fn(|i| {
                let key = g / 4 * 16 + ORDER.get(4 * (g % 4) + i).map_or(0, |key| *key as usize);
                let row = args.v.get(key * args.dim..(key + 1) * args.dim).unwrap_or_default();
                let row = row.get(8 * b..).unwrap_or_default();
                let mut channels = [0; 8];
                match row.first_chunk() {
                    Some(eight) => channels = *eight,
                    None => channels.iter_mut().zip(row).for_each(|(to, from)| *to = *from),
                }
                channels
            });
            let [k0, k1, k2, k3] = keys;
            let mut weights = [[0; 4]; 8];
            for (weights, ((a, b), (c, d))) in weights.iter_mut().zip(k0.into_iter().zip(k1).zip(k2.into_iter().zip(k3))) {
                *weights = [a, b, c, d];
            }
            let mut packed = [[0; 16]; 2];
            packed.as_flattened_mut().iter_mut().zip(weights.as_flattened()).for_each(|(to, from)| *to = *from);
            group.write(packed);
        }
    }
    // SAFETY: the loop above has written all blocks.
    unsafe { buffer.assume_init_ref() }
}

/// Logits of 4 queries over all keys into rows of `by_key.len() / groups` vectors, and their maxima over the real keys.
#[target_feature(enable = "avx2")]
fn logits(q: [&[[i16; 4]]; ROWS], by_key: &[Group], groups: usize, keys: usize, out: &mut [MaybeUninit<__m256i>]) -> [i32; ROWS] {
    let zero = _mm256_setzero_si256();
    let stride = by_key.len() / groups;
    let mut rows = rows_mut(out, stride);
    let mut rows: [&mut [MaybeUninit<__m256i>]; ROWS] = core::array::from_fn(|_| rows.next().unwrap_or_default());
    let mut maxima = [_mm256_set1_epi32(i32::MIN); ROWS];
    for (b, block) in each_row(by_key, groups).enumerate() {
        let sums = multiply(q, block, [zero; 2]).map(|[low, high]| _mm256_hadd_epi32(low, high));
        let padding = padding(8 * b, keys);
        for (((sum, maximum), row), slot) in sums.into_iter().zip(&mut maxima).zip(&mut rows).zip([b; ROWS]) {
            let sum = match padding {
                Some(padding) => _mm256_blendv_epi8(sum, _mm256_set1_epi32(i32::MIN), padding),
                None => sum,
            };
            *maximum = _mm256_max_epi32(*maximum, sum);
            if let Some(slot) = row.get_mut(slot) {
                slot.write(sum);
            }
        }
    }
    maxima.map(|lanes| {
        let lanes = _mm_max_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256::<1>(lanes));
        let lanes = _mm_max_epi32(lanes, _mm_shuffle_epi32::<0b01_00_11_10>(lanes));
        _mm_cvtsi128_si32(_mm_max_epi32(lanes, _mm_shuffle_epi32::<0b10_11_00_01>(lanes)))
    })
}

/// The lanes of the 8 keys from `first` on that are no keys, if there are any.
#[inline]
#[target_feature(enable = "avx2")]
fn padding(first: usize, keys: usize) -> Option<__m256i> {
    let left = keys.saturating_sub(first) as i32;
    (left < 8).then(|| _mm256_cmpgt_epi32(_mm256_setr_epi32(0, 1, 4, 5, 2, 3, 6, 7), _mm256_set1_epi32(left - 1)))
}

/// Distances to codes: `(exp[t & 63] + 2^(n - 1)) >> n`, `n = (t >> 6) + 15 - bits`.
///
/// The shift is a rounding multiplication by `2^(15 - n)` (`vpmulhrsw`), whose factor is 0 where the code is. Both tables are looked up by `vpshufb`, which gives 0
/// for indices with the top bit: adding 112 (saturating) keeps the low four bits of 0..=15 and sets the top bit of all others.
struct Exponent {
    rates: Rates,
    entries_low: [__m256i; 4],
    entries_high: [__m256i; 4],
    factors_low: __m256i,
    factors_high: __m256i,
    exact: bool,
}

impl Exponent {
    #[target_feature(enable = "avx2")]
    fn new(args: &Strip<'_>) -> Self {
        let (mut low, mut high) = ([[0u8; 16]; 4], [[0u8; 16]; 4]);
        for (entry, (low, high)) in args.exp.iter().zip(low.as_flattened_mut().iter_mut().zip(high.as_flattened_mut())) {
            [*low, *high] = entry.to_le_bytes();
        }
        let (mut factor_low, mut factor_high) = ([0u8; 16], [0u8; 16]);
        for (octave, (low, high)) in factor_low.iter_mut().zip(&mut factor_high).enumerate() {
            // 15 - n, where it is a power of two below 2^15.
            let exponent = usize::from(args.bits).checked_sub(octave).filter(|exponent| *exponent < 15);
            [*low, *high] = exponent.map_or(0u16, |exponent| 1 << exponent).to_le_bytes();
        }
        let both = |bytes: &[u8; 16]| {
            // SAFETY: reads the 16 bytes of the reference, without alignment.
            _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) })
        };
        let [l0, l1, l2, l3] = &low;
        let [h0, h1, h2, h3] = &high;
        Self {
            rates: Rates::splat(Scalar { mult: args.mult, shift: args.shift, pre_shift: 0 }),
            entries_low: [both(l0), both(l1), both(l2), both(l3)],
            entries_high: [both(h0), both(h1), both(h2), both(h3)],
            factors_low: both(&factor_low),
            factors_high: both(&factor_high),
            exact: args.bits == 15,
        }
    }

    /// Codes of one query from its logits, in [`ORDER`] within each 16 keys, zero beyond `keys`; returns their sum.
    #[target_feature(enable = "avx2")]
    fn codes(&self, logits: &[__m256i], maximum: i32, keys: usize, codes: &mut [MaybeUninit<__m256i>]) -> u32 {
        let maximum = _mm256_set1_epi32(maximum);
        let one = _mm256_set1_epi16(1);
        let order = crate::avx2::load16_i16(&ORDER);
        let mut sum = _mm256_setzero_si256();
        let mut left = keys;
        for ([l0, l1, l2, l3], out) in logits.as_chunks::<4>().0.iter().zip(codes.as_chunks_mut::<2>().0) {
            let t = |logits: &__m256i| self.rates.apply(_mm256_sub_epi32(maximum, *logits));
            let mut pair = self.pair(_mm256_packs_epi32(t(l0), t(l1)), _mm256_packs_epi32(t(l2), t(l3)));
            if left < KEYS {
                for (half, codes) in pair.iter_mut().enumerate() {
                    let left = left.saturating_sub(16 * half) as i16;
                    *codes = _mm256_and_si256(*codes, _mm256_cmpgt_epi16(_mm256_set1_epi16(left), order));
                }
            }
            left = left.saturating_sub(KEYS);
            for (out, codes) in out.iter_mut().zip(pair) {
                sum = _mm256_add_epi32(sum, _mm256_madd_epi16(codes, one));
                out.write(codes);
            }
        }
        let mut lanes = [0; 8];
        crate::avx2::store8_i32(&mut lanes, sum);
        lanes.iter().fold(0u32, |sum, lane| sum.wrapping_add(*lane as u32))
    }

    /// Codes of twice 16 distances.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn pair(&self, a: __m256i, b: __m256i) -> [__m256i; 2] {
        let (fraction, bias) = (_mm256_set1_epi16(63), _mm256_set1_epi8(112));
        let f = _mm256_packus_epi16(_mm256_and_si256(a, fraction), _mm256_and_si256(b, fraction));
        let octave = _mm256_packus_epi16(_mm256_srli_epi16::<6>(a), _mm256_srli_epi16::<6>(b));
        let octave = _mm256_adds_epu8(octave, bias);
        let (mut low, mut high) = (_mm256_setzero_si256(), _mm256_setzero_si256());
        for (i, (entries_low, entries_high)) in self.entries_low.iter().zip(&self.entries_high).enumerate() {
            // Exclusive or brings the 16 fractions of this table to 0..=15, and all others above.
            let index = _mm256_adds_epu8(_mm256_xor_si256(f, _mm256_set1_epi8(16 * i as i8)), bias);
            low = _mm256_or_si256(low, _mm256_shuffle_epi8(*entries_low, index));
            high = _mm256_or_si256(high, _mm256_shuffle_epi8(*entries_high, index));
        }
        let (factor_low, factor_high) = (_mm256_shuffle_epi8(self.factors_low, octave), _mm256_shuffle_epi8(self.factors_high, octave));
        let entries = [_mm256_unpacklo_epi8(low, high), _mm256_unpackhi_epi8(low, high)];
        let factors = [_mm256_unpacklo_epi8(factor_low, factor_high), _mm256_unpackhi_epi8(factor_low, factor_high)];
        let octave_of_maximum = _mm256_set1_epi16(64);
        let code = |entry, factor, t| {
            let code = _mm256_mulhrs_epi16(entry, factor);
            // With 15 bits the first octave is not shifted.
            if self.exact { _mm256_blendv_epi8(code, entry, _mm256_cmpgt_epi16(octave_of_maximum, t)) } else { code }
        };
        let ([entry_a, entry_b], [factor_a, factor_b]) = (entries, factors);
        [code(entry_a, factor_a, a), code(entry_b, factor_b, b)]
    }
}

/// `(r, k)` of a sum of codes: `1 / sum` is `r / 2^(k + 8)`.
fn reciprocal(sum: u32) -> (i32, u32) {
    let zeros = sum.leading_zeros();
    let r = (1u64 << 62).checked_div(u64::from(sum) << zeros).unwrap_or(0).min(0x7fff_ffff);
    (r as i32, 54 - zeros)
}

/// Weighted sums of all channels for 4 queries, divided by the sums of the codes.
#[target_feature(enable = "avx2")]
fn values(codes: [&[[i16; 4]]; ROWS], by_channel: &[Group], groups: usize, dim: usize, scales: [(i32, u32); ROWS], out: &mut [i16]) {
    let zero = _mm256_setzero_si256();
    for (b, block) in each_row(by_channel, groups).enumerate() {
        let sums = multiply(codes, block, [zero; 2]);
        let mut rq = [zero; ROWS];
        for ((rq, sums), (r, k)) in rq.iter_mut().zip(sums).zip(scales) {
            *rq = divide(sums, r, k);
        }
        let first = 8 * b;
        if first + 8 <= dim && out.len() == ROWS * dim {
            // SAFETY: AVX2 by this function's attribute; `out` holds 4 rows of `dim` elements, of which `first + 8` or more exist.
            unsafe { Store16.rows(out.as_mut_ptr().add(first), dim, rq) };
        } else {
            let mut tile = [[0i16; 8]; ROWS];
            // SAFETY: AVX2 by this function's attribute; the tile is 4 rows of 8 elements.
            unsafe { Store16.rows(tile.as_mut_ptr().cast(), 8, rq) };
            for (tile, out) in tile.iter().zip(out.chunks_mut(dim)) {
                out.iter_mut().skip(first).zip(tile).for_each(|(to, from)| *to = *from);
            }
        }
    }
}

/// `(sum * r + 2^(k - 1)) >> k` for 8 channels, as `[0 1 4 5 | 2 3 6 7]`. The shift is arithmetic: 2^62 makes the number positive before it, and 2^(62 - k) is
/// taken away after it.
#[inline]
#[target_feature(enable = "avx2")]
fn divide([low, high]: Sums, r: i32, k: u32) -> __m256i {
    let r = _mm256_set1_epi32(r);
    let offset = _mm256_set1_epi64x((1 << 62) + 1i64.wrapping_shl(k.wrapping_sub(1)));
    let count = _mm_cvtsi32_si128(k as i32);
    let scale = |sums: __m256i| {
        let sum = _mm256_add_epi32(sums, _mm256_srli_epi64::<32>(sums));
        _mm256_castsi256_ps(_mm256_srl_epi64(_mm256_add_epi64(_mm256_mul_epi32(sum, r), offset), count))
    };
    let shifted = _mm256_castps_si256(_mm256_shuffle_ps::<0b10_00_10_00>(scale(low), scale(high)));
    _mm256_sub_epi32(shifted, _mm256_set1_epi32((1i64 << 62).wrapping_shr(k) as i32))
}
