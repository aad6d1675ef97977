//! One step at work: its operators' parameters as kernel arguments, and its taps.

use core::ops::Range;

use hrvit_format::{CodeScale, Op, OpKind, OpParams, StepOps, StepParams};
use hrvit_kernels::{Depthwise, Epilogue, Gemm, Kernels, Norm, Range8, Requant, ShapeError, TensorRequant};

use crate::{
    element::{Element, TileData},
    fault::Fault,
    geometry::Geometry,
    observe::{Observer, StepInfo, Tile},
    slices::Slices,
};

/// State that a block needs to run one step.
pub struct StepContext<'a> {
    /// The step, and its place.
    pub info: StepInfo,
    /// Geometry that its buffers are cut by.
    pub geometry: Geometry<'a>,
    /// Its operators' shapes.
    pub shapes: StepOps,
    /// Its operators' records over the weights.
    pub params: StepParams<'a>,
    /// The kernels of the engine.
    pub kernels: Kernels,
    /// The exponent table of the attention.
    pub exp: &'a [u16],
    /// Scale for converting the incoming residual stream; `None` if formats match.
    pub stream_scale: Option<CodeScale>,
    /// Who watches.
    pub observer: &'a dyn Observer,
}

impl<'a> StepContext<'a> {
    /// The operator of `kind` that reads branch `source`.
    pub fn reading(&self, kind: OpKind, source: u8) -> Result<Operator<'a>, Fault> {
        self.find(kind, Some(source))
    }

    /// The only operator of `kind`.
    pub fn only(&self, kind: OpKind) -> Result<Operator<'a>, Fault> {
        self.find(kind, None)
    }

    /// The only operator of `kind`, unless the network goes without it.
    pub fn unless(&self, without: bool, kind: OpKind) -> Result<Option<Operator<'a>>, Fault> {
        if without { Ok(None) } else { self.only(kind).map(Some) }
    }

    #[inline(never)] // a step asks for many operators
    fn find(&self, kind: OpKind, source: Option<u8>) -> Result<Operator<'a>, Fault> {
        let wanted = |op: &Op| op.kind == kind && source.is_none_or(|source| op.source == source);
        let (position, shape) = self.shapes.iter().enumerate().find(|(_, op)| wanted(op)).ok_or(Fault)?;
        let shape = *shape;
        let params = self.params.op(position, &shape).ok_or(Fault)?;
        Ok(Operator { kernels: self.kernels, index: position as u8, shape, params })
    }

    /// Shows rows from `y` on of what an operator has made, `columns` tokens each.
    #[inline(never)] // every operator of a step shows its rows
    pub fn tap_rows<T: Element>(&self, operator: &Operator<'_>, y: usize, columns: usize, rows: &[T]) {
        self.tap(operator, y, 0, columns, T::tile(rows));
    }

    /// Shows `columns` tokens from `x` on of row `y` of what an operator has made.
    pub fn tap_columns<T: Element>(&self, operator: &Operator<'_>, y: usize, x: usize, columns: usize, row: &[T]) {
        self.tap(operator, y, x, columns, T::tile(row));
    }

    #[inline(never)] // a block shows many tensors
    fn tap(&self, operator: &Operator<'_>, y: usize, x: usize, columns: usize, data: TileData<'_>) {
        self.observer.tile(Tile { id: self.info.id, op: Some(operator.index), y, x, columns, data });
    }

    /// Shows the whole tensor that the step leaves behind, row by row.
    pub fn output<T: Element>(&self, x: &[T], row_len: usize, columns: usize) {
        for (y, row) in x.runs(row_len).enumerate() {
            self.output_row(y, columns, row);
        }
    }

    /// Shows one row of the tensor that the step leaves behind.
    pub fn output_row<T: Element>(&self, y: usize, columns: usize, row: &[T]) {
        self.observer.tile(Tile { id: self.info.id, op: None, y, x: 0, columns, data: T::tile(row) });
    }
}

/// A row of tokens that a depthwise convolution reads and writes.
#[derive(Clone, Copy, Debug)]
pub struct TokenRow {
    /// Tokens of the input.
    pub columns: usize,
    /// Elements from a token of the input to the next.
    pub in_stride: usize,
    /// Elements from a token of the output to the next.
    pub out_stride: usize,
}

impl TokenRow {
    /// Of `columns` tokens that lie `stride` apart in input and output.
    pub fn even(columns: usize, stride: usize) -> Self {
        Self { columns, in_stride: stride, out_stride: stride }
    }
}

/// One operator: shape, and parameters as the kernels take them.
#[derive(Clone, Copy, Debug)]
pub struct Operator<'a> {
    /// The kernels of the engine.
    pub kernels: Kernels,
    index: u8,
    /// Shape.
    pub shape: Op,
    /// Parameters.
    pub params: OpParams<'a>,
}

impl<'a> Operator<'a> {
    /// Output channels.
    pub fn cout(&self) -> usize {
        usize::from(self.shape.cout)
    }

    /// Multipliers per output channel.
    pub fn requant(&self) -> Requant<'a> {
        Requant { mult: self.params.mult, shift: self.params.shift, pre_shift: self.params.record.pre_shift }
    }

    /// Multipliers of `channels` only.
    pub fn requant_of(&self, channels: Range<usize>) -> Result<Requant<'a>, Fault> {
        let OpParams { mult, shift, record, .. } = self.params;
        Ok(Requant { mult: mult.part(channels.clone())?, shift: shift.part(channels)?, pre_shift: record.pre_shift })
    }

    /// The one multiplier of the tensor, or that of `index`.
    pub fn scalar(&self, index: usize) -> Result<TensorRequant, Fault> {
        let OpParams { mult, shift, record, .. } = self.params;
        let (Some(&mult), Some(&shift)) = (mult.get(index), shift.get(index)) else { return Err(Fault) };
        Ok(TensorRequant { mult, shift, pre_shift: record.pre_shift })
    }

    /// Zero point and limits of the output codes.
    pub fn range(&self) -> Range8 {
        let record = self.params.record;
        Range8 { zero: record.zero.into(), lo: record.lo.into(), hi: record.hi.into() }
    }

    /// Zero point of the output or index.
    pub fn zero(&self) -> i32 {
        self.params.record.zero.into()
    }

    /// Code that padded taps hold.
    pub fn pad(&self) -> i8 {
        self.params.record.pad as i8
    }

    /// Products of every row of `a` with the weights, all output channels.
    pub fn product(&self, a: &[i8], epilogue: Epilogue<'_>) -> Result<(), ShapeError> {
        self.product_on(a, self.params.weights, self.params.bias, self.requant(), epilogue)
    }

    /// [`Operator::product`] with the biases number `variant` of several sets.
    pub fn product_with(&self, a: &[i8], variant: usize, epilogue: Epilogue<'_>) -> Result<(), ShapeError> {
        let bias = self.params.bias.row(variant, self.cout()).map_err(|Fault| ShapeError::Channels)?;
        self.product_on(a, self.params.weights, bias, self.requant(), epilogue)
    }

    /// [`Operator::product`] for the output channels `channels` only.
    pub fn product_of(&self, a: &[i8], channels: Range<usize>, epilogue: Epilogue<'_>) -> Result<(), Fault> {
        let weights = self.params.packing.slice(self.shape.depth(), channels.clone()).and_then(|range| self.params.weights.get(range)).ok_or(Fault)?;
        let bias = self.params.bias.part(channels.clone())?;
        Ok(self.product_on(a, weights, bias, self.requant_of(channels)?, epilogue)?)
    }

    #[inline(never)] // one for all callers
    fn product_on(&self, a: &[i8], weights: &[i8], bias: &[i32], requant: Requant<'_>, epilogue: Epilogue<'_>) -> Result<(), ShapeError> {
        self.kernels.gemm_s8_packed(&Gemm { a, depth: self.shape.depth(), weights, bias, requant }.packed(self.params.packing), epilogue)
    }

    /// Depthwise convolution of one row.
    #[inline(never)] // one for all callers
    pub fn convolve(&self, rows: &[Option<&[i8]>], row: TokenRow, epilogue: Epilogue<'_>) -> Result<(), ShapeError> {
        self.kernels.depthwise_s8(&self.depthwise(rows, row), epilogue, row.out_stride)
    }

    /// Operands of [`Operator::convolve`].
    pub fn depthwise<'k>(&self, rows: &'k [Option<&'k [i8]>], row: TokenRow) -> Depthwise<'k>
    where
        'a: 'k,
    {
        Depthwise {
            rows,
            in_stride: row.in_stride,
            columns: row.columns,
            kernel: usize::from(self.shape.kernel),
            stride: usize::from(self.shape.stride),
            pad: self.pad(),
            weights: self.params.weights,
            weight_stride: self.cout(),
            bias: self.params.bias,
            requant: self.requant(),
        }
    }

    /// The affine of a LayerNorm.
    pub fn norm(&self) -> Norm<'a> {
        let record = self.params.record;
        Norm { gain: self.params.mult, offset: self.params.bias, eps: record.eps, shift: record.norm_shift, fraction: record.norm_fraction }
    }
}
