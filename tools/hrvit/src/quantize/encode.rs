//! From real multipliers, gains and functions to the integers of the contract
//! (`docs/quantisation.md`, sections 1 and 4).

use anyhow::{Result, ensure};
use hrvit_format::INTERPOLATED;

/// Entries of the tables that turn an index into an 8-bit activation.
pub const TABLE8: usize = 2048;
/// Entries of the diversity-enhancing shortcut's table, whose entries are 16-bit.
pub const TABLE16: usize = 4096;

/// Multipliers of one operator: `real = mult * 2^(pre_shift - shift)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Multipliers {
    /// `M` in `[2^30, 2^31)`.
    pub mult: Vec<i32>,
    /// `s` in `32..=62`.
    pub shift: Vec<u8>,
    /// Left shift of the accumulator, 0 unless a multiplier is 0.5 or more.
    pub pre_shift: u8,
}

/// Encodes real multipliers (finite, not negative). One too small for `s = 62` becomes
/// `M = 2^30, s = 62`.
pub fn multipliers(real: &[f64]) -> Multipliers {
    let parts: Vec<(i32, i32)> = real.iter().map(|&m| mantissa(m)).collect();
    let pre = parts.iter().map(|&(_, shift)| 32 - shift).max().unwrap_or(0).max(0);
    let (mult, shift) = parts.iter().map(|&(m, s)| if s + pre > 62 { (1 << 30, 62) } else { (m, (s + pre) as u8) }).unzip();
    Multipliers { mult, shift, pre_shift: pre.min(255) as u8 }
}

/// `(M, s)` with `m = M / 2^s` rounded and M in `[2^30, 2^31)`; s is not bounded.
fn mantissa(m: f64) -> (i32, i32) {
    // Smaller than any shift that a pre-shift could lift back into range.
    if m < 2f64.powi(-100) {
        return (1 << 30, 130);
    }
    let mut shift = 30 - m.log2().floor() as i32;
    // log2 may round across a power of two, and so may the mantissa itself.
    while (m * 2f64.powi(shift)).round() >= 2f64.powi(31) {
        shift -= 1;
    }
    while (m * 2f64.powi(shift)).round() < 2f64.powi(30) {
        shift += 1;
    }
    ((m * 2f64.powi(shift)).round() as i32, shift)
}

/// A LayerNorm's integer affine: `y = (xh * gain + offset + 2^(shift-1)) >> shift`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NormAffine {
    /// `G_c`, `|G_c| < 2^15`.
    pub gain: Vec<i32>,
    /// `B_c`, `|B_c| <= 2^29`.
    pub offset: Vec<i32>,
    /// `t` in `1..=30`.
    pub shift: u8,
}

/// Encodes the affine `code_c = gain_c * n_c + offset_c` of the normalised value
/// `n = xh / 2^fraction`, with the largest `t` that fits.
///
/// # Errors
/// If not even `t = 1` fits: the output scale is far too fine for the gains.
pub fn norm_affine(gain: &[f64], offset: &[f64], fraction: u8) -> Result<NormAffine> {
    let scaled = |values: &[f64], exponent: i32| values.iter().map(|v| (v * 2f64.powi(exponent)).round()).collect::<Vec<f64>>();
    for shift in (1..=30).rev() {
        let gains = scaled(gain, shift - i32::from(fraction));
        let offsets = scaled(offset, shift);
        if gains.iter().all(|g| g.abs() < 32768.0) && offsets.iter().all(|b| b.abs() <= 2f64.powi(29)) {
            let integers = |values: Vec<f64>| values.into_iter().map(|v| v as i32).collect();
            return Ok(NormAffine { gain: integers(gains), offset: integers(offsets), shift: shift as u8 });
        }
    }
    let largest = gain.iter().fold(0f64, |most, g| most.max(g.abs()));
    anyhow::bail!("LayerNorm gain of {largest:.3e} codes per unit does not fit 15 bits: its calibrated output range is too small")
}

/// Largest `eps` that the format takes.
const EPS_MAX: u64 = 1 << 62;

/// `eps` of a LayerNorm in codes: `round(C^2 * 1e-5 / scale^2)` in `1..=2^62`.
pub fn norm_eps(channels: usize, scale: f64) -> u64 {
    let eps = (channels as f64).powi(2) * 1e-5 / (scale * scale);
    (eps.round() as u64).clamp(1, EPS_MAX)
}

/// The grid of a table's index: entry `i` stands for the real `(i - zero) * scale`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Index {
    /// Real distance between two entries.
    pub scale: f64,
    /// Entry of the real 0.
    pub zero: i32,
    /// Number of entries.
    pub len: usize,
    /// Requantised units from an entry to the next: 1 where an index is looked up, more where a
    /// code lies between two entries.
    pub units: u32,
}

impl Index {
    /// An index over `[-lower, upper]`, both ends at least 0; up to 1 if both are 0.
    pub fn over(lower: f64, upper: f64, len: usize) -> Self {
        let last = (len - 1) as f64;
        let upper = if lower + upper > 0.0 { upper } else { 1.0 };
        let scale = (lower + upper) / last;
        // The ends move outwards by less than one entry where the real 0 is rounded onto one.
        let zero = (lower / scale).ceil().min(last) as i32;
        let above = f64::from(len as i32 - 1 - zero);
        let scale = if above > 0.0 { scale.max(upper / above) } else { scale };
        Self { scale, zero, len, units: 1 }
    }

    /// Of an interpolated table over all 16-bit codes of this scale.
    pub fn interpolated(scale: f64) -> Self {
        let units = (1 << 16) / (INTERPOLATED - 1);
        Self { scale: f64::from(units) * scale, zero: (INTERPOLATED / 2) as i32, len: INTERPOLATED as usize, units }
    }

    /// The same index, with units of `least` or more.
    #[must_use]
    pub fn at_least(self, least: f64) -> Self {
        let factor = (least / self.unit()).max(1.0);
        let zero = if self.units == 1 { (f64::from(self.zero) / factor).ceil() as i32 } else { self.zero };
        Self { scale: self.scale * factor, zero, ..self }
    }

    /// Real value of one requantised unit.
    pub fn unit(&self) -> f64 {
        self.scale / f64::from(self.units)
    }

    /// Real value of entry `i`.
    pub fn real(&self, i: usize) -> f64 {
        f64::from(i as i32 - self.zero) * self.scale
    }

    /// Codes `clamp(round(f(x) / scale) + zero)` of `f` at every entry. Groups of `step` entries
    /// have the code of their middle one, which is a multiple of `step` away from the real 0. With
    /// 1 every entry has its own.
    pub fn table(&self, step: usize, f: impl Fn(f64) -> f64, scale: f64, zero: i32, (lo, hi): (i32, i32)) -> Vec<i32> {
        let real = |i: usize| ((i as f64 - f64::from(self.zero)) / step as f64).round() * step as f64 * self.scale;
        (0..self.len).map(|i| ((f(real(i)) / scale + 0.5).floor() as i32).saturating_add(zero).clamp(lo, hi)).collect()
    }
}

/// Refuses an accumulator that could overflow: `largest_code * sum|q| + |bias|`, shifted by `pre`,
/// must stay below 2^31.
pub fn check_headroom(depth: usize, largest_code: i64, bias: &[i32], pre: u8) -> Result<()> {
    ensure!(pre <= 30, "a requantisation multiplier of 2^{} or more: the output scale is far too fine", i32::from(pre) - 1);
    let most = bias.iter().map(|b| i64::from(b.unsigned_abs())).max().unwrap_or(0);
    let accumulator = depth as i64 * largest_code * 127 + most;
    ensure!(
        accumulator << pre <= i64::from(i32::MAX),
        "the accumulator could reach {accumulator} << {pre}, beyond 31 bits (dot products of {depth}, largest bias {most})"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(m: &Multipliers) -> Vec<f64> {
        m.mult.iter().zip(&m.shift).map(|(&mult, &shift)| f64::from(mult) * 2f64.powi(i32::from(m.pre_shift) - i32::from(shift))).collect()
    }

    #[test]
    fn multipliers_come_back_to_31_bits() {
        let real = [0.499_999_9, 0.25, 0.123, 1e-3, 3.7e-7, 2f64.powi(-31)];
        let encoded = multipliers(&real);
        assert_eq!(encoded.pre_shift, 0);
        for ((&m, back), (&mult, &shift)) in real.iter().zip(decode(&encoded)).zip(encoded.mult.iter().zip(&encoded.shift)) {
            assert!((back / m - 1.0).abs() <= 2f64.powi(-31), "{m}: {back}");
            assert!(mult >= 1 << 30 && (32..=62).contains(&shift));
        }
    }

    #[test]
    fn a_multiplier_of_a_half_or_more_shifts_the_whole_operator() {
        for (largest, pre) in [(0.5, 1), (0.999, 1), (1.0, 2), (7.3, 4), (0.499_999_999_99, 1)] {
            let real = [largest, 0.01];
            let encoded = multipliers(&real);
            assert_eq!(encoded.pre_shift, pre, "{largest}");
            assert!(encoded.shift.iter().all(|s| (32..=62).contains(s)));
            for (m, back) in real.iter().zip(decode(&encoded)) {
                assert!((back / m - 1.0).abs() <= 2f64.powi(-30));
            }
        }
    }

    #[test]
    fn an_underflowing_multiplier_is_the_smallest_one() {
        let encoded = multipliers(&[0.1, 0.0, 2f64.powi(-40), 1e-300]);
        assert_eq!(encoded.mult[1..], [1 << 30; 3]);
        assert_eq!(encoded.shift[1..], [62; 3]);
        assert_eq!(encoded.pre_shift, 0);
    }

    #[test]
    fn norm_gains_use_the_largest_shift_that_fits() {
        let affine = norm_affine(&[40.0, -3.0], &[-17.0, 5.0], 10).unwrap();
        // 40 / 1024 * 2^t < 32768 holds up to t = 19.
        assert_eq!((affine.shift, affine.gain.as_slice()), (19, [20480, -1536].as_slice()));
        assert_eq!(affine.offset, [-17 << 19, 5 << 19]);
        // With five more bits of the normalised values the same gains have five more of a shift.
        assert_eq!(norm_affine(&[40.0, -3.0], &[-17.0, 5.0], 15).unwrap().shift, 24);
    }

    #[test]
    fn norm_offsets_bound_the_shift_too() {
        let affine = norm_affine(&[1.0], &[1000.0], 10).unwrap();
        assert_eq!((affine.shift, affine.offset[0]), (19, 1000 << 19));
    }

    #[test]
    fn a_norm_gain_beyond_15_bits_is_an_error() {
        assert!(norm_affine(&[1e9], &[0.0], 10).unwrap_err().to_string().contains("15 bits"));
    }

    #[test]
    fn eps_is_never_zero_nor_beyond_the_format() {
        assert_eq!((norm_eps(16, 1.0), norm_eps(512, 1e-12)), (1, 1 << 62));
        assert_eq!(norm_eps(128, 1e-3), 163_840);
    }

    #[test]
    fn index_holds_zero_exactly_and_covers_both_ends() {
        for (lower, upper, len) in [(4.5, 11.3, 2048), (0.0, 3.0, 2048), (0.01, 8.0, 4096), (2.0, 0.0, 2048)] {
            let index = Index::over(lower, upper, len);
            assert_eq!(index.real(index.zero as usize), 0.0);
            assert!(index.real(0) <= -lower + 1e-12 && index.real(len - 1) >= upper - 1e-12, "{index:?}");
            assert!(index.scale <= (lower + upper) / (len - 3) as f64);
        }
    }

    #[test]
    fn coarser_indices_keep_their_zero() {
        let index = Index::over(4.5, 11.3, 2048);
        assert_eq!(index.at_least(0.5 * index.unit()), index);
        let coarse = index.at_least(3.0 * index.unit());
        assert!((coarse.unit() - 3.0 * index.unit()).abs() < 1e-12 && coarse.real(coarse.zero as usize) == 0.0);
        assert!(coarse.real(0) <= -4.5 + 1e-9 && coarse.real(2047) >= 11.3);
        let interpolated = Index::interpolated(1e-3).at_least(1.0);
        assert_eq!((interpolated.unit(), interpolated.zero), (1.0, Index::interpolated(1e-3).zero));
    }

    #[test]
    fn table_entries_are_rounded_values_of_the_function() {
        let index = Index::over(2.0, 6.0, 2048);
        let table = index.table(1, |x| x.max(0.0), 0.02, -128, (-128, 127));
        assert_eq!(table[..=index.zero as usize], vec![-128; index.zero as usize + 1]);
        assert_eq!(table[2047], 127);
        let i = index.zero as usize + 500;
        assert_eq!(table[i], (index.real(i) / 0.02).round() as i32 - 128);
    }

    #[test]
    fn headroom_counts_the_shift() {
        assert!(check_headroom(4608, 128, &[1 << 20], 0).is_ok());
        assert!(check_headroom(4608, 128, &[1 << 20], 5).unwrap_err().to_string().contains("31 bits"));
        assert!(check_headroom(1, 128, &[i32::MIN], 0).is_err());
    }
}
