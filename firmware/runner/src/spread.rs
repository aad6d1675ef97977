//! Mean, deviation, least and most of a sum's growth from frame to frame, with integers alone.
//! The square root is that of `core`, which is exact; micromath's is an estimate in floats.

/// Growth of a running sum, each time that it was looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spread {
    sum: u64,
    count: u32,
    /// The first growth: what squares are taken of are differences from it, which are small.
    first: u64,
    differences: i64,
    /// Stops at its largest value, which takes differences of about 2^32.
    squares: u64,
    least: u64,
    most: u64,
}

impl Spread {
    /// Nothing yet.
    pub const ZERO: Self = Self { sum: 0, count: 0, first: 0, differences: 0, squares: 0, least: u64::MAX, most: 0 };

    /// The sum is `sum` now.
    pub fn look(&mut self, sum: u64) {
        let growth = sum.saturating_sub(self.sum);
        self.sum = sum;
        if self.count == 0 {
            self.first = growth;
        }
        self.count = self.count.saturating_add(1);
        let difference = growth.wrapping_sub(self.first) as i64;
        self.differences = self.differences.saturating_add(difference);
        self.squares = self.squares.saturating_add(difference.unsigned_abs().saturating_mul(difference.unsigned_abs()));
        self.least = self.least.min(growth);
        self.most = self.most.max(growth);
    }

    /// Mean growth, rounded down.
    pub fn mean(&self) -> u64 {
        self.sum.checked_div(self.count.into()).unwrap_or(0)
    }

    /// Standard deviation of one growth, rounded down; 0 of fewer than two, the largest number
    /// where it cannot be told.
    pub fn deviation(&self) -> u64 {
        let Some(free) = self.count.checked_sub(1).filter(|free| *free > 0) else { return 0 };
        if self.squares == u64::MAX {
            return u64::MAX;
        }
        let of_mean = u128::from(self.differences.unsigned_abs()).pow(2) / u128::from(self.count);
        let variance = u128::from(self.squares).saturating_sub(of_mean) / u128::from(free);
        u64::try_from(variance).unwrap_or(u64::MAX).isqrt()
    }

    /// The smallest growth; 0 of none.
    pub fn least(&self) -> u64 {
        if self.count == 0 { 0 } else { self.least }
    }

    /// The largest growth.
    pub fn most(&self) -> u64 {
        self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(growths: &[u64]) -> Spread {
        let (mut spread, mut sum) = (Spread::ZERO, 0);
        for growth in growths {
            sum += growth;
            spread.look(sum);
        }
        spread
    }

    #[test]
    fn nothing_and_one_frame_have_no_deviation() {
        assert_eq!([of(&[]).mean(), of(&[]).least(), of(&[]).deviation()], [0; 3]);
        let one = of(&[900]);
        assert_eq!([one.mean(), one.deviation(), one.least(), one.most()], [900, 0, 900, 900]);
    }

    #[test]
    fn the_deviation_is_that_of_a_sample() {
        // Squares around the mean of 5: 9 + 1 + 1 + 1 + 0 + 0 + 4 + 16 = 32, by seven.
        let spread = of(&[2, 4, 4, 4, 5, 5, 7, 9]);
        assert_eq!([spread.mean(), spread.deviation(), spread.least(), spread.most()], [5, 2, 2, 9]);
        let large = of(&[2, 4, 4, 4, 5, 5, 7, 9].map(|ticks| 3_000_000_000 + 1000 * ticks));
        assert_eq!([large.mean(), large.deviation()], [3_000_005_000, 2138]);
    }

    #[test]
    fn differences_beyond_32_bits_are_no_small_deviation() {
        let spread = of(&[0, u64::MAX / 4]);
        assert_eq!((spread.deviation(), spread.most()), (u64::MAX, u64::MAX / 4));
    }
}
