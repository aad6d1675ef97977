//! Loops over many values with the processor's widest vectors.
//!
//! Sums are taken in [`LANES`] interleaved parts, whatever the processor: the result is the same
//! everywhere.
#![allow(clippy::needless_range_loop, reason = "lanes of several arrays go by one index")]

use hrvit_reference::wide;

/// Parts of a sum.
const LANES: usize = 16;

wide! {
    /// Sum of `f` over the pairs of two slices of one length.
    pub fn sum ['a, F: Fn(f32, f32) -> f64] ['a, F] (a: &'a [f32], b: &'a [f32], f: F) -> f64 {
        let ((blocks, rest), (others, other_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
        let mut sums = [0.0f64; LANES];
        for (a, b) in blocks.iter().zip(others) {
            for i in 0..LANES {
                sums[i] += f(a[i], b[i]);
            }
        }
        sums.iter().sum::<f64>() + rest.iter().zip(other_rest).map(|(&a, &b)| f(a, b)).sum::<f64>()
    }

    /// Smallest and largest value; infinite of no value at all, NaNs left out.
    pub fn ends ['a] ['a] (values: &'a [f32]) -> (f32, f32) {
        let (blocks, rest) = values.as_chunks::<LANES>();
        let (mut least, mut most) = ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
        for block in blocks {
            for i in 0..LANES {
                least[i] = if block[i] < least[i] { block[i] } else { least[i] };
                most[i] = if block[i] > most[i] { block[i] } else { most[i] };
            }
        }
        for (i, &x) in rest.iter().enumerate() {
            least[i] = if x < least[i] { x } else { least[i] };
            most[i] = if x > most[i] { x } else { most[i] };
        }
        (least.into_iter().fold(f32::INFINITY, f32::min), most.into_iter().fold(f32::NEG_INFINITY, f32::max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_ends_take_in_every_value() {
        for count in [0, 1, 15, 16, 17, 100] {
            let values: Vec<f32> = (0..count).map(|i| i as f32 - 3.0).collect();
            assert_eq!(sum(&values, &values, |a, b| f64::from(a) + f64::from(b)), values.iter().map(|&x| 2.0 * f64::from(x)).sum::<f64>());
            let least = values.first().copied().unwrap_or(f32::INFINITY);
            assert_eq!(ends(&values), (least, values.last().copied().unwrap_or(f32::NEG_INFINITY)));
        }
        assert_eq!(ends(&[f32::NAN, 2.0]), (2.0, 2.0));
    }
}
