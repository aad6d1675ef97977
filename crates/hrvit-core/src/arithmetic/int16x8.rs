//! 16-bit codes with zero point 0, 8-bit weights, 32-bit sums: `docs/quantisation.md`, section 6.
//! Streams, stage norms and logits are those of [`Int8`].

use core::ops::Range;

use hrvit_format::{CodeScale, LogitFormat};
use hrvit_kernels::{Depthwise, Epilogue, GemmS16, Kernels, Requant, StripS16};

use super::{
    int8::Int8,
    precision::{Arithmetic, HeadStrip, Mixed, Out, Part, Shortcut, Taps},
};
use crate::{
    fault::Fault,
    operator::{Operator, TokenRow},
    slices::{Slices, copy_run, elements_of},
};

/// Integers, the same on every target.
#[derive(Clone, Copy, Debug)]
pub struct Int16x8;

/// Last operation on an output after it was stored in 16 bits.
#[derive(Clone, Copy)]
enum Finish<'t> {
    /// Nothing.
    Stored,
    /// It is limited.
    Limited(i16, i16),
    /// It is looked up.
    Active(&'t [i16]),
}

impl<'t> Finish<'t> {
    /// The limits of `operator`'s codes, where they are not all of 16 bits.
    fn limits(operator: &Operator<'_>) -> Self {
        match (operator.params.record.lo, operator.params.record.hi) {
            (i16::MIN, i16::MAX) => Self::Stored,
            (lo, hi) => Self::Limited(lo, hi),
        }
    }

    fn apply(self, kernels: Kernels, codes: &mut [i16]) -> Result<(), Fault> {
        match self {
            Self::Stored => Ok(()),
            Self::Limited(lo, hi) => Ok(kernels.limit_s16(codes, lo, hi)?),
            Self::Active(table) => Ok(kernels.interpolate_s16(codes, table)?),
        }
    }
}

/// Which elements of an output an operator writes: runs of `channels` that begin `stride` apart.
#[derive(Clone, Copy)]
struct Written {
    channels: usize,
    stride: usize,
}

impl Written {
    /// All of them.
    const ALL: Self = Self { channels: 1, stride: 1 };
}

/// Calls `run` with the way of storing that `out` asks for, and finishes the codes.
fn store<'k>(
    operator: &Operator<'k>,
    out: Out<'_, Int16x8>,
    Written { channels, stride }: Written,
    run: impl FnOnce(Epilogue<'_>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let (codes, finish) = match out {
        Out::Wide(out) => return run(Epilogue::Store16 { out }),
        Out::AddWide(out) => return run(Epilogue::Add16 { out }),
        Out::AddSum(out) => return run(Epilogue::Add32 { out }),
        Out::Code(out) => (out, Finish::limits(operator)),
        Out::Active(out, act) => (out, Finish::Active(act.params.table16)),
    };
    run(Epilogue::Store16 { out: &mut *codes })?;
    if channels == stride {
        return finish.apply(operator.kernels, codes);
    }
    // The last token may end with its own channels.
    let whole = codes.len() / stride.max(1) * stride;
    let (tokens, last) = codes.split_front(whole)?;
    for token in tokens.runs_mut(stride).chain(Some(last).filter(|last| last.len() >= channels)) {
        finish.apply(operator.kernels, token.part_mut(..channels)?)?;
    }
    Ok(())
}

fn product_on(operator: &Operator<'_>, a: &[i16], weights: &[i8], bias: &[i32], requant: Requant<'_>, out: Out<'_, Int16x8>) -> Result<(), Fault> {
    let args = GemmS16 { a, depth: operator.shape.depth(), weights, bias, requant };
    store(operator, out, Written::ALL, |epilogue| Ok(operator.kernels.gemm_s16(&args, epilogue)?))
}

fn convolution<'k>(operator: &Operator<'k>, rows: &'k Taps<'k, i16>, row: TokenRow) -> Depthwise<'k, i16> {
    Depthwise {
        rows,
        in_stride: row.in_stride,
        columns: row.columns,
        kernel: usize::from(operator.shape.kernel),
        stride: usize::from(operator.shape.stride),
        pad: 0,
        weights: operator.params.weights,
        weight_stride: operator.cout(),
        bias: operator.params.bias,
        requant: operator.requant(),
    }
}

impl Arithmetic for Int16x8 {
    type Code = i16;
    type Wide = i16;
    type Sum = i32;
    type Hidden = i16;
    type Tap = i8;

    const PAIRED: bool = false;
    const LOGITS: LogitFormat = Int8::LOGITS;

    fn product(operator: &Operator<'_>, a: &[i16], part: Part, out: Out<'_, Self>) -> Result<(), Fault> {
        let (params, cout) = (&operator.params, operator.cout());
        match part {
            Part::All => product_on(operator, a, params.weights, params.bias, operator.requant(), out),
            Part::Variant(number) => {
                let bias = params.bias.row(number, cout)?;
                product_on(operator, a, params.weights, bias, operator.requant(), out)
            }
            Part::Channels(channels) => {
                let depth = operator.shape.depth();
                let weights = params.weights.part(elements_of(&channels, depth))?;
                let bias = params.bias.part(channels.clone())?;
                product_on(operator, a, weights, bias, operator.requant_of(channels)?, out)
            }
        }
    }

    fn convolve(operator: &Operator<'_>, rows: &Taps<'_, i16>, row: TokenRow, out: Out<'_, Self>) -> Result<(), Fault> {
        let args = convolution(operator, rows, row);
        let written = Written { channels: operator.cout(), stride: row.out_stride };
        store(operator, out, written, |epilogue| Ok(operator.kernels.depthwise_s16(&args, epilogue, row.out_stride)?))
    }

    fn taps<'a>(operator: &Operator<'a>) -> Result<&'a [i8], Fault> {
        Ok(operator.params.weights)
    }

    fn add_parallel(operator: &Operator<'_>, rows: &Taps<'_, i16>, kernel: &[i8], channels: Range<usize>, tokens: usize, sum: &mut [i16]) -> Result<(), Fault> {
        let len = channels.len();
        let bias = operator.params.bias.part(channels.clone())?;
        let args = Depthwise {
            weights: kernel,
            weight_stride: len,
            bias,
            requant: operator.requant_of(channels)?,
            ..convolution(operator, rows, TokenRow::even(tokens, len))
        };
        Ok(operator.kernels.depthwise_s16(&args, Epilogue::Add16 { out: sum }, len)?)
    }

    fn norm(operator: &Operator<'_>, x: &[i16], out: &mut [i16]) -> Result<(), Fault> {
        operator.kernels.layernorm_s16(x, &operator.norm(), out)?;
        Finish::limits(operator).apply(operator.kernels, out)
    }

    fn norm_in_place(operator: &Operator<'_>, x: &mut [i16]) -> Result<(), Fault> {
        Int8::norm_in_place(operator, x)
    }

    fn score_len(keys: usize, _dim: usize) -> usize {
        keys
    }

    fn attend(scores: &Operator<'_>, strip: &HeadStrip<'_, i16>, scratch: &mut [i32], out: &mut [i16]) -> Result<(), Fault> {
        let distance = scores.scalar(strip.head)?;
        let args = StripS16 { q: strip.q, v: strip.v, dim: strip.dim, mult: distance.mult, shift: distance.shift, exp: strip.exp };
        Ok(scores.kernels.attention_s16(&args, scratch, out)?)
    }

    fn rescale_values(values: &Operator<'_>, channels: Range<usize>, x: &[i16], out: &mut [i16]) -> Result<(), Fault> {
        Int8::rescale_values(values, channels, x, out)
    }

    fn hardswish_v(act: &Operator<'_>, channels: Range<usize>, v: &[i16], out: &mut [i16]) -> Result<(), Fault> {
        let three = act.params.three.part(channels.clone())?;
        act.kernels.hardswish_per_channel_s16(v, three, act.requant_of(channels)?, out)?;
        Finish::limits(act).apply(act.kernels, out)
    }

    fn hardswish_sum(act: &Operator<'_>, x: &[i16], out: &mut [i16]) -> Result<(), Fault> {
        let three = act.params.three.first().copied().ok_or(Fault)?;
        act.kernels.hardswish_to_s16(x, three, act.scalar(0)?, out)?;
        Finish::limits(act).apply(act.kernels, out)
    }

    fn narrow_sum(narrow: &Operator<'_>, channels: Range<usize>, x: &[i16], out: &mut [i16]) -> Result<(), Fault> {
        narrow.kernels.rescale_s16(x, narrow.requant_of(channels)?, out)?;
        Finish::limits(narrow).apply(narrow.kernels, out)
    }

    fn add_shortcut(factors: &Shortcut<'_>, x: &[i16], hidden: &mut [i16], acc: &mut [i32]) -> Result<(), Fault> {
        Int8::add_shortcut(factors, x, hidden, acc)
    }

    fn narrow(_: &Operator<'_>, x: &[i16], out: &mut [i16]) -> Result<(), Fault> {
        copy_run(x, out);
        Ok(())
    }

    fn add_identity(operator: &Operator<'_>, x: &[i16], acc: &mut [i32]) -> Result<(), Fault> {
        Int8::add_identity(operator, x, acc)
    }

    fn store_sum(operator: &Operator<'_>, acc: &[i32], out: &mut [i16]) -> Result<(), Fault> {
        operator.kernels.store_s16(acc, operator.scalar(0)?, out)?;
        let finish = match operator.params.table16 {
            [] => Finish::limits(operator),
            table => Finish::Active(table),
        };
        finish.apply(operator.kernels, out)
    }

    fn add_sums(kernels: Kernels, acc: &mut [i32], other: &[i32]) -> Result<(), Fault> {
        Int8::add_sums(kernels, acc, other)
    }

    fn relu_sums(kernels: Kernels, acc: &mut [i32]) -> Result<(), Fault> {
        Int8::relu_sums(kernels, acc)
    }

    fn add_stream(kernels: Kernels, x: &mut [i16], acc: &[i32]) -> Result<(), Fault> {
        Int8::add_stream(kernels, x, acc)
    }

    fn pixels(kernels: Kernels, row: &[u8], out: &mut [i16]) -> Result<(), Fault> {
        Ok(kernels.pixels_s16(row, out)?)
    }

    fn patches(kernels: Kernels, rows: [Option<&[i16]>; 3], channels: usize, stride: usize, _pad: i8, out: &mut [i16]) -> Result<(), Fault> {
        Ok(kernels.im2row_s16(rows, channels, stride, out)?)
    }

    fn add_resized(kernels: Kernels, rows: &Mixed<'_, i16>, first: usize, acc: &mut [i32]) -> Result<(), Fault> {
        Int8::add_resized(kernels, rows, first, acc)
    }

    fn labels(kernels: Kernels, rows: &Mixed<'_, i16>, labels: &mut [u8]) -> Result<(), Fault> {
        Int8::labels(kernels, rows, labels)
    }

    fn labels_and_margins(kernels: Kernels, rows: &Mixed<'_, i16>, labels: &mut [u8], shift: u8, margins: &mut [u8]) -> Result<(), Fault> {
        Int8::labels_and_margins(kernels, rows, labels, shift, margins)
    }

    fn add_mean(conv: &Operator<'_>, sums: &mut [i32], tokens: &[i16]) -> Result<(), Fault> {
        Ok(conv.kernels.mean_s16(sums, tokens)?)
    }

    fn finish_mean(kernels: Kernels, sums: &[i32], tokens: u32, out: &mut [i16]) -> Result<(), Fault> {
        Ok(kernels.mean_finish_s16(sums, tokens, out)?)
    }

    fn linear(operator: &Operator<'_>, mean: &[i16], logits: &mut [i16]) -> Result<(), Fault> {
        Int8::linear(operator, mean, logits)
    }

    fn convert_stream(kernels: Kernels, x: &mut [i16], scale: CodeScale) -> Result<(), Fault> {
        Int8::convert_stream(kernels, x, scale)
    }
}
