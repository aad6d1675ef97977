//! One quantised operator: its grids in real units, and the integers that follow from them.

use anyhow::{Context, Result, ensure};
use hrvit_format::{
    Activation, Op, OpKind, POOLED_MAX,
    record::{Arrays, Packing, Precision},
    writer::OpData,
};
use hrvit_reference::operators::activation::{gelu, hardswish};

use super::{
    encode::{self, Index, Multipliers},
    format::Grid,
    techniques::{Technique, Techniques},
    weights::Weights,
};

/// Codes of a weighted mean of values per code of a value: fractional bits.
pub const MEAN_FRACTION_S8: f64 = 256.0;
/// The same of 16-bit codes.
pub const MEAN_FRACTION_S16: f64 = 4.0;

/// Everything that is decided about one operator. [`QuantOp::encode`] is a pure function of it.
#[derive(Clone, Debug)]
pub struct QuantOp {
    /// Kind and shape.
    pub op: Op,
    /// Codes that it reads. [`OpKind::Scores`] and [`OpKind::Values`]: the whole of q and v.
    pub input: Grid,
    /// Codes that it leaves; none for [`OpKind::Scores`].
    pub output: Option<Grid>,
    /// Index of its activation table.
    pub index: Option<Index>,
    /// Integer weights.
    pub weights: Option<Weights>,
    /// Gains and offsets of a LayerNorm in real units.
    pub affine: Option<(Vec<f64>, Vec<f64>)>,
    /// Fractional bits of a LayerNorm's normalised values, 0 elsewhere.
    pub norm_fraction: u8,
    /// Width of the exponent codes, 0 where there are none.
    pub code_bits: u8,
    /// Smoothing exponent chosen for a LayerNorm's channel scales.
    pub smoothing: Option<f64>,
}

/// The code of the real 3.0 in [`OpKind::ParallelAct`] for a v of this scale; in 8 bits with 8 more
/// fractional ones. At its largest, v is so small that Hardswish is a line.
pub fn three(scale: f64, precision: Precision) -> f64 {
    let (fraction, most) = if precision == Precision::Int16x8 { (1.0, hrvit_format::MAX_THREE_S16) } else { (256.0, hrvit_format::MAX_THREE_S8) };
    (3.0 * fraction / scale).round().clamp(1.0, f64::from(most))
}

/// Facts of the network that encoding needs.
#[derive(Clone, Copy, Debug)]
pub struct Constants {
    /// Mean colour that the stem subtracts, in pixel values.
    pub means: [f64; 3],
    /// Non-linearity of the diversity-enhancing shortcut.
    pub des: Activation,
    /// Techniques beyond rounding.
    pub techniques: Techniques,
    /// Arithmetic of the step: [`Precision::Int8`] or [`Precision::Int16x8`].
    pub precision: Precision,
}

impl QuantOp {
    /// An operator without weights.
    pub fn plain(op: Op, input: Grid, output: Grid) -> Self {
        Self { op, input, output: Some(output), index: None, weights: None, affine: None, norm_fraction: 0, code_bits: 0, smoothing: None }
    }

    /// Grid that the operator's real output is rounded to; [`OpKind::Scores`] has none.
    pub fn out(&self) -> Result<&Grid> {
        self.output.as_ref().with_context(|| format!("{} leaves no codes", self.op.kind))
    }

    /// Real value of one step of what the accumulator is requantised to, per output channel: the
    /// output code, or the index.
    fn target(&self, o: usize) -> Result<f64> {
        match self.index {
            Some(index) => Ok(index.unit()),
            None => Ok(self.out()?.scale_of(o)),
        }
    }

    /// The operator's integers.
    ///
    /// # Errors
    /// If a multiplier, gain or accumulator leaves the range of the format.
    pub fn encode(&self, constants: &Constants) -> Result<OpData> {
        let mut data = OpData { in_scale: self.input.common_scale(), ..OpData::default() };
        data.out_scale = self.output.as_ref().map_or(0.0, Grid::common_scale);
        if self.affine.is_some() {
            self.encode_norm(&mut data)?;
            return Ok(data);
        }
        let real = self.multipliers(constants, &mut data)?;
        let Multipliers { mult, shift, pre_shift } = encode::multipliers(&real);
        let fixed = matches!(self.op.kind, OpKind::Scores | OpKind::ParallelAct | OpKind::AttnAct | OpKind::FfnAct);
        ensure!(!fixed || pre_shift == 0, "a multiplier of 0.5 or more: its input is far too coarse for its output");
        (data.mult, data.shift, data.pre_shift) = (mult, shift, pre_shift);
        if let Some(weights) = &self.weights {
            self.encode_weights(weights, constants, &mut data)?;
        }
        self.encode_range(&mut data);
        self.encode_table(constants, &mut data)?;
        data.code_bits = self.code_bits;
        let arrays = Arrays::of(&self.op, constants.precision, Packing::Rows);
        let lengths = (data.weights.len(), data.bias.len(), data.mult.len(), data.shift.len(), data.three.len());
        ensure!(
            lengths == (arrays.weights, arrays.bias, arrays.mult, arrays.shift, arrays.three),
            "derived arrays of {lengths:?} elements, the format asks for {arrays:?}"
        );
        Ok(data)
    }

    fn encode_norm(&self, data: &mut OpData) -> Result<()> {
        let (out, channels) = (self.out()?, usize::from(self.op.cout));
        let (gamma, beta) = self.affine.as_ref().context("a LayerNorm without affine")?;
        let gain: Vec<f64> = (0..channels).map(|c| gamma[c] / out.scale_of(c)).collect();
        let offset: Vec<f64> = (0..channels).map(|c| beta[c] / out.scale_of(c) + f64::from(out.zero_of(c))).collect();
        let affine = encode::norm_affine(&gain, &offset, self.norm_fraction)?;
        (data.mult, data.bias, data.norm_shift) = (affine.gain, affine.offset, affine.shift);
        data.norm_fraction = self.norm_fraction;
        data.eps = encode::norm_eps(channels, self.input.scale_of(0));
        (data.zero, data.lo, data.hi) = (0, out.lo as i16, out.hi as i16);
        Ok(())
    }

    /// Real multipliers; also fills in the codes of 3.0.
    fn multipliers(&self, constants: &Constants, data: &mut OpData) -> Result<Vec<f64>> {
        use OpKind as K;
        let (input, channels) = (&self.input, usize::from(self.op.cout));
        let wide = constants.precision == Precision::Int16x8;
        Ok(match self.op.kind {
            K::FfnAct => Vec::new(),
            // Copies.
            K::FusionNarrow | K::HeadNarrow | K::IncreaseNarrow if wide => Vec::new(),
            K::Scores => self.distances(),
            K::Values => {
                let sum = self.out()?.scale_of(0);
                let fraction = if wide { MEAN_FRACTION_S16 } else { MEAN_FRACTION_S8 };
                let first = input.scale.len() - channels;
                (0..channels).map(|c| input.scale_of(first + c) / (fraction * sum)).collect()
            }
            K::ParallelAct => {
                let out = self.out()?;
                let three = |c| three(input.scale_of(c), constants.precision);
                data.three = (0..channels).map(|c| three(c) as i32).collect();
                (0..channels).map(|c| input.scale_of(c) / (2.0 * three(c) * out.scale_of(c))).collect()
            }
            K::AttnAct => {
                let scale = input.scale_of(0);
                data.three = vec![(3.0 / scale).round() as i32];
                vec![scale * scale / (6.0 * self.out()?.scale_of(0))]
            }
            K::HeadAct => vec![input.scale_of(0) / (256.0 * self.out()?.scale_of(0))],
            K::FusionAct | K::IncreaseAct => vec![input.scale_of(0) / self.target(0)?],
            _ => match &self.weights {
                Some(weights) => weights.scale.iter().enumerate().map(|(o, s)| self.target(o).map(|target| s / target)).collect::<Result<_>>()?,
                None => (0..channels).map(|c| self.target(c).map(|target| input.scale_of(c) / target)).collect::<Result<_>>()?,
            },
        })
    }

    /// Per head: real multiplier of distances between products of q and v codes, to 1/64 powers of
    /// two (16-bit codes: 1/4096). Attention that is too sharp for a multiplier below one half has
    /// the largest one: its distances count as shorter, in the same order.
    pub fn distances(&self) -> Vec<f64> {
        let most = 0.5 * (1.0 - 1e-9);
        self.real_distances().into_iter().map(|distance| distance.min(most)).collect()
    }

    /// Heads whose distances [`QuantOp::distances`] shortens.
    pub fn too_sharp(&self) -> usize {
        self.real_distances().iter().zip(self.distances()).filter(|(real, used)| **real > *used).count()
    }

    fn real_distances(&self) -> Vec<f64> {
        let (cin, heads) = (usize::from(self.op.cin), usize::from(self.op.cout));
        let dim = cin / heads;
        let units = if self.input.largest() > 128 { 4096.0 } else { 64.0 };
        (0..heads).map(|head| units * self.input.scale_of(head * dim) * self.input.scale_of(cin + head * dim)).collect()
    }

    fn encode_weights(&self, weights: &Weights, constants: &Constants, data: &mut OpData) -> Result<()> {
        let stem = self.op.kind == OpKind::StemConv1;
        let bias = if stem { weights.border_bias(&self.op, constants.means) } else { weights.integer_bias(&self.op, &self.input) };
        data.bias = bias.into_iter().map(|b| i32::try_from(b).ok().filter(|b| *b != i32::MIN)).collect::<Option<_>>().context("a bias beyond 32 bits")?;
        data.weights = weights.codes.clone();
        let wide = |kind| matches!(kind, OpKind::DesRight | OpKind::DesLeft);
        let largest = match self.op.kind {
            kind if wide(kind) => 32768,
            OpKind::FinalLinear if constants.precision == Precision::Int8 => POOLED_MAX,
            // Pixels are codes of 8 bits everywhere.
            _ => self.input.largest(),
        };
        encode::check_headroom(self.op.depth(), largest, &data.bias, data.pre_shift)?;
        // Only single zero points are ever padded with; the stem's biases see to its border.
        if self.op.kernel > 1 && !stem {
            data.pad = self.input.zero_of(0) as i16;
        }
        Ok(())
    }

    /// `zero`, `lo`, `hi`: of the index where there is one, else of the codes where they have
    /// limits.
    fn encode_range(&self, data: &mut OpData) {
        let indexed = self.index.filter(|index| index.units == 1);
        match (indexed, &self.output) {
            // Its convolutions have the index.
            (Some(_), _) if self.op.kind == OpKind::FfnAct => {}
            (Some(index), _) => (data.zero, data.lo, data.hi) = (index.zero as i16, 0, (index.len - 1) as i16),
            (None, Some(grid)) if grid.lo > i16::MIN.into() => {
                (data.zero, data.lo, data.hi) = (grid.zero_of(0) as i16, grid.lo as i16, grid.hi as i16);
            }
            _ => {}
        }
    }

    fn encode_table(&self, constants: &Constants, data: &mut OpData) -> Result<()> {
        let Some(index) = self.index else { return Ok(()) };
        let out = self.out()?;
        let step = if constants.techniques.uses(Technique::WideTables) || index.units > 1 { 1 } else { index.len / 256 };
        let codes = |f: &dyn Fn(f32) -> f32| index.table(step, |x| f64::from(f(x as f32)), out.scale_of(0), out.zero_of(0), (out.lo, out.hi));
        if index.units > 1 {
            let relu = self.op.kind == OpKind::StemConv2;
            data.table16 = codes(&|x| gelu(if relu { x.max(0.0) } else { x })).iter().map(|&code| code as i16).collect();
            return Ok(());
        }
        match (self.op.kind, constants.des) {
            (OpKind::DesRight, Activation::Gelu) => data.table16 = codes(&gelu).iter().map(|&code| code as i16).collect(),
            (OpKind::DesRight, Activation::Hardswish) => data.table16 = codes(&hardswish).iter().map(|&code| code as i16).collect(),
            (OpKind::StemConv2, _) => data.table = codes(&|x| gelu(x.max(0.0))).iter().map(|&code| code as i8).collect(),
            _ => data.table = codes(&gelu).iter().map(|&code| code as i8).collect(),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONSTANTS: Constants = Constants { means: [123.675, 116.28, 103.53], des: Activation::Gelu, techniques: Techniques::ALL, precision: Precision::Int8 };

    fn op(kind: OpKind, cin: u16, cout: u16) -> Op {
        Op { kind, source: 0, cin, cout, kernel: 0, stride: 1, depthwise: false }
    }

    fn real(data: &OpData, i: usize) -> f64 {
        f64::from(data.mult[i]) * 2f64.powi(i32::from(data.pre_shift) - i32::from(data.shift[i]))
    }

    #[test]
    fn scores_of_a_head_take_both_its_scales() {
        // Two heads of two channels; per head q * v has one scale.
        let input = Grid { scale: vec![1e-3, 2e-3, 5e-4, 5e-4, 2e-2, 1e-2, 8e-2, 8e-2], zero: vec![0], lo: -127, hi: 127 };
        let scores = QuantOp { output: None, code_bits: 15, ..QuantOp::plain(op(OpKind::Scores, 4, 2), input, Grid::wide(1.0)) };
        let data = scores.encode(&CONSTANTS).unwrap();
        assert!((real(&data, 0) - 64.0 * 2e-5).abs() < 1e-11 && (real(&data, 1) - 64.0 * 4e-5).abs() < 1e-11);
        assert_eq!((data.code_bits, data.zero, data.lo, data.hi), (15, 0, i16::MIN, i16::MAX));
    }

    #[test]
    fn hardswish_of_codes_is_hardswish_of_reals() {
        let attn = QuantOp::plain(op(OpKind::AttnAct, 1, 1), Grid::wide(3.0 / 9000.0), Grid::byte(0.04, -119));
        let data = attn.encode(&CONSTANTS).unwrap();
        let three = i64::from(data.three[0]);
        for code in [-20_000i64, -9000, -4500, -1, 0, 1, 3000, 8999, 9001, 20_000] {
            let product = code * (code + three).clamp(0, 2 * three);
            let want = f64::from(hardswish((code as f64 * 3.0 / 9000.0) as f32)) / 0.04;
            assert!((product as f64 * real(&data, 0) - want).abs() < 1e-4, "{code}");
        }
        let parallel = QuantOp::plain(op(OpKind::ParallelAct, 1, 1), Grid::symmetric(vec![0.05]), Grid::symmetric(vec![0.03]));
        let data = parallel.encode(&CONSTANTS).unwrap();
        for code in -127i64..=127 {
            let three = i64::from(data.three[0]);
            let product = code * ((code << 8) + three).clamp(0, 2 * three);
            let want = f64::from(hardswish(code as f32 * 0.05)) / 0.03;
            assert!((product as f64 * real(&data, 0) - want).abs() < 5e-3, "{code}");
        }
    }

    #[test]
    fn a_norm_record_maps_normalised_values_to_codes() {
        let out = Grid { scale: vec![0.02, 0.03], zero: vec![10, -7], lo: -128, hi: 127 };
        let norm =
            QuantOp { affine: Some((vec![1.0; 2], vec![0.0; 2])), norm_fraction: 10, ..QuantOp::plain(op(OpKind::AttnNorm, 2, 2), Grid::wide(1e-3), out) };
        let data = norm.encode(&CONSTANTS).unwrap();
        for (c, want) in [(0, 1.5 / 0.02 + 10.0), (1, 1.5 / 0.03 - 7.0)] {
            let y = (i64::from(data.mult[c]) * 1536 + i64::from(data.bias[c])) as f64 / 2f64.powi(i32::from(data.norm_shift));
            assert!((y - want).abs() < 0.01, "{y} {want}");
        }
        assert_eq!((data.zero, data.lo, data.hi, data.eps), (0, -128, 127, 40));
    }

    #[test]
    fn a_norm_output_that_is_too_fine_is_an_error() {
        let norm = QuantOp {
            affine: Some((vec![1.0], vec![0.0])),
            norm_fraction: 10,
            ..QuantOp::plain(op(OpKind::StageNorm, 1, 1), Grid::wide(1e-3), Grid::wide(1e-9))
        };
        assert!(norm.encode(&CONSTANTS).is_err());
    }
}
