//! Means and variances of a tensor's channels.

use hrvit_reference::wide;

/// Sums of every channel's values and of their squares.
#[derive(Clone, Debug, Default)]
pub struct Moments {
    tokens: f64,
    sums: Vec<f64>,
    squares: Vec<f64>,
}

impl Moments {
    /// Takes in a `[tokens, channels]` map of as many channels as before.
    pub fn add(&mut self, data: &[f32], channels: usize) {
        self.tokens += (data.len() / channels.max(1)) as f64;
        self.sums.resize(channels, 0.0);
        self.squares.resize(channels, 0.0);
        add_tokens(data, &mut self.sums, &mut self.squares);
    }

    /// Takes in those of another map.
    pub fn append(&mut self, other: &Self) {
        self.tokens += other.tokens;
        add_sums(&mut self.sums, &other.sums);
        add_sums(&mut self.squares, &other.squares);
    }

    /// Variance of every channel; empty where there was no map. A variance below the resolution of
    /// the channel's values is 0.
    pub fn variance(&self) -> Vec<f64> {
        let one = |(sum, squares): (&f64, &f64)| {
            let variance = (squares - sum * sum / self.tokens) / self.tokens;
            if variance > f64::from(f32::EPSILON).powi(2) * squares / self.tokens { variance } else { 0.0 }
        };
        self.sums.iter().zip(&self.squares).map(one).collect()
    }
}

/// Adds per-channel sums; an empty list is all zeros.
pub fn add_sums(sums: &mut Vec<f64>, next: &[f64]) {
    if sums.is_empty() {
        sums.extend_from_slice(next);
    } else {
        sums.iter_mut().zip(next).for_each(|(a, b)| *a += b);
    }
}

wide! {
    fn add_tokens ['a] ['a] (data: &'a [f32], sums: &'a mut [f64], squares: &'a mut [f64]) -> () {
        for token in data.chunks_exact(sums.len().max(1)) {
            for ((sum, square), &x) in sums.iter_mut().zip(&mut *squares).zip(token) {
                let x = f64::from(x);
                *sum += x;
                *square += x * x;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variances_are_about_means_and_add_up() {
        let mut first = Moments::default();
        first.add(&[1.0, 1000.0, 3.0, 1000.0], 2);
        let mut second = Moments::default();
        second.add(&[5.0, 1000.0], 2);
        first.append(&second);
        let variance = first.variance();
        assert!((variance[0] - 8.0 / 3.0).abs() < 1e-12 && variance[1] == 0.0, "{variance:?}");
        assert!(Moments::default().variance().is_empty());
    }
}
