//! Lays out a model image. Hosts only; what it writes has passed [`Model::load`].

use std::vec::Vec;

use bytemuck::{bytes_of, cast_slice};

use crate::{
    aligned::AlignedBytes,
    arrays::Arrays,
    bytes::crc32,
    error::LoadError,
    fp16,
    golden::Golden,
    graph::{Op, Step, StepId},
    meta::Meta,
    model::Model,
    record::{ALIGN, MAGIC, NONE, OpRecord, Packing, Precision, Prologue, Section, SectionRecord, StepRecord, TensorFormat, VERSION, step_tag},
    step::OpParams,
};

/// One operator as the quantiser hands it over. Arrays that its kind does not have stay empty.
#[derive(Clone, Debug, PartialEq)]
pub struct OpData {
    /// i8 weights as [`Packing::Rows`] has them.
    pub weights: Vec<i8>,
    /// Biases, or a LayerNorm's offsets.
    pub bias: Vec<i32>,
    /// Multipliers, or a LayerNorm's gains.
    pub mult: Vec<i32>,
    /// Right shifts.
    pub shift: Vec<u8>,
    /// Codes of the real 3.0.
    pub three: Vec<i32>,
    /// 8-bit activation table.
    pub table: Vec<i8>,
    /// 16-bit activation table.
    pub table16: Vec<i16>,
    /// Left shift before requantisation.
    pub pre_shift: u8,
    /// Width of exponent codes.
    pub code_bits: u8,
    /// Right shift of a LayerNorm's affine.
    pub norm_shift: u8,
    /// `eps` of a LayerNorm.
    pub eps: u64,
    /// Zero point of the output or index.
    pub zero: i16,
    /// Lowest output code or index.
    pub lo: i16,
    /// Highest output code or index.
    pub hi: i16,
    /// Zero point of the input, held by padded taps.
    pub pad: i16,
    /// Real value of one input code; 0 if it differs per channel.
    pub in_scale: f32,
    /// Real value of one output code; 0 if it differs per channel.
    pub out_scale: f32,
}

impl Default for OpData {
    /// No arrays, an unbounded 16-bit output with zero point 0.
    fn default() -> Self {
        Self {
            weights: Vec::new(),
            bias: Vec::new(),
            mult: Vec::new(),
            shift: Vec::new(),
            three: Vec::new(),
            table: Vec::new(),
            table16: Vec::new(),
            pre_shift: 0,
            code_bits: 0,
            norm_shift: 0,
            eps: 0,
            zero: 0,
            lo: i16::MIN,
            hi: i16::MAX,
            pad: 0,
            in_scale: 0.0,
            out_scale: 0.0,
        }
    }
}

/// One operator of a half-precision step. Arrays that its kind does not have stay empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HalfOp {
    /// Bits of the f16 weights, in the order of [`Packing::Rows`].
    pub weights: Vec<u16>,
    /// Biases, or a LayerNorm's offsets.
    pub bias: Vec<f32>,
    /// A LayerNorm's gains.
    pub gain: Vec<f32>,
    /// `eps` of a LayerNorm, in units of 2^-[`fp16::EPS_BITS`]; 0 elsewhere.
    pub eps: u64,
}

/// One step: its operators in canonical order.
#[derive(Clone, Debug)]
pub enum StepData {
    /// [`Precision::Int8`].
    Int8 {
        /// Real value of one output code (1 for labels).
        scale: f32,
        /// Operators.
        ops: Vec<OpData>,
    },
    /// [`Precision::Int16x8`].
    Int16x8 {
        /// Real value of one output code (1 for labels).
        scale: f32,
        /// Operators.
        ops: Vec<OpData>,
    },
    /// [`Precision::Fp16`].
    Fp16(Vec<HalfOp>),
}

impl StepData {
    /// Arithmetic of the step.
    pub fn precision(&self) -> Precision {
        match self {
            Self::Int8 { .. } => Precision::Int8,
            Self::Int16x8 { .. } => Precision::Int16x8,
            Self::Fp16(_) => Precision::Fp16,
        }
    }
}

/// Writes an image in [`Packing::Rows`] and loads it once, so that a returned image is a valid one. `steps` are in canonical order.
pub fn write_image(meta: &Meta<'_>, sequence: u32, steps: &[StepData], exp: &[u16], golden: Option<Golden<'_>>) -> Result<AlignedBytes, LoadError> {
    write_packed(meta, sequence, steps, exp, golden, Packing::Rows)
}

/// Writes `model` again in another packing. Nothing else changes: neither what it computes nor its sequence number nor its golden frame.
pub fn repack(model: &Model<'_>, packing: Packing) -> Result<AlignedBytes, LoadError> {
    rewrite(model, packing, model.golden())
}

/// Writes `model` again with another golden frame, or the first one.
pub fn with_golden(model: &Model<'_>, golden: Golden<'_>) -> Result<AlignedBytes, LoadError> {
    rewrite(model, model.packing(), Some(golden))
}

fn rewrite(model: &Model<'_>, packing: Packing, golden: Option<Golden<'_>>) -> Result<AlignedBytes, LoadError> {
    let steps = model.step_ids().map(|(id, step)| unpack_step(model, id, step).ok_or(LoadError::Step(id)));
    write_packed(model.meta(), model.sequence(), &steps.collect::<Result<Vec<_>, _>>()?, model.exp_table(), golden, packing)
}

fn write_packed(
    meta: &Meta<'_>,
    sequence: u32,
    steps: &[StepData],
    exp: &[u16],
    golden: Option<Golden<'_>>,
    packing: Packing,
) -> Result<AlignedBytes, LoadError> {
    let mut step_records = Vec::new();
    let mut op_records = Vec::new();
    let mut weights = Vec::new();
    for ((step, data), id) in meta.network.steps().zip(steps).zip(0u16..) {
        let shapes = meta.network.ops(step);
        let (group, first_op) = (weights.len(), op_records.len());
        match data {
            StepData::Int8 { ops, .. } | StepData::Int16x8 { ops, .. } => {
                let format = (data.precision(), packing);
                op_records.extend(shapes.iter().zip(ops).map(|(op, values)| place(op, values, format, &mut weights, group)));
            }
            StepData::Fp16(ops) => op_records.extend(shapes.iter().zip(ops).map(|(op, values)| place_half(op, values, &mut weights, group))),
        }
        let op_count = op_records.len() - first_op;
        if shapes.len() != op_count {
            return Err(LoadError::Step(StepId(id)));
        }
        let bytes = &weights[group..];
        step_records.push(step_record(step, data, (first_op as u16, op_count as u16), group, bytes));
        pad(&mut weights);
    }
    let mut header = vec![0; 1 << 20];
    let header = postcard::to_slice(meta, &mut header).map_err(|_| LoadError::Meta)?;
    let mut sections: Vec<(Section, Vec<u8>)> = vec![
        (Section::Meta, header.to_vec()),
        (Section::Steps, cast_slice(&step_records).to_vec()),
        (Section::Ops, cast_slice(&op_records).to_vec()),
        (Section::Tables, cast_slice(exp).to_vec()),
        (Section::Weights, weights),
    ];
    if let Some(golden) = golden {
        let result: [&[u8]; 2] = golden.result.map_or_else(Default::default, |result| [cast_slice(result.logits), result.labels]);
        sections.push((Section::Golden, [cast_slice(golden.crcs), golden.frame, result[0], result[1]].concat()));
    }
    let image = assemble(sequence, packing, &sections);
    Model::load(&image)?;
    Ok(image)
}

/// `rows` as an image of `packing` has them. Weights of a wrong number stay as they are: the loader names them.
fn pack(op: &Op, packing: Packing, rows: &[i8]) -> Vec<i8> {
    let own = op.packing(packing);
    if own == Packing::Rows || rows.len() != op.weight_count() {
        return rows.to_vec();
    }
    let mut packed = vec![0; op.packed_bytes(packing)];
    for (at, &weight) in rows.iter().enumerate() {
        packed[own.index(op.depth(), at / op.depth(), at % op.depth())] = weight;
    }
    packed
}

/// The weights of `params` as [`Packing::Rows`] has them.
fn unpack(op: &Op, params: &OpParams<'_>) -> Vec<i8> {
    if params.packing == Packing::Rows {
        return params.weights.to_vec();
    }
    (0..op.weight_count()).map(|at| params.weights[params.packing.index(op.depth(), at / op.depth(), at % op.depth())]).collect()
}

/// A half-precision operator as it was handed over.
fn unpack_half(op: &Op, params: &OpParams<'_>) -> HalfOp {
    let packed: &[[u8; 2]] = cast_slice(params.weights);
    let reals = |bits: &[i32]| bits.iter().map(|bits| f32::from_bits(*bits as u32)).collect();
    let count = if packed.is_empty() { 0 } else { op.weight_count() };
    HalfOp {
        weights: (0..count).map(|at| u16::from_le_bytes(packed[fp16::weight_index(op, at)])).collect(),
        bias: reals(params.bias),
        gain: reals(params.mult),
        eps: params.record.eps,
    }
}

fn unpack_step(model: &Model<'_>, id: StepId, step: Step) -> Option<StepData> {
    let params = model.step(id)?;
    let ops = model.meta().network.ops(step);
    if params.precision() == Precision::Fp16 {
        let ops = ops.iter().enumerate().map(|(index, op)| Some(unpack_half(op, &params.op(index, op)?)));
        return Some(StepData::Fp16(ops.collect::<Option<_>>()?));
    }
    let ops = ops.iter().enumerate().map(|(index, op)| {
        let params = params.op(index, op)?;
        let record = params.record;
        Some(OpData {
            weights: unpack(op, &params),
            bias: params.bias.to_vec(),
            mult: params.mult.to_vec(),
            shift: params.shift.to_vec(),
            three: params.three.to_vec(),
            table: params.table.to_vec(),
            table16: params.table16.to_vec(),
            pre_shift: record.pre_shift,
            code_bits: record.code_bits,
            norm_shift: record.norm_shift,
            eps: record.eps,
            zero: record.zero,
            lo: record.lo,
            hi: record.hi,
            pad: record.pad,
            in_scale: record.in_scale,
            out_scale: record.out_scale,
        })
    });
    let (scale, ops) = (params.record.scale, ops.collect::<Option<_>>()?);
    Some(if params.precision() == Precision::Int16x8 { StepData::Int16x8 { scale, ops } } else { StepData::Int8 { scale, ops } })
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(ALIGN), 0);
}

fn step_record(step: Step, data: &StepData, (first_op, op_count): (u16, u16), offset: usize, group: &[u8]) -> StepRecord {
    StepRecord {
        tag: step_tag(step),
        precision: data.precision() as u8,
        output: TensorFormat::of(data.precision(), step) as u8,
        first_op,
        op_count,
        reserved0: 0,
        offset: offset as u32,
        len: group.len() as u32,
        crc: crc32(group),
        scale: match data {
            StepData::Int8 { scale, .. } | StepData::Int16x8 { scale, .. } => *scale,
            StepData::Fp16(_) => 1.0,
        },
        reserved1: 0,
    }
}

/// Appends `bytes` at the next multiple of `align` and returns the offset from `group`; [`NONE`] for an absent array.
fn append(buffer: &mut Vec<u8>, group: usize, bytes: &[u8], align: usize) -> u32 {
    if bytes.is_empty() {
        return NONE;
    }
    let at = group + (buffer.len() - group).next_multiple_of(align);
    buffer.resize(at, 0);
    buffer.extend_from_slice(bytes);
    (at - group) as u32
}

/// A record of `op` without arrays and with nothing to say of its numbers.
fn bare_record(op: &Op) -> OpRecord {
    OpRecord {
        kind: op.kind as u8,
        source: op.source,
        code_bits: 0,
        pre_shift: 0,
        cin: op.cin,
        cout: op.cout,
        kernel: op.kernel,
        stride: op.stride,
        norm_shift: 0,
        reserved: 0,
        zero: 0,
        lo: i16::MIN,
        hi: i16::MAX,
        pad: 0,
        weights: NONE,
        bias: NONE,
        mult: NONE,
        shift: NONE,
        three: NONE,
        table: NONE,
        table_len: 0,
        eps: 0,
        in_scale: 0.0,
        out_scale: 0.0,
    }
}

fn place_half(op: &Op, values: &HalfOp, buffer: &mut Vec<u8>, group: usize) -> OpRecord {
    let mut weights = values.weights.clone();
    // Weights of a wrong number stay as they are: the loader names them.
    if op.kernel > 0 && weights.len() == op.weight_count() {
        weights = vec![0; fp16::weight_len(op)];
        values.weights.iter().enumerate().for_each(|(at, &weight)| weights[fp16::weight_index(op, at)] = weight);
    }
    OpRecord {
        weights: append(buffer, group, cast_slice(&weights), ALIGN),
        bias: append(buffer, group, cast_slice(&values.bias), 4),
        mult: append(buffer, group, cast_slice(&values.gain), 4),
        eps: values.eps,
        ..bare_record(op)
    }
}

fn place(op: &Op, values: &OpData, (precision, packing): (Precision, Packing), buffer: &mut Vec<u8>, group: usize) -> OpRecord {
    let wide = Arrays::of(op, precision, packing).table_entry == 2;
    let packing = if precision == Precision::Int8 { packing } else { Packing::Rows };
    let weights = pack(op, packing, &values.weights);
    let table: &[u8] = if wide { cast_slice(&values.table16) } else { cast_slice(&values.table) };
    OpRecord {
        code_bits: values.code_bits,
        pre_shift: values.pre_shift,
        norm_shift: values.norm_shift,
        zero: values.zero,
        lo: values.lo,
        hi: values.hi,
        pad: values.pad,
        weights: append(buffer, group, cast_slice(&weights), ALIGN),
        bias: append(buffer, group, cast_slice(&values.bias), 4),
        mult: append(buffer, group, cast_slice(&values.mult), 4),
        shift: append(buffer, group, &values.shift, 4),
        three: append(buffer, group, cast_slice(&values.three), 4),
        table: append(buffer, group, table, 4),
        table_len: if wide { values.table16.len() } else { values.table.len() } as u32,
        eps: values.eps,
        in_scale: values.in_scale,
        out_scale: values.out_scale,
        ..bare_record(op)
    }
}

fn assemble(sequence: u32, packing: Packing, sections: &[(Section, Vec<u8>)]) -> AlignedBytes {
    let mut next = (size_of::<Prologue>() + sections.len() * size_of::<SectionRecord>()).next_multiple_of(ALIGN);
    let mut table = Vec::new();
    for (kind, bytes) in sections {
        table.push(SectionRecord { kind: *kind as u32, offset: next as u32, len: bytes.len() as u32, crc: crc32(bytes) });
        next = (next + bytes.len()).next_multiple_of(ALIGN);
    }
    let mut prologue = Prologue {
        magic: MAGIC,
        version: VERSION,
        packing: packing as u16,
        sections: table.len() as u16,
        reserved0: 0,
        sequence,
        total_len: (next + size_of::<u32>()) as u32,
        reserved: [0; 9],
        crc: 0,
    };
    let fixed = size_of::<Prologue>() - size_of::<u32>();
    prologue.crc = crc32(&[&bytes_of(&prologue)[..fixed], cast_slice(&table)].concat());
    let mut image = [bytes_of(&prologue), cast_slice(&table)].concat();
    for (_, bytes) in sections {
        pad(&mut image);
        image.extend_from_slice(bytes);
    }
    pad(&mut image);
    let crc = crc32(&image);
    image.extend_from_slice(&crc.to_le_bytes());
    AlignedBytes::from(image.as_slice())
}
