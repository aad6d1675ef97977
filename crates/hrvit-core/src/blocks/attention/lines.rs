//! Attention over lines of tokens: rows for the horizontal half of the channels, columns for the vertical one. Both are the same walk.

use core::ops::Range;

use hrvit_kernels::{Depthwise, Epilogue, Strip};

use super::Attention;
use crate::{
    arena::{Cutter, region},
    error::Fault,
    ring::Ring,
    rows::{Runs, bytes_of_mut, copy_run},
};

/// Lines of the parallel path's kernel, and its taps.
const KERNEL: usize = 3;
const TAPS: usize = KERNEL * KERNEL;
/// Lines that a strip looks at beyond itself, on each side: the parallel path's 3x3.
pub const REACH: usize = KERNEL / 2;

/// Sizes of a walk: `lines` of `tokens` each.
#[derive(Clone, Copy)]
pub struct Shape {
    pub lines: usize,
    pub tokens: usize,
    pub channels: usize,
    pub dim: usize,
    pub window: usize,
    /// Lines that are projected at once.
    pub tile: usize,
}

impl Shape {
    /// Lines of v in flight: a strip and one line on each side.
    fn v_lines(&self) -> usize {
        self.window.min(self.lines) + 2 * REACH
    }

    /// Elements of half a line.
    fn half_line(&self) -> usize {
        self.tokens * self.channels / 2
    }

    /// Elements of one head of a strip.
    fn head_len(&self) -> usize {
        self.window.min(self.lines) * self.tokens * self.dim
    }

    /// Bytes of [`Walk`]'s buffers.
    pub fn scratch(&self) -> usize {
        let half = self.half_line();
        let strip_tokens = self.window.min(self.lines) * self.tokens;
        region::<i8>(self.tile * self.tokens * self.channels)
            + 2 * region::<i8>(self.v_lines() * half)
            + region::<i8>(KERNEL * half)
            + 2 * region::<i16>(self.head_len())
            + region::<i32>(strip_tokens)
            + region::<i16>(self.window.min(self.lines) * half)
            + region::<i8>(half)
            + region::<i8>(TAPS * self.channels / 2)
    }
}

/// Where the channels of a walk lie: the first half (rows) or the second (columns).
#[derive(Clone, Copy)]
pub struct Half {
    /// First channel of the half.
    pub first: usize,
    /// Whether lines are columns, so that the parallel path's kernel is read transposed.
    pub transposed: bool,
}

/// Lines of tokens that a walk reads and answers.
pub trait Lines {
    /// Tokens of line `l` of the residual stream, `[tokens, channels]`, as they were before the block.
    fn tokens(&mut self, l: usize) -> Result<&[i16], Fault>;

    /// Takes the result of line `l`, `[tokens, channels / 2]`; `last` of its strip or not.
    fn done(&mut self, l: usize, codes: &[i8], last: bool) -> Result<(), Fault>;
}

/// Attention of one half of the channels over a range of lines.
pub struct Walk<'a, 'c> {
    attention: &'a Attention<'c>,
    shape: Shape,
    half: Half,
    normed: &'a mut [i8],
    q: &'a mut [i8],
    v: Ring<'a, i8>,
    act: Ring<'a, i8>,
    /// q and v of one head, then its result in the scale of the sum.
    head: &'a mut [i16],
    /// Result of one head.
    head_out: &'a mut [i16],
    scores: &'a mut [i32],
    sum: &'a mut [i16],
    codes: &'a mut [i8],
    kernel: &'a mut [i8],
}

impl<'a, 'c> Walk<'a, 'c> {
    /// Over lines from `first` on.
    pub fn new(attention: &'a Attention<'c>, shape: Shape, half: Half, first: usize, cutter: &mut Cutter<'a>) -> Result<Self, Fault> {
        let (half_line, strip_lines) = (shape.half_line(), shape.window.min(shape.lines));
        let reached = first.saturating_sub(REACH);
        let walk = Self {
            attention,
            shape,
            half,
            normed: cutter.take(shape.tile * shape.tokens * shape.channels)?,
            q: cutter.take(shape.v_lines() * half_line)?,
            v: Ring::batched(cutter.take(shape.v_lines() * half_line)?, half_line, reached, (shape.tile, 0)),
            act: Ring::new(cutter.take(KERNEL * half_line)?, half_line, reached),
            head: cutter.take(shape.head_len())?,
            head_out: cutter.take(shape.head_len())?,
            scores: cutter.take(strip_lines * shape.tokens)?,
            sum: cutter.take(strip_lines * half_line)?,
            codes: cutter.take(half_line)?,
            kernel: cutter.take(TAPS * shape.channels / 2)?,
        };
        for (tap, out) in walk.kernel.runs_mut(shape.channels / 2).enumerate() {
            let from = if half.transposed { tap % KERNEL * KERNEL + tap / KERNEL } else { tap };
            let weights = attention.parallel.params.weights.get(from * shape.channels + half.first..).ok_or(Fault)?;
            copy_run(weights, out);
        }
        Ok(walk)
    }

    /// Walks the strips of `range`, which starts at a multiple of the window. A line is asked for [`REACH`] lines before its turn, and never again after it was
    /// answered.
    pub fn run(&mut self, range: Range<usize>, lines: &mut impl Lines) -> Result<(), Fault> {
        let mut at = range.start;
        while at < range.end {
            let strip = at..(at + self.shape.window).min(range.end);
            self.project(&range, strip.end, lines)?;
            for head in 0..self.shape.channels / 2 / self.shape.dim.max(1) {
                self.head(strip.clone(), head)?;
            }
            for l in strip.clone() {
                self.finish(strip.start, l)?;
                lines.done(l, self.codes, l + 1 == strip.end)?;
            }
            at = strip.end;
        }
        Ok(())
    }

    /// Channels of the half in the projection's outputs: those of q, and as many further on those of v.
    fn channels(&self) -> Range<usize> {
        self.half.first..self.half.first + self.shape.channels / 2
    }

    /// Makes q and v of all lines that the strip before `end` needs; beyond `range` only v.
    fn project(&mut self, range: &Range<usize>, end: usize, lines: &mut impl Lines) -> Result<(), Fault> {
        let channels = self.channels();
        let Attention { norm, qkv, .. } = self.attention;
        let limits = norm.range();
        let (half_line, line_len) = (self.shape.half_line(), self.shape.tokens * self.shape.channels);
        while let Some((first, v)) = self.v.next_up_to((end + REACH).min(self.shape.lines) - 1) {
            let made = first..first + v.len() / half_line.max(1);
            let normed = self.normed.get_mut(..made.len() * line_len).ok_or(Fault)?;
            for (l, out) in made.clone().zip(normed.runs_mut(line_len)) {
                norm.kernels.layernorm_s8(lines.tokens(l)?, &norm.norm(), limits.lo, limits.hi, out)?;
            }
            let v_channels = channels.start + self.shape.channels..channels.end + self.shape.channels;
            qkv.product_of(normed, v_channels, qkv.store8(v))?;
            let asking = made.start.max(range.start)..made.end.min(range.end);
            if !asking.is_empty() {
                let normed = normed.get((asking.start - first) * line_len..(asking.end - first) * line_len).ok_or(Fault)?;
                // q lies beside v: lines that v has in one run q has in one run.
                let slot = asking.start % self.shape.v_lines().max(1) * half_line;
                let q = self.q.get_mut(slot..slot + asking.len() * half_line).ok_or(Fault)?;
                qkv.product_of(normed, channels.clone(), qkv.store8(q))?;
            }
        }
        Ok(())
    }

    /// `softmax(q v^T) v` of one head on a strip, into its channels of `sum`.
    fn head(&mut self, strip: Range<usize>, head: usize) -> Result<(), Fault> {
        let Shape { tokens, channels, dim, .. } = self.shape;
        let half = channels / 2;
        let first = head * dim;
        let len = strip.len() * tokens * dim;
        let q_lines = self.shape.v_lines();
        let q_line = |l: usize| l % q_lines.max(1) * self.shape.half_line();
        // A head that is the whole half is used where it lies.
        let in_place = if dim == half && q_line(strip.start) + len <= self.q.len() { self.v.run(strip.clone()) } else { None };
        let args_of = |q, v| -> Result<Strip<'_>, Fault> {
            let number = self.half.first / dim.max(1) + head;
            let distance = self.attention.scores.scalar(number)?;
            let bits = self.attention.scores.params.record.code_bits;
            Ok(Strip { q, v, dim, mult: distance.mult, shift: distance.shift, exp: self.attention.exp, bits })
        };
        let kernels = self.attention.scores.kernels;
        let head_out = self.head_out.get_mut(..len).ok_or(Fault)?;
        if let Some(v) = in_place {
            let q = self.q.get(q_line(strip.start)..).and_then(|q| q.get(..len)).ok_or(Fault)?;
            kernels.attention_s8(&args_of(q, v)?, self.scores, head_out)?;
        } else {
            let (head_q, head_v) = bytes_of_mut(self.head).split_at_mut_checked(len).ok_or(Fault)?;
            let head_v = head_v.get_mut(..len).ok_or(Fault)?;
            for ((l, q_out), v_out) in strip.clone().zip(head_q.runs_mut(tokens * dim)).zip(head_v.runs_mut(tokens * dim)) {
                let q = self.q.get(q_line(l)..).ok_or(Fault)?;
                copy_head((q, half, first), (q_out, dim, 0), dim);
                copy_head((self.v.row(l)?, half, first), (v_out, dim, 0), dim);
            }
            kernels.attention_s8(&args_of(head_q, head_v)?, self.scores, head_out)?;
        }
        let requant = self.attention.values.requant_of(self.half.first + first..self.half.first + first + dim)?;
        let sum = self.sum.get_mut(..strip.len() * tokens * half).ok_or(Fault)?;
        if dim == half {
            return Ok(kernels.rescale_s16(head_out, requant, sum)?);
        }
        let rescaled = self.head.get_mut(..len).ok_or(Fault)?;
        kernels.rescale_s16(head_out, requant, rescaled)?;
        copy_head((rescaled, dim, 0), (sum, half, first), dim);
        Ok(())
    }

    /// Adds the parallel path to line `l` of the strip from `start` and applies Hardswish, into `codes`.
    fn finish(&mut self, start: usize, l: usize) -> Result<(), Fault> {
        let channels = self.channels();
        let Attention { act, parallel, out_act, .. } = self.attention;
        let three = act.params.three.get(channels.clone()).ok_or(Fault)?;
        while let Some((at, out)) = self.act.next_up_to((l + REACH).min(self.shape.lines - 1)) {
            act.kernels.hardswish_s8(self.v.row(at)?, three, act.requant_of(channels.clone())?, act.range(), out)?;
        }
        let window = self.act.window(l, KERNEL, self.shape.lines)?;
        let half_line = self.shape.half_line();
        let sum = self.sum.get_mut((l - start) * half_line..(l - start + 1) * half_line).ok_or(Fault)?;
        let args = Depthwise {
            weights: self.kernel,
            weight_stride: channels.len(),
            bias: parallel.params.bias.get(channels.clone()).ok_or(Fault)?,
            requant: parallel.requant_of(channels.clone())?,
            ..parallel.depthwise(window.get(..KERNEL).ok_or(Fault)?, channels.len(), self.shape.tokens)
        };
        parallel.kernels.depthwise_s8(&args, Epilogue::Add16 { out: sum }, channels.len())?;
        let three = out_act.params.three.first().copied().ok_or(Fault)?;
        Ok(out_act.kernels.hardswish_s16(sum, three, out_act.scalar(0)?, out_act.range(), self.codes)?)
    }
}

/// Copies `dim` elements of every token: from those of the first slice, which lie `stride` apart, from element `first` of each on, to those of the second one.
fn copy_head<T: Copy>((from, stride, first): (&[T], usize, usize), (to, to_stride, to_first): (&mut [T], usize, usize), dim: usize) {
    for (from, to) in from.runs(stride).zip(to.runs_mut(to_stride)) {
        if let Some((from, to)) = from.get(first..first + dim).zip(to.get_mut(to_first..to_first + dim)) {
            copy_run(from, to);
        }
    }
}
