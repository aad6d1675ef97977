//! 8-bit codes, 16-bit streams, 32-bit sums: `docs/quantisation.md`.

use core::ops::Range;

use hrvit_format::{CodeScale, LogitFormat};
use hrvit_kernels::{Depthwise, Des, Epilogue, GemmS16, Kernels, Strip};

use super::precision::{Arithmetic, HeadStrip, Mixed, Out, Part, Shortcut, Taps};
use crate::{
    fault::Fault,
    operator::{Operator, TokenRow},
    slices::Slices,
};

/// Denominator of the exact sum of the head's resized terms: (2 * 8)^2.
const SUM_UNIT: usize = 256;

/// Integers, the same on every target.
#[derive(Clone, Copy, Debug)]
pub struct Int8;

/// Epilogue of a product or convolution of `operator`.
fn epilogue<'k>(operator: &Operator<'_>, out: Out<'k, Int8>) -> Epilogue<'k> {
    match out {
        Out::Code(out) => Epilogue::Store8 { out, range: operator.range() },
        Out::Active(out, act) => Epilogue::Table8 { out, table: act.params.table, zero: operator.zero() },
        Out::Wide(out) => Epilogue::Store16 { out },
        Out::AddWide(out) => Epilogue::Add16 { out },
        Out::AddSum(out) => Epilogue::Add32 { out },
    }
}

/// Scale that brings a term resized by `factor` to the sum's denominator.
const fn sum_scale(factor: usize) -> i32 {
    match SUM_UNIT.checked_div(2 * factor * 2 * factor) {
        Some(scale) => scale as i32,
        None => 0,
    }
}

impl Arithmetic for Int8 {
    type Code = i8;
    type Wide = i16;
    type Sum = i32;
    type Hidden = i16;
    type Tap = i8;

    const PAIRED: bool = true;
    const LOGITS: LogitFormat = LogitFormat::S16 { scale: 1.0 };

    fn product(operator: &Operator<'_>, a: &[i8], part: Part, out: Out<'_, Self>) -> Result<(), Fault> {
        let epilogue = epilogue(operator, out);
        match part {
            Part::All => Ok(operator.product(a, epilogue)?),
            Part::Variant(number) => Ok(operator.product_with(a, number, epilogue)?),
            Part::Channels(channels) => operator.product_of(a, channels, epilogue),
        }
    }

    // Other kernels prepare no weights.
    const CONVOLVES_ROWS: bool = cfg!(target_arch = "aarch64");

    fn convolve(operator: &Operator<'_>, rows: &Taps<'_, i8>, row: TokenRow, out: Out<'_, Self>) -> Result<(), Fault> {
        Ok(operator.convolve(rows, row, epilogue(operator, out))?)
    }

    fn taps<'a>(operator: &Operator<'a>) -> Result<&'a [i8], Fault> {
        Ok(operator.params.weights)
    }

    fn add_parallel(operator: &Operator<'_>, rows: &Taps<'_, i8>, kernel: &[i8], channels: Range<usize>, tokens: usize, sum: &mut [i16]) -> Result<(), Fault> {
        let len = channels.len();
        let args = Depthwise {
            weights: kernel,
            weight_stride: len,
            bias: operator.params.bias.part(channels.clone())?,
            requant: operator.requant_of(channels)?,
            ..operator.depthwise(rows, TokenRow::even(tokens, len))
        };
        Ok(operator.kernels.depthwise_s8(&args, Epilogue::Add16 { out: sum }, len)?)
    }

    fn norm(operator: &Operator<'_>, x: &[i16], out: &mut [i8]) -> Result<(), Fault> {
        let limits = operator.range();
        Ok(operator.kernels.layernorm_s8(x, &operator.norm(), limits.lo, limits.hi, out)?)
    }

    fn norm_in_place(operator: &Operator<'_>, x: &mut [i16]) -> Result<(), Fault> {
        Ok(operator.kernels.layernorm_s16_in_place(x, &operator.norm())?)
    }

    fn score_len(keys: usize, _dim: usize) -> usize {
        keys
    }

    fn attend(scores: &Operator<'_>, strip: &HeadStrip<'_, i8>, scratch: &mut [i32], out: &mut [i16]) -> Result<(), Fault> {
        let distance = scores.scalar(strip.head)?;
        let bits = scores.params.record.code_bits;
        let args = Strip { q: strip.q, v: strip.v, dim: strip.dim, mult: distance.mult, shift: distance.shift, exp: strip.exp, bits };
        Ok(scores.kernels.attention_s8(&args, scratch, out)?)
    }

    fn rescale_values(values: &Operator<'_>, channels: Range<usize>, x: &[i16], out: &mut [i16]) -> Result<(), Fault> {
        Ok(values.kernels.rescale_s16(x, values.requant_of(channels)?, out)?)
    }

    fn hardswish_v(act: &Operator<'_>, channels: Range<usize>, v: &[i8], out: &mut [i8]) -> Result<(), Fault> {
        let three = act.params.three.part(channels.clone())?;
        Ok(act.kernels.hardswish_s8(v, three, act.requant_of(channels)?, act.range(), out)?)
    }

    fn hardswish_sum(act: &Operator<'_>, x: &[i16], out: &mut [i8]) -> Result<(), Fault> {
        let three = act.params.three.first().copied().ok_or(Fault)?;
        Ok(act.kernels.hardswish_s16(x, three, act.scalar(0)?, act.range(), out)?)
    }

    fn narrow_sum(narrow: &Operator<'_>, channels: Range<usize>, x: &[i16], out: &mut [i8]) -> Result<(), Fault> {
        Ok(narrow.kernels.narrow_s16(x, narrow.requant_of(channels)?, narrow.range(), out)?)
    }

    fn add_shortcut(Shortcut { right, left, .. }: &Shortcut<'_>, x: &[i16], hidden: &mut [i16], acc: &mut [i32]) -> Result<(), Fault> {
        let args = Des {
            x,
            k: left.cout(),
            p: right.cout(),
            right: right.params.weights,
            right_bias: right.params.bias,
            right_requant: right.requant(),
            zero: right.zero(),
            table: right.params.table16,
            left: left.params.weights,
            left_bias: left.params.bias,
            left_requant: left.requant(),
        };
        Ok(right.kernels.des_s16(&args, hidden, acc)?)
    }

    fn narrow(operator: &Operator<'_>, x: &[i16], out: &mut [i8]) -> Result<(), Fault> {
        Ok(operator.kernels.narrow_s16(x, operator.requant(), operator.range(), out)?)
    }

    fn add_identity(operator: &Operator<'_>, x: &[i16], acc: &mut [i32]) -> Result<(), Fault> {
        Ok(operator.kernels.rescale_add32(x, operator.requant(), acc)?)
    }

    fn store_sum(operator: &Operator<'_>, acc: &[i32], out: &mut [i8]) -> Result<(), Fault> {
        let (kernels, requant) = (operator.kernels, operator.scalar(0)?);
        match operator.params.table {
            [] => Ok(kernels.store_s8(acc, requant, operator.range(), out)?),
            table => Ok(kernels.table_s8(acc, requant, operator.zero(), table, out)?),
        }
    }

    fn add_sums(kernels: Kernels, acc: &mut [i32], other: &[i32]) -> Result<(), Fault> {
        Ok(kernels.add_s32(acc, other)?)
    }

    fn relu_sums(kernels: Kernels, acc: &mut [i32]) -> Result<(), Fault> {
        kernels.relu_s32(acc);
        Ok(())
    }

    fn add_stream(kernels: Kernels, x: &mut [i16], acc: &[i32]) -> Result<(), Fault> {
        Ok(kernels.add_s16(x, acc)?)
    }

    fn pixels(kernels: Kernels, row: &[u8], out: &mut [i8]) -> Result<(), Fault> {
        Ok(kernels.pixels_s8(row, out)?)
    }

    fn patches(kernels: Kernels, rows: [Option<&[i8]>; 3], channels: usize, stride: usize, pad: i8, out: &mut [i8]) -> Result<(), Fault> {
        Ok(kernels.im2row_s8(rows, channels, stride, pad, out)?)
    }

    fn add_resized(kernels: Kernels, rows: &Mixed<'_, i16>, first: usize, acc: &mut [i32]) -> Result<(), Fault> {
        let Mixed { upper, lower, at, channels, factor } = *rows;
        Ok(kernels.bilinear_add_s16(upper, lower, at.near_weight, at.far_weight, channels, factor, sum_scale(factor), first, acc)?)
    }

    fn labels(kernels: Kernels, rows: &Mixed<'_, i16>, labels: &mut [u8]) -> Result<(), Fault> {
        let Mixed { upper, lower, at, channels, factor } = *rows;
        Ok(kernels.argmax_s16(upper, lower, at.near_weight, at.far_weight, channels, factor, labels)?)
    }

    fn labels_and_margins(kernels: Kernels, rows: &Mixed<'_, i16>, labels: &mut [u8], shift: u8, margins: &mut [u8]) -> Result<(), Fault> {
        let Mixed { upper, lower, at, channels, factor } = *rows;
        Ok(kernels.argmax_margin_s16(upper, lower, at.near_weight, at.far_weight, channels, factor, labels, shift, margins)?)
    }

    fn add_mean(conv: &Operator<'_>, sums: &mut [i32], tokens: &[i8]) -> Result<(), Fault> {
        Ok(conv.kernels.mean_s8(sums, tokens, conv.zero())?)
    }

    fn finish_mean(kernels: Kernels, sums: &[i32], tokens: u32, out: &mut [i16]) -> Result<(), Fault> {
        Ok(kernels.mean_finish(sums, tokens, out)?)
    }

    fn linear(operator: &Operator<'_>, mean: &[i16], logits: &mut [i16]) -> Result<(), Fault> {
        let args =
            GemmS16 { a: mean, depth: operator.shape.depth(), weights: operator.params.weights, bias: operator.params.bias, requant: operator.requant() };
        Ok(operator.kernels.gemm_s16(&args, Epilogue::Store16 { out: logits })?)
    }

    #[cfg(feature = "fp16")]
    fn convert_stream(kernels: Kernels, x: &mut [i16], scale: CodeScale) -> Result<(), Fault> {
        super::stream::to_codes(kernels, x, scale)
    }

    #[cfg(not(feature = "fp16"))]
    fn convert_stream(_: Kernels, _: &mut [i16], _: CodeScale) -> Result<(), Fault> {
        Err(Fault)
    }
}
