//! Parts of an image, as a quantiser hands them over.

use std::vec::Vec;

use hrvit_kernels::Packing;

use crate::{golden::Golden, meta::Meta, precision::Precision};

/// A whole image.
#[derive(Clone, Debug)]
pub struct ImageData<'a> {
    /// The descriptive header.
    pub meta: &'a Meta<'a>,
    /// Sequence number of the image: [`crate::slots::is_newer`] tells which of two images is newer.
    pub sequence: u32,
    /// Packing for dense 8-bit weights.
    pub packing: Packing,
    /// Every step, in canonical order.
    pub steps: &'a [StepData],
    /// The exponent table of the attention.
    pub exp: &'a [u16],
    /// The golden frame, if the image is to have one.
    pub golden: Option<Golden<'a>>,
}

/// One operator's numbers from the quantiser. Arrays that its kind does not have stay empty.
#[derive(Clone, Debug, PartialEq)]
pub struct OpData {
    /// i8 weights in the order of [`Packing::Rows`].
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
    /// Fractional bits of a LayerNorm's normalised values, 10 to 15. 0 elsewhere.
    pub norm_fraction: u8,
    /// `eps` of a LayerNorm.
    pub eps: u64,
    /// Zero point of the output, or of the table index.
    pub zero: i16,
    /// Lowest output code or index.
    pub lo: i16,
    /// Highest output code or index.
    pub hi: i16,
    /// Code that padded taps hold: the input's zero point.
    pub pad: i16,
    /// Real value of one input code. 0 if it differs per channel.
    pub in_scale: f32,
    /// Real value of one output code. 0 if it differs per channel.
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
            norm_fraction: 0,
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
    /// `eps` of a LayerNorm, in units of 2^-[`crate::fp16::EPS_BITS`]. 0 elsewhere.
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
    /// Precision of the step.
    pub fn precision(&self) -> Precision {
        match self {
            Self::Int8 { .. } => Precision::Int8,
            Self::Int16x8 { .. } => Precision::Int16x8,
            Self::Fp16(_) => Precision::Fp16,
        }
    }
}
