//! Valid images to start from: narrow and wide networks, both heads, all packings, precisions and
//! mixes.

use std::sync::OnceLock;

use hrvit_format::aligned::AlignedBytes;
use hrvit_format::record::{Arrays, Precision};
use hrvit_format::writer::repack;
use hrvit_format::{Activation, Head, Model, Network, Packing, Parts, Size};
use hrvit_tests::mixed_image::{mixed_image, random_precisions};
use hrvit_tests::random_image::random_image;
use hrvit_tests::specs::{size, spec, tiny};

use super::half::{Spread, half_image, random_parts};
use crate::Choices;

/// A valid image, and how long the arrays of its operators are.
pub struct Base {
    /// Its name, for messages.
    pub name: String,
    /// The image.
    pub image: AlignedBytes,
    /// Of every operator, in canonical order.
    pub arrays: Vec<Arrays>,
}

impl Base {
    fn new(name: String, image: AlignedBytes) -> Self {
        let model = Model::load(&image).unwrap_or_else(|error| panic!("{name}: {error}"));
        let network = &model.meta().network;
        let arrays = model.step_ids().flat_map(|(id, step)| {
            let precision = model.precision(id);
            network.ops(step).iter().map(|op| Arrays::of(op, precision, model.packing())).collect::<Vec<_>>()
        });
        let arrays = arrays.collect();
        Self { name, image, arrays }
    }
}

/// One of the images: a segmentor's, and of 256 times once a classifier's, which is a hundred times
/// larger.
pub fn base(choices: &mut Choices<'_>) -> &'static Base {
    let bases = if choices.u8() == u8::MAX { classifiers() } else { segmentors() };
    &bases[choices.below(bases.len())]
}

/// A segmentor's image, by its number; of every network one in each packing and precision.
pub fn segmentor(at: usize) -> &'static AlignedBytes {
    &segmentors()[at % segmentors().len()].image
}

/// A classifier's image in 8 bits.
pub fn classifier() -> &'static AlignedBytes {
    &classifiers()[0].image
}

fn segmentors() -> &'static [Base] {
    static BASES: OnceLock<Vec<Base>> = OnceLock::new();
    BASES.get_or_init(|| networks().into_iter().enumerate().flat_map(|(index, (name, network, size))| of(name, &network, size, index as u64)).collect())
}

fn classifiers() -> &'static [Base] {
    static BASES: OnceLock<Vec<Base>> = OnceLock::new();
    BASES.get_or_init(|| of("classifier", &tiny(Head::Classifier), size(32, 32), 3))
}

fn of(name: &str, network: &Network, size: Size, seed: u64) -> Vec<Base> {
    precisions(network, size, seed).into_iter().map(|(kind, image)| Base::new(format!("{name}, {kind}"), image)).collect()
}

/// Segmentors of a few kilobytes with every kind of operator; their widths leave tails behind
/// vectors of every length.
fn networks() -> Vec<(&'static str, Network, Size)> {
    let segmentor = |spec, classes| Network { spec, head: Head::Segformer, classes };
    let few: [&[u8]; 4] = [&[1], &[0, 0], &[0, 0, 1], &[0, 0, 0, 1]];
    let narrow = spec(2, [8, 8, 8, 8], &few, 4, [1, 1, 2, 3], [1, 1, 2, 1], 1);
    let odd = spec(10, [20, 8, 12, 20], &few, 5, [1, 2, 3, 7], [1, 2, 1, 3], 13);
    let wide = spec(18, [40, 16, 8, 32], &few, 16, [2, 1, 5, 255], [2, 1, 1, 1], 17);
    let mut hardswish = tiny(Head::Segformer);
    hardswish.spec.des_activation = Activation::Hardswish;
    vec![
        ("tiny", tiny(Head::Segformer), size(32, 32)),
        ("hardswish", hardswish, size(32, 64)),
        ("narrow", segmentor(narrow, 1), size(64, 32)),
        ("odd", segmentor(odd, 7), size(32, 64)),
        ("wide", segmentor(wide, 33), size(32, 32)),
    ]
}

/// One network in every packing and precision, and mixed.
fn precisions(network: &Network, size: Size, seed: u64) -> Vec<(&'static str, AlignedBytes)> {
    let rows = random_image(network, size, seed);
    let model = Model::load(&rows).unwrap_or_else(|error| panic!("{error}"));
    let packed = |packing| repack(&model, packing).unwrap_or_else(|error| panic!("{packing}: {error}"));
    let (k4, k8) = (packed(Packing::K4), packed(Packing::K8));
    vec![
        ("rows", rows.clone()),
        ("k4", k4),
        ("k8", k8),
        ("int16x8", mixed_image(network, size, seed, |_| Precision::Int16x8)),
        ("int8 and int16x8", mixed_image(network, size, seed, random_precisions(network, seed))),
        ("fp16", half_image(network, size, seed, Parts::ALL, Spread::Tame)),
        ("fp16 of any magnitude", half_image(network, size, seed, Parts::ALL, Spread::Wild)),
        ("int8 and fp16", half_image(network, size, seed, random_parts(network, seed), Spread::Tame)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every kind of operator takes a record and aligned arrays: no image with all of them is
    /// smaller than 30 KB.
    #[test]
    fn images_of_segmentors_are_small() {
        let large: Vec<_> = segmentors().iter().map(|base| (&base.name, base.image.len())).filter(|(_, len)| *len > 128 << 10).collect();
        assert!(large.is_empty(), "{large:?}");
        let smallest = segmentors().iter().map(|base| base.image.len()).min();
        assert!(smallest.is_some_and(|len| len < 32 << 10), "{smallest:?} bytes");
    }
}
