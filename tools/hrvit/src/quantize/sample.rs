//! A bounded sample of tokens per operator: the same tokens whatever the number of threads.

use super::moments::Moments;

/// Tokens kept per operator over all frames.
pub const CAPACITY: usize = 4096;

/// Sampled tokens of one tensor, `[tokens, channels]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// Channels of a token.
    pub channels: usize,
    /// Values, token by token.
    pub data: Vec<f32>,
    /// Tokens that there were.
    pub population: u64,
}

impl Sample {
    /// Copies `count` tokens of a `[tokens, channels]` map; which ones depends only on `seed` and
    /// the shape.
    pub fn take(data: &[f32], channels: usize, count: usize, seed: u64) -> Self {
        let tokens = data.len() / channels;
        let mut random = SplitMix(seed);
        let mut sample = Self { channels, data: Vec::with_capacity(count.min(tokens) * channels), population: tokens as u64 };
        for i in 0..count.min(tokens) {
            // One token from each of `count` equal stretches: spread over the map, never twice the
            // same.
            let (from, to) = (i * tokens / count.min(tokens), (i + 1) * tokens / count.min(tokens));
            let token = from + (random.next_u64() % (to - from) as u64) as usize;
            sample.data.extend_from_slice(&data[token * channels..(token + 1) * channels]);
        }
        sample
    }

    /// Appends another frame's tokens.
    pub fn append(&mut self, other: &Self) {
        self.channels = other.channels;
        self.data.extend_from_slice(&other.data);
        self.population += other.population;
    }

    /// Number of tokens.
    pub fn tokens(&self) -> usize {
        self.data.len() / self.channels.max(1)
    }

    /// Values of one channel.
    pub fn channel(&self, c: usize) -> impl Iterator<Item = f32> + '_ {
        self.data.iter().skip(c).step_by(self.channels.max(1)).copied()
    }

    /// Variance of every channel.
    pub fn variance(&self) -> Vec<f64> {
        let mut moments = Moments::default();
        moments.add(&self.data, self.channels);
        moments.variance()
    }

    /// Tokens sampled per token that there was, at most 1.
    pub fn share(&self) -> f64 {
        self.tokens() as f64 / (self.population.max(1)) as f64
    }
}

/// Tokens that each of `frames` frames contributes.
pub fn per_frame(frames: usize) -> usize {
    CAPACITY.div_ceil(frames.max(1))
}

/// At most `most` of `count` frames, evenly spread, in order.
pub fn spread_frames(count: usize, most: usize) -> Vec<usize> {
    let taken = count.min(most);
    (0..taken).map(|i| i * count / taken).collect()
}

/// Steele, Lea and Flood's SplitMix64: a tiny generator for choices that only have to be spread.
pub struct SplitMix(pub u64);

impl SplitMix {
    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_holds_whole_tokens_each_once_and_repeats_for_a_seed() {
        let map: Vec<f32> = (0..300).map(|x| x as f32).collect();
        let sample = Sample::take(&map, 3, 20, 7);
        assert_eq!(sample, Sample::take(&map, 3, 20, 7));
        assert_ne!(sample, Sample::take(&map, 3, 20, 8));
        assert_eq!((sample.tokens(), sample.share()), (20, 0.2));
        let firsts: Vec<f32> = sample.channel(0).collect();
        assert!(firsts.windows(2).all(|pair| pair[0] < pair[1]), "{firsts:?}");
        assert!(sample.data.chunks(3).all(|token| token[1] == token[0] + 1.0 && token[0] % 3.0 == 0.0));
    }

    #[test]
    fn fewer_tokens_than_asked_for_are_all_taken() {
        let map = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(Sample::take(&map, 2, 100, 1).data, map);
    }

    #[test]
    fn spread_frames_are_distinct_and_reach_over_the_set() {
        assert_eq!(spread_frames(5, 8), [0, 1, 2, 3, 4]);
        assert_eq!(spread_frames(128, 4), [0, 32, 64, 96]);
        assert!(spread_frames(0, 4).is_empty());
    }
}
