//! A precision: the element types of its tensors, and its operators on them. Blocks and heads are
//! generic over it.

use core::{fmt::Debug, ops::Range};

use hrvit_format::{Activation, CodeScale, LogitFormat};
use hrvit_kernels::{Kernels, Phase};

use crate::{
    element::Element,
    fault::Fault,
    operator::{Operator, TokenRow},
};

/// Which outputs of a product to make.
#[derive(Clone, Debug)]
pub enum Part {
    /// All.
    All,
    /// All, with one of several sets of biases, chosen by number.
    Variant(usize),
    /// Only these channels.
    Channels(Range<usize>),
}

/// Buffer for the results of a product or a convolution, and the form in which to store them.
#[derive(Debug)]
pub enum Out<'k, A: Arithmetic + ?Sized> {
    /// Stored as codes that the next operator reads.
    Code(&'k mut [A::Code]),
    /// Activated by the given operator, then stored as codes.
    Active(&'k mut [A::Code], &'k Operator<'k>),
    /// Stored in 16 bits.
    Wide(&'k mut [A::Wide]),
    /// Added to the residual stream.
    AddWide(&'k mut [A::Wide]),
    /// Added to a sum.
    AddSum(&'k mut [A::Sum]),
}

/// Rows of the input of a depthwise convolution, `None` outside the map.
pub type Taps<'k, T> = [Option<&'k [T]>];

/// Two rows between which a resize interpolates, with weights and factor.
#[derive(Clone, Copy, Debug)]
pub struct Mixed<'k, T> {
    /// The upper row, `[columns, channels]`.
    pub upper: &'k [T],
    /// The lower row.
    pub lower: &'k [T],
    /// Weights of the two rows.
    pub at: Phase,
    /// Channels of a token.
    pub channels: usize,
    /// Resizing factor.
    pub factor: usize,
}

/// One strip of one head: queries, and values that serve as keys too. Both are `[tokens, dim]`.
#[derive(Clone, Copy, Debug)]
pub struct HeadStrip<'k, T> {
    /// Queries.
    pub q: &'k [T],
    /// Keys and values.
    pub v: &'k [T],
    /// Channels of the head.
    pub dim: usize,
    /// Number of the head in its operator.
    pub head: usize,
    /// The exponent table.
    pub exp: &'k [u16],
}

/// The diversity-enhancing shortcut.
#[derive(Clone, Copy)]
pub struct Shortcut<'c> {
    /// The right factor.
    pub right: Operator<'c>,
    /// The left factor.
    pub left: Operator<'c>,
    /// The activation between the factors. Integer images hold it as a table.
    #[cfg_attr(not(feature = "fp16"), expect(dead_code, reason = "integer images hold it as a table"))]
    pub activation: Activation,
}

/// One precision.
pub trait Arithmetic: 'static {
    /// Elements that operators hand each other inside a block.
    type Code: Element;
    /// Elements of two bytes: residual streams, stage norms, attention sums, terms of the head,
    /// logits.
    type Wide: Element;
    /// Accumulators.
    type Sum: Element;
    /// Elements between the two products of the diversity-enhancing shortcut.
    type Hidden: Element;

    /// A weight of a depthwise convolution.
    type Tap: Element;

    /// Whether one row of a stage norm has room for two rows of codes: the narrowed stage norm and
    /// the fusion's result.
    const PAIRED: bool;

    /// Format of logits, without the scale of integers.
    const LOGITS: LogitFormat;

    /// Products of every row of `a` with the weights of `operator`.
    fn product(operator: &Operator<'_>, a: &[Self::Code], part: Part, out: Out<'_, Self>) -> Result<(), Fault>;

    /// Whether [`Arithmetic::convolve`] makes more than one row at a time.
    const CONVOLVES_ROWS: bool = false;

    /// Depthwise convolution of one row of outputs, or of several if `rows` has the input rows of
    /// several.
    fn convolve(operator: &Operator<'_>, rows: &Taps<'_, Self::Code>, row: TokenRow, out: Out<'_, Self>) -> Result<(), Fault>;

    /// Weights of a depthwise convolution, `[taps, channels]`.
    fn taps<'a>(operator: &Operator<'a>) -> Result<&'a [Self::Tap], Fault>;

    /// Adds the parallel path of attention to `sum`, `[tokens, channels]`: a 3x3 with weights
    /// `kernel` over the channels `channels` of `operator`.
    fn add_parallel(
        operator: &Operator<'_>,
        rows: &Taps<'_, Self::Code>,
        kernel: &[Self::Tap],
        channels: Range<usize>,
        tokens: usize,
        sum: &mut [Self::Wide],
    ) -> Result<(), Fault>;

    /// LayerNorm of tokens into codes for the next product.
    fn norm(operator: &Operator<'_>, x: &[Self::Wide], out: &mut [Self::Code]) -> Result<(), Fault>;

    /// LayerNorm of tokens in place.
    fn norm_in_place(operator: &Operator<'_>, x: &mut [Self::Wide]) -> Result<(), Fault>;

    /// Elements of scratch of [`Arithmetic::attend`] for a strip.
    fn score_len(keys: usize, dim: usize) -> usize;

    /// `softmax(q v^T) v` of one head on a strip.
    fn attend(scores: &Operator<'_>, strip: &HeadStrip<'_, Self::Code>, scratch: &mut [Self::Sum], out: &mut [Self::Wide]) -> Result<(), Fault>;

    /// Brings the result of [`Arithmetic::attend`] for the channels `channels` to the scale of the
    /// attention sum.
    fn rescale_values(values: &Operator<'_>, channels: Range<usize>, x: &[Self::Wide], out: &mut [Self::Wide]) -> Result<(), Fault>;

    /// Hardswish of v, channels `channels`.
    fn hardswish_v(act: &Operator<'_>, channels: Range<usize>, v: &[Self::Code], out: &mut [Self::Code]) -> Result<(), Fault>;

    /// Hardswish of the attention sum.
    fn hardswish_sum(act: &Operator<'_>, x: &[Self::Wide], out: &mut [Self::Code]) -> Result<(), Fault>;

    /// Narrows the channels `channels` of the attention sum to the codes that the output projection
    /// reads.
    fn narrow_sum(narrow: &Operator<'_>, channels: Range<usize>, x: &[Self::Wide], out: &mut [Self::Code]) -> Result<(), Fault>;

    /// Adds the diversity-enhancing shortcut of the tokens `x` to `acc`.
    fn add_shortcut(factors: &Shortcut<'_>, x: &[Self::Wide], hidden: &mut [Self::Hidden], acc: &mut [Self::Sum]) -> Result<(), Fault>;

    /// Narrows a stage norm to the codes of one of its readers.
    fn narrow(operator: &Operator<'_>, x: &[Self::Wide], out: &mut [Self::Code]) -> Result<(), Fault>;

    /// Adds a stage norm to a fusion's sum.
    fn add_identity(operator: &Operator<'_>, x: &[Self::Wide], acc: &mut [Self::Sum]) -> Result<(), Fault>;

    /// Activates a sum by `operator` and stores it as codes for the next operator.
    fn store_sum(operator: &Operator<'_>, acc: &[Self::Sum], out: &mut [Self::Code]) -> Result<(), Fault>;

    /// `acc += other`.
    fn add_sums(kernels: Kernels, acc: &mut [Self::Sum], other: &[Self::Sum]) -> Result<(), Fault>;

    /// `acc = max(acc, 0)`.
    fn relu_sums(kernels: Kernels, acc: &mut [Self::Sum]) -> Result<(), Fault>;

    /// Adds a sum to the residual stream.
    fn add_stream(kernels: Kernels, x: &mut [Self::Wide], acc: &[Self::Sum]) -> Result<(), Fault>;

    /// Pixels as the first convolution reads them: `pixel - 128`.
    fn pixels(kernels: Kernels, row: &[u8], out: &mut [Self::Code]) -> Result<(), Fault>;

    /// Patches of a 3x3 convolution; `pad` is the code of padded taps.
    fn patches(kernels: Kernels, rows: [Option<&[Self::Code]>; 3], channels: usize, stride: usize, pad: i8, out: &mut [Self::Code]) -> Result<(), Fault>;

    /// Adds the resized columns from `first` on to the head's sum.
    fn add_resized(kernels: Kernels, rows: &Mixed<'_, Self::Wide>, first: usize, acc: &mut [Self::Sum]) -> Result<(), Fault>;

    /// Labels of a row: the best class of every resized token.
    fn labels(kernels: Kernels, rows: &Mixed<'_, Self::Wide>, labels: &mut [u8]) -> Result<(), Fault>;

    /// [`Arithmetic::labels`], and the margin at `shift` to the second best class
    /// ([`crate::Segmentation::margins`]).
    fn labels_and_margins(kernels: Kernels, rows: &Mixed<'_, Self::Wide>, labels: &mut [u8], shift: u8, margins: &mut [u8]) -> Result<(), Fault>;

    /// Adds the tokens that `conv` has made to the sums of a mean.
    fn add_mean(conv: &Operator<'_>, sums: &mut [Self::Sum], tokens: &[Self::Code]) -> Result<(), Fault>;

    /// The mean over `tokens`.
    fn finish_mean(kernels: Kernels, sums: &[Self::Sum], tokens: u32, out: &mut [Self::Wide]) -> Result<(), Fault>;

    /// The classifier over the mean.
    fn linear(operator: &Operator<'_>, mean: &[Self::Wide], logits: &mut [Self::Wide]) -> Result<(), Fault>;

    /// Converts a residual stream of another precision to this one's format. `scale` is the real
    /// value of one integer code.
    fn convert_stream(kernels: Kernels, x: &mut [Self::Wide], scale: CodeScale) -> Result<(), Fault>;
}
