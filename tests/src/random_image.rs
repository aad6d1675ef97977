//! Random model images that are valid and alive: any network and random weights. Multipliers follow
//! from the length of each dot product. Codes thus spread over their range, and do not all die or
//! saturate.

use hrvit_format::aligned::AlignedBytes;
use hrvit_format::record::Precision;
use hrvit_format::writer::{ImageData, OpData, StepData, write_image};
use hrvit_format::{
    BRANCHES, Golden, INTERPOLATED, LOGITS_S16, LoadError, MAX_QV_S16, Meta, Network, Op, OpKind, POOLED_MAX, Packing, Preprocess, Size, Step, StepOps,
};

use crate::rng::Rng;

/// Deviation of a random weight, uniform in -127..=127.
const WEIGHT: f64 = 73.3;
/// Deviation of an s8 tensor.
const S8: f64 = 40.0;
/// Deviation of an s16 tensor.
const S16: f64 = 6000.0;
/// Deviation of a term of an i32 sum.
const TERM: f64 = 15_000.0;
/// Deviation of a tensor before its ReLU.
const RELU: f64 = 60.0;

/// A model image of `network` for frames of `size`; the same seed gives the same bytes.
pub fn random_image(network: &Network, size: Size, seed: u64) -> AlignedBytes {
    edited_image(network, size, seed, None, |_, _| ())
}

/// [`random_image`] whose operators `edit` may change first, and with a golden section if one is
/// given. Panics if the result is no valid image.
pub fn edited_image(network: &Network, size: Size, seed: u64, golden: Option<Golden<'_>>, edit: impl FnMut(Step, &mut [OpData])) -> AlignedBytes {
    made_image(network, size, seed, golden, |_| Precision::Int8, edit)
}

/// A random image in the precisions that `precision` gives the steps. Panics if the result is no
/// valid image.
pub fn made_image(
    network: &Network,
    size: Size,
    seed: u64,
    golden: Option<Golden<'_>>,
    precision: impl FnMut(Step) -> Precision,
    edit: impl FnMut(Step, &mut [OpData]),
) -> AlignedBytes {
    try_image(network, size, seed, golden, precision, edit).unwrap_or_else(|error| panic!("random image of seed {seed}: {error}"))
}

/// [`made_image`], or why the result is no valid image.
///
/// # Errors
/// The loader's error.
pub fn try_image(
    network: &Network,
    size: Size,
    seed: u64,
    golden: Option<Golden<'_>>,
    precision: impl FnMut(Step) -> Precision,
    edit: impl FnMut(Step, &mut [OpData]),
) -> Result<AlignedBytes, LoadError> {
    image_of(&meta(network, size, &format!("random weights, seed {seed}")), seed, golden, precision, edit)
}

/// A random image in 8 bits that names its classes, a line each, has a colour for each and a golden
/// frame. Panics if the result is no valid image.
pub fn named_image(network: &Network, size: Size, seed: u64, class_names: &str, colours: &[u8], golden: Golden<'_>) -> AlignedBytes {
    let meta = Meta { class_names, colours, ..meta(network, size, "random weights") };
    image_of(&meta, seed, Some(golden), |_| Precision::Int8, |_, _| ()).unwrap_or_else(|error| panic!("random image of seed {seed}: {error}"))
}

/// Description of an image, without names and colours.
fn meta<'a>(network: &Network, size: Size, provenance: &'a str) -> Meta<'a> {
    Meta { network: network.clone(), size, preprocess: Preprocess::IMAGENET, threshold: None, class_names: "", colours: &[], provenance }
}

/// An image of random weights that says `meta` of itself.
fn image_of(
    meta: &Meta<'_>,
    seed: u64,
    golden: Option<Golden<'_>>,
    mut precision: impl FnMut(Step) -> Precision,
    mut edit: impl FnMut(Step, &mut [OpData]),
) -> Result<AlignedBytes, LoadError> {
    let (network, size) = (&meta.network, meta.size);
    let mut maker = Maker {
        rng: Rng::new(seed),
        network,
        size,
        zero: 0,
        sigma: 0.0,
        code_bits: 8,
        map_zeros: [0; BRANCHES],
        narrow_zero: 0,
        narrowed: Default::default(),
        wide: false,
        top: top(network),
        largest: 0,
    };
    let steps = network.steps().map(|step| {
        maker.wide = precision(step) == Precision::Int16x8;
        let (scale, mut ops) = maker.step(step);
        edit(step, &mut ops);
        if maker.wide { StepData::Int16x8 { scale, ops } } else { StepData::Int8 { scale, ops } }
    });
    let steps: Vec<StepData> = steps.collect();
    let exp = &hrvit_kernels::exp_table();
    write_image(&ImageData { meta, sequence: 1, packing: Packing::Rows, steps: &steps, exp, golden })
}

/// A frame of uniform noise over a slow gradient.
pub fn random_frame(size: Size, seed: u64) -> Vec<u8> {
    let mut rng = Rng::new(seed);
    let noise = rng.int(20, 255);
    (0..3 * size.pixels() as i64).map(|i| (i / 97 % 256 + rng.int(0, noise)).rem_euclid(256) as u8).collect()
}

/// Largest 16-bit code for which every product of `network` has headroom.
fn top(network: &Network) -> i64 {
    let depths = network.steps().flat_map(|step| network.ops(step)).filter(|op| op.kernel > 0).map(|op| op.depth() as i64);
    (((1 << 31) - (1 << 28)) / 127 / depths.max().unwrap_or(1)).min(32767)
}

/// How the result of a product is stored.
#[derive(Clone, Copy)]
enum Store {
    /// s8 within limits.
    Codes,
    /// s8 for q and v: zero point 0, never -128.
    Symmetric,
    /// s8, zero point = lowest code.
    Relu,
    /// s16 or i32 of this deviation.
    Wide(f64),
    /// Index of a table of this length.
    Index(usize),
}

struct Maker<'n> {
    rng: Rng,
    network: &'n Network,
    size: Size,
    /// Zero point of the tensor that the next operator reads.
    zero: i64,
    /// Deviation of that tensor from its zero point.
    sigma: f64,
    /// Exponent codes of the block at work.
    code_bits: u8,
    /// Zero points of the s8 maps that fusions and the classification head leave behind, per
    /// branch.
    map_zeros: [i64; BRANCHES],
    /// Whether the step at work is int16x8.
    wide: bool,
    /// Largest 16-bit code.
    top: i64,
    /// Largest magnitude of a code that the next operator reads.
    largest: i64,
    /// Narrowing of each branch in the module at work, alike for all outputs of its fusion, with
    /// the state it leaves.
    narrowed: [Option<(OpData, i64, f64)>; BRANCHES],
    /// Zero point of the stage norm as the classification head's branch at work reads it.
    narrow_zero: i64,
}

impl Maker<'_> {
    fn step(&mut self, step: Step) -> (f32, Vec<OpData>) {
        let scale = if step == Step::LabelMap { 1.0 } else { self.rng.real(1e-4, 0.1) as f32 };
        if let Step::Attention { branch, .. } = step {
            let narrow = !self.wide && (self.longest_strip(branch.into()) > 518 || self.rng.int(0, 1) == 0);
            self.code_bits = if narrow { 8 } else { 15 };
        }
        if let Step::StageNorm { branch, .. } = step {
            self.narrowed[usize::from(branch)] = None;
        }
        if let Step::PatchEmbed { branch, .. } = step {
            let sigma = self.code_sigma();
            self.reads(self.map_zeros[usize::from(branch)], sigma);
        }
        let shapes = self.network.ops(step);
        let table = self.rng.int(180, 1500) as usize;
        let ops = shapes.iter().map(|op| self.op(op, &shapes, table)).collect();
        if let Step::Fusion { branch, .. } | Step::Increase { branch } = step {
            self.map_zeros[usize::from(branch)] = self.zero;
        }
        (scale, ops)
    }

    fn longest_strip(&self, branch: usize) -> usize {
        let ((rows, columns), window) = (self.size.map(branch), self.network.spec.window(branch));
        (window.min(rows) * columns).max(window.min(columns) * rows)
    }

    /// One operator; `table` is the length of the step's activation table, if it has one.
    fn op(&mut self, op: &Op, step: &StepOps, table: usize) -> OpData {
        use OpKind as K;
        let (code, relu) = (self.code_sigma(), self.relu_sigma());
        match op.kind {
            K::StemConv1 => {
                self.reads(0, 74.0).largest = 128;
                self.product(op, Store::Relu)
            }
            K::StemConv2 | K::FfnAct | K::FusionAct if self.wide => self.activated(op, step),
            _ if self.wide && op.feeds_ffn_act(step) => self.activated(op, step),
            K::Fc1 if op.feeds_ffn_act(step) => self.product(op, Store::Index(table)),
            K::FusionNarrow | K::HeadNarrow | K::IncreaseNarrow if self.wide => {
                self.reads(0, S16).largest = 32768;
                self.narrow_zero = 0;
                OpData::default()
            }
            K::StemConv2 | K::FfnDepthwise3 | K::DesRight => {
                if op.kind == K::DesRight {
                    self.reads(0, S16).largest = 32768;
                }
                let (zero, sigma) = (self.zero, self.sigma);
                let mut data = self.product(op, Store::Index(table));
                match op.kind {
                    K::StemConv2 => data.table = self.activation(table),
                    K::DesRight => {
                        data.table16 = self.activation(table).iter().map(|&code| i16::from(code) * 200 + self.rng.int(-99, 99) as i16).collect();
                        self.reads(0, 200.0 * S8).largest = 32768;
                    }
                    // The 5x5 reads the same map.
                    _ => (self.zero, self.sigma) = (zero, sigma),
                }
                data
            }
            K::FfnDepthwise5 => self.product(op, Store::Index(table)),
            K::FfnAct => OpData { table: self.activation(table), ..OpData::default() },
            K::EmbedPointwise | K::Fc1 | K::FusionDepthwise => self.product(op, Store::Codes),
            K::EmbedDepthwise | K::EmbedDense => self.product(op, Store::Wide(S16)),
            K::EmbedNorm | K::StageNorm => self.norm(op, S16, (i16::MIN, i16::MAX)),
            K::AttnNorm | K::FfnNorm => {
                let range = self.limits();
                self.norm(op, code, range)
            }
            K::Qkv => self.product(op, Store::Symmetric),
            K::ParallelAct => self.parallel_act(op),
            K::ParallelDepthwise => self.product(op, Store::Wide(S16)),
            K::Scores => self.scores(op),
            K::Values if self.wide => {
                let v = 4.0 * self.qv().1;
                self.rescale(op, v / 2.0, S16, Store::Wide(S16))
            }
            K::Values => self.rescale(op, 256.0 * S8 / 2.0, S16, Store::Wide(S16)),
            K::AttnAct => self.attention_act(),
            K::AttnNarrow => self.rescale(op, S16, code, Store::Codes),
            K::ToOut | K::DesLeft | K::Fc2 => self.product(op, Store::Wide(S16 / 3.0)),
            K::FusionNarrow => {
                let source = usize::from(op.source);
                if self.narrowed[source].is_none() {
                    let data = self.rescale(op, S16, S8, Store::Codes);
                    self.narrowed[source] = Some((data, self.zero, self.sigma));
                }
                let (data, zero, sigma) = self.narrowed[source].clone().expect("made above");
                (self.zero, self.sigma) = (zero, sigma);
                data
            }
            K::HeadNarrow | K::IncreaseNarrow => {
                let data = self.rescale(op, S16, S8, Store::Codes);
                self.narrow_zero = data.zero.into();
                data
            }
            K::FusionIdentity => self.rescale(op, S16, TERM, Store::Wide(TERM)),
            K::FusionPointwise => self.product(op, Store::Wide(TERM)),
            K::FusionAct => {
                let terms = step.iter().filter(|op| matches!(op.kind, K::FusionIdentity | K::FusionPointwise)).count() as f64;
                let data = self.store_sum(TERM * terms.sqrt(), 1 << 24, Store::Index(table));
                OpData { table: self.activation(table), ..data }
            }
            K::HeadPointwise => self.product(op, Store::Wide(S16 / 2.0)),
            K::HeadAct => self.store_sum(256.0 * S16 * 0.7, 256 * 4 * 32768, Store::Relu),
            K::HeadClassifier => self.product(op, Store::Wide(S16)),
            K::IncreaseConv1 | K::IncreaseConv2 => self.product(op, Store::Relu),
            K::IncreaseConv3 => self.product(op, Store::Wide(TERM)),
            K::IncreaseShortcut if self.wide => {
                self.reads(0, S16).largest = 32768;
                self.product(op, Store::Wide(TERM))
            }
            K::IncreaseShortcut => self.reads(self.narrow_zero, S8).product(op, Store::Wide(TERM)),
            K::IncreaseDownsample => self.reads(self.map_zeros[usize::from(op.source)], relu * 0.7).product(op, Store::Wide(TERM)),
            K::IncreaseAct => self.store_sum(TERM * 1.4, 1 << 24, Store::Relu),
            K::FinalConv => {
                let data = self.reads(self.map_zeros[BRANCHES - 1], relu * 0.7).product(op, Store::Relu);
                let units = if self.wide { 1.0 } else { 16.0 };
                self.reads(0, units * relu * 0.5);
                data
            }
            K::FinalLinear => self.product(op, Store::Wide(S16 / 2.0)),
        }
    }

    /// Says what the next operator reads: codes of the step's precision.
    fn reads(&mut self, zero: i64, sigma: f64) -> &mut Self {
        (self.zero, self.sigma, self.largest) = (zero, sigma, if self.wide { self.top } else { 128 });
        self
    }

    /// Deviation of codes.
    fn code_sigma(&self) -> f64 {
        if self.wide { 0.2 * self.top as f64 } else { S8 }
    }

    /// Deviation of codes before their ReLU.
    fn relu_sigma(&self) -> f64 {
        if self.wide { 0.25 * self.top as f64 } else { RELU }
    }

    /// Largest code of q and v in 16 bits, and their deviation.
    fn qv(&self) -> (i64, f64) {
        let widest = (0..BRANCHES).map(|branch| i64::from(self.network.spec.attention_dim(branch))).max().unwrap_or(1);
        let most = ((LOGITS_S16 / widest) as f64).sqrt() as i64 - 1;
        let most = most.min(MAX_QV_S16);
        (most, most as f64 / 4.0)
    }

    /// An operator of an int16x8 step before or at an activation: a code that is looked up between
    /// entries of a table.
    fn activated(&mut self, op: &Op, step: &StepOps) -> OpData {
        let mut data = match op.kind {
            OpKind::StemConv2 => self.product(op, Store::Wide(S16)),
            OpKind::FusionAct => {
                let terms = step.iter().filter(|op| matches!(op.kind, OpKind::FusionIdentity | OpKind::FusionPointwise)).count() as f64;
                self.store_sum(TERM * terms.sqrt(), 1 << 24, Store::Wide(S16))
            }
            OpKind::FfnAct => OpData::default(),
            _ => {
                // Both convolutions read the same map.
                let before = (self.zero, self.sigma, self.largest);
                let data = self.product(op, Store::Wide(S16));
                (self.zero, self.sigma, self.largest) = before;
                return data;
            }
        };
        (data.lo, data.hi) = self.limits();
        let (lo, hi) = (f64::from(data.lo), f64::from(data.hi));
        let sigma = self.code_sigma();
        let entry = |i: u32| {
            let x = f64::from(i as i32 * 64 - 32768) / S16;
            let bent = if x < 0.0 { 0.15 * x } else { x };
            (sigma * bent + 0.05 * sigma * self.rng.bell()).clamp(lo, hi) as i16
        };
        data.table16 = (0..INTERPOLATED).map(entry).collect();
        self.reads(0, sigma);
        data
    }

    /// Limits of codes: of s8 mostly the whole range.
    fn limits(&mut self) -> (i16, i16) {
        if self.wide {
            let lo = -self.rng.int(self.top / 2, self.top) as i16;
            return (lo, self.top as i16);
        }
        if self.rng.int(0, 3) > 0 { (-128, 127) } else { (self.rng.int(-128, -90) as i16, self.rng.int(90, 127) as i16) }
    }

    /// `zero`, `lo` and `hi` of a result; remembers it as what the next operator reads.
    fn stored(&mut self, store: Store, data: &mut OpData) {
        (data.zero, data.lo, data.hi) = match store {
            Store::Codes if self.wide => {
                let (lo, hi) = self.limits();
                (0, lo, hi)
            }
            Store::Symmetric if self.wide => (0, -self.qv().0 as i16, self.qv().0 as i16),
            Store::Relu if self.wide => (0, 0, self.top as i16),
            Store::Codes => {
                let (lo, hi) = self.limits();
                (self.rng.int(-20, 20) as i16, lo, hi)
            }
            Store::Symmetric => (0, -127, 127),
            Store::Relu => {
                let lo = self.rng.int(-128, -110) as i16;
                (lo, lo, 127)
            }
            Store::Wide(_) => (0, i16::MIN, i16::MAX),
            Store::Index(len) => ((len / 2) as i16 - self.rng.int(0, len as i64 / 6) as i16, 0, len as i16 - 1),
        };
        let (code, relu) = (self.code_sigma(), self.relu_sigma());
        match store {
            Store::Symmetric if self.wide => self.reads(0, self.qv().1),
            Store::Codes | Store::Symmetric => self.reads(data.zero.into(), code),
            Store::Relu => self.reads(data.zero.into(), 0.7 * relu),
            Store::Wide(sigma) => self.reads(0, sigma),
            Store::Index(_) => self.reads(0, S8),
        };
    }

    fn target(&self, store: Store) -> f64 {
        match store {
            Store::Symmetric if self.wide => self.qv().1,
            Store::Codes | Store::Symmetric => self.code_sigma(),
            Store::Relu => self.relu_sigma(),
            Store::Wide(sigma) => sigma,
            Store::Index(len) => len as f64 / 5.0,
        }
    }

    /// A product with weights: the zero point of its input is folded into the bias, its multipliers
    /// bring the sum to the deviation asked for.
    fn product(&mut self, op: &Op, store: Store) -> OpData {
        let (depth, channels) = (op.depth(), usize::from(op.cout));
        let weights: Vec<i8> = (0..op.weight_count()).map(|_| self.rng.int(-127, 127) as i8).collect();
        let sigma = (depth as f64).sqrt() * self.sigma * WEIGHT;
        let variants = if op.kind == OpKind::StemConv1 { 4 } else { 1 };
        let bias: Vec<i32> = (0..variants * channels)
            .map(|i| {
                let channel = i % channels;
                let sum: i64 = if op.depthwise {
                    weights.iter().skip(channel).step_by(channels).map(|&w| i64::from(w)).sum()
                } else {
                    weights[channel * depth..(channel + 1) * depth].iter().map(|&w| i64::from(w)).sum()
                };
                (-self.zero * sum) as i32 + (0.3 * sigma * self.rng.bell()) as i32
            })
            .collect();
        let input = match op.kind {
            OpKind::DesRight | OpKind::DesLeft => 32768,
            OpKind::FinalLinear if !self.wide => POOLED_MAX,
            _ => self.largest,
        };
        let most = depth as i64 * input * 127 + bias.iter().map(|bias| i64::from(bias.unsigned_abs())).max().unwrap_or(0);
        let mut data = OpData { weights, bias, pad: if self.wide { 0 } else { self.zero as i16 }, ..OpData::default() };
        self.multipliers(channels, self.target(store) / sigma, most, &mut data);
        self.stored(store, &mut data);
        data
    }

    /// Rescales single s16 codes of deviation `from` per channel.
    fn rescale(&mut self, op: &Op, from: f64, to: f64, store: Store) -> OpData {
        let mut data = OpData::default();
        self.multipliers(op.cout.into(), to / from, 32768, &mut data);
        self.stored(store, &mut data);
        data
    }

    /// Stores an i32 sum of deviation `sigma` and magnitude up to `most`, one multiplier for the
    /// tensor.
    fn store_sum(&mut self, sigma: f64, most: i64, store: Store) -> OpData {
        let mut data = OpData::default();
        self.multipliers(1, self.target(store) / sigma, most, &mut data);
        self.stored(store, &mut data);
        data
    }

    /// Random multipliers around the real number `real`, for accumulators up to `most`; where there
    /// is room, sometimes with a larger left shift than needed.
    fn multipliers(&mut self, count: usize, real: f64, most: i64, data: &mut OpData) {
        let reals: Vec<f64> = (0..count).map(|_| real * self.rng.real(0.5, 1.6)).collect();
        let largest = reals.iter().copied().fold(0.0, f64::max);
        let mut pre = 0;
        while largest / f64::from(1u32 << pre) >= 0.5 {
            pre += 1;
        }
        let room = |pre: u8| most << pre < 1 << 31;
        assert!(room(pre), "no headroom: accumulators up to {most}, multiplier {largest}");
        while room(pre + 1) && self.rng.int(0, 3) == 0 {
            pre += 1;
        }
        data.pre_shift = pre;
        for real in reals {
            let (mult, shift) = multiplier(real / f64::from(1u32 << pre));
            data.mult.push(mult);
            data.shift.push(shift);
        }
    }

    /// A bent activation with noise, so that no two neighbours need be equal. Its result is what
    /// the next operator reads.
    fn activation(&mut self, len: usize) -> Vec<i8> {
        let zero = self.rng.int(-100, -20);
        let table = (0..len).map(|i| {
            let x = (i as f64 - len as f64 / 2.0) / (len as f64 / 5.0);
            let bent = if x < 0.0 { 0.15 * x } else { x };
            (zero as f64 + 55.0 * bent + 2.0 * self.rng.bell()).clamp(-128.0, 127.0) as i8
        });
        let table = table.collect();
        self.reads(zero, S8);
        table
    }

    fn norm(&mut self, op: &Op, sigma: f64, (lo, hi): (i16, i16)) -> OpData {
        let norm_fraction = if self.rng.int(0, 1) == 0 { 10 } else { self.rng.int(11, 15) as u8 };
        let unit = sigma / f64::from(norm_fraction).exp2();
        let shift = self.rng.int(8, (14.0 - unit.log2()).floor().min(30.0) as i64) as u8;
        let one = f64::from(1u32 << shift);
        let sign = |rng: &mut Rng| if rng.int(0, 1) == 0 { 1.0 } else { -1.0 };
        let channels = usize::from(op.cout);
        let mult = (0..channels).map(|_| (one * unit * self.rng.real(0.5, 1.4) * sign(&mut self.rng)) as i32).collect();
        let most = f64::from(1 << 29);
        let bias = (0..channels).map(|_| (one * sigma * 0.4 * self.rng.bell()).clamp(-most, most) as i32).collect();
        let eps = if self.rng.int(0, 1) == 0 { 1 } else { 1 << self.rng.int(0, 30) };
        self.reads(0, sigma);
        OpData { bias, mult, norm_shift: shift, norm_fraction, eps, lo, hi, ..OpData::default() }
    }

    /// Distances between logits of a few octaves.
    fn scores(&mut self, op: &Op) -> OpData {
        let dim = f64::from(op.cin / op.cout);
        let sigma = if self.wide { self.qv().1 } else { S8 };
        let (logits, units) = (dim.sqrt() * sigma * sigma, if self.wide { 4096.0 } else { 64.0 });
        let octaves = self.rng.real(0.5, 4.0);
        let mut data = OpData { code_bits: self.code_bits, ..OpData::default() };
        for _ in 0..op.cout {
            let (mult, shift) = multiplier((units * octaves * self.rng.real(0.5, 1.5) / logits).min(0.49));
            data.mult.push(mult);
            data.shift.push(shift);
        }
        data
    }

    /// Hardswish of v, 3.0 at one or two deviations.
    fn parallel_act(&mut self, op: &Op) -> OpData {
        let mut data = OpData::default();
        for _ in 0..op.cout {
            let v = if self.wide { self.qv().1 } else { 256.0 * S8 };
            let three = (v * self.rng.real(0.8, 2.5)) as i32;
            // v * u has the deviation v * three.
            let target = if self.wide { self.code_sigma() / v } else { 1.0 };
            let (mult, shift) = multiplier(0.7 * target / f64::from(three));
            data.three.push(three);
            data.mult.push(mult);
            data.shift.push(shift);
        }
        self.stored(Store::Codes, &mut data);
        data
    }

    fn attention_act(&mut self) -> OpData {
        let three = (S16 * self.rng.real(0.8, 4.0)) as i32;
        let (mult, shift) = multiplier(0.7 * self.code_sigma() / (S16 * f64::from(three)));
        let mut data = OpData { three: vec![three], mult: vec![mult], shift: vec![shift], ..OpData::default() };
        self.stored(Store::Codes, &mut data);
        data
    }
}

/// `(M, s)` with `real = M / 2^s`; `real` below 0.5.
fn multiplier(real: f64) -> (i32, u8) {
    let exponent = real.log2().floor();
    let shift = (30.0 - exponent).clamp(32.0, 62.0);
    let mult = (real * shift.exp2()).clamp((1u32 << 30) as f64, f64::from(i32::MAX));
    (mult as i32, shift as u8)
}
