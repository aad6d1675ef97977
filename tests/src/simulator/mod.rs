//! A second implementation of `docs/quantisation.md`, as plain as can be: whole maps, one index
//! loop per formula, 64-bit arithmetic with floor division. It shares no code with the engine or
//! its kernels and judges both.

mod arithmetic;
mod attention;
mod convolution;
mod elementwise;
mod heads;
mod normalise;
mod operator;

use hrvit_format::record::TensorFormat;
use hrvit_format::{BRANCHES, Model, OpKind, Size, Step};
use operator::Operators;

/// A map `[rows, columns, channels]` of integers, channel last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tensor {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// Channels.
    pub channels: usize,
    /// Values in raster order.
    pub values: Vec<i32>,
}

impl Tensor {
    /// The map whose element at row, column and channel is `value(row, column, channel)`.
    fn build((rows, columns): (usize, usize), channels: usize, mut value: impl FnMut(usize, usize, usize) -> i64) -> Self {
        let mut values = Vec::with_capacity(rows * columns * channels);
        for y in 0..rows {
            for x in 0..columns {
                for c in 0..channels {
                    values.push(i32::try_from(value(y, x, c)).unwrap_or_else(|_| panic!("({y}, {x}, {c}) does not fit 32 bits")));
                }
            }
        }
        Self { rows, columns, channels, values }
    }

    fn map(&self) -> (usize, usize) {
        (self.rows, self.columns)
    }

    fn at(&self, y: usize, x: usize, c: usize) -> i64 {
        assert!(y < self.rows && x < self.columns && c < self.channels, "outside the map");
        self.values[(y * self.columns + x) * self.channels + c].into()
    }

    fn token(&self, y: usize, x: usize) -> &[i32] {
        let first = (y * self.columns + x) * self.channels;
        &self.values[first..first + self.channels]
    }
}

/// Result of one step.
#[derive(Clone, Debug)]
pub struct StepTensor {
    /// The step.
    pub step: Step,
    /// Type of its tensor.
    pub format: TensorFormat,
    /// The tensor.
    pub tensor: Tensor,
}

impl StepTensor {
    /// The values as they lie in a device's memory, little-endian.
    pub fn bytes(&self) -> Vec<u8> {
        let values = self.tensor.values.iter();
        match self.format {
            TensorFormat::S16 => values.flat_map(|&value| i16::try_from(value).expect("an s16 code").to_le_bytes()).collect(),
            TensorFormat::S8 => values.map(|&value| i8::try_from(value).expect("an s8 code") as u8).collect(),
            TensorFormat::Labels => values.map(|&value| u8::try_from(value).expect("a label")).collect(),
            TensorFormat::F16 => panic!("the simulator is an integer one"),
        }
    }
}

/// Runs `frame`, `[height, width, 3]`, through `model`: the tensor of every step in canonical
/// order.
pub fn simulate(model: &Model<'_>, size: Size, frame: &[u8]) -> Vec<StepTensor> {
    let network = &model.meta().network;
    let pixels = (usize::from(size.height), usize::from(size.width));
    let frame = Tensor::build(pixels, 3, |y, x, c| i64::from(frame[(y * pixels.1 + x) * 3 + c]));
    // The residual streams, and the s8 maps between fusion and embedding or inside the
    // classification head.
    let mut x: [Tensor; BRANCHES] = Default::default();
    let mut maps: [Tensor; BRANCHES] = Default::default();
    let mut results: Vec<StepTensor> = Vec::new();
    for (id, step) in model.step_ids() {
        let operators = Operators::of(model, id, step);
        let tensor = match step {
            Step::Stem => stem(&operators, &frame),
            Step::Fusion { branch, .. } => fusion(&operators, size, branch, &x),
            Step::PatchEmbed { branch, .. } => embed(&operators, &maps[usize::from(branch)]),
            Step::Attention { branch, .. } => {
                let window = network.spec.window(branch.into());
                attention::block(&operators, model.exp_table(), window, &x[usize::from(branch)])
            }
            Step::MixCfn { branch, .. } => mix_cfn(&operators, &x[usize::from(branch)]),
            Step::StageNorm { branch, .. } => normalise::layer_norm(&operators.only(OpKind::StageNorm), &x[usize::from(branch)]),
            Step::Logits => heads::logits(&operators, size, &x),
            Step::LabelMap => heads::label_map(&results.last().expect("the logits come before").tensor),
            Step::Increase { branch } => {
                let branch = usize::from(branch);
                heads::increase(&operators, &x[branch], branch.checked_sub(1).map(|before| &maps[before]))
            }
            Step::Classify => heads::classify(&operators, &maps[BRANCHES - 1]),
        };
        match step {
            Step::Stem => x[0] = tensor.clone(),
            Step::Fusion { branch, .. } | Step::Increase { branch } => maps[usize::from(branch)] = tensor.clone(),
            Step::PatchEmbed { branch, .. } | Step::Attention { branch, .. } | Step::MixCfn { branch, .. } | Step::StageNorm { branch, .. } => {
                x[usize::from(branch)] = tensor.clone();
            }
            Step::Logits | Step::LabelMap | Step::Classify => {}
        }
        results.push(StepTensor { step, format: TensorFormat::of(model.precision(id), step), tensor });
    }
    results
}

/// Two convolutions, the first module's GELU by table, and its patch embedding.
fn stem(operators: &Operators<'_>, frame: &Tensor) -> Tensor {
    let codes = Tensor { values: frame.values.iter().map(|pixel| pixel - 128).collect(), ..frame.clone() };
    let (first, second) = (operators.only(OpKind::StemConv1), operators.only(OpKind::StemConv2));
    let hidden = convolution::stem(&first, &codes);
    let activated = convolution::dense(&second, &hidden, |rq, _| second.look_up(rq));
    embed(operators, &activated)
}

/// `LN(DW3x3(PW(f)))`, or `LN(3x3(f))`.
fn embed(operators: &Operators<'_>, f: &Tensor) -> Tensor {
    let norm = operators.only(OpKind::EmbedNorm);
    if let Some(dense) = operators.find(OpKind::EmbedDense) {
        return normalise::layer_norm(&norm, &convolution::dense(&dense, f, |rq, _| arithmetic::saturate16(rq)));
    }
    let (pointwise, depthwise) = (operators.only(OpKind::EmbedPointwise), operators.only(OpKind::EmbedDepthwise));
    let projected = convolution::dense(&pointwise, f, |rq, _| pointwise.store(rq));
    let mixed = convolution::depthwise(&depthwise, &projected, |rq, _| arithmetic::saturate16(rq));
    normalise::layer_norm(&norm, &mixed)
}

/// `x + fc2(GELU(DW3x3 | DW5x5 (fc1(norm(x)))))`; one convolution or none where the step has so
/// few.
fn mix_cfn(operators: &Operators<'_>, x: &Tensor) -> Tensor {
    let (fc1, fc2) = (operators.only(OpKind::Fc1), operators.only(OpKind::Fc2));
    let (three, five) = (operators.find(OpKind::FfnDepthwise3), operators.find(OpKind::FfnDepthwise5));
    let act = operators.only(OpKind::FfnAct);
    let normed = normalise::layer_norm(&operators.only(OpKind::FfnNorm), x);
    let mixed = if three.is_none() && five.is_none() {
        convolution::dense(&fc1, &normed, |rq, _| activated(&act, &fc1, rq))
    } else {
        let wide = convolution::dense(&fc1, &normed, |rq, _| fc1.store(rq));
        let half = three.map_or(0, |three| usize::from(three.shape.cout));
        let convolved = |convolution: Option<operator::Operator<'_>>, first: usize| {
            convolution.map(|op| {
                let part = Tensor::build(wide.map(), op.shape.cout.into(), |y, x, c| wide.at(y, x, first + c));
                convolution::depthwise(&op, &part, |rq, _| activated(&act, &op, rq))
            })
        };
        let (low, high) = (convolved(three, 0).unwrap_or_default(), convolved(five, half).unwrap_or_default());
        Tensor::build(wide.map(), wide.channels, |y, x, c| if c < half { low.at(y, x, c) } else { high.at(y, x, c - half) })
    };
    let branch = convolution::dense(&fc2, &mixed, |rq, _| rq);
    elementwise::residual(x, &[&branch])
}

/// Output of `act` for an accumulator that `before` has requantised.
fn activated(act: &operator::Operator<'_>, before: &operator::Operator<'_>, rq: i64) -> i64 {
    if act.wide { act.look_up(rq) } else { act.table8(before.index(rq)).into() }
}

/// `GELU(sum of the terms)`: the branch itself, branches of higher resolution by strided depthwise
/// and 1x1, branches of lower resolution by 1x1 and repetition.
fn fusion(operators: &Operators<'_>, size: Size, branch: u8, x: &[Tensor; BRANCHES]) -> Tensor {
    let act = operators.only(OpKind::FusionAct);
    let width = usize::from(act.shape.cout);
    let map = size.map(branch.into());
    let mut sum = Tensor::build(map, width, |_, _, _| 0);
    for (source, x) in (0u8..).zip(x) {
        if source == branch {
            // A branch that is new in this module has no term of its own.
            if let Some(identity) = operators.reading(OpKind::FusionIdentity, source) {
                sum = Tensor::build(map, width, |y, column, c| sum.at(y, column, c) + identity.requantise(x.at(y, column, c), c));
            }
            continue;
        }
        let Some(pointwise) = operators.reading(OpKind::FusionPointwise, source) else { continue };
        let narrow = operators.reading(OpKind::FusionNarrow, source).expect("a term is narrowed first");
        let mut codes = elementwise::narrow(&narrow, x);
        if let Some(down) = operators.reading(OpKind::FusionDepthwise, source) {
            codes = convolution::depthwise(&down, &codes, |rq, _| down.store(rq));
        }
        let term = convolution::dense(&pointwise, &codes, |rq, _| rq);
        let repeat = map.0 / term.rows;
        sum = Tensor::build(map, width, |y, column, c| sum.at(y, column, c) + term.at(y / repeat, column / repeat, c));
    }
    Tensor::build(map, width, |y, column, c| act.look_up(act.requantise(sum.at(y, column, c), 0)))
}
