//! Attention on AArch64: both products are tiles of a [`Micro`], whatever it multiplies with; the
//! codes come from table look-ups, 16 keys at a time.
//!
//! The values are packed twice: with the keys as channels for the logits, with their own channels
//! as channels for the weighted sums. A code of 15 bits becomes two of 8, `-e = 256 h + l`, both
//! within -128..=127 as `e <= 32640`; one of 8 bits becomes `e - 128`, and 128 times the sum of the
//! values is added.

use core::arch::aarch64::*;
use core::mem::MaybeUninit;

use super::{Strip, scalar};
use crate::gemm_s8::neon::Smull;
use crate::isa::Neon;
use crate::neon::exponent::{Exponent, Logits};
use crate::neon::pack::{block, put, transpose};
use crate::neon::product::{BLOCK, Micro, ROWS, Sums, Weights};
use crate::neon::{store_s16x8, store_s32x4};
use crate::packing::Packing;

/// Most keys that the buffers hold; longer strips are left to `scalar`.
const MAX_KEYS: usize = 1024;
/// Largest head that they hold.
const MAX_DIM: usize = 128;
/// Most values, keys and channels rounded up, that they hold.
const MAX_VALUES: usize = 32 * MAX_KEYS;
/// The start of products to which nothing is added.
static ZEROS: [i32; BLOCK] = [0; BLOCK];
/// Keys whose codes are made at a time.
const KEYS: usize = 16;

/// See [`Kernels::attention_s8`](crate::Kernels::attention_s8).
pub(super) fn run(token: Neon, args: &Strip<'_>, scores: &mut [i32], out: &mut [i16]) {
    // SAFETY: the token proves NEON.
    unsafe { drive::<Smull>(args, token.in_order(), scores, out) }
}

/// Takes the strip, or leaves it to `scalar` where the buffers are too small. `in_order` says how
/// the cores execute.
///
/// # Safety
/// The processor has the instruction of `M`.
#[inline(always)]
pub(super) unsafe fn drive<M: Micro>(args: &Strip<'_>, in_order: bool, scores: &mut [i32], out: &mut [i16]) {
    let keys = (args.v.len() / args.dim).next_multiple_of(KEYS);
    if args.dim > MAX_DIM || keys > MAX_KEYS || keys * args.dim.next_multiple_of(BLOCK) > MAX_VALUES {
        return scalar::run(args, scores, out);
    }
    // SAFETY: the caller vouches for the instruction; the sizes were checked above.
    unsafe { strip::<M>(args, in_order, keys, out) }
}

/// Logits and codes of the queries of a tile.
struct Tile {
    logits: [Logits; MAX_KEYS / BLOCK],
    /// `h` and `l` of the codes, or `l` alone.
    codes: [[[MaybeUninit<int8x16_t>; MAX_KEYS / KEYS]; ROWS]; 2],
}

/// State that the tiles of a strip share.
struct Shared<'a> {
    args: &'a Strip<'a>,
    keys: usize,
    /// Keys as channels.
    by_key: Weights,
    /// Values' channels as channels, keys as depth.
    by_channel: Weights,
    exponent: Exponent,
    /// 128 times the sum of the values, where codes have 8 bits.
    offset: [i32; MAX_DIM],
}

/// The strip; `padded` is its number of keys, rounded up to whole [`KEYS`].
#[inline(always)]
unsafe fn strip<M: Micro>(args: &Strip<'_>, in_order: bool, padded: usize, out: &mut [i16]) {
    let dim = args.dim;
    let keys = args.v.len() / dim;
    let mut by_key = [const { MaybeUninit::<i8>::uninit() }; MAX_VALUES];
    let mut by_channel = [const { MaybeUninit::<i8>::uninit() }; MAX_VALUES];
    // SAFETY: the caller vouches for the instruction and the sizes.
    unsafe {
        let (by_key, by_channel) = pack::<M>(args, keys, padded, by_key.as_mut_ptr().cast(), by_channel.as_mut_ptr().cast());
        let exponent = Exponent::new(args);
        let mut shared = Shared { args, keys, by_key, by_channel, exponent, offset: [0; MAX_DIM] };
        if args.bits == 8 {
            offset::<M>(&mut shared);
        }
        let mut tile =
            const { Tile { logits: [[[MaybeUninit::uninit(); 2]; ROWS]; MAX_KEYS / BLOCK], codes: [[[MaybeUninit::uninit(); MAX_KEYS / KEYS]; ROWS]; 2] } };
        // Logits are written in blocks of 8 keys and read in blocks of 16.
        for logits in &mut tile.logits[keys / BLOCK..padded / BLOCK] {
            *logits = [[MaybeUninit::new(vdupq_n_s32(0)); 2]; ROWS];
        }
        for (q, out) in args.q.chunks(M::ROWS * dim).zip(out.chunks_mut(M::ROWS * dim)) {
            // The bound spares the code of tiles that are larger than `M`'s.
            match (q.len() / dim).div_ceil(2).min(M::ROWS / 2) {
                2 if in_order && M::IN_ORDER && M::ROWS == 4 => queries::<M, 2, true>(&shared, &mut tile, q, out),
                4 if in_order && M::IN_ORDER => queries::<M, 4, true>(&shared, &mut tile, q, out),
                1 => queries::<M, 1, false>(&shared, &mut tile, q, out),
                2 => queries::<M, 2, false>(&shared, &mut tile, q, out),
                3 => queries::<M, 3, false>(&shared, &mut tile, q, out),
                _ => queries::<M, 4, false>(&shared, &mut tile, q, out),
            }
        }
    }
}

/// Packs the values for both products. In [`Packing::Rows`] the logits read them where they lie.
#[inline(always)]
unsafe fn pack<M: Micro>(args: &Strip<'_>, keys: usize, padded: usize, by_key: *mut i8, by_channel: *mut i8) -> (Weights, Weights) {
    let dim = args.dim;
    let depth = match M::PACKING {
        Packing::Rows => padded,
        packing => keys.next_multiple_of(packing.block().1),
    };
    for key in (0..depth).step_by(BLOCK) {
        for channel in (0..dim).step_by(BLOCK) {
            // SAFETY: the block starts at a key, or has no rows, and at a channel; the buffers have
            // room for `padded` keys and whole blocks of channels.
            unsafe {
                let block = block(args.v.as_ptr().wrapping_add(key * dim + channel), dim, keys.saturating_sub(key), dim - channel);
                put(transpose(block), M::PACKING, by_channel, channel, key, depth);
                if M::PACKING != Packing::Rows {
                    put(block, M::PACKING, by_key, key, channel, dim);
                }
            }
        }
    }
    let start = if M::PACKING == Packing::Rows { args.v.as_ptr() } else { by_key.cast_const() };
    (Weights { start, channels: keys, depth: dim }, Weights { start: by_channel, channels: dim, depth })
}

/// Sums the values: a product with ones.
#[inline(always)]
unsafe fn offset<M: Micro>(shared: &mut Shared<'_>) {
    static ONES: [i8; MAX_KEYS] = [1; MAX_KEYS];
    let mut rows = M::new::<{ MAX_KEYS / 8 }>();
    // SAFETY: the caller vouches for the instruction; there are as many ones as keys at most, and
    // `offset` has room for whole blocks of channels.
    unsafe {
        M::prepare::<1, true, { MAX_KEYS / 8 }>(&mut rows, &[ONES.as_ptr(); ROWS], shared.by_channel.depth);
        for channel in (0..shared.by_channel.channels).step_by(BLOCK) {
            let [[low, high], ..] = M::multiply::<1, { MAX_KEYS / 8 }, false>(&rows, shared.by_channel, channel, ZEROS.as_ptr());
            let to = shared.offset.as_mut_ptr().add(channel);
            store_s32x4(to, vshlq_n_s32::<7>(low));
            store_s32x4(to.add(4), vshlq_n_s32::<7>(high));
        }
    }
}

/// The queries of a tile, `2 * PAIRS` or one less.
#[inline(always)]
unsafe fn queries<M: Micro, const PAIRS: usize, const IN_ORDER: bool>(shared: &Shared<'_>, tile: &mut Tile, q: &[i8], out: &mut [i16]) {
    let Shared { args, keys, by_key, by_channel, .. } = *shared;
    let dim = args.dim;
    let count = q.len() / dim;
    // SAFETY: the caller vouches for the instruction; every row has room for `padded` keys, and the
    // last query stands for one that is missing.
    unsafe {
        let mut rows = M::new::<{ MAX_DIM / 8 }>();
        M::prepare::<PAIRS, false, { MAX_DIM / 8 }>(&mut rows, &core::array::from_fn(|i| q.as_ptr().add(i.min(count - 1) * dim)), dim);
        for (key, logits) in (0..keys).step_by(BLOCK).zip(&mut tile.logits) {
            let sums = M::multiply::<PAIRS, { MAX_DIM / 8 }, IN_ORDER>(&rows, by_key, key, ZEROS.as_ptr());
            for (to, sums) in logits.iter_mut().zip(sums).take(2 * PAIRS) {
                *to = sums.map(MaybeUninit::new);
            }
        }
        let mut scales = [const { MaybeUninit::uninit() }; ROWS];
        let wide = args.bits != 8;
        let [high_codes, low_codes] = &mut tile.codes;
        for i in 0..2 * PAIRS {
            let logits = tile.logits.as_ptr();
            let (high, low) = (high_codes[i].as_mut_ptr().cast(), low_codes[i].as_mut_ptr().cast());
            let sum = if wide { shared.exponent.codes::<true>(logits, i, keys, high, low) } else { shared.exponent.codes::<false>(logits, i, keys, high, low) };
            scales[i].write(Scale::new(sum, wide));
        }
        let depth = by_channel.depth;
        let (mut high_rows, mut low_rows) = (M::new::<{ MAX_KEYS / 8 }>(), M::new::<{ MAX_KEYS / 8 }>());
        if wide {
            M::prepare::<PAIRS, true, { MAX_KEYS / 8 }>(&mut high_rows, &high_codes.each_ref().map(|row| row.as_ptr().cast()), depth);
        }
        M::prepare::<PAIRS, true, { MAX_KEYS / 8 }>(&mut low_rows, &low_codes.each_ref().map(|row| row.as_ptr().cast()), depth);
        for channel in (0..dim).step_by(BLOCK) {
            let mut sums = M::multiply::<PAIRS, { MAX_KEYS / 8 }, IN_ORDER>(&low_rows, by_channel, channel, shared.offset.as_ptr().add(channel));
            if wide {
                let high = M::multiply::<PAIRS, { MAX_KEYS / 8 }, IN_ORDER>(&high_rows, by_channel, channel, ZEROS.as_ptr());
                for (sums, high) in sums.iter_mut().zip(high) {
                    *sums = [vaddq_s32(sums[0], vshlq_n_s32::<8>(high[0])), vaddq_s32(sums[1], vshlq_n_s32::<8>(high[1]))];
                }
            }
            divide::<PAIRS>(&sums, &scales, channel, dim, out);
        }
    }
}

/// Division by the sum of a query's codes: `(acc * r + 2^(k - 1)) >> k`.
#[derive(Clone, Copy)]
struct Scale {
    r: int32x4_t,
    /// `31` less the right shift.
    right: int32x4_t,
    /// A left shift of the sums, so that the right shift is 32 or more: of sums below 512 codes,
    /// which have room for it.
    left: i32,
}

impl Scale {
    /// Division for codes with this sum; `negative` where the products are of the codes' negatives.
    #[inline(always)]
    unsafe fn new(sum: u32, negative: bool) -> Self {
        let zeros = sum.leading_zeros();
        let r = (1u64 << 62).checked_div(u64::from(sum) << zeros).unwrap_or(0).min(0x7fff_ffff) as i32;
        let k = 54 - zeros as i32;
        let left = (32 - k).max(0);
        // SAFETY: the caller has NEON.
        unsafe { Self { r: vdupq_n_s32(if negative { -r } else { r }), right: vdupq_n_s32(31 - k - left), left } }
    }
}

/// Writes 8 channels of each query from `channel` on.
///
/// # Safety
/// The processor has NEON; `2 * PAIRS` scales were written, and `out` has tokens of `dim` channels,
/// as many or one less.
#[inline(always)]
unsafe fn divide<const PAIRS: usize>(sums: &Sums, scales: &[MaybeUninit<Scale>; ROWS], channel: usize, dim: usize, out: &mut [i16]) {
    let (first, queries) = (out.as_mut_ptr(), out.len() / dim);
    for (i, (sums, scale)) in sums.iter().zip(scales).enumerate().take(2 * PAIRS) {
        if i + 1 == 2 * PAIRS && i == queries {
            return;
        }
        // SAFETY: the caller vouches for the scale and the query; 8 elements exist from `channel`
        // on where they are written at once.
        unsafe {
            let Scale { r, right, left } = scale.assume_init();
            let [mut low, mut high] = *sums;
            if left != 0 {
                (low, high) = (vshlq_s32(low, vdupq_n_s32(left)), vshlq_s32(high, vdupq_n_s32(left)));
            }
            let (low, high) = (vrshlq_s32(vqdmulhq_s32(low, r), right), vrshlq_s32(vqdmulhq_s32(high, r), right));
            let values = vmovn_high_s32(vmovn_s32(low), high);
            let to = first.add(i * dim + channel);
            if dim - channel >= BLOCK {
                store_s16x8(to, values);
            } else {
                let mut block = [0i16; BLOCK];
                store_s16x8(block.as_mut_ptr(), values);
                for (c, from) in block.iter().enumerate().take(dim - channel) {
                    *to.add(c) = *from;
                }
            }
        }
    }
}
