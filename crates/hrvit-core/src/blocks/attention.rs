//! Cross-shaped attention with its shortcuts: `x + to_out(Hardswish(strips(q, v) + DW3x3(Hardswish(v)))) + DES(x)` (paper, equations 2 to 4).
//!
//! q and v are whole maps, because horizontal and vertical strips read the same tokens; the result of a strip takes the place of its q, which nobody else reads.

use hrvit_format::{Network, OpKind, Size};
use hrvit_kernels::{Des, Epilogue, Strip, add_s16, attention_s8, depthwise_s8, des_s16, gemm_s8, hardswish_s8, hardswish_s16, layernorm_s8, rescale_s16};

use crate::{
    arena::{Cutter, region},
    error::Fault,
    observe::TileData,
    operator::{Operator, StepContext},
};

/// Rows and columns that the parallel path's 3x3 looks beyond a strip, both sides together.
const HALO: usize = 2;
/// Rows of the parallel path's kernel.
const KERNEL: usize = 3;

/// Tokens of the longest strip on `branch`.
pub fn longest_strip(network: &Network, size: Size, branch: usize) -> usize {
    let (rows, columns) = size.map(branch);
    let window = network.spec.window(branch);
    (window.min(rows) * columns).max(window.min(columns) * rows)
}

/// Tokens of the largest strip with its halo.
fn largest_halo(network: &Network, size: Size, branch: usize) -> usize {
    let (rows, columns) = size.map(branch);
    let window = network.spec.window(branch);
    ((window.min(rows) + HALO) * (columns + HALO)).max((window.min(columns) + HALO) * (rows + HALO))
}

/// Bytes of maps, line buffers and strip scratch on `branch`.
pub fn scratch(network: &Network, size: Size, branch: usize) -> usize {
    let (rows, columns) = size.map(branch);
    let channels = usize::from(network.spec.channels(branch));
    let dim = usize::from(network.spec.attention_dim(branch));
    let tokens = longest_strip(network, size, branch);
    let widest = columns + HALO;
    2 * region::<i8>(rows * columns * channels)
        + region::<i8>(columns * channels)
        + region::<i32>(columns * channels)
        + region::<i16>(channels)
        + 2 * region::<i8>(tokens * dim)
        + 2 * region::<i16>(tokens * dim)
        + region::<i32>(tokens)
        + region::<i8>(largest_halo(network, size, branch) * dim)
        + region::<i8>(widest * dim)
        + region::<i16>(widest * dim)
}

/// A rectangle of tokens: one strip.
#[derive(Clone, Copy)]
struct Rect {
    y: usize,
    x: usize,
    rows: usize,
    columns: usize,
}

/// Scratch for one head of one strip.
struct StripScratch<'a> {
    q: &'a mut [i8],
    v: &'a mut [i8],
    out: &'a mut [i16],
    sum: &'a mut [i16],
    scores: &'a mut [i32],
    act: &'a mut [i8],
    v_row: &'a mut [i8],
    sum_row: &'a mut [i16],
}

/// The operators of the attention proper.
struct Heads<'c> {
    qkv: Operator<'c>,
    act: Operator<'c>,
    parallel: Operator<'c>,
    scores: Operator<'c>,
    values: Operator<'c>,
    out_act: Operator<'c>,
    exp: &'c [u16],
    /// Rows, columns and channels of the map.
    map: (usize, usize, usize),
    dim: usize,
}

/// The block on `x`, `[rows, columns, channels]`, in place.
pub fn run(context: &StepContext<'_>, network: &Network, size: Size, branch: u8, x: &mut [i16], work: &mut [u8]) -> Result<(), Fault> {
    let branch = usize::from(branch);
    let (rows, columns) = size.map(branch);
    let norm = context.only(OpKind::AttnNorm)?;
    let channels = norm.cout();
    let row_len = columns * channels;
    let dim = usize::from(network.spec.attention_dim(branch));
    let heads = Heads {
        qkv: context.only(OpKind::Qkv)?,
        act: context.only(OpKind::ParallelAct)?,
        parallel: context.only(OpKind::ParallelDepthwise)?,
        scores: context.only(OpKind::Scores)?,
        values: context.only(OpKind::Values)?,
        out_act: context.only(OpKind::AttnAct)?,
        exp: context.exp,
        map: (rows, columns, channels),
        dim,
    };
    let mut cutter = Cutter::new(work);
    let q = cutter.take::<i8>(rows * row_len)?;
    let v = cutter.take::<i8>(rows * row_len)?;
    let normed = cutter.take::<i8>(row_len)?;
    let acc = cutter.take::<i32>(row_len)?;
    let hidden = cutter.take::<i16>(channels)?;
    let tokens = longest_strip(network, size, branch);
    let widest = columns + HALO;
    let mut strip = StripScratch {
        q: cutter.take(tokens * dim)?,
        v: cutter.take(tokens * dim)?,
        out: cutter.take(tokens * dim)?,
        sum: cutter.take(tokens * dim)?,
        scores: cutter.take(tokens)?,
        act: cutter.take(largest_halo(network, size, branch) * dim)?,
        v_row: cutter.take(widest * dim)?,
        sum_row: cutter.take(widest * dim)?,
    };

    for (y, ((x, q), v)) in x.chunks_exact(row_len).zip(q.chunks_exact_mut(row_len)).zip(v.chunks_exact_mut(row_len)).enumerate() {
        let range = norm.range();
        layernorm_s8(x, &norm.norm(), range.lo, range.hi, normed)?;
        context.tap(&norm, (y, 0, columns), TileData::S8(normed));
        gemm_s8(&heads.qkv.gemm_of(normed, 0..channels)?, heads.qkv.store8(q))?;
        gemm_s8(&heads.qkv.gemm_of(normed, channels..2 * channels)?, heads.qkv.store8(v))?;
        // q above v, as if the map had twice the rows.
        context.tap(&heads.qkv, (y, 0, columns), TileData::S8(q));
        context.tap(&heads.qkv, (rows + y, 0, columns), TileData::S8(v));
    }

    let window = network.spec.window(branch);
    let horizontal = usize::from(network.spec.attention_heads(branch)) / 2;
    for y in (0..rows).step_by(window) {
        let rect = Rect { y, x: 0, rows: window.min(rows - y), columns };
        for head in 0..horizontal {
            heads.strip(rect, head, q, v, &mut strip)?;
        }
    }
    for x in (0..columns).step_by(window) {
        let rect = Rect { y: 0, x, rows, columns: window.min(columns - x) };
        for head in horizontal..channels / dim {
            heads.strip(rect, head, q, v, &mut strip)?;
        }
    }

    let to_out = context.only(OpKind::ToOut)?;
    let (right, left) = (context.only(OpKind::DesRight)?, context.only(OpKind::DesLeft)?);
    for (y, (x, attended)) in x.chunks_exact_mut(row_len).zip(q.chunks_exact(row_len)).enumerate() {
        context.tap(&heads.out_act, (y, 0, columns), TileData::S8(attended));
        acc.fill(0);
        gemm_s8(&to_out.gemm(attended), Epilogue::Add32 { out: acc })?;
        context.tap(&to_out, (y, 0, columns), TileData::S32(acc));
        des_s16(&shortcut(&right, &left, x), hidden, acc)?;
        add_s16(x, acc)?;
        context.output_row(y, columns, TileData::S16(x));
    }
    Ok(())
}

/// The diversity-enhancing shortcut of a row of tokens.
fn shortcut<'k>(right: &Operator<'k>, left: &Operator<'k>, x: &'k [i16]) -> Des<'k> {
    Des {
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
    }
}

impl Heads<'_> {
    /// One head on one strip: `Hardswish(softmax(q v^T) v + DW3x3(Hardswish(v)))` to the place of q.
    fn strip(&self, rect: Rect, head: usize, q: &mut [i8], v: &[i8], scratch: &mut StripScratch<'_>) -> Result<(), Fault> {
        let dim = self.dim;
        let first = head * dim;
        let len = rect.rows * rect.columns * dim;
        let (strip_q, strip_v) = (scratch.q.get_mut(..len).ok_or(Fault)?, scratch.v.get_mut(..len).ok_or(Fault)?);
        let row_len = rect.columns * dim;
        for (row, (q_row, v_row)) in strip_q.chunks_exact_mut(row_len).zip(strip_v.chunks_exact_mut(row_len)).enumerate() {
            self.gather(q, (rect.y + row, rect.x), first, q_row)?;
            self.gather(v, (rect.y + row, rect.x), first, v_row)?;
        }
        let (out, sum) = (scratch.out.get_mut(..len).ok_or(Fault)?, scratch.sum.get_mut(..len).ok_or(Fault)?);
        let distance = self.scores.scalar(head)?;
        let args = Strip { q: strip_q, v: strip_v, dim, mult: distance.mult, shift: distance.shift, exp: self.exp, bits: self.scores.params.record.code_bits };
        attention_s8(&args, scratch.scores, out)?;
        rescale_s16(out, self.values.requant_of(first..first + dim)?, sum)?;
        self.parallel_act(rect, first, v, scratch.v_row, scratch.act)?;
        self.combine(rect, first, q, scratch)
    }

    /// Copies the channels `first..first + dim` of the tokens from (y, x) on along a row.
    fn gather(&self, map: &[i8], (y, x): (usize, usize), first: usize, out: &mut [i8]) -> Result<(), Fault> {
        let (_, columns, channels) = self.map;
        let tokens = map.get((y * columns + x) * channels..).ok_or(Fault)?.chunks_exact(channels);
        for (token, out) in tokens.zip(out.chunks_exact_mut(self.dim)) {
            for (from, to) in token.iter().skip(first).zip(out) {
                *to = *from;
            }
        }
        Ok(())
    }

    /// Hardswish of v over the strip and one token around it, the padding code outside the map.
    fn parallel_act(&self, rect: Rect, first: usize, v: &[i8], v_row: &mut [i8], act: &mut [i8]) -> Result<(), Fault> {
        let (rows, columns, _) = self.map;
        let dim = self.dim;
        let three = self.act.params.three.get(first..first + dim).ok_or(Fault)?;
        let requant = self.act.requant_of(first..first + dim)?;
        let (left, right) = (usize::from(rect.x > 0), usize::from(rect.x + rect.columns < columns));
        let inside = (1 - left) * dim..(1 + rect.columns + right) * dim;
        let v_row = v_row.get_mut(inside.clone()).ok_or(Fault)?;
        for (row, out) in act.chunks_exact_mut((rect.columns + HALO) * dim).take(rect.rows + HALO).enumerate() {
            out.fill(self.parallel.pad());
            if let Some(y) = (rect.y + row).checked_sub(1).filter(|&y| y < rows) {
                self.gather(v, (y, rect.x - left), first, v_row)?;
                hardswish_s8(v_row, three, requant, self.act.range(), out.get_mut(inside.clone()).ok_or(Fault)?)?;
            }
        }
        Ok(())
    }

    /// Adds the depthwise 3x3 of the parallel path to the attention, applies Hardswish and writes the result over q.
    fn combine(&self, rect: Rect, first: usize, q: &mut [i8], scratch: &mut StripScratch<'_>) -> Result<(), Fault> {
        let (_, columns, channels) = self.map;
        let dim = self.dim;
        let wide = (rect.columns + HALO) * dim;
        let weights = self.parallel.params.weights.get(first..).ok_or(Fault)?;
        let bias = self.parallel.params.bias.get(first..first + dim).ok_or(Fault)?;
        let requant = self.parallel.requant_of(first..first + dim)?;
        let three = self.out_act.params.three.first().copied().ok_or(Fault)?;
        let inner = dim..dim + rect.columns * dim;
        let codes = scratch.v_row.get_mut(..rect.columns * dim).ok_or(Fault)?;
        for row in 0..rect.rows {
            let mut taps = [None; KERNEL];
            for (tap, act) in taps.iter_mut().zip(scratch.act.chunks_exact(wide).skip(row)) {
                *tap = Some(act);
            }
            let sum_row = scratch.sum_row.get_mut(..wide).ok_or(Fault)?;
            let attended = scratch.sum.get(row * rect.columns * dim..(row + 1) * rect.columns * dim).ok_or(Fault)?;
            for (to, from) in sum_row.get_mut(inner.clone()).ok_or(Fault)?.iter_mut().zip(attended) {
                *to = *from;
            }
            let mut args = self.parallel.depthwise(&taps, dim, rect.columns + HALO);
            (args.weights, args.bias, args.requant) = (weights, bias, requant);
            depthwise_s8(&args, Epilogue::Add16 { out: sum_row }, dim)?;
            hardswish_s16(sum_row.get(inner.clone()).ok_or(Fault)?, three, self.out_act.scalar(0)?, self.out_act.range(), codes)?;
            let tokens = q.get_mut(((rect.y + row) * columns + rect.x) * channels..).ok_or(Fault)?.chunks_exact_mut(channels);
            for (token, codes) in tokens.zip(codes.chunks_exact(dim)) {
                for (to, from) in token.iter_mut().skip(first).zip(codes) {
                    *to = *from;
                }
            }
        }
        Ok(())
    }
}
