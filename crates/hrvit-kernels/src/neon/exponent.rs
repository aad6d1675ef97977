//! Codes of the attention: from the logits of a query to rounded powers of two.

use core::arch::aarch64::*;
use core::mem::MaybeUninit;

use super::load_s16x8;
use super::product::ROWS;
use crate::attention_s8::Strip;

/// Keys of a step.
const KEYS: usize = 16;

/// Distances at and beyond which a code is 0 are all the same: this one.
const FAR: i16 = 2047;

/// Lanes in front of zeros.
const LANES: [i16; 2 * KEYS] = {
    let mut lanes = [0; 2 * KEYS];
    let mut i = 0;
    while i < KEYS {
        lanes[i] = -1;
        i += 1;
    }
    lanes
};

/// Logits of 8 keys, of the queries of a tile.
pub(crate) type Logits = [[MaybeUninit<int32x4_t>; 2]; ROWS];

/// The exponent table by bytes, and the rounding of the distances.
#[derive(Clone, Copy)]
pub(crate) struct Exponent {
    low: uint8x16x4_t,
    high: uint8x16x4_t,
    mult: int32x4_t,
    /// `31 - shift`: a right shift.
    shift: int32x4_t,
    /// `bits - 15`: a right shift of the table's entries.
    narrower: int16x8_t,
}

impl Exponent {
    /// The exponent of a strip whose table was checked.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(crate) fn new(args: &Strip<'_>) -> Self {
        let mut table = [0i16; 64];
        table.iter_mut().zip(args.exp).for_each(|(to, from)| *to = *from as i16);
        let two = |i: usize| {
            let (entries, _) = table.as_chunks::<16>();
            // SAFETY: reads the 32 bytes of one chunk.
            let [a, b] = unsafe { [load_s16x8(entries[i].as_ptr()), load_s16x8(entries[i].as_ptr().add(8))] };
            let (a, b) = (vreinterpretq_u8_s16(a), vreinterpretq_u8_s16(b));
            (vuzp1q_u8(a, b), vuzp2q_u8(a, b))
        };
        let [a, b, c, d] = [two(0), two(1), two(2), two(3)];
        Self {
            low: uint8x16x4_t(a.0, b.0, c.0, d.0),
            high: uint8x16x4_t(a.1, b.1, c.1, d.1),
            mult: vdupq_n_s32(args.mult),
            shift: vdupq_n_s32(31 - i32::from(args.shift)),
            narrower: vdupq_n_s16(i16::from(args.bits) - 15),
        }
    }

    /// Writes the codes of `keys` logits of a query, rounded up to whole [`KEYS`], and returns
    /// their sum. `WIDE` codes e become `high` and `low` with `-e = 256 * high + low`, others
    /// `low = e - 128` alone; what lies behind the last key is any code that exists.
    ///
    /// # Safety
    /// The processor has NEON; so many logits may be read, and codes written; `keys` is not 0, and
    /// all logits lie within `+-2^29`.
    #[inline(always)]
    pub(crate) unsafe fn codes<const WIDE: bool>(self, logits: *const Logits, query: usize, keys: usize, high: *mut int8x16_t, low: *mut int8x16_t) -> u32 {
        let (whole, rest) = (keys / KEYS, keys % KEYS);
        // SAFETY: the caller vouches for NEON, the logits and the codes; `LANES` has 32 lanes.
        unsafe {
            let lanes = [load_s16x8(LANES.as_ptr().add(KEYS - rest)), load_s16x8(LANES.as_ptr().add(KEYS - rest + 8))];
            let mut maximum = vdupq_n_s32(i32::MIN);
            for step in 0..whole {
                let [a, b, c, d] = four(logits.add(2 * step), query);
                maximum = vmaxq_s32(maximum, vmaxq_s32(vmaxq_s32(a, b), vmaxq_s32(c, d)));
            }
            if rest != 0 {
                for (logits, lanes) in four(logits.add(2 * whole), query)
                    .into_iter()
                    .zip(lanes.into_iter().flat_map(|lanes| [vmovl_s16(vget_low_s16(lanes)), vmovl_high_s16(lanes)]))
                {
                    maximum = vmaxq_s32(maximum, vbslq_s32(vreinterpretq_u32_s32(lanes), logits, vdupq_n_s32(i32::MIN)));
                }
            }
            let maximum = vdupq_n_s32(vmaxvq_s32(maximum));
            let mut sums = vdupq_n_u32(0);
            for step in 0..whole {
                let codes = self.sixteen(maximum, four(logits.add(2 * step), query));
                sums = vpadalq_u16(vpadalq_u16(sums, codes[0]), codes[1]);
                put::<WIDE>(codes, high.add(step), low.add(step));
            }
            if rest != 0 {
                let codes = self.sixteen(maximum, four(logits.add(2 * whole), query));
                let codes = [vandq_u16(codes[0], vreinterpretq_u16_s16(lanes[0])), vandq_u16(codes[1], vreinterpretq_u16_s16(lanes[1]))];
                sums = vpadalq_u16(vpadalq_u16(sums, codes[0]), codes[1]);
                put::<WIDE>(codes, high.add(whole), low.add(whole));
            }
            vaddvq_u32(sums)
        }
    }

    /// 16 codes.
    #[inline(always)]
    unsafe fn sixteen(self, maximum: int32x4_t, logits: [int32x4_t; 4]) -> [uint16x8_t; 2] {
        // SAFETY: the caller vouches for NEON and 16 logits.
        unsafe {
            let Self { low, high, mult, shift, narrower } = self;
            let [a, b, c, d] = logits.map(|logits| vrshlq_s32(vqdmulhq_s32(vsubq_s32(maximum, logits), mult), shift));
            let t = [vqmovn_high_s32(vqmovn_s32(a), b), vqmovn_high_s32(vqmovn_s32(c), d)].map(|t| vminq_s16(t, vdupq_n_s16(FAR)));
            let index = vandq_u8(vuzp1q_u8(vreinterpretq_u8_s16(t[0]), vreinterpretq_u8_s16(t[1])), vdupq_n_u8(63));
            let (low, high) = (vqtbl4q_u8(low, index), vqtbl4q_u8(high, index));
            let entries = [vzip1q_u8(low, high), vzip2q_u8(low, high)].map(|bytes| vreinterpretq_u16_u8(bytes));
            // A right shift by `n`, rounded: 0 from 16 on.
            let right = t.map(|t| vsubq_s16(narrower, vshrq_n_s16::<6>(t)));
            [vrshlq_u16(entries[0], right[0]), vrshlq_u16(entries[1], right[1])]
        }
    }
}

/// 16 logits of a query, of two [`Logits`].
#[inline(always)]
unsafe fn four(logits: *const Logits, query: usize) -> [int32x4_t; 4] {
    // SAFETY: the caller vouches for 16 logits.
    unsafe {
        let ([a, b], [c, d]) = ((*logits)[query], (*logits.add(1))[query]);
        [a.assume_init(), b.assume_init(), c.assume_init(), d.assume_init()]
    }
}

/// Writes 16 codes as bytes.
#[inline(always)]
unsafe fn put<const WIDE: bool>(codes: [uint16x8_t; 2], high: *mut int8x16_t, low: *mut int8x16_t) {
    // SAFETY: the caller vouches for NEON and 16 bytes each.
    unsafe {
        if WIDE {
            let [a, b] = codes.map(|codes| vnegq_s16(vreinterpretq_s16_u16(codes)));
            high.write(vrshrn_high_n_s16::<8>(vrshrn_n_s16::<8>(a), b));
            low.write(vuzp1q_s8(vreinterpretq_s8_s16(a), vreinterpretq_s8_s16(b)));
        } else {
            let bytes = vuzp1q_u8(vreinterpretq_u8_u16(codes[0]), vreinterpretq_u8_u16(codes[1]));
            low.write(vreinterpretq_s8_u8(veorq_u8(bytes, vdupq_n_u8(0x80))));
        }
    }
}
