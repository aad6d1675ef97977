//! Approximate integer mathematics, with its error stated: the reciprocal square root of the
//! LayerNorm and the power-of-two table of the attention.

/// Entries of the seed table: `m = n / 2^62` in `[1, 4)` by steps of 1/32.
const SEEDS: usize = 96;

/// `round(2^16 / sqrt(m))` at the middle of each step: `m = (i + 32.5) / 32`. Relative error of a
/// seed at most 2^-7.01.
pub(crate) const SEED: [u16; SEEDS] = seeds();

const fn seeds() -> [u16; SEEDS] {
    let mut table = [0; SEEDS];
    let mut i = 0;
    while i < SEEDS {
        // 2 * 2^16 / sqrt(m) = sqrt(2^40 / (2 i + 65)), then halved and rounded.
        let double = ((1u64 << 40) / (2 * i as u64 + 65)).isqrt();
        table[i] = double.div_ceil(2) as u16;
        i += 1;
    }
    table
}

/// Reciprocal square root `(r, k)` of `var >= 1`: `r / 2^k = 2^10 / sqrt(var)`, so that
/// `(d * r + 2^(k - 1)) >> k` is `d / sqrt(var)` with 10 fractional bits.
///
/// `n = var << lz` with `lz` even lies in `[2^62, 2^64)`. `r = 2^62 / sqrt(n)` is about
/// `2^30..2^31`. It comes from a table of 96 seeds of 16 bits and one Newton step
/// `y (3 - m y^2) / 2` in u64. `k = 52 - lz / 2` lies in `21..=52`.
///
/// Relative error of `r`: between -8.92e-5 (2^-13.4) and 5e-10 (one unit), over every pattern of 20
/// leading bits. `var = 0` counts as 1.
pub fn rsqrt(var: u64) -> (u32, u32) {
    let var = var.max(1);
    let lz = var.leading_zeros() & !1;
    let n = var.wrapping_shl(lz);
    let index = (n >> 57).saturating_sub(32) as usize;
    let seed = u64::from(SEED.get(index).copied().unwrap_or_default());
    let m = n >> 32; // 30 fractional bits
    let error = (3 << 62) - m * (seed * seed); // 3 - m y^2, 62 fractional bits
    let r = (seed * (error >> 16)) >> 32; // 16 + 46 fractional bits, halved, to 31
    (r.min(0x7fff_ffff) as u32, 52 - lz / 2)
}

/// `T[f] = round(32640 * 2^(-f / 64))`: powers of two between 1 and 1/2, in steps of 1/64 of an
/// octave. 32640 = 255 * 128 keeps 8-bit codes within 255.
pub(crate) const EXP: [u16; 64] = [
    32640, 32288, 31941, 31597, 31256, 30919, 30586, 30257, 29931, 29609, 29290, 28974, 28662, 28353, 28048, 27746, //
    27447, 27151, 26859, 26569, 26283, 26000, 25720, 25443, 25169, 24898, 24630, 24364, 24102, 23842, 23585, 23331, //
    23080, 22831, 22585, 22342, 22101, 21863, 21628, 21395, 21164, 20936, 20711, 20488, 20267, 20049, 19833, 19619, //
    19408, 19199, 18992, 18787, 18585, 18385, 18187, 17991, 17797, 17605, 17416, 17228, 17043, 16859, 16677, 16498,
];
