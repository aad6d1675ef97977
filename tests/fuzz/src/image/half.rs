//! Random images with half-precision steps.

use hrvit_format::aligned::AlignedBytes;
use hrvit_format::record::{Arrays, Precision};
use hrvit_format::writer::{HalfOp, ImageData, StepData, write_image};
use hrvit_format::{Meta, Model, Network, Op, Packing, Parts, Step};
use hrvit_kernels::f16;
use hrvit_tests::random_image::random_image;
use hrvit_tests::rng::Rng;
use hrvit_tests::unpack::steps_of;

/// How the numbers of half-precision operators are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// As those of a network after its initialisation.
    Tame,
    /// A tenth of them anywhere in f16's range.
    Wild,
}

/// An image whose steps in `halves` are half-precision, the others int8.
pub fn half_image(network: &Network, size: hrvit_format::Size, seed: u64, halves: Parts, spread: Spread) -> AlignedBytes {
    let int8 = random_image(network, size, seed);
    let model = Model::load(&int8).unwrap_or_else(|error| panic!("{error}"));
    let mut rng = Rng::new(seed);
    let mut steps = steps_of(&model);
    for (data, (_, step)) in steps.iter_mut().zip(model.step_ids()) {
        if halves.contains(network, step) {
            *data = StepData::Fp16(network.ops(step).iter().map(|op| half_op(op, &mut rng, spread)).collect());
        }
    }
    give_scales(&mut steps, network, halves);
    let meta: &Meta<'_> = model.meta();
    let data = ImageData { meta, sequence: 1, packing: Packing::Rows, steps: &steps, exp: &hrvit_kernels::exp_table(), golden: None };
    write_image(&data).unwrap_or_else(|error| panic!("half-precision image of seed {seed}: {error}"))
}

/// An integer step behind a half-precision one reads the real value of its codes from its
/// LayerNorm.
fn give_scales(steps: &mut [StepData], network: &Network, halves: Parts) {
    for (data, step) in steps.iter_mut().zip(network.steps()) {
        if let (StepData::Int8 { ops, .. }, false) = (data, halves.contains(network, step)) {
            for (op, shape) in ops.iter_mut().zip(&network.ops(step)) {
                if shape.kind.is_norm() && op.in_scale == 0.0 {
                    op.in_scale = 1.0 / 1024.0;
                }
            }
        }
    }
}

fn half_op(op: &Op, rng: &mut Rng, spread: Spread) -> HalfOp {
    let arrays = Arrays::of(op, Precision::Fp16, Packing::Rows);
    let deviation = (2.0 / op.depth().max(1) as f64).sqrt();
    let mut real = |deviation: f64| match spread {
        Spread::Wild if rng.int(0, 9) == 0 => rng.real(-6e4, 6e4) as f32,
        Spread::Tame | Spread::Wild => (rng.bell() * deviation) as f32,
    };
    let weights = if op.kernel == 0 { 0 } else { op.weight_count() };
    HalfOp {
        weights: (0..weights).map(|_| f16::from_f32(real(deviation)).to_bits()).collect(),
        bias: (0..arrays.bias).map(|_| real(0.5)).collect(),
        gain: (0..arrays.mult).map(|_| real(1.0)).collect(),
        eps: if op.kind.is_norm() { 1 << 25 } else { 0 },
    }
}

/// Parts at random, each with every step that must have its precision.
pub fn random_parts(network: &Network, seed: u64) -> Parts {
    let mut rng = Rng::new(seed);
    let mut parts = Parts::NONE;
    let chosen: Vec<Step> = network.steps().filter(|_| rng.int(0, 5) == 0).collect();
    chosen.into_iter().for_each(|step| parts.insert(network, step));
    parts
}
