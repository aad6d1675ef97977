//! Range search: the clip that minimises the squared rounding error on a sample of tokens.
//!
//! Every search tries the ratios 1.00, 0.9875, ... 0.50 of the observed range ([`RATIOS`] of them). The observed extremes count as one more sample each,
//! so that a range is never cut without its price being seen.

use super::{encode::Index, format::Grid, sample::Sample};

/// Candidate clips per search.
pub const RATIOS: usize = 41;

fn ratios() -> impl Iterator<Item = f64> {
    (0..RATIOS).map(|i| 1.0 - 0.5 * i as f64 / (RATIOS - 1) as f64)
}

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

/// Squared error of rounding `x` to multiples of `scale`, codes in `lo..=hi` about the zero point.
fn error(x: f64, scale: f64, lo: f64, hi: f64) -> f64 {
    let code = (x / scale + 0.5).floor().clamp(lo, hi);
    (x - code * scale).powi(2)
}

/// Scale of symmetric codes in `-127..=127` for `values` of the given largest magnitude.
pub fn symmetric(values: impl Iterator<Item = f64> + Clone, magnitude: f64) -> f64 {
    let full = magnitude.max(SMALLEST) / 127.0;
    best(ratios().map(|ratio| {
        let scale = ratio * full;
        let rounded: f64 = values.clone().map(|x| error(x, scale, -127.0, 127.0)).sum();
        (rounded + error(magnitude, scale, -127.0, 127.0), scale)
    }))
}

/// Per channel of a sample: symmetric scales. `extents` are those of the whole data set.
pub fn symmetric_channels(sample: &Sample, extents: &[Extent]) -> Vec<f64> {
    extents.iter().enumerate().map(|(c, extent)| symmetric(sample.channel(c), extent.magnitude())).collect()
}

/// Scale of asymmetric codes -128..=127 over the extent, shrunk about its middle; [`centre`] gives the zero point.
pub fn asymmetric(values: impl Iterator<Item = f64> + Clone, extent: Extent) -> f64 {
    let (min, max) = (f64::from(extent.min), f64::from(extent.max));
    let full = (max - min).max(SMALLEST) / 255.0;
    best(ratios().map(|ratio| {
        let scale = ratio * full;
        let zero = f64::from(centre(extent, scale));
        let rounded: f64 = values.clone().chain([min, max]).map(|x| error(x, scale, -128.0 - zero, 127.0 - zero)).sum();
        (rounded, scale)
    }))
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
pub fn upper(values: impl Iterator<Item = f64> + Clone, extent: Extent) -> Grid {
    let (min, max) = (f64::from(extent.min).min(0.0), f64::from(extent.max).max(SMALLEST));
    let (scale, zero) = best(ratios().map(|ratio| {
        let (scale, zero) = spread(min, ratio * max);
        let zero = zero.clamp(-128, 127);
        let (lo, hi) = (-128.0 - f64::from(zero), 127.0 - f64::from(zero));
        let rounded: f64 = values.clone().chain([max]).map(|x| error(x, scale, lo, hi)).sum();
        (rounded, (scale, zero))
    }));
    Grid::byte(scale, zero)
}

/// The index grid of an activation whose 8-bit output has the grid `out`: up to the largest real that `out` can hold, down to where GELU is flat or nothing was seen.
pub fn index_for(out: &Grid, extent: Extent, len: usize) -> Index {
    let top = out.scale_of(0) * f64::from(out.hi - out.zero_of(0));
    let seen = f64::from(extent.min).min(0.0).abs();
    // GELU(-4.5) is -1.5e-5, below half a code of any 8-bit output; 1 % of the top keeps a step beyond the smallest value seen.
    Index::over((1.25 * seen + 0.01 * top).min(4.5), top, len)
}

fn best<T: Copy>(candidates: impl Iterator<Item = (f64, T)>) -> T {
    let mut candidates = candidates;
    let first = candidates.next().expect("a search has at least one candidate");
    candidates.fold(first, |best, candidate| if candidate.0 < best.0 { candidate } else { best }).1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A triangular distribution on (-2, 2), deterministic.
    fn bulk(n: usize) -> Vec<f64> {
        (0..n).map(|i| ((i * 7919 % n) as f64 / n as f64) + ((i * 104_729 % n) as f64 / n as f64) - 1.0).map(|x| 2.0 * x).collect()
    }

    #[test]
    fn a_uniform_range_is_not_cut() {
        let values: Vec<f64> = (0..1000).map(|i| f64::from(i) / 999.0 * 2.0 - 1.0).collect();
        assert_eq!(symmetric(values.iter().copied(), 1.0), 1.0 / 127.0);
    }

    #[test]
    fn a_lone_outlier_is_cut_and_a_dense_tail_is_not() {
        let mut values = bulk(200_000);
        values.push(3.0);
        let cut = symmetric(values.iter().copied(), 3.0);
        assert!(cut < 0.9 * 3.0 / 127.0, "{cut}");
        values.extend(std::iter::repeat_n(3.0, 20_000));
        assert_eq!(symmetric(values.iter().copied(), 3.0), 3.0 / 127.0);
    }

    #[test]
    fn an_upper_search_keeps_the_lower_end() {
        let values: Vec<f64> = bulk(5000).iter().map(|x| x.max(-0.17)).collect();
        let grid = upper(values.iter().copied(), Extent { min: -0.17, max: 2.0 });
        let low = grid.scale[0] * f64::from(grid.lo - grid.zero[0]);
        assert!((low + 0.17).abs() <= grid.scale[0], "{low}");
        assert!((-128..=127).contains(&grid.zero[0]));
    }

    #[test]
    fn a_positive_tensor_has_its_zero_at_the_lowest_code() {
        assert_eq!(upper([0.0, 1.0, 2.0].into_iter(), Extent { min: 0.0, max: 2.0 }).zero, [-128]);
    }

    #[test]
    fn asymmetric_ranges_may_exclude_zero() {
        let extent = Extent { min: 5.0, max: 6.0 };
        let scale = asymmetric((0..500).map(|i| 5.0 + f64::from(i) / 500.0), extent);
        assert!((scale - 1.0 / 255.0).abs() < 1e-5, "{scale}");
        let zero = centre(extent, scale);
        assert!(((5.0 / scale).round() as i32 + zero - -128).abs() <= 1 && ((6.0 / scale).round() as i32 + zero - 127).abs() <= 1, "{zero}");
    }

    #[test]
    fn a_dead_tensor_still_has_a_scale() {
        assert!(symmetric([0.0; 4].into_iter(), 0.0) > 0.0);
        assert!(upper([0.0; 4].into_iter(), Extent { min: 0.0, max: 0.0 }).scale[0] > 0.0);
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
