//! Fractional bits of a LayerNorm's normalised values. 10 hold any token without outliers. If a few
//! channels of the stream are far larger than the others, they take up the variance. The others
//! then need finer bits, as many as leave the large channels their range.

use hrvit_kernels::contract::{MAX_FRACTION, MIN_FRACTION};

use super::sample::Sample;

/// Noise that does not count, relative to the signal: 60 dB.
const NEGLIGIBLE: f64 = 1e-6;

/// The fewest fractional bits, `least` or more, whose noise is negligible or nearly the least. The
/// noise comes from rounding and saturating the normalised values. `sample` holds what the
/// LayerNorm leaves with these `gains` and `offsets`; errors count by `weight` per channel, the
/// signal about its mean.
pub fn choose(sample: &Sample, (gains, offsets): (&[f64], &[f64]), weight: &[f64], least: u8) -> u8 {
    let mut noise = Vec::new();
    let mut signal = 0.0;
    for bits in least.clamp(MIN_FRACTION, MAX_FRACTION)..=MAX_FRACTION {
        let unit = f64::from(bits).exp2();
        let mut sum = 0.0;
        signal = 0.0;
        for c in 0..sample.channels {
            if gains[c] == 0.0 || weight[c] == 0.0 {
                continue;
            }
            let (mut value, mut error) = (Variance::default(), 0.0);
            for x in sample.channel(c) {
                let normal = (f64::from(x) - offsets[c]) / gains[c];
                value.add(gains[c] * normal);
                error += (gains[c] * ((normal * unit).round().clamp(i16::MIN.into(), i16::MAX.into()) / unit - normal)).powi(2);
            }
            sum += weight[c] * error;
            signal += weight[c] * value.get();
        }
        noise.push((bits, sum));
    }
    let lowest = noise.iter().fold(f64::INFINITY, |lowest, (_, noise)| lowest.min(*noise));
    let enough = (NEGLIGIBLE * signal).max(1.1 * lowest);
    noise.iter().find(|(_, noise)| *noise <= enough).map_or(MIN_FRACTION, |(bits, _)| *bits)
}

/// Sums for a variance.
#[derive(Default)]
struct Variance {
    count: f64,
    sum: f64,
    squares: f64,
}

impl Variance {
    fn add(&mut self, x: f64) {
        self.count += 1.0;
        self.sum += x;
        self.squares += x * x;
    }

    fn get(&self) -> f64 {
        (self.squares - self.sum * self.sum / self.count.max(1.0)).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tokens of 16 channels with deviation 1 but for channel 0, which is nearly `constant`;
    /// normalised.
    fn tokens(constant: f32) -> Sample {
        let mut random = crate::quantize::sample::SplitMix(3);
        let mut bell = || (0..12).map(|_| (random.next_u64() >> 40) as f32 / (1 << 24) as f32).sum::<f32>() - 6.0;
        let mut data = Vec::new();
        for _ in 0..500 {
            let mut token: Vec<f32> = (0..16).map(|_| bell()).collect();
            token[0] += constant;
            let mean = token.iter().sum::<f32>() / 16.0;
            let deviation = (token.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / 16.0).sqrt();
            data.extend(token.iter().map(|x| (x - mean) / deviation));
        }
        Sample { channels: 16, data, population: 500 }
    }

    #[test]
    fn outliers_ask_for_more_bits() {
        let bits = |constant| choose(&tokens(constant), (&[1.0; 16], &[0.0; 16]), &[1.0; 16], MIN_FRACTION);
        assert_eq!([0.0, 30.0, 1000.0].map(bits), [10, 12, 13]);
    }

    #[test]
    fn gains_that_undo_the_outlier_change_nothing_and_channels_without_weight_do_not_count() {
        let mut sample = tokens(1000.0);
        let plain = choose(&sample, (&[1.0; 16], &[0.0; 16]), &[1.0; 16], MIN_FRACTION);
        sample.data.iter_mut().for_each(|x| *x = 100.0 * *x + 3.0);
        assert_eq!(choose(&sample, (&[100.0; 16], &[3.0; 16]), &[1.0; 16], MIN_FRACTION), plain);
        assert_eq!(choose(&sample, (&[100.0; 16], &[3.0; 16]), &[0.0; 16], MIN_FRACTION), MIN_FRACTION);
        assert_eq!(choose(&tokens(0.0), (&[1.0; 16], &[0.0; 16]), &[1.0; 16], 13), 13);
    }
}
