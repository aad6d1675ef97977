//! Quantises in process and measures against the float network.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use clap::ValueEnum as _;
use hrvit_format::{Head, Network, Size, Spec, aligned::AlignedBytes, record};
use hrvit_kernels::Kernels;
use hrvit_reference::Checkpoint;
use hrvit_tool::{
    fit::{Fitting, Placement},
    float::Float,
    frames,
    host_engine::PackedImage,
    labels::LabelMap,
    logits::Logits,
    metrics::Agreement,
    precision::{self, Limits, Measure, Offer},
    quantize::{self, Frames, Options, Silent, Technique, Techniques, underflow::peaks_and_underflow, unread},
    segmenter::Segmenter,
    sqnr::Sqnr,
};
use image::RgbImage;
use rayon::prelude::*;

use crate::edits::{Case, Family, decision::last_bias};
use crate::tensors::Tensors;

/// Subject of the judgement: arithmetic of the whole image, or the choice per part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 8 bits.
    Int8,
    /// 16-bit activations.
    Int16x8,
    /// 8 bits, wider where it pays.
    Auto,
}

/// Cost of quantising.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// Signal to noise of what decides, in dB.
    pub db: f64,
    /// Share of decisions that are float's, in percent.
    pub agreement: f64,
    /// How many decisions that is of.
    pub decisions: usize,
}

/// Frames to calibrate with and other ones to measure on.
pub struct Judge {
    pub(crate) size: Size,
    calibration: Pictures,
    pub(crate) validation: Vec<RgbImage>,
    pub(crate) kernels: Kernels,
    precision: Precision,
    techniques: Techniques,
}

struct Pictures(Vec<RgbImage>);

impl Frames for Pictures {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn rgb(&self, i: usize) -> Result<Vec<u8>> {
        Ok(self.0.get(i).with_context(|| format!("calibration frame {i} of {}", self.0.len()))?.as_raw().clone())
    }
}

/// Path of a file of the project.
pub fn bundled(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The bundled checkpoint of a variant, `nano` or `b1`.
///
/// # Errors
/// If it cannot be read.
pub fn trained(variant: &str) -> Result<Checkpoint> {
    let network = Network { spec: Spec::variant(variant).with_context(|| format!("no variant {variant}"))?, head: Head::Segformer, classes: 11 };
    Ok(Checkpoint::read(&bundled(&format!("models/{variant}_camvid11.safetensors")), &network)?)
}

/// A network of a built-in variant with synthetic weights.
///
/// # Errors
/// If there is no such variant.
pub fn synthetic(variant: &str, head: Head, classes: u16) -> Result<Checkpoint> {
    let network = Network { spec: Spec::variant(variant).with_context(|| format!("no variant {variant}"))?, head, classes };
    Ok(Checkpoint::synthetic(&network, 7)?)
}

/// The frame in a file, resized to `size` in each direction on its own.
fn stretched(path: &Path, size: Size) -> Result<RgbImage> {
    Ok(Fitting::Stretch.input(&frames::read(path)?, size)?.0)
}

impl Judge {
    /// Every other one of the bundled calibration frames, and all other bundled frames to measure
    /// on, at `size`.
    ///
    /// # Errors
    /// If a frame cannot be read.
    pub fn bundled(size: Size, precision: Precision) -> Result<Self> {
        let read = |path: &PathBuf| stretched(path, size);
        let paths = frames::list(&bundled("data/calib"))?;
        let calibration = paths.iter().step_by(2).map(read).collect::<Result<_>>()?;
        let rest = paths.iter().skip(1).step_by(2).map(read);
        let validation = frames::list(&bundled("data/val/images"))?.iter().map(read).chain(rest).collect::<Result<_>>()?;
        Ok(Self { size, calibration: Pictures(calibration), validation, kernels: Kernels::detect(), precision, techniques: Techniques::ALL })
    }

    /// All bundled calibration frames, at `size`. Measures on the same, then on the labelled ones.
    ///
    /// # Errors
    /// If a frame cannot be read.
    pub fn whole(size: Size, precision: Precision) -> Result<Self> {
        let all = |folder| frames::list(&bundled(folder))?.iter().map(|path| stretched(path, size)).collect::<Result<Vec<_>>>();
        let calibration = all("data/calib")?;
        let validation = [calibration.clone(), all("data/val/images")?].concat();
        Ok(Self { size, calibration: Pictures(calibration), validation, kernels: Kernels::detect(), precision, techniques: techniques_of_environment()? })
    }

    /// Frames of the folders that `HRVIT_STRESS_CALIB` and `HRVIT_STRESS_VAL` name, at the size in
    /// `HRVIT_STRESS_SIZE`; [`Judge::bundled`] without them. `HRVIT_STRESS_WITHOUT` names
    /// techniques of the quantiser that are left out.
    ///
    /// # Errors
    /// If only one folder is named, a frame cannot be read or there is no such technique.
    pub fn of_environment(size: Size, precision: Precision) -> Result<Self> {
        let size = match std::env::var("HRVIT_STRESS_SIZE") {
            Ok(text) => text.parse().with_context(|| format!("HRVIT_STRESS_SIZE={text}"))?,
            Err(_) => size,
        };
        let all = |folder: String| frames::list(Path::new(&folder))?.iter().map(|path| stretched(path, size)).collect::<Result<_>>();
        let bundled = Self::bundled(size, precision)?;
        let judge = match [std::env::var("HRVIT_STRESS_CALIB"), std::env::var("HRVIT_STRESS_VAL")] {
            [Ok(calib), Ok(val)] => Self { calibration: Pictures(all(calib)?), validation: all(val)?, ..bundled },
            [Err(_), Err(_)] => bundled,
            _ => bail!("HRVIT_STRESS_CALIB and HRVIT_STRESS_VAL: expected both folders or none"),
        };
        Ok(Self { techniques: techniques_of_environment()?, ..judge })
    }

    /// The float network's logits of every frame to measure on.
    ///
    /// # Errors
    /// If the network has none.
    pub fn float(&self, checkpoint: &Checkpoint) -> Result<Vec<Logits>> {
        logits(checkpoint, self.size, &self.validation)
    }

    /// `checkpoint` with the mean over all frames taken off every class's logit, so that frames
    /// differ in what synthetic weights pick.
    ///
    /// # Errors
    /// If the network has no logits.
    pub fn balanced(&self, checkpoint: &Checkpoint) -> Result<Checkpoint> {
        let all = [&self.calibration.0, &self.validation].map(|frames| logits(checkpoint, self.size, frames));
        let mut tensors = Tensors::of(checkpoint);
        let bias = tensors.get_mut(last_bias(checkpoint.network().head));
        let mut means = vec![0.0f64; bias.len()];
        let mut tokens = 0.0;
        for frame in all.into_iter().collect::<Result<Vec<_>>>()?.iter().flatten() {
            for token in frame.data.chunks_exact(frame.classes) {
                means.iter_mut().zip(token).for_each(|(sum, &value)| *sum += f64::from(value));
                tokens += 1.0;
            }
        }
        bias.iter_mut().zip(means).for_each(|(value, sum)| *value -= (sum / tokens) as f32);
        tensors.checkpoint(&format!("{}, balanced", checkpoint.origin()))
    }

    /// Classes that the float network picks on no frame at all.
    ///
    /// # Errors
    /// If the network has no logits.
    pub fn unpicked(&self, checkpoint: &Checkpoint, float: &[Logits]) -> Result<Vec<usize>> {
        let mut picked = vec![false; checkpoint.network().classes.into()];
        for logits in logits(checkpoint, self.size, &self.calibration.0)?.iter().chain(float) {
            self.decide(logits).data.iter().for_each(|&class| picked[usize::from(class)] = true);
            logits.labels_at(&Placement::WHOLE, logits.height, logits.width).data.iter().for_each(|&class| picked[usize::from(class)] = true);
        }
        Ok((0..picked.len()).filter(|&class| !picked[class]).collect())
    }

    /// Quantises `checkpoint`; the engine's logits of every frame to measure on.
    ///
    /// # Errors
    /// If the quantiser or the engine refuses it.
    pub fn quantised(&self, checkpoint: &Checkpoint) -> Result<Vec<Logits>> {
        let image = self.quantise(checkpoint)?;
        let packed = PackedImage::new(image, self.kernels)?;
        let engine = packed.load()?;
        self.validation.par_iter().map(|frame| engine.logits(frame)).collect()
    }

    /// Quantises `checkpoint` and measures it against `float`.
    ///
    /// # Errors
    /// If the quantiser or the engine refuses it.
    pub fn figures(&self, checkpoint: &Checkpoint, float: &[Logits]) -> Result<Figures> {
        self.compared(float, &self.quantised(checkpoint)?)
    }

    /// Logits of the engine against those of the float network.
    ///
    /// # Errors
    /// If they differ in shape.
    pub fn compared(&self, float: &[Logits], quantised: &[Logits]) -> Result<Figures> {
        let each = |(logits, float): (&Logits, &Logits)| -> Result<(Sqnr, Agreement, usize)> {
            let (mut sqnr, mut agreement) = (Sqnr::default(), Agreement::default());
            sqnr.add(float, logits)?;
            let decisions = self.decide(float);
            agreement.add(&decisions, &self.decide(logits), logits.classes.max(2))?;
            Ok((sqnr, agreement, decisions.data.len()))
        };
        let counted: Vec<_> = quantised.par_iter().zip(float).map(each).collect::<Result<_>>()?;
        let (mut sqnr, mut agreement, mut decisions) = (Sqnr::default(), Agreement::default(), 0);
        for (one, other, count) in &counted {
            sqnr.merge(one);
            agreement.merge(other);
            decisions += count;
        }
        Ok(Figures { db: sqnr.db().unwrap_or(f64::NEG_INFINITY), agreement: 100.0 * agreement.ratio(), decisions })
    }

    /// The frames that calibrate.
    pub(crate) fn calibration_frames(&self) -> &[RgbImage] {
        &self.calibration.0
    }

    fn options(&self, precision: record::Precision) -> Options {
        Options { precision, techniques: self.techniques, ..Options::default() }
    }

    /// The image of `checkpoint`.
    pub(crate) fn quantise(&self, checkpoint: &Checkpoint) -> Result<AlignedBytes> {
        let make = |precision| {
            let options = self.options(precision);
            quantize::quantize(checkpoint, self.size, &self.calibration, &options, &Silent).with_context(|| format!("quantising to {}", precision.name()))
        };
        match self.precision {
            Precision::Int8 => Ok(make(record::Precision::Int8)?.image),
            Precision::Int16x8 => Ok(make(record::Precision::Int16x8)?.image),
            Precision::Auto => {
                let derive = |precision| quantize::try_quantize(checkpoint, self.size, &self.calibration, &self.options(precision), &Silent);
                let (int8, wide) = (derive(record::Precision::Int8)?, derive(record::Precision::Int16x8)?);
                let half = quantize::try_fp16(checkpoint, self.size, &Options::default())?;
                let offers =
                    [(record::Precision::Fp16, &half), (record::Precision::Int16x8, &wide)].map(|(precision, made)| Offer { precision, steps: &made.steps });
                let count = self.calibration.len();
                let measure = Measure::new(checkpoint, (&self.calibration, count), self.size, None, self.kernels, &Silent)?;
                let (peaks, _) = peaks_and_underflow(&unread::quiet(checkpoint), self.size, &self.calibration, &Silent)?;
                let beyond = peaks.iter().filter(|peak| !peak.fits()).map(|peak| peak.step).collect();
                let limits = Limits { drift: 0.2, arena_bytes: None, beyond };
                Ok(precision::search(&int8, &offers, &measure, &limits, &Silent)?.image)
            }
        }
    }

    /// The class of every pixel of the input; of a classifier the one class.
    fn decide(&self, logits: &Logits) -> LabelMap {
        let single = logits.height * logits.width == 1;
        let (height, width) = if single { (1, 1) } else { (self.size.height.into(), self.size.width.into()) };
        logits.labels_at(&Placement::WHOLE, height, width)
    }

    /// Judges `case`, an edit of the network whose logits are `unedited`, against the float network
    /// that its family is judged by.
    ///
    /// # Errors
    /// If the edited network is refused.
    pub fn judge(&self, case: &Case, unedited: &[Logits]) -> Result<Figures> {
        let checkpoint = case.checkpoint()?;
        if case.family() == Family::Stress {
            return self.figures(&checkpoint, &self.float(&checkpoint)?);
        }
        self.figures(&checkpoint, unedited)
    }
}

/// Float logits of `frames`.
fn logits(checkpoint: &Checkpoint, size: Size, frames: &[RgbImage]) -> Result<Vec<Logits>> {
    let float = Float::new(checkpoint.clone(), size);
    frames.par_iter().map(|frame| float.logits(frame)).collect()
}

/// The precision that `HRVIT_STRESS_PRECISION` names (int8, int16x8, auto); 8 bits without it.
///
/// # Errors
/// If it names none.
pub fn precision_of_environment() -> Result<Precision> {
    match std::env::var("HRVIT_STRESS_PRECISION").as_deref() {
        Err(_) | Ok("int8") => Ok(Precision::Int8),
        Ok("int16x8") => Ok(Precision::Int16x8),
        Ok("auto") => Ok(Precision::Auto),
        Ok(other) => bail!("HRVIT_STRESS_PRECISION={other}: expected int8, int16x8 or auto"),
    }
}

/// All techniques but those that `HRVIT_STRESS_WITHOUT` names, with commas between them.
fn techniques_of_environment() -> Result<Techniques> {
    let named = std::env::var("HRVIT_STRESS_WITHOUT").unwrap_or_default();
    let one = |name: &str| Technique::from_str(name, false).map_err(|why| anyhow!("HRVIT_STRESS_WITHOUT={named}: {why}"));
    let left_out: Vec<_> = named.split(',').filter(|name| !name.is_empty()).map(one).collect::<Result<_>>()?;
    Ok(Techniques::without(&left_out))
}
