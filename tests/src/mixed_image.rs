//! Random images of int8 and int16x8 steps.

use hrvit_format::aligned::AlignedBytes;
use hrvit_format::record::Precision;
use hrvit_format::{Network, Parts, Size, Step};

use crate::random_image::made_image;
use crate::rng::Rng;

/// [`random_image`](crate::random_image::random_image) in the integer precisions that `precision`
/// gives the steps.
pub fn mixed_image(network: &Network, size: Size, seed: u64, precision: impl FnMut(Step) -> Precision) -> AlignedBytes {
    made_image(network, size, seed, None, precision, |_, _| ())
}

/// Int8 or int16x8 at random, alike for steps that hand tensors to each other.
pub fn random_precisions(network: &Network, seed: u64) -> impl FnMut(Step) -> Precision {
    let mut rng = Rng::new(seed ^ 0x16_08);
    let mut draw = move || if rng.int(0, 1) == 0 { Precision::Int8 } else { Precision::Int16x8 };
    let mut drawn: Vec<(Parts, Precision)> = Vec::new();
    move |step| {
        if matches!(step, Step::Attention { .. } | Step::MixCfn { .. }) {
            return draw();
        }
        let part = Parts::of(network, step);
        if let Some((_, precision)) = drawn.iter().find(|(other, _)| *other == part) {
            return *precision;
        }
        let precision = draw();
        drawn.push((part, precision));
        precision
    }
}
