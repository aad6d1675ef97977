//! Attention over lines of tokens: rows for the horizontal half of the channels, columns for the
//! vertical one. Both are the same walk.

use core::ops::Range;

use hrvit_format::OpKind;

use crate::{
    ABLATIONS,
    arena::ArenaSlicer,
    arithmetic::{Arithmetic, HeadStrip, Out, Part},
    element::clear,
    fault::Fault,
    geometry::Geometry,
    operator::{Operator, StepContext},
    ring::{Batches, Ring},
    slices::{Slices, Strided, cast_mut, copy_run, copy_strided},
};

/// Lines of the parallel path's kernel, and its taps.
const KERNEL: usize = 3;
const TAPS: usize = KERNEL * KERNEL;
/// Lines that a strip looks at beyond itself, on each side: the parallel path's 3x3.
pub const REACH: usize = KERNEL / 2;

/// The path beside the attention: `DW3x3(Hardswish(v))`.
struct Parallel<'c> {
    act: Operator<'c>,
    depthwise: Operator<'c>,
}

/// The operators that both passes share.
pub struct Attention<'c> {
    norm: Operator<'c>,
    qkv: Operator<'c>,
    parallel: Option<Parallel<'c>>,
    scores: Operator<'c>,
    values: Operator<'c>,
    /// Hardswish of the sum of both paths, or what narrows it.
    pub out_act: Operator<'c>,
    /// Whether that only narrows it.
    narrows: bool,
    exp: &'c [u16],
}

impl<'c> Attention<'c> {
    pub fn of(context: &StepContext<'c>) -> Result<Self, Fault> {
        let ablation = context.geometry.network.spec.ablation();
        let without = ablation.no_parallel_path;
        let parallel = context.unless(without, OpKind::ParallelAct)?.zip(context.unless(without, OpKind::ParallelDepthwise)?);
        Ok(Self {
            norm: context.only(OpKind::AttnNorm)?,
            qkv: context.only(OpKind::Qkv)?,
            parallel: parallel.map(|(act, depthwise)| Parallel { act, depthwise }),
            scores: context.only(OpKind::Scores)?,
            values: context.only(OpKind::Values)?,
            out_act: context.only(if ablation.no_extra_norm { OpKind::AttnNarrow } else { OpKind::AttnAct })?,
            narrows: ablation.no_extra_norm,
            exp: context.exp,
        })
    }
}

/// Sizes of a walk: `lines` of `tokens` each.
#[derive(Clone, Copy)]
pub struct Shape {
    pub lines: usize,
    pub tokens: usize,
    pub channels: usize,
    pub dim: usize,
    pub window: usize,
    /// Whether keys are not the values.
    own_keys: bool,
    /// Lines that are projected at once.
    pub tile: usize,
}

impl Shape {
    /// Of the `lines` of `branch`, rows or columns.
    pub fn new(geometry: &Geometry<'_>, branch: usize, lines: usize, tokens: usize) -> Self {
        let spec = &geometry.network.spec;
        let (channels, dim, window) = (geometry.channels(branch), spec.attention_dim(branch).into(), spec.window(branch));
        Self { lines, tokens, channels, dim, window, own_keys: spec.ablation().own_keys, tile: geometry.tile }
    }

    /// Lines of a strip.
    fn strip_lines(&self) -> usize {
        self.window.min(self.lines)
    }

    /// Lines of v in flight: a strip and one line on each side.
    fn v_lines(&self) -> usize {
        self.strip_lines() + 2 * REACH
    }

    /// Elements of half a line.
    fn half_line(&self) -> usize {
        self.tokens * self.channels / 2
    }

    /// Elements that a head's attention reads of a token: q or v, or with keys of their own
    /// `[k, v]`.
    fn attended(&self) -> usize {
        if self.own_keys { 2 * self.dim } else { self.dim }
    }

    /// Elements of scratch of the attention over a strip.
    fn score_len<A: Arithmetic>(&self) -> usize {
        A::score_len(self.strip_lines() * self.tokens, self.attended())
    }
}

/// Buffers of a walk.
pub struct Buffers<'a, A: Arithmetic> {
    normed: &'a mut [A::Code],
    q: &'a mut [A::Code],
    /// Beside q, where keys are not the values.
    k: &'a mut [A::Code],
    v: Ring<'a, A::Code>,
    act: Ring<'a, A::Code>,
    /// q and v of one head, then its result in the scale of the sum.
    head: &'a mut [A::Code],
    /// Result of one head.
    head_out: &'a mut [A::Wide],
    scores: &'a mut [A::Sum],
    sum: &'a mut [A::Wide],
    codes: &'a mut [A::Code],
    kernel: &'a mut [A::Tap],
}

impl<'a, A: Arithmetic> Buffers<'a, A> {
    /// Buffers for lines from `first` on.
    pub fn cut(shape: &Shape, first: usize, slicer: &mut ArenaSlicer<'a>) -> Result<Self, Fault> {
        let Shape { tokens, channels, tile, own_keys, .. } = *shape;
        let dim = shape.attended();
        let (half_line, strip, v_lines) = (shape.half_line(), shape.strip_lines(), shape.v_lines());
        let reached = first.saturating_sub(REACH);
        Ok(Self {
            normed: slicer.take([tile, tokens, channels])?,
            q: slicer.take([v_lines, half_line])?,
            k: slicer.take([if own_keys { v_lines } else { 0 }, half_line])?,
            v: Ring::batched(slicer.take([v_lines, half_line])?, half_line, Batches { first: reached, rows: tile, origin: 0 }),
            act: Ring::new(slicer.take([KERNEL, half_line])?, half_line, reached),
            head: slicer.take([2, strip, tokens, dim])?,
            head_out: slicer.take([strip, tokens, dim])?,
            scores: slicer.take([shape.score_len::<A>()])?,
            sum: slicer.take([strip, half_line])?,
            codes: slicer.take([half_line])?,
            kernel: slicer.take([TAPS, channels / 2])?,
        })
    }
}

/// Channels of a walk: the first half (rows) or the second (columns).
#[derive(Clone, Copy)]
pub struct Half {
    /// First channel of the half.
    pub first: usize,
    /// Whether lines are columns, so that the parallel path's kernel is read transposed.
    pub transposed: bool,
}

/// Lines of tokens that a walk reads and answers.
pub trait Lines<A: Arithmetic> {
    /// Tokens of line `l` of the residual stream, `[tokens, channels]`, as they were before the
    /// block.
    fn tokens(&mut self, l: usize) -> Result<&[A::Wide], Fault>;

    /// Takes the result of line `l`, `[tokens, channels / 2]`; `last` of its strip or not.
    fn done(&mut self, l: usize, codes: &[A::Code], last: bool) -> Result<(), Fault>;
}

/// Attention of one half of the channels over a range of lines.
pub struct Walk<'a, 'c, A: Arithmetic> {
    attention: &'a Attention<'c>,
    shape: Shape,
    half: Half,
    buffers: Buffers<'a, A>,
}

impl<'a, 'c, A: Arithmetic> Walk<'a, 'c, A> {
    /// Over the lines that `buffers` are for.
    pub fn new(attention: &'a Attention<'c>, shape: Shape, half: Half, buffers: Buffers<'a, A>) -> Result<Self, Fault> {
        if let Some(parallel) = &attention.parallel {
            for (tap, out) in buffers.kernel.runs_mut(shape.channels / 2).enumerate() {
                let from = if half.transposed { tap % KERNEL * KERNEL + tap / KERNEL } else { tap };
                let weights = A::taps(&parallel.depthwise)?.part(from * shape.channels + half.first..)?;
                copy_run(weights, out);
            }
        }
        Ok(Self { attention, shape, half, buffers })
    }

    /// Walks the strips of `range`, which starts at a multiple of the window. A line is asked for
    /// [`REACH`] lines before its turn, and never again after it was answered.
    pub fn run(&mut self, range: Range<usize>, lines: &mut impl Lines<A>) -> Result<(), Fault> {
        let mut at = range.start;
        while at < range.end {
            let strip = at..(at + self.shape.window).min(range.end);
            self.project(&range, strip.end, lines)?;
            for head in 0..self.shape.channels / 2 / self.shape.dim.max(1) {
                if ABLATIONS && self.shape.own_keys { self.head_with_keys(strip.clone(), head)? } else { self.head(strip.clone(), head)? }
            }
            for l in strip.clone() {
                self.finish(strip.start, l)?;
                lines.done(l, self.buffers.codes, l + 1 == strip.end)?;
            }
            at = strip.end;
        }
        Ok(())
    }

    /// Channels of the half's q in the projection's outputs. v lies a constant number of channels
    /// further on, and separate keys lie between them.
    fn channels(&self) -> Range<usize> {
        self.half.first..self.half.first + self.shape.channels / 2
    }

    /// Makes q and v of all lines that the strip before `end` needs; beyond `range` only v.
    fn project(&mut self, range: &Range<usize>, end: usize, lines: &mut impl Lines<A>) -> Result<(), Fault> {
        let channels = self.channels();
        let Attention { norm, qkv, .. } = self.attention;
        let (half_line, line_len) = (self.shape.half_line(), self.shape.tokens * self.shape.channels);
        while let Some((first, v)) = self.buffers.v.next_up_to((end + REACH).min(self.shape.lines) - 1) {
            let made = first..first + v.len() / half_line.max(1);
            let normed = self.buffers.normed.part_mut(..made.len() * line_len)?;
            for (l, out) in made.clone().zip(normed.runs_mut(line_len)) {
                A::norm(norm, lines.tokens(l)?, out)?;
            }
            let own_keys = ABLATIONS && self.shape.own_keys;
            let k_channels = channels.start + self.shape.channels..channels.end + self.shape.channels;
            let v_channels = if own_keys { k_channels.start + self.shape.channels..k_channels.end + self.shape.channels } else { k_channels.clone() };
            A::product(qkv, normed, Part::Channels(v_channels), Out::Code(v))?;
            let asking = made.start.max(range.start)..made.end.min(range.end);
            if !asking.is_empty() {
                let normed = normed.part((asking.start - first) * line_len..(asking.end - first) * line_len)?;
                // q lies beside v: lines that v has in one run q has in one run.
                let slot = asking.start % self.shape.v_lines().max(1) * half_line;
                let q = self.buffers.q.part_mut(slot..slot + asking.len() * half_line)?;
                A::product(qkv, normed, Part::Channels(channels.clone()), Out::Code(q))?;
                if own_keys {
                    let k = self.buffers.k.part_mut(slot..slot + asking.len() * half_line)?;
                    A::product(qkv, normed, Part::Channels(k_channels), Out::Code(k))?;
                }
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
        let in_place = if dim == half && q_line(strip.start) + len <= self.buffers.q.len() { self.buffers.v.run(strip.clone()) } else { None };
        let number = self.half.first / dim.max(1) + head;
        let exp = self.attention.exp;
        let head_out = self.buffers.head_out.part_mut(..len)?;
        if let Some(v) = in_place {
            let q = self.buffers.q.part(q_line(strip.start)..)?.part(..len)?;
            A::attend(&self.attention.scores, &HeadStrip { q, v, dim, head: number, exp }, self.buffers.scores, head_out)?;
        } else {
            let (head_q, head_v) = self.buffers.head.split_front(len)?;
            let head_v = head_v.part_mut(..len)?;
            for ((l, q_out), v_out) in strip.clone().zip(head_q.runs_mut(tokens * dim)).zip(head_v.runs_mut(tokens * dim)) {
                for (line, out) in [(self.buffers.q.part(q_line(l)..)?, q_out), (self.buffers.v.row(l)?, v_out)] {
                    copy_strided(Strided { elements: line.part(first..)?, stride: half }, Strided { elements: out, stride: dim }, dim)?;
                }
            }
            A::attend(&self.attention.scores, &HeadStrip { q: head_q, v: head_v, dim, head: number, exp }, self.buffers.scores, head_out)?;
        }
        let values = &self.attention.values;
        let weighed = self.half.first + first..self.half.first + first + dim;
        let sum = self.buffers.sum.part_mut(..strip.len() * tokens * half)?;
        if dim == half {
            return A::rescale_values(values, weighed, head_out, sum);
        }
        let rescaled = cast_mut(self.buffers.head)?.part_mut(..len)?;
        A::rescale_values(values, weighed, head_out, rescaled)?;
        copy_strided(Strided { elements: rescaled, stride: dim }, Strided { elements: sum.part_mut(first..)?, stride: half }, dim)
    }

    /// `softmax(q k^T) v` of one head whose keys are not its values: `[q, 0]` attends to `[k, v]`.
    /// Products with 0 vanish, and the second half of the mean is that of v.
    fn head_with_keys(&mut self, strip: Range<usize>, head: usize) -> Result<(), Fault> {
        let Shape { tokens, channels, dim, .. } = self.shape;
        let (half, first, wide) = (channels / 2, head * dim, self.shape.attended());
        let len = strip.len() * tokens * wide;
        let (q_lines, half_line) = (self.shape.v_lines(), self.shape.half_line());
        let (head_q, head_kv) = self.buffers.head.split_front(len)?;
        let head_kv = head_kv.part_mut(..len)?;
        clear(head_q);
        for ((l, q_out), kv_out) in strip.clone().zip(head_q.runs_mut(tokens * wide)).zip(head_kv.runs_mut(tokens * wide)) {
            let line = l % q_lines.max(1) * half_line + first;
            copy_strided(Strided { elements: self.buffers.q.part(line..)?, stride: half }, Strided { elements: q_out, stride: wide }, dim)?;
            copy_strided(Strided { elements: self.buffers.k.part(line..)?, stride: half }, Strided { elements: &mut *kv_out, stride: wide }, dim)?;
            let v = self.buffers.v.row(l)?.part(first..)?;
            copy_strided(Strided { elements: v, stride: half }, Strided { elements: kv_out.part_mut(dim..)?, stride: wide }, dim)?;
        }
        let number = self.half.first / dim.max(1) + head;
        let head_out = self.buffers.head_out.part_mut(..len)?;
        let strip_codes = HeadStrip { q: head_q, v: head_kv, dim: wide, head: number, exp: self.attention.exp };
        A::attend(&self.attention.scores, &strip_codes, self.buffers.scores, head_out)?;
        let means = cast_mut(self.buffers.head)?.part_mut(..len / 2)?;
        copy_strided(Strided { elements: head_out.part(dim..)?, stride: wide }, Strided { elements: &mut *means, stride: dim }, dim)?;
        let weighed = self.half.first + first..self.half.first + first + dim;
        let rescaled = head_out.part_mut(..len / 2)?;
        A::rescale_values(&self.attention.values, weighed, means, rescaled)?;
        let sum = self.buffers.sum.part_mut(..strip.len() * tokens * half)?;
        copy_strided(Strided { elements: rescaled, stride: dim }, Strided { elements: sum.part_mut(first..)?, stride: half }, dim)
    }

    /// Adds the parallel path to line `l` of the strip from `start` and applies Hardswish, into
    /// `codes`; a network may go without either.
    fn finish(&mut self, start: usize, l: usize) -> Result<(), Fault> {
        let channels = self.channels();
        let Attention { parallel, out_act, .. } = self.attention;
        let half_line = self.shape.half_line();
        let sum = self.buffers.sum.row_mut(l - start, half_line)?;
        if let Some(Parallel { act, depthwise }) = parallel {
            while let Some((at, out)) = self.buffers.act.next_up_to((l + REACH).min(self.shape.lines - 1)) {
                A::hardswish_v(act, channels.clone(), self.buffers.v.row(at)?, out)?;
            }
            let window = self.buffers.act.window(l, KERNEL, self.shape.lines)?;
            A::add_parallel(depthwise, window.part(..KERNEL)?, self.buffers.kernel, channels.clone(), self.shape.tokens, sum)?;
        }
        if ABLATIONS && self.attention.narrows {
            return A::narrow_sum(out_act, channels, sum, self.buffers.codes);
        }
        A::hardswish_sum(out_act, sum, self.buffers.codes)
    }
}
