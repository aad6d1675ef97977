//! SegFormer head, folded: `conv_seg(ReLU(sum_b resize(W_b x_b)))`, then the label map straight from the resized logits, row by row.

use hrvit_format::{BRANCHES, Network, OpKind, Size};
use hrvit_kernels::{Epilogue, argmax_s16, bilinear_add_s16, gemm_s8, narrow_s16, phase, store_s8};

use crate::{
    arena::{Cutter, region},
    error::Fault,
    observe::TileData,
    operator::{Operator, StepContext},
};

/// Logits are at 1/4 of the input.
pub const LOGITS_FACTOR: usize = 4;
/// Denominator of the exact sum of the resized terms: (2 * 8)^2.
const SUM_UNIT: usize = 256;
/// Rows between which a resize mixes.
const PAIR: usize = 2;

/// Bytes of line buffers.
pub fn scratch(network: &Network, size: Size) -> usize {
    let width = usize::from(network.spec.head_width);
    let columns = |branch: usize| size.map(branch).1;
    let terms: usize = (0..BRANCHES)
        .map(|branch| region::<i8>(columns(branch) * usize::from(network.spec.channels(branch))) + region::<i16>(PAIR * columns(branch) * width))
        .sum();
    terms + region::<i32>(columns(0) * width) + region::<i8>(columns(0) * width) + region::<i16>(PAIR * columns(0) * usize::from(network.classes))
}

/// The last two rows made of something, found by their number.
struct Pair<'a> {
    data: &'a mut [i16],
    row_len: usize,
    held: [Option<usize>; PAIR],
}

impl<'a> Pair<'a> {
    fn new(data: &'a mut [i16], row_len: usize) -> Self {
        Self { data, row_len, held: [None; PAIR] }
    }

    /// Makes row `y` unless it is held.
    fn ensure(&mut self, y: usize, make: impl FnOnce(&mut [i16]) -> Result<(), Fault>) -> Result<(), Fault> {
        let slot = y % PAIR;
        let held = self.held.get_mut(slot).ok_or(Fault)?;
        if *held != Some(y) {
            make(self.data.get_mut(slot * self.row_len..(slot + 1) * self.row_len).ok_or(Fault)?)?;
            *held = Some(y);
        }
        Ok(())
    }

    fn row(&self, y: usize) -> Result<&[i16], Fault> {
        let slot = y % PAIR;
        self.data.get(slot * self.row_len..(slot + 1) * self.row_len).ok_or(Fault)
    }
}

/// One branch's term at its own resolution.
struct Term<'a, 'c> {
    narrow: Operator<'c>,
    pointwise: Operator<'c>,
    x: &'a [i16],
    map: (usize, usize),
    factor: usize,
    codes: &'a mut [i8],
    rows: Pair<'a>,
}

impl<'c> Term<'_, 'c> {
    /// Adds the resized row `y` of the output's resolution to `acc`.
    fn add_row(&mut self, context: &StepContext<'c>, y: usize, acc: &mut [i32]) -> Result<(), Fault> {
        let (rows, columns) = self.map;
        let at = phase(y, self.factor, rows);
        let row_len = columns * self.narrow.cout();
        let Self { narrow, pointwise, x, codes, .. } = self;
        for source in [at.near, at.far] {
            self.rows.ensure(source, |out| {
                let x = x.get(source * row_len..(source + 1) * row_len).ok_or(Fault)?;
                narrow_s16(x, narrow.requant(), narrow.range(), codes)?;
                context.tap(narrow, (source, 0, columns), TileData::S8(codes));
                gemm_s8(&pointwise.gemm(codes), Epilogue::Store16 { out })?;
                context.tap(pointwise, (source, 0, columns), TileData::S16(out));
                Ok(())
            })?;
        }
        let scale = (SUM_UNIT / (2 * self.factor).pow(2)) as i32;
        let (upper, lower) = (self.rows.row(at.near)?, self.rows.row(at.far)?);
        Ok(bilinear_add_s16(upper, lower, at.near_weight, at.far_weight, pointwise.cout(), self.factor, scale, acc)?)
    }
}

/// Rows of logits, made on demand and in order.
pub struct Logits<'a, 'c> {
    context: &'a StepContext<'c>,
    terms: heapless::Vec<Term<'a, 'c>, BRANCHES>,
    act: Operator<'c>,
    classifier: Operator<'c>,
    acc: &'a mut [i32],
    codes: &'a mut [i8],
    lines: Pair<'a>,
    map: (usize, usize),
}

impl<'a, 'c> Logits<'a, 'c> {
    /// Over the last stage norms `x`.
    pub fn new(context: &'a StepContext<'c>, network: &Network, size: Size, x: &'a [&mut [i16]; BRANCHES], work: &'a mut [u8]) -> Result<Self, Fault> {
        let mut cutter = Cutter::new(work);
        let width = usize::from(network.spec.head_width);
        let mut terms = heapless::Vec::new();
        for (source, x) in (0u8..).zip(x) {
            let narrow = context.reading(OpKind::HeadNarrow, source)?;
            let pointwise = context.reading(OpKind::HeadPointwise, source)?;
            let map = size.map(usize::from(source));
            let codes = cutter.take(map.1 * narrow.cout())?;
            let rows = Pair::new(cutter.take(PAIR * map.1 * width)?, map.1 * width);
            terms.push(Term { narrow, pointwise, x, map, factor: 1 << source, codes, rows }).map_err(|_| Fault)?;
        }
        let map = size.map(0);
        let classes = usize::from(network.classes);
        Ok(Self {
            context,
            terms,
            act: context.only(OpKind::HeadAct)?,
            classifier: context.only(OpKind::HeadClassifier)?,
            acc: cutter.take(map.1 * width)?,
            codes: cutter.take(map.1 * width)?,
            lines: Pair::new(cutter.take(PAIR * map.1 * classes)?, map.1 * classes),
            map,
        })
    }

    fn make(&mut self, y: usize) -> Result<(), Fault> {
        let Self { context, terms, act, classifier, acc, codes, lines, map } = self;
        lines.ensure(y, |out| {
            acc.fill(0);
            for term in terms {
                term.add_row(context, y, acc)?;
            }
            store_s8(acc, act.scalar(0)?, act.range(), codes)?;
            context.tap(act, (y, 0, map.1), TileData::S8(codes));
            gemm_s8(&classifier.gemm(codes), Epilogue::Store16 { out })?;
            context.output_row(y, map.1, TileData::S16(out));
            Ok(())
        })
    }

    /// All logits, `[rows, columns, classes]`.
    pub fn write(&mut self, logits: &mut [i16]) -> Result<(), Fault> {
        for (y, out) in logits.chunks_exact_mut(self.lines.row_len).enumerate() {
            self.make(y)?;
            for (to, from) in out.iter_mut().zip(self.lines.row(y)?) {
                *to = *from;
            }
        }
        Ok(())
    }

    /// The label map at the input's size, `[height, width]`; `labelled` sees the rows.
    pub fn write_labels(&mut self, labels: &mut [u8], labelled: &StepContext<'_>) -> Result<(), Fault> {
        let (rows, columns) = self.map;
        let width = LOGITS_FACTOR * columns;
        for (y, out) in labels.chunks_exact_mut(width).enumerate() {
            let at = phase(y, LOGITS_FACTOR, rows);
            self.make(at.near)?;
            self.make(at.far)?;
            let (upper, lower) = (self.lines.row(at.near)?, self.lines.row(at.far)?);
            argmax_s16(upper, lower, at.near_weight, at.far_weight, self.classifier.cout(), LOGITS_FACTOR, out)?;
            labelled.output_row(y, width, TileData::U8(out));
        }
        Ok(())
    }
}
