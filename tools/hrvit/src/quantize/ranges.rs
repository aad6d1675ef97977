//! Range search: the clip that minimises the squared rounding error on a sample of tokens.
//!
//! Every search tries [`RATIOS`] ranges from the observed one down to a fifth of it, each 4 % narrower than the one before. The observed extremes count as much
//! as one value of all that the sample was drawn from, so that a range is never cut without its price being seen.

use rayon::prelude::*;

use super::{
    encode::Index,
    format::{Grid, nearest},
    sample::Sample,
};

/// The narrowest range tried, relative to the observed one.
const NARROWEST: f64 = 0.2;
/// Candidate clips per search.
pub const RATIOS: usize = 41;

/// Smallest and largest value of a channel or tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extent {
    /// Smallest.
    pub min: f32,
    /// Largest.
    pub max: f32,
}

impl Extent {
    /// Of no value at all.
    pub const EMPTY: Self = Self { min: f32::INFINITY, max: f32::NEG_INFINITY };

    /// The extent of both.
    pub fn and(self, other: Self) -> Self {
        Self { min: self.min.min(other.min), max: self.max.max(other.max) }
    }

    /// Takes in one value.
    pub fn add(&mut self, x: f32) {
        self.min = self.min.min(x);
        self.max = self.max.max(x);
    }

    /// Largest magnitude, at least [`SMALLEST`]: a dead tensor still needs a scale.
    pub fn magnitude(self) -> f64 {
        f64::from(self.max.abs().max(self.min.abs())).max(SMALLEST)
    }
}

/// Magnitude that stands in for a tensor that is zero everywhere.
pub const SMALLEST: f64 = 1e-6;

/// Values that a range is searched for.
pub struct Values {
    /// Sampled values.
    pub sampled: Vec<f32>,
    /// Sampled values per value that there was, at most 1: what the observed extremes count.
    pub share: f64,
    /// Whether ranges narrower than the observed one are tried.
    pub clip: bool,
}

impl Values {
    /// All values of a sample.
    pub fn all(sample: &Sample, clip: bool) -> Self {
        Self { sampled: sample.data.clone(), share: sample.share(), clip }
    }

    /// Values of one channel.
    pub fn channel(sample: &Sample, c: usize, clip: bool) -> Self {
        Self { sampled: sample.channel(c).collect(), share: sample.share(), clip }
    }

    /// Squared error of rounding to multiples of `scale` with codes in `lo..=hi` about the zero point.
    fn error(&self, extremes: &[f64], scale: f64, (lo, hi): (f64, f64)) -> f64 {
        let inverse = scale.recip();
        let one = |x: f64| (x - nearest(x * inverse).clamp(lo, hi) * scale).powi(2);
        let sampled: f64 = self.sampled.iter().map(|&x| one(f64::from(x))).sum();
        sampled + self.share * extremes.iter().map(|&x| one(x)).sum::<f64>()
    }
}

/// What a candidate range results in: its error and the scale and zero point that it stands for.
type Candidate = (f64, f64, i32);

/// Scale and zero point of the candidate with the smallest error; the widest range wins ties.
fn search(values: &Values, candidate: impl Fn(f64) -> Candidate + Sync) -> (f64, i32) {
    let ratio = |i: usize| NARROWEST.powf(i as f64 / (RATIOS - 1) as f64);
    let count = if values.clip { RATIOS } else { 1 };
    let candidates: Vec<Candidate> = (0..count).into_par_iter().map(|i| candidate(ratio(i))).collect();
    let (_, scale, zero) = candidates[1..].iter().fold(candidates[0], |best, &next| if next.0 < best.0 { next } else { best });
    (scale, zero)
}

/// Scale of symmetric codes in `-127..=127` for values of the given largest magnitude.
pub fn symmetric(values: &Values, magnitude: f64) -> f64 {
    let full = magnitude.max(SMALLEST) / 127.0;
    search(values, |ratio| (values.error(&[magnitude], ratio * full, (-127.0, 127.0)), ratio * full, 0)).0
}

/// Per channel of a sample: symmetric scales. `extents` are those of the whole data set.
pub fn symmetric_channels(sample: &Sample, extents: &[Extent], clip: bool) -> Vec<f64> {
    extents.iter().enumerate().map(|(c, extent)| symmetric(&Values::channel(sample, c, clip), extent.magnitude())).collect()
}

/// Scale of asymmetric codes -128..=127 over the extent, shrunk about its middle; [`centre`] gives the zero point.
pub fn asymmetric(values: &Values, extent: Extent) -> f64 {
    let (min, max) = (f64::from(extent.min), f64::from(extent.max));
    let full = (max - min).max(SMALLEST) / 255.0;
    search(values, |ratio| {
        let scale = ratio * full;
        let zero = centre(extent, scale);
        (values.error(&[min, max], scale, codes(zero)), scale, zero)
    })
    .0
}

/// Codes -128..=127 about a zero point.
fn codes(zero: i32) -> (f64, f64) {
    (-128.0 - f64::from(zero), 127.0 - f64::from(zero))
}

/// Zero point that puts the middle of the extent halfway between codes -1 and 0.
pub fn centre(extent: Extent, scale: f64) -> i32 {
    let middle = 0.5 * (f64::from(extent.min) + f64::from(extent.max));
    (-0.5 - middle / scale).round() as i32
}

/// Scale and zero point that spread codes -128..=127 over `[min, max]`.
pub fn spread(min: f64, max: f64) -> (f64, i32) {
    let scale = (max - min).max(SMALLEST) / 255.0;
    (scale, -128 - (min / scale).round() as i32)
}

/// Grid of a tensor whose lower end stays at its observed minimum (at most 0) and whose upper end is searched: what GELU, Hardswish and ReLU leave.
pub fn upper(values: &Values, extent: Extent) -> Grid {
    let (min, max) = (f64::from(extent.min).min(0.0), f64::from(extent.max).max(SMALLEST));
    let (scale, zero) = search(values, |ratio| {
        let (scale, zero) = spread(min, ratio * max);
        let zero = zero.clamp(-128, 127);
        (values.error(&[max], scale, codes(zero)), scale, zero)
    });
    Grid::byte(scale, zero)
}

/// The index grid of an activation whose 8-bit output has the grid `out`: up to the largest real that `out` can hold, down to where GELU is flat or nothing was seen.
pub fn index_for(out: &Grid, extent: Extent, len: usize) -> Index {
    let top = out.scale_of(0) * f64::from(out.hi - out.zero_of(0));
    let seen = f64::from(extent.min).min(0.0).abs();
    // GELU(-4.5) is -1.5e-5, below half a code of any 8-bit output; 1 % of the top keeps a step beyond the smallest value seen.
    Index::over((1.25 * seen + 0.01 * top).min(4.5), top, len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(sampled: Vec<f32>) -> Values {
        Values { sampled, share: 1.0, clip: true }
    }

    /// A triangular distribution on (-2, 2), deterministic.
    fn bulk(n: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 7919 % n) as f32 / n as f32) + ((i * 104_729 % n) as f32 / n as f32) - 1.0).map(|x| 2.0 * x).collect()
    }

    #[test]
    fn a_uniform_range_is_not_cut() {
        let uniform = values((0..1000).map(|i| i as f32 / 999.0 * 2.0 - 1.0).collect());
        assert_eq!(symmetric(&uniform, 1.0), 1.0 / 127.0);
    }

    #[test]
    fn a_lone_outlier_is_cut_and_a_dense_tail_is_not() {
        let mut all = bulk(200_000);
        all.push(3.0);
        let cut = symmetric(&values(all.clone()), 3.0);
        assert!(cut < 0.9 * 3.0 / 127.0, "{cut}");
        all.extend(std::iter::repeat_n(3.0, 20_000));
        assert_eq!(symmetric(&values(all), 3.0), 3.0 / 127.0);
    }

    #[test]
    fn an_extreme_that_was_not_sampled_counts_by_the_share_of_the_sample() {
        let sampled = bulk(2000);
        let kept = symmetric(&Values { sampled: sampled.clone(), share: 1.0, clip: true }, 4.0);
        let cut = symmetric(&Values { sampled, share: 1e-3, clip: true }, 4.0);
        assert!(cut < 0.7 * kept, "{cut} {kept}");
    }

    #[test]
    fn an_upper_search_keeps_the_lower_end() {
        let gelu: Vec<f32> = bulk(5000).iter().map(|x| x.max(-0.17)).collect();
        let grid = upper(&values(gelu), Extent { min: -0.17, max: 2.0 });
        let low = grid.scale[0] * f64::from(grid.lo - grid.zero[0]);
        assert!((low + 0.17).abs() <= grid.scale[0], "{low}");
        assert!((-128..=127).contains(&grid.zero[0]));
    }

    #[test]
    fn a_positive_tensor_has_its_zero_at_the_lowest_code() {
        assert_eq!(upper(&values(vec![0.0, 1.0, 2.0]), Extent { min: 0.0, max: 2.0 }).zero, [-128]);
    }

    #[test]
    fn asymmetric_ranges_may_exclude_zero() {
        let extent = Extent { min: 5.0, max: 6.0 };
        let scale = asymmetric(&values((0..500).map(|i| 5.0 + i as f32 / 499.0).collect()), extent);
        assert!((scale - 1.0 / 255.0).abs() < 1e-5, "{scale}");
        let zero = centre(extent, scale);
        assert!(((5.0 / scale).round() as i32 + zero - -128).abs() <= 1 && ((6.0 / scale).round() as i32 + zero - 127).abs() <= 1, "{zero}");
    }

    #[test]
    fn a_dead_tensor_still_has_a_scale() {
        assert!(symmetric(&values(vec![0.0; 4]), 0.0) > 0.0);
        assert!(upper(&values(vec![0.0; 4]), Extent { min: 0.0, max: 0.0 }).scale[0] > 0.0);
    }

    #[test]
    fn the_index_reaches_the_largest_output_and_no_further() {
        let out = Grid::byte(0.05, -100);
        let index = index_for(&out, Extent { min: -2.0, max: 30.0 }, 2048);
        let top = 0.05 * 227.0;
        assert!((index.real(2047) - top).abs() < 2.0 * index.scale);
        assert!(index.real(0) <= -2.5 && index.real(0) > -2.8, "{}", index.real(0));
    }
}
