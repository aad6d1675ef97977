//! How a tensor's real values become codes.

use hrvit_reference::wide;

/// Codes of a tensor: `real = scale_c * (code - zero_c)`, codes in `lo..=hi`. One scale and zero
/// point per channel, or one for all.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// Real value of one code: one entry, or one per channel.
    pub scale: Vec<f64>,
    /// Code of the real 0: one entry, or one per channel.
    pub zero: Vec<i32>,
    /// Lowest code.
    pub lo: i32,
    /// Highest code.
    pub hi: i32,
}

/// Counts of rounding values to a [`Grid`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Saturation {
    /// Values that lay more than half a code outside the range.
    pub clipped: u64,
    /// All values.
    pub total: u64,
}

impl Grid {
    /// 16-bit codes with one scale, zero point 0.
    pub fn wide(scale: f64) -> Self {
        Self { scale: vec![scale], zero: vec![0], lo: i16::MIN.into(), hi: i16::MAX.into() }
    }

    /// 32-bit terms of a sum that is rounded again only later.
    pub fn term(scale: f64) -> Self {
        Self { scale: vec![scale], zero: vec![0], lo: i32::MIN, hi: i32::MAX }
    }

    /// 16-bit codes of an int16x8 step in `lo..=hi`, zero point 0.
    pub fn s16(scale: Vec<f64>, lo: i32, hi: i32) -> Self {
        Self { scale, zero: vec![0], lo, hi }
    }

    /// 8-bit codes with one scale per channel, zero point 0.
    pub fn symmetric(scale: Vec<f64>) -> Self {
        Self { scale, zero: vec![0], lo: -128, hi: 127 }
    }

    /// 8-bit codes with one scale and zero point.
    pub fn byte(scale: f64, zero: i32) -> Self {
        Self { scale: vec![scale], zero: vec![zero], lo: -128, hi: 127 }
    }

    /// 8-bit codes of a tensor that is never negative: zero point -128.
    pub fn positive(scale: f64) -> Self {
        Self::byte(scale, -128)
    }

    /// Scale of channel `c`.
    pub fn scale_of(&self, c: usize) -> f64 {
        self.scale[c % self.scale.len()]
    }

    /// Zero point of channel `c`.
    pub fn zero_of(&self, c: usize) -> i32 {
        self.zero[c % self.zero.len()]
    }

    /// The scale if it is one for all channels, else 0: what an operator's record reports.
    pub fn common_scale(&self) -> f32 {
        if let [scale] = self.scale[..] { scale as f32 } else { 0.0 }
    }

    /// Largest magnitude of a code.
    pub fn largest(&self) -> i64 {
        i64::from(self.lo.unsigned_abs().max(self.hi.unsigned_abs()))
    }

    /// Short name for reports.
    pub fn name(&self) -> &'static str {
        match (self.lo, self.scale.len() > 1, self.zero.len() > 1) {
            (i32::MIN, ..) => "i32 sum",
            (lo, ..) if lo == i32::from(i16::MIN) => "s16",
            (0, ..) if self.zero != [0] => "index",
            (_, pc, _) if self.hi > 127 => {
                if pc {
                    "s16 pc"
                } else {
                    "s16"
                }
            }
            (_, _, true) => "s8 pc zp",
            (_, true, _) => "s8 pc",
            _ => "s8",
        }
    }

    /// Rounds every value of `[tokens, channels]` to the grid, in place.
    pub fn round(&self, values: &mut [f32], channels: usize) -> Saturation {
        let scale: Vec<f64> = (0..channels).map(|c| self.scale_of(c)).collect();
        let inverse: Vec<f64> = scale.iter().map(|scale| scale.recip()).collect();
        let end = |code: i32| -> Vec<f64> { (0..channels).map(|c| f64::from(code) - f64::from(self.zero_of(c))).collect() };
        let (lo, hi) = (end(self.lo), end(self.hi));
        let clipped = round_tokens(values, &scale, &inverse, &lo, &hi);
        Saturation { clipped, total: values.len() as u64 }
    }
}

wide! {
    /// Rounds tokens to codes in `lo..=hi` about the zero points, as many channels as there are
    /// scales; gives how many values were clipped.
    fn round_tokens ['a] ['a] (values: &'a mut [f32], scale: &'a [f64], inverse: &'a [f64], lo: &'a [f64], hi: &'a [f64]) -> u64 {
        let mut clipped = 0;
        for token in values.chunks_exact_mut(scale.len()) {
            for ((((x, scale), inverse), lo), hi) in token.iter_mut().zip(scale).zip(inverse).zip(lo).zip(hi) {
                let code = nearest(f64::from(*x) * inverse);
                clipped += u64::from((code < *lo) | (code > *hi));
                let code = if code < *lo { *lo } else { code };
                let code = if code > *hi { *hi } else { code };
                *x = (code * scale) as f32;
            }
        }
        clipped
    }
}

/// The nearest integer of a number below 2^51 in magnitude. Ties go to the even one, where the
/// engine's go up: real values are hardly ever ties.
#[inline(always)]
pub fn nearest(x: f64) -> f64 {
    // Adding 1.5 * 2^52 leaves no fractional bits: the rounding of the addition does it.
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    (x + SHIFT) - SHIFT
}

impl Saturation {
    /// Both counts added up.
    pub fn and(self, other: Self) -> Self {
        Self { clipped: self.clipped + other.clipped, total: self.total + other.total }
    }

    /// Share of clipped values in percent.
    pub fn percent(self) -> f64 {
        if self.total == 0 { 0.0 } else { 100.0 * self.clipped as f64 / self.total as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_per_channel_and_counts_what_it_clips() {
        let grid = Grid { scale: vec![0.5, 2.0], zero: vec![0, -128], lo: -128, hi: 127 };
        let mut values = [0.26, 1.1, -0.24, -3.0, 100.0, 509.1];
        let saturation = grid.round(&mut values, 2);
        assert_eq!(values, [0.5, 2.0, 0.0, 0.0, 63.5, 510.0]);
        assert_eq!([-2.51, -2.49, 0.4, 1e9 + 0.6].map(nearest), [-3.0, -2.0, 0.0, 1e9 + 1.0]);
        assert_eq!(saturation, Saturation { clipped: 2, total: 6 });
    }

    #[test]
    fn names_tell_the_formats_apart() {
        assert_eq!(Grid::wide(1.0).name(), "s16");
        assert_eq!(Grid::symmetric(vec![1.0, 2.0]).name(), "s8 pc");
        assert_eq!(Grid { scale: vec![1.0], zero: vec![700], lo: 0, hi: 2047 }.name(), "index");
        assert_eq!(Grid::term(1.0).name(), "i32 sum");
        assert_eq!(Grid::s16(vec![1.0, 2.0], -9000, 9000).name(), "s16 pc");
        assert_eq!(Grid::s16(vec![1.0], 0, 9000).name(), "s16");
    }
}
