//! Range search: the clip that minimises the squared rounding error on a sample of tokens.
//!
//! Every search tries [`RATIOS`] ranges from the observed one down to a fifth of it, each 4 %
//! narrower than the one before. The observed extremes count as much as one value of all that the
//! sample was drawn from. A range is never cut without a price.

use rayon::prelude::*;

use super::{
    encode::Index,
    format::{Grid, nearest},
    lanes,
    sample::Sample,
};

/// The narrowest range tried, relative to the observed one.
const NARROWEST: f64 = 0.2;
/// Candidate clips per search, where all channels count the same.
pub const RATIOS: usize = 41;
/// The most that there are beyond those: down to a millionth.
const MORE_RATIOS: f64 = 350.0;

/// Errors of channels that are read this much less than the mean count less.
const NEGLIGIBLE: f64 = 0.01;

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

    /// Largest magnitude; 0 of no value at all.
    pub fn magnitude(self) -> f64 {
        if self.min <= self.max { f64::from(self.max.abs().max(self.min.abs())) } else { 0.0 }
    }
}

/// The scale of a tensor: the one that was found, or 1 for a tensor that is zero everywhere, to
/// which any scale fits.
pub fn alive(scale: f64) -> f64 {
    if scale > 0.0 { scale } else { 1.0 }
}

/// Scales of a tensor's channels. Each is at least what its producer resolves, `finest(c)`. A
/// channel that is zero everywhere takes the least scale of the others, so that it asks nothing of
/// its reader's weights.
pub fn settled(mut scales: Vec<f64>, finest: impl Fn(usize) -> f64) -> Vec<f64> {
    scales.iter_mut().enumerate().for_each(|(c, scale)| *scale = scale.max(finest(c)));
    let least = scales.iter().copied().filter(|scale| *scale > 0.0).fold(f64::INFINITY, f64::min);
    let dead = if least.is_finite() { least } else { 1.0 };
    scales.iter_mut().filter(|scale| **scale <= 0.0).for_each(|scale| *scale = dead);
    scales
}

/// Weights that count less than 1 only where they are less than a hundredth of their mean; empty
/// where none is.
pub fn discounts(weights: &[f64]) -> Vec<f64> {
    let negligible = NEGLIGIBLE * weights.iter().sum::<f64>() / weights.len() as f64;
    if weights.iter().all(|w| *w >= negligible) { Vec::new() } else { weights.iter().map(|w| (w / negligible).min(1.0)).collect() }
}

/// Values that a range is searched for.
pub struct Values {
    /// Sampled values.
    pub sampled: Vec<f32>,
    /// Sampled values per value that there was, at most 1: what the observed extremes count.
    pub share: f64,
    /// Whether ranges narrower than the observed one are tried.
    pub clip: bool,
    /// Weight of the squared error of each channel; empty: all the same.
    pub weight: Vec<f64>,
}

impl Values {
    /// All values of a sample.
    pub fn all(sample: &Sample, clip: bool) -> Self {
        Self { sampled: sample.data.clone(), share: sample.share(), clip, weight: Vec::new() }
    }

    /// All values of a sample. A channel counts less where its reader weighs it with less than a
    /// hundredth of the mean.
    pub fn weighed(sample: &Sample, clip: bool, weight: &[f64]) -> Self {
        Self { weight: discounts(weight), ..Self::all(sample, clip) }
    }

    /// Values of one channel.
    pub fn channel(sample: &Sample, c: usize, clip: bool) -> Self {
        Self { sampled: sample.channel(c).collect(), share: sample.share(), clip, weight: Vec::new() }
    }

    /// Squared error of rounding to multiples of `scale` with codes in `lo..=hi` about the zero
    /// point.
    fn error(&self, extremes: &[f64], scale: f64, (lo, hi): (f64, f64)) -> f64 {
        let inverse = scale.recip();
        let one = |x: f64| (x - nearest(x * inverse).clamp(lo, hi) * scale).powi(2);
        let weighed = |(&x, weight): (&f64, &f64)| weight * one(x);
        if self.weight.is_empty() {
            let sampled = lanes::sum(&self.sampled, &self.sampled, |x, _| one(f64::from(x)));
            return sampled + self.share * extremes.iter().map(|&x| one(x)).sum::<f64>();
        }
        let token = |token: &[f32]| token.iter().zip(&self.weight).map(|(&x, weight)| weight * one(f64::from(x))).sum::<f64>();
        let sampled: f64 = self.sampled.chunks_exact(self.weight.len()).map(token).sum();
        sampled + self.share * extremes.iter().zip(&self.weight).map(weighed).sum::<f64>()
    }

    /// How many of the candidates are tried: down to a fifth of what the channels reach, each as
    /// far as it counts.
    fn candidates(&self, extremes: &[f64]) -> usize {
        let full = extremes.iter().fold(0.0f64, |most, x| most.max(x.abs()));
        let energy: f64 = extremes.iter().zip(&self.weight).map(|(x, weight)| weight * x * x).sum();
        let reach = (energy / self.weight.iter().sum::<f64>()).sqrt();
        match self.clip {
            false => 1,
            true if self.weight.is_empty() || reach <= 0.0 => RATIOS,
            true => RATIOS + ((reach / full).ln() / NARROWEST.ln() * (RATIOS - 1) as f64).clamp(0.0, MORE_RATIOS) as usize,
        }
    }
}

/// Result of a candidate range: its error and the scale and zero point that it stands for.
type Candidate = (f64, f64, i32);

/// Scale and zero point of the candidate with the smallest error; the widest range wins ties. A
/// range of no width is not cut.
fn search(values: &Values, extremes: &[f64], candidate: impl Fn(f64) -> Candidate + Sync) -> (f64, i32) {
    let ratio = |i: usize| NARROWEST.powf(i as f64 / (RATIOS - 1) as f64);
    let count = values.candidates(extremes);
    let candidates: Vec<Candidate> = (0..count).into_par_iter().map(|i| candidate(ratio(i))).collect();
    let (_, scale, zero) = candidates[1..].iter().fold(candidates[0], |best, &next| if next.0 < best.0 { next } else { best });
    (scale, zero)
}

/// Scale of symmetric codes in `-127..=127` for values of the given largest magnitude; 0 if that
/// is 0.
pub fn symmetric(values: &Values, magnitude: f64) -> f64 {
    let full = magnitude / 127.0;
    if full == 0.0 {
        return 0.0;
    }
    search(values, &[magnitude], |ratio| (values.error(&[magnitude], ratio * full, (-127.0, 127.0)), ratio * full, 0)).0
}

/// Per channel of a sample: symmetric scales. `extents` are those of the whole data set.
pub fn symmetric_channels(sample: &Sample, extents: &[Extent], clip: bool) -> Vec<f64> {
    extents.par_iter().enumerate().map(|(c, extent)| symmetric(&Values::channel(sample, c, clip), extent.magnitude())).collect()
}

/// Scale of asymmetric codes -128..=127 over the extent, shrunk about its middle; [`centre`] gives
/// the zero point. 0 for a single value.
pub fn asymmetric(values: &Values, extent: Extent) -> f64 {
    let (min, max) = (f64::from(extent.min), f64::from(extent.max));
    let full = (max - min) / 255.0;
    if full <= 0.0 {
        return 0.0;
    }
    search(values, &[min, max], |ratio| {
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

/// Scale and zero point that spread codes -128..=127 over `[min, max]`, of which one is not 0.
pub fn spread(min: f64, max: f64) -> (f64, i32) {
    let scale = (max - min) / 255.0;
    (scale, -128 - (min / scale).round() as i32)
}

/// Scale and zero point of the output of GELU, Hardswish and ReLU. The lower end stays at the
/// observed minimum (at most 0). The upper end is searched. `extents` are those of the channels
/// where they have weights, else that of the tensor. The scale is 0 if all values are.
pub fn upper(values: &Values, extents: &[Extent]) -> (f64, i32) {
    let whole = extents.iter().fold(Extent::EMPTY, |all, &extent| all.and(extent));
    let (min, max) = (f64::from(whole.min).min(0.0), f64::from(whole.max).max(0.0));
    if min == max {
        return (0.0, -128);
    }
    let tops = extents.iter().map(|extent| f64::from(extent.max).max(0.0));
    let extremes: Vec<f64> = if values.weight.is_empty() { vec![max] } else { tops.collect() };
    search(values, &extremes, |ratio| {
        let (scale, zero) = spread(min, ratio * max);
        let zero = zero.clamp(-128, 127);
        (values.error(&extremes, scale, codes(zero)), scale, zero)
    })
}

/// The index grid of an activation whose 8-bit output has the grid `out`. It reaches up to the
/// largest real that `out` can hold, and down to the flat part of GELU or the least value seen.
pub fn index_for(out: &Grid, extent: Extent, len: usize) -> Index {
    let top = out.scale_of(0) * f64::from(out.hi - out.zero_of(0));
    let seen = f64::from(extent.min).min(0.0).abs();
    // GELU(-4.5) is -1.5e-5, below half a code of any 8-bit output; 1 % of the top keeps a step
    // beyond the smallest value seen.
    Index::over((1.25 * seen + 0.01 * top).min(4.5), top, len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(sampled: Vec<f32>) -> Values {
        Values { sampled, share: 1.0, clip: true, weight: Vec::new() }
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
        let kept = symmetric(&Values { sampled: sampled.clone(), share: 1.0, clip: true, weight: Vec::new() }, 4.0);
        let cut = symmetric(&Values { sampled, share: 1e-3, clip: true, weight: Vec::new() }, 4.0);
        assert!(cut < 0.7 * kept, "{cut} {kept}");
    }

    #[test]
    fn an_upper_search_keeps_the_lower_end() {
        let gelu: Vec<f32> = bulk(5000).iter().map(|x| x.max(-0.17)).collect();
        let (scale, zero) = upper(&values(gelu), &[Extent { min: -0.17, max: 2.0 }]);
        let low = scale * f64::from(-128 - zero);
        assert!((low + 0.17).abs() <= scale, "{low}");
        assert!((-128..=127).contains(&zero));
    }

    #[test]
    fn a_positive_tensor_has_its_zero_at_the_lowest_code() {
        assert_eq!(upper(&values(vec![0.0, 1.0, 2.0]), &[Extent { min: 0.0, max: 2.0 }]).1, -128);
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
    fn a_dead_channel_takes_the_least_scale_of_the_others() {
        assert_eq!(symmetric(&values(vec![0.0; 4]), 0.0), 0.0);
        assert_eq!(upper(&values(vec![0.0; 4]), &[Extent { min: 0.0, max: 0.0 }]), (0.0, -128));
        assert_eq!(settled(vec![0.0, 3e-9, 2e-9], |_| 0.0), [2e-9, 3e-9, 2e-9]);
        assert_eq!(settled(vec![0.0, 3e-9, 2e-9], |c| [1e-12, 0.0, 5e-9][c]), [1e-12, 3e-9, 5e-9]);
        assert_eq!((settled(vec![0.0; 2], |_| 0.0), alive(0.0)), (vec![1.0; 2], 1.0));
    }

    #[test]
    fn a_range_search_does_not_depend_on_the_unit() {
        let at = |unit: f32| symmetric(&values(bulk(2000).iter().map(|x| x * unit).collect()), f64::from(4.0 * unit)) / f64::from(unit);
        let one = at(1.0);
        assert!([1e-20, 1e-6, 1e6, 1e20].iter().all(|unit| (at(*unit) / one - 1.0).abs() < 1e-6));
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
