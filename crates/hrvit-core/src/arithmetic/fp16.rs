//! Half precision: f16 in memory, f32 in every sum. No number is requantised, no order of sums is
//! promised.

use core::ops::Range;

use hrvit_format::{Activation, CodeScale, LogitFormat, OpKind};
use hrvit_kernels::{ActivationF16, DepthwiseF16, DesF16, EpilogueF16, GemmF16, Kernels, NormF16, StripF16, attention_f16, f16};

use super::{
    precision::{Arithmetic, HeadStrip, Mixed, Out, Part, Shortcut, Taps},
    stream,
};
use crate::{
    fault::Fault,
    operator::{Operator, TokenRow},
    slices::{Slices, cast, copy_run},
};

/// IEEE 754 binary16.
#[derive(Clone, Copy, Debug)]
pub struct Fp16;

/// Activation that the operator applies to its result.
fn activation(operator: &Operator<'_>) -> ActivationF16 {
    match operator.shape.kind {
        OpKind::StemConv1 | OpKind::HeadAct | OpKind::IncreaseConv1 | OpKind::IncreaseConv2 | OpKind::FinalConv => ActivationF16::Relu,
        OpKind::StemConv2 => ActivationF16::ReluGelu,
        OpKind::FfnAct | OpKind::FusionAct => ActivationF16::Gelu,
        _ => ActivationF16::None,
    }
}

fn epilogue<'k>(operator: &Operator<'_>, out: Out<'k, Fp16>) -> EpilogueF16<'k> {
    match out {
        Out::Code(out) => EpilogueF16::Store { out, act: activation(operator) },
        Out::Active(out, act) => EpilogueF16::Store { out, act: activation(act) },
        Out::Wide(out) => EpilogueF16::Store { out, act: ActivationF16::None },
        Out::AddWide(out) => EpilogueF16::Add { out },
        Out::AddSum(out) => EpilogueF16::Sum { out },
    }
}

/// f16 in bytes of weights.
fn halves(bytes: &[i8]) -> Result<&[f16], Fault> {
    cast(bytes)
}

/// f32 whose bits were read as integers.
fn reals(bits: &[i32]) -> Result<&[f32], Fault> {
    cast(bits)
}

/// The affine and eps of a LayerNorm.
fn norm<'a>(operator: &Operator<'a>) -> Result<NormF16<'a>, Fault> {
    let params = &operator.params;
    Ok(NormF16 { gain: reals(params.mult)?, offset: reals(params.bias)?, eps: hrvit_format::fp16::eps(params.record.eps) })
}

fn convolution<'k>(operator: &Operator<'k>, rows: &'k Taps<'k, f16>, row: TokenRow) -> Result<DepthwiseF16<'k>, Fault> {
    Ok(DepthwiseF16 {
        rows,
        in_stride: row.in_stride,
        columns: row.columns,
        kernel: usize::from(operator.shape.kernel),
        stride: usize::from(operator.shape.stride),
        weights: halves(operator.params.weights)?,
        weight_stride: operator.cout(),
        bias: reals(operator.params.bias)?,
    })
}

impl Arithmetic for Fp16 {
    type Code = f16;
    type Wide = f16;
    type Sum = f32;
    type Hidden = f32;
    type Tap = f16;

    const PAIRED: bool = false;
    const LOGITS: LogitFormat = LogitFormat::F16;

    fn product(operator: &Operator<'_>, a: &[f16], part: Part, out: Out<'_, Self>) -> Result<(), Fault> {
        let (params, cout) = (&operator.params, operator.cout());
        let (channels, biases) = match part {
            Part::All => (0..cout, 0..cout),
            Part::Variant(number) => (0..cout, number * cout..(number + 1) * cout),
            Part::Channels(channels) => (channels.clone(), channels),
        };
        let weights = params.half_weights(&operator.shape, channels.start, channels.len()).ok_or(Fault)?;
        let bias = reals(params.bias)?.part(biases)?;
        let args = GemmF16 { a, depth: operator.shape.depth(), weights: halves(weights)?, bias };
        Ok(operator.kernels.gemm_f16(&args, epilogue(operator, out))?)
    }

    // Other kernels prepare no weights.
    const CONVOLVES_ROWS: bool = cfg!(target_arch = "aarch64");

    fn convolve(operator: &Operator<'_>, rows: &Taps<'_, f16>, row: TokenRow, out: Out<'_, Self>) -> Result<(), Fault> {
        Ok(operator.kernels.depthwise_f16(&convolution(operator, rows, row)?, epilogue(operator, out), row.out_stride)?)
    }

    fn taps<'a>(operator: &Operator<'a>) -> Result<&'a [f16], Fault> {
        halves(operator.params.weights)
    }

    fn add_parallel(
        operator: &Operator<'_>,
        rows: &Taps<'_, f16>,
        kernel: &[f16],
        channels: Range<usize>,
        tokens: usize,
        sum: &mut [f16],
    ) -> Result<(), Fault> {
        let len = channels.len();
        let bias = reals(operator.params.bias)?.part(channels)?;
        let args = DepthwiseF16 { weights: kernel, weight_stride: len, bias, ..convolution(operator, rows, TokenRow::even(tokens, len))? };
        Ok(operator.kernels.depthwise_f16(&args, EpilogueF16::Add { out: sum }, len)?)
    }

    fn norm(operator: &Operator<'_>, x: &[f16], out: &mut [f16]) -> Result<(), Fault> {
        Ok(operator.kernels.layernorm_f16(x, &norm(operator)?, out)?)
    }

    fn norm_in_place(operator: &Operator<'_>, x: &mut [f16]) -> Result<(), Fault> {
        Ok(operator.kernels.layernorm_f16_in_place(x, &norm(operator)?)?)
    }

    fn score_len(keys: usize, dim: usize) -> usize {
        attention_f16::scratch(keys, dim)
    }

    fn attend(scores: &Operator<'_>, strip: &HeadStrip<'_, f16>, scratch: &mut [f32], out: &mut [f16]) -> Result<(), Fault> {
        Ok(scores.kernels.attention_f16(&StripF16 { q: strip.q, v: strip.v, dim: strip.dim }, scratch, out)?)
    }

    fn rescale_values(_: &Operator<'_>, _: Range<usize>, x: &[f16], out: &mut [f16]) -> Result<(), Fault> {
        copy_run(x, out);
        Ok(())
    }

    fn hardswish_v(act: &Operator<'_>, _: Range<usize>, v: &[f16], out: &mut [f16]) -> Result<(), Fault> {
        Ok(act.kernels.hardswish_f16(v, out)?)
    }

    fn hardswish_sum(act: &Operator<'_>, x: &[f16], out: &mut [f16]) -> Result<(), Fault> {
        Ok(act.kernels.hardswish_f16(x, out)?)
    }

    fn narrow_sum(_: &Operator<'_>, _: Range<usize>, x: &[f16], out: &mut [f16]) -> Result<(), Fault> {
        copy_run(x, out);
        Ok(())
    }

    fn add_shortcut(Shortcut { right, left, activation }: &Shortcut<'_>, x: &[f16], hidden: &mut [f32], acc: &mut [f32]) -> Result<(), Fault> {
        let args = DesF16 {
            x,
            k: left.cout(),
            p: right.cout(),
            right: halves(right.params.weights)?,
            right_bias: reals(right.params.bias)?,
            act: match activation {
                Activation::Gelu => ActivationF16::Gelu,
                Activation::Hardswish => ActivationF16::Hardswish,
            },
            left: halves(left.params.weights)?,
            left_bias: reals(left.params.bias)?,
        };
        Ok(right.kernels.des_f16(&args, hidden, acc)?)
    }

    fn narrow(_: &Operator<'_>, x: &[f16], out: &mut [f16]) -> Result<(), Fault> {
        copy_run(x, out);
        Ok(())
    }

    fn add_identity(operator: &Operator<'_>, x: &[f16], acc: &mut [f32]) -> Result<(), Fault> {
        Ok(operator.kernels.widen_add_f32(x, acc)?)
    }

    fn store_sum(operator: &Operator<'_>, acc: &[f32], out: &mut [f16]) -> Result<(), Fault> {
        Ok(operator.kernels.activate_f32(acc, activation(operator), out)?)
    }

    fn add_sums(kernels: Kernels, acc: &mut [f32], other: &[f32]) -> Result<(), Fault> {
        Ok(kernels.add_f32(acc, other)?)
    }

    fn relu_sums(kernels: Kernels, acc: &mut [f32]) -> Result<(), Fault> {
        kernels.relu_f32(acc);
        Ok(())
    }

    fn add_stream(kernels: Kernels, x: &mut [f16], acc: &[f32]) -> Result<(), Fault> {
        Ok(kernels.add_f16(x, acc)?)
    }

    fn pixels(kernels: Kernels, row: &[u8], out: &mut [f16]) -> Result<(), Fault> {
        Ok(kernels.pixels_f16(row, out)?)
    }

    fn patches(kernels: Kernels, rows: [Option<&[f16]>; 3], channels: usize, stride: usize, _pad: i8, out: &mut [f16]) -> Result<(), Fault> {
        Ok(kernels.im2row_f16(rows, channels, stride, out)?)
    }

    fn add_resized(kernels: Kernels, rows: &Mixed<'_, f16>, first: usize, acc: &mut [f32]) -> Result<(), Fault> {
        let Mixed { upper, lower, at, channels, factor } = *rows;
        Ok(kernels.bilinear_add_f16(upper, lower, at.near_weight, at.far_weight, channels, factor, first, acc)?)
    }

    fn labels(kernels: Kernels, rows: &Mixed<'_, f16>, labels: &mut [u8]) -> Result<(), Fault> {
        let Mixed { upper, lower, at, channels, factor } = *rows;
        Ok(kernels.argmax_f16(upper, lower, at.near_weight, at.far_weight, channels, factor, labels)?)
    }

    fn labels_and_margins(kernels: Kernels, rows: &Mixed<'_, f16>, labels: &mut [u8], shift: u8, margins: &mut [u8]) -> Result<(), Fault> {
        let Mixed { upper, lower, at, channels, factor } = *rows;
        Ok(kernels.argmax_margin_f16(upper, lower, at.near_weight, at.far_weight, channels, factor, labels, shift, margins)?)
    }

    fn add_mean(conv: &Operator<'_>, sums: &mut [f32], tokens: &[f16]) -> Result<(), Fault> {
        Ok(conv.kernels.mean_f16(sums, tokens)?)
    }

    fn finish_mean(kernels: Kernels, sums: &[f32], tokens: u32, out: &mut [f16]) -> Result<(), Fault> {
        Ok(kernels.mean_finish_f16(sums, tokens, out)?)
    }

    fn linear(operator: &Operator<'_>, mean: &[f16], logits: &mut [f16]) -> Result<(), Fault> {
        Self::product(operator, mean, Part::All, Out::Wide(logits))
    }

    fn convert_stream(kernels: Kernels, x: &mut [f16], scale: CodeScale) -> Result<(), Fault> {
        stream::to_halves(kernels, x, scale)
    }
}
