//! Attention on AVX2: both products are tiles of 4 queries with 16-bit weights
//! ([`crate::avx2::tile`]), the codes come from byte shuffles, 32 keys at a time. [`Products`] is
//! the part that another instruction set does otherwise.
//!
//! The values are widened and packed twice: with the keys as channels for the logits, with their
//! own channels as channels for the weighted sums. The first packing places the keys such that the
//! codes come out in natural order, the second one the channels such that the outputs do.

use core::arch::x86_64::*;
use core::mem::MaybeUninit;

use super::{Strip, scalar};
use crate::avx2::rates::up_to;
use crate::avx2::tile::{ROWS, Step, multiply_wide, widen};
use crate::avx2::{load8, load16_i16, store8_i32};
use crate::isa::Avx2;
use crate::slices::{rows as each_row, rows_mut};
use crate::x86::rows::Rows;
use crate::x86::stores::Store16;

/// Most keys that the buffers hold; longer strips are left to `scalar`.
const MAX_KEYS: usize = 1536;
/// Largest head that they hold, and that of the longest strips.
const MAX_DIM: usize = 128;
const MAX_DIM_OF_LONGEST: usize = 32;
/// Steps of 8 keys (or channels) and 2 channels (or keys) that they hold.
pub(super) const MAX_STEPS: usize = MAX_KEYS / 8 * (MAX_DIM_OF_LONGEST / 2);
/// Smallest shift of the distances whose rounding term is a number of the product's upper half;
/// smaller ones are left to `scalar`.
pub(super) const MIN_SHIFT: u8 = 33;
/// Keys whose codes are made at a time.
const KEYS: usize = 32;
/// Keys that the lanes of the two blocks of every 16 keys hold: what the codes' way through
/// `vshufps` and `vpackssdw` puts in natural order.
pub(super) const KEY_ORDER: [[usize; 8]; 2] = [[0, 2, 1, 3, 8, 10, 9, 11], [4, 6, 5, 7, 12, 14, 13, 15]];

/// Computes the strip.
pub(super) fn run(_: Avx2, args: &Strip<'_>, scores: &mut [i32], out: &mut [i16]) {
    // SAFETY: the token proves AVX2.
    unsafe { run_with::<Pairs>(args, scores, out) }
}

/// Computes the strip with the products of `P`.
///
/// # Safety
/// The processor has AVX2 and the instructions that `P` is written for.
pub(super) unsafe fn run_with<P: Products>(args: &Strip<'_>, scores: &mut [i32], out: &mut [i16]) {
    let keys = (args.v.len() / args.dim.max(1)).next_multiple_of(KEYS);
    let steps = (keys / 8 * args.dim.div_ceil(2)).max(args.dim.div_ceil(8) * (keys / 2));
    if args.dim > MAX_DIM || keys > MAX_KEYS || steps > MAX_STEPS || args.shift < MIN_SHIFT {
        return scalar::run(args, scores, out);
    }
    // SAFETY: by the contract.
    unsafe { strip::<P>(args, keys, out) }
}

/// How logits and weighted sums are made.
pub(super) trait Products {
    /// Keys of a strip as the weights of its logits.
    type Keys: Copy;
    /// Elements of queries.
    type Query: Copy;

    /// Packs the values with the keys as channels: blocks of 8 keys in [`KEY_ORDER`], whose number
    /// `padded` is 8 times.
    ///
    /// # Safety
    /// The processor has the instructions.
    unsafe fn keys<'b>(args: &Strip<'_>, padded: usize, buffer: &'b mut [MaybeUninit<Self::Keys>; MAX_STEPS]) -> &'b [Self::Keys];

    /// Brings one query into `to`, which is longer by less than 4 elements: what is beyond it meets
    /// keys of 0.
    ///
    /// # Safety
    /// The processor has the instructions.
    unsafe fn query(codes: &[i8], to: &mut [MaybeUninit<Self::Query>]);

    /// Logits of 16 keys in two blocks, for 4 queries.
    ///
    /// # Safety
    /// The processor has the instructions.
    unsafe fn logits(queries: [&[Self::Query]; ROWS], keys: [&[Self::Keys]; 2]) -> [[__m256i; 2]; ROWS];

    /// Sums of `N` blocks of 8 channels weighted by codes, for 4 queries.
    ///
    /// # Safety
    /// The processor has the instructions.
    unsafe fn sums<const N: usize>(codes: [&[[i16; 2]]; ROWS], channels: [&[Step]; N]) -> [[__m256i; N]; ROWS];
}

/// Products of 16 bits, two at a time.
struct Pairs;

impl Products for Pairs {
    type Keys = Step;
    type Query = i16;

    #[inline(always)]
    unsafe fn keys<'b>(args: &Strip<'_>, padded: usize, buffer: &'b mut [MaybeUninit<Step>; MAX_STEPS]) -> &'b [Step] {
        // SAFETY: the caller has AVX2.
        unsafe { pack_by_key(args, padded, buffer) }
    }

    #[inline(always)]
    unsafe fn query(codes: &[i8], to: &mut [MaybeUninit<i16>]) {
        // SAFETY: the caller has AVX2.
        unsafe { widen(codes, to) }
    }

    #[inline(always)]
    unsafe fn logits(queries: [&[i16]; ROWS], keys: [&[Step]; 2]) -> [[__m256i; 2]; ROWS] {
        // SAFETY: the caller has AVX2.
        unsafe { multiply_wide(queries.map(|query| query.as_chunks::<2>().0), keys, [_mm256_setzero_si256(); 2]) }
    }

    #[inline(always)]
    unsafe fn sums<const N: usize>(codes: [&[[i16; 2]]; ROWS], channels: [&[Step]; N]) -> [[__m256i; N]; ROWS] {
        // SAFETY: the caller has AVX2.
        unsafe { multiply_wide(codes, channels, [_mm256_setzero_si256(); N]) }
    }
}

/// Packed values, logits and codes of one strip.
struct Buffers<P: Products> {
    by_key: [MaybeUninit<P::Keys>; MAX_STEPS],
    by_channel: [MaybeUninit<Step>; MAX_STEPS],
    logits: [MaybeUninit<__m256i>; ROWS * MAX_KEYS / 8],
    codes: [MaybeUninit<__m256i>; ROWS * MAX_KEYS / 16],
    queries: [MaybeUninit<P::Query>; ROWS * MAX_DIM],
}

/// The strip; `padded` is its number of keys, rounded up to whole [`KEYS`].
#[target_feature(enable = "avx2")]
fn strip<P: Products>(args: &Strip<'_>, padded: usize, out: &mut [i16]) {
    let dim = args.dim;
    // Queries take whole groups of 4.
    let stride = dim.next_multiple_of(4);
    let mut buffers = Buffers::<P> {
        by_key: [const { MaybeUninit::uninit() }; MAX_STEPS],
        by_channel: [const { MaybeUninit::uninit() }; MAX_STEPS],
        logits: [const { MaybeUninit::uninit() }; ROWS * MAX_KEYS / 8],
        codes: [const { MaybeUninit::uninit() }; ROWS * MAX_KEYS / 16],
        queries: [const { MaybeUninit::uninit() }; ROWS * MAX_DIM],
    };
    // SAFETY: the caller has what `P` needs, here and below.
    let by_key = unsafe { P::keys(args, padded, &mut buffers.by_key) };
    let by_channel = pack_by_channel(args, padded, &mut buffers.by_channel);
    let exponent = Exponent::new(args);
    let keys = args.v.len() / dim;
    for (q, out) in args.q.chunks(ROWS * dim).zip(out.chunks_mut(ROWS * dim)) {
        for (q, wide) in each_row(q, dim).zip(rows_mut(&mut buffers.queries, stride)) {
            // SAFETY: as above.
            unsafe { P::query(q, wide) };
        }
        let queries = q.len() / dim;
        // SAFETY: the loop above has written as many rows.
        let wide = unsafe { buffers.queries.get_unchecked(..queries * stride).assume_init_ref() };
        let maxima = logits::<P>(four_rows(wide, stride), by_key, padded, keys, &mut buffers.logits);
        let mut scales = [(0, 1); ROWS];
        for ((scale, maximum), (logits, codes)) in
            scales.iter_mut().zip(maxima).zip(each_row(&buffers.logits, padded / 8).zip(rows_mut(&mut buffers.codes, padded / 16))).take(queries)
        {
            // SAFETY: `logits` above has written `padded / 8` vectors for each row.
            *scale = reciprocal(exponent.codes(unsafe { logits.assume_init_ref() }, maximum, keys, codes));
        }
        // SAFETY: the loop above has written `padded / 16` vectors for each query; a vector is 16
        // values of 16 bits.
        let codes: &[i16] = unsafe { core::slice::from_raw_parts(buffers.codes.as_ptr().cast(), queries * padded) };
        values::<P>(four_rows(codes.as_chunks().0, padded / 2), by_channel, padded / 2, dim, scales, out);
    }
}

/// Four rows of `len` elements, the first one in place of those that do not exist.
#[inline(always)]
fn four_rows<T>(all: &[T], len: usize) -> [&[T]; ROWS] {
    let mut rows = each_row(all, len);
    let first = rows.next().unwrap_or_default();
    [first, rows.next().unwrap_or(first), rows.next().unwrap_or(first), rows.next().unwrap_or(first)]
}

/// The values with keys as channels: blocks of 8 keys in [`KEY_ORDER`], two channels a step.
#[target_feature(enable = "avx2")]
fn pack_by_key<'b>(args: &Strip<'_>, padded: usize, buffer: &'b mut [MaybeUninit<Step>]) -> &'b [Step] {
    let pairs = args.dim.div_ceil(2);
    let buffer = buffer.get_mut(..padded / 8 * pairs).unwrap_or_default();
    for (b, block) in rows_mut(buffer, pairs).enumerate() {
        let order = if b % 2 == 0 { &KEY_ORDER[0] } else { &KEY_ORDER[1] };
        let rows = order.map(|key| {
            let first = (b / 2 * 16 + key) * args.dim;
            args.v.get(first..first + args.dim).unwrap_or_default()
        });
        for (eight, steps) in block.chunks_mut(8).enumerate() {
            // 8 keys of 16 channels, to be transposed two channels at a time.
            let mut wide = [[[0i16; 2]; 8]; 8];
            for (wide, row) in wide.iter_mut().zip(rows) {
                let codes: [i8; 16] = up_to(row, 16 * eight, 0);
                wide.as_flattened_mut().iter_mut().zip(codes).for_each(|(to, from)| *to = from.into());
            }
            for (p, step) in steps.iter_mut().enumerate() {
                let mut lanes = [[0; 2]; 8];
                lanes.iter_mut().zip(&wide).for_each(|(to, from)| *to = from.get(p).copied().unwrap_or_default());
                let mut all = [0; 16];
                all.as_chunks_mut::<2>().0.iter_mut().zip(lanes).for_each(|(to, from)| *to = from);
                step.write(all);
            }
        }
    }
    // SAFETY: the loops above have written all blocks.
    unsafe { buffer.assume_init_ref() }
}

/// The values with their channels as channels: blocks of 8 channels as `[0 4 1 5 | 2 6 3 7]`, two
/// keys a step.
#[target_feature(enable = "avx2")]
fn pack_by_channel<'b>(args: &Strip<'_>, padded: usize, buffer: &'b mut [MaybeUninit<Step>]) -> &'b [Step] {
    let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    let buffer = buffer.get_mut(..args.dim.div_ceil(8) * (padded / 2)).unwrap_or_default();
    for (b, block) in rows_mut(buffer, padded / 2).enumerate() {
        for (pair, step) in block.iter_mut().enumerate() {
            let codes = |key: usize| {
                let row = args.v.get(key * args.dim..(key + 1) * args.dim).unwrap_or_default();
                load8(&up_to(row, 8 * b, 0))
            };
            let both = _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(codes(2 * pair), codes(2 * pair + 1)));
            // SAFETY: a step is 32 bytes; the store needs no alignment.
            unsafe { _mm256_storeu_si256(step.as_mut_ptr().cast(), _mm256_permutevar8x32_epi32(both, order)) };
        }
    }
    // SAFETY: the loops above have written all blocks.
    unsafe { buffer.assume_init_ref() }
}

/// Logits of 4 queries over all keys into rows of one vector per block, and their maxima over the
/// real keys. There is an even number of blocks.
#[target_feature(enable = "avx2")]
fn logits<P: Products>(q: [&[P::Query]; ROWS], by_key: &[P::Keys], padded: usize, keys: usize, out: &mut [MaybeUninit<__m256i>]) -> [i32; ROWS] {
    let stride = padded / 8;
    let block = by_key.len() / stride;
    let mut rows = rows_mut(out, stride);
    let mut rows: [_; ROWS] = core::array::from_fn(|_| rows.next().unwrap_or_default().as_chunks_mut::<2>().0.iter_mut());
    let mut maxima = [_mm256_set1_epi32(i32::MIN); ROWS];
    for (b, blocks) in each_row(by_key, 2 * block).enumerate() {
        let Some((first, second)) = blocks.split_at_checked(block) else { continue };
        // SAFETY: the caller has what `P` needs.
        let mut sums = unsafe { P::logits(q, [first, second]) };
        if 16 * (b + 1) > keys {
            hide_padding(&mut sums, keys.saturating_sub(16 * b));
        }
        for ((row, maximum), [first, second]) in rows.iter_mut().zip(&mut maxima).zip(sums) {
            *maximum = _mm256_max_epi32(*maximum, _mm256_max_epi32(first, second));
            if let Some(out) = row.next() {
                *out = [MaybeUninit::new(first), MaybeUninit::new(second)];
            }
        }
    }
    maxima.map(|lanes| {
        let lanes = _mm_max_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256::<1>(lanes));
        let lanes = _mm_max_epi32(lanes, _mm_shuffle_epi32::<0b01_00_11_10>(lanes));
        _mm_cvtsi128_si32(_mm_max_epi32(lanes, _mm_shuffle_epi32::<0b10_11_00_01>(lanes)))
    })
}

/// Makes the logits of all but the first `left` of 16 keys the smallest there are.
#[target_feature(enable = "avx2")]
fn hide_padding(sums: &mut [[__m256i; 2]; ROWS], left: usize) {
    for (half, order) in KEY_ORDER.iter().enumerate() {
        let padding = _mm256_cmpgt_epi32(load_order(order), _mm256_set1_epi32(left as i32 - 1));
        for sums in sums.iter_mut() {
            if let Some(sum) = sums.get_mut(half) {
                *sum = _mm256_blendv_epi8(*sum, _mm256_set1_epi32(i32::MIN), padding);
            }
        }
    }
}

/// Keys of the lanes.
#[inline]
#[target_feature(enable = "avx2")]
fn load_order(order: &[usize; 8]) -> __m256i {
    crate::avx2::load8_i32(&order.map(|key| key as i32))
}

/// Distances to codes: `(exp[t & 63] + 2^(n - 1)) >> n`, `n = (t >> 6) + 15 - bits`.
///
/// The shift is a rounding multiplication by `2^(15 - n)` (`vpmulhrsw`), whose factor is 0 where
/// the code is. Both tables are looked up by `vpshufb`, which gives 0 for indices with the top bit:
/// adding 112 (saturating) keeps the low four bits of 0..=15 and sets the top bit of all others.
struct Exponent {
    mult: __m256i,
    half: __m256i,
    shift: __m256i,
    entries_low: [__m256i; 4],
    entries_high: [__m256i; 4],
    factors_low: __m256i,
    factors_high: __m256i,
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
            // 2^(15 - n). 2^15 is read as -2^15: the code's sign is taken away at the end.
            let exponent = usize::from(args.bits).checked_sub(octave);
            [*low, *high] = exponent.map_or(0u16, |exponent| 1 << exponent).to_le_bytes();
        }
        let both = |bytes: &[u8; 16]| {
            // SAFETY: reads the 16 bytes of the reference, without alignment.
            _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) })
        };
        let [l0, l1, l2, l3] = &low;
        let [h0, h1, h2, h3] = &high;
        Self {
            mult: _mm256_set1_epi32(args.mult),
            half: _mm256_set1_epi32(1i32.wrapping_shl(u32::from(args.shift - MIN_SHIFT))),
            shift: _mm256_set1_epi32(i32::from(args.shift) - 32),
            entries_low: [both(l0), both(l1), both(l2), both(l3)],
            entries_high: [both(h0), both(h1), both(h2), both(h3)],
            factors_low: both(&factor_low),
            factors_high: both(&factor_high),
        }
    }

    /// Codes of one query from its logits, zero beyond `keys`; returns their sum.
    #[target_feature(enable = "avx2")]
    fn codes(&self, logits: &[__m256i], maximum: i32, keys: usize, codes: &mut [MaybeUninit<__m256i>]) -> u32 {
        let maximum = _mm256_set1_epi32(maximum);
        let one = _mm256_set1_epi16(1);
        let order = load16_i16(&core::array::from_fn(|key| key as i16));
        let mut sum = _mm256_setzero_si256();
        let mut left = keys;
        for ([l0, l1, l2, l3], out) in logits.as_chunks::<4>().0.iter().zip(codes.as_chunks_mut::<2>().0) {
            let t = |logits: &__m256i| self.distances(_mm256_sub_epi32(maximum, *logits));
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
        store8_i32(&mut lanes, sum);
        lanes.iter().fold(0u32, |sum, lane| sum.wrapping_add(*lane as u32))
    }

    /// `t` of 8 logits below the maximum, of which the middle two of every 4 change places. With
    /// shifts above 32 the rounding term is one of the product's upper half.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn distances(&self, below: __m256i) -> __m256i {
        let even = _mm256_castsi256_ps(_mm256_mul_epi32(below, self.mult));
        let odd = _mm256_castsi256_ps(_mm256_mul_epi32(_mm256_srli_epi64::<32>(below), self.mult));
        let high = _mm256_castps_si256(_mm256_shuffle_ps::<0b11_01_11_01>(even, odd));
        _mm256_srav_epi32(_mm256_add_epi32(high, self.half), self.shift)
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
        let code = |entry, factor| _mm256_abs_epi16(_mm256_mulhrs_epi16(entry, factor));
        let ([entry_a, entry_b], [factor_a, factor_b]) = (entries, factors);
        [code(entry_a, factor_a), code(entry_b, factor_b)]
    }
}

/// `(r, k)` of a sum of codes: `1 / sum` is `r / 2^(k + 8)`.
pub(super) fn reciprocal(sum: u32) -> (i32, u32) {
    let zeros = sum.leading_zeros();
    let r = (1u64 << 62).checked_div(u64::from(sum) << zeros).unwrap_or(0).min(0x7fff_ffff);
    (r as i32, 54 - zeros)
}

/// Weighted sums of all channels for 4 queries, divided by the sums of the codes.
#[target_feature(enable = "avx2")]
fn values<P: Products>(codes: [&[[i16; 2]]; ROWS], by_channel: &[Step], pairs: usize, dim: usize, scales: [(i32, u32); ROWS], out: &mut [i16]) {
    let scales = scales.map(|(r, k)| Divisor::new(r, k));
    for (b, blocks) in by_channel.chunks(2 * pairs).enumerate() {
        let (first, second) = blocks.split_at(pairs);
        if second.is_empty() {
            // SAFETY: the caller has what `P` needs, here and below.
            let sums = unsafe { P::sums(codes, [first]) };
            put(sums.map(|[sums]| sums), &scales, 16 * b, dim, out);
        } else {
            // SAFETY: as above.
            let sums = unsafe { P::sums(codes, [first, second]) };
            put(sums.map(|[sums, _]| sums), &scales, 16 * b, dim, out);
            put(sums.map(|[_, sums]| sums), &scales, 16 * b + 8, dim, out);
        }
    }
}

/// Stores 8 channels from `first` on of up to 4 queries.
#[inline]
#[target_feature(enable = "avx2")]
fn put(sums: [__m256i; ROWS], scales: &[Divisor; ROWS], first: usize, dim: usize, out: &mut [i16]) {
    let mut rq = sums;
    rq.iter_mut().zip(scales).for_each(|(rq, scale)| *rq = scale.divide(*rq));
    if first + 8 <= dim && out.len() == ROWS * dim {
        // SAFETY: AVX2 by this function's attribute; `out` holds 4 rows of `dim` elements, of which
        // `first + 8` or more exist.
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

/// `(sum * r + 2^(k - 1)) >> k`. The shift is arithmetic: 2^62 makes the number positive before it,
/// and 2^(62 - k) is taken away after it.
#[derive(Clone, Copy)]
struct Divisor {
    r: __m256i,
    offset: __m256i,
    count: __m256i,
    excess: __m256i,
}

impl Divisor {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn new(r: i32, k: u32) -> Self {
        Self {
            r: _mm256_set1_epi32(r),
            offset: _mm256_set1_epi64x((1 << 62) + 1i64.wrapping_shl(k.wrapping_sub(1))),
            count: _mm256_set1_epi64x(k.into()),
            excess: _mm256_set1_epi32((1i64 << 62).wrapping_shr(k) as i32),
        }
    }

    /// Of 8 channels as `[0 4 1 5 | 2 6 3 7]`; results are `[0 1 4 5 | 2 3 6 7]`.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn divide(&self, sums: __m256i) -> __m256i {
        let scale = |sums| _mm256_castsi256_ps(_mm256_srlv_epi64(_mm256_add_epi64(_mm256_mul_epi32(sums, self.r), self.offset), self.count));
        let shifted = _mm256_shuffle_ps::<0b10_00_10_00>(scale(sums), scale(_mm256_srli_epi64::<32>(sums)));
        _mm256_sub_epi32(_mm256_castps_si256(shifted), self.excess)
    }
}
