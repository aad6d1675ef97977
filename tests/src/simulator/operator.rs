//! One operator's numbers, with the storing rules of sections 1 and 6.

use hrvit_format::record::Precision;
use hrvit_format::{Model, Op, OpKind, OpParams, Step, StepId};

use super::arithmetic::{requantise, round_shift, saturate16};

/// Operators of one step.
pub struct Operators<'a> {
    list: Vec<Operator<'a>>,
}

/// One operator: shape and parameters.
#[derive(Clone, Copy)]
pub struct Operator<'a> {
    /// Shape.
    pub shape: Op,
    /// Parameters.
    pub params: OpParams<'a>,
    /// Whether its step is int16x8.
    pub wide: bool,
}

impl<'a> Operators<'a> {
    /// The operators of step `id` of `model`.
    pub fn of(model: &Model<'a>, id: StepId, step: Step) -> Self {
        let params = model.step(id).unwrap_or_else(|| panic!("{step}: no such step"));
        let shapes = model.meta().network.ops(step);
        let list = shapes.iter().enumerate().map(|(index, &shape)| {
            let params = params.op(index, &shape).unwrap_or_else(|| panic!("{step}: no {}", shape.kind));
            Operator { shape, params, wide: model.precision(id) == Precision::Int16x8 }
        });
        Self { list: list.collect() }
    }

    /// The operator of `kind` that reads branch `source`.
    pub fn reading(&self, kind: OpKind, source: u8) -> Option<Operator<'a>> {
        self.list.iter().find(|operator| operator.shape.kind == kind && operator.shape.source == source).copied()
    }

    /// The one operator of `kind`, if the step has it.
    pub fn find(&self, kind: OpKind) -> Option<Operator<'a>> {
        self.list.iter().find(|operator| operator.shape.kind == kind).copied()
    }

    /// The one operator of `kind`.
    pub fn only(&self, kind: OpKind) -> Operator<'a> {
        self.find(kind).unwrap_or_else(|| panic!("the step has no {kind}"))
    }
}

impl Operator<'_> {
    /// `rq(acc)` with the multiplier at `index`.
    pub fn requantise(&self, acc: i64, index: usize) -> i64 {
        requantise(acc, self.params.record.pre_shift, self.params.mult[index], self.params.shift[index])
    }

    /// `clamp(rq + zero, lo, hi)`.
    pub fn store(&self, rq: i64) -> i64 {
        let record = self.params.record;
        (rq + i64::from(record.zero)).clamp(record.lo.into(), record.hi.into())
    }

    /// `table[i] + (table[i + 1] - table[i]) * g / 64` of the code `x`, rounded: `i` its upper 10
    /// bits counted from the lowest code, `g` its lower 6.
    pub fn interpolate(&self, x: i64) -> i64 {
        let (i, g) = ((x + 32768) / 64, (x + 32768) % 64);
        let entry = |i: i64| i64::from(self.params.table16[i as usize]);
        entry(i) + round_shift((entry(i + 1) - entry(i)) * g, 6)
    }

    /// `clamp(rq + zero, 0, hi)`, where `hi` is the last index of the table.
    pub fn index(&self, rq: i64) -> usize {
        let record = self.params.record;
        (rq + i64::from(record.zero)).clamp(0, record.hi.into()) as usize
    }

    /// Entry of this operator's own 8-bit table.
    pub fn table8(&self, index: usize) -> i8 {
        assert_eq!(self.params.table.len(), self.params.record.table_len as usize);
        self.params.table[index]
    }

    /// The activation of a requantised accumulator by the operator's own table.
    pub fn look_up(&self, rq: i64) -> i64 {
        if self.wide {
            return self.interpolate(saturate16(rq));
        }
        self.table8(self.index(rq)).into()
    }
}
