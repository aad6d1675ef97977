//! The image in each precision.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use hrvit_core::Model;
use hrvit_format::{Size, Step, aligned::AlignedBytes, record};
use hrvit_reference::Checkpoint;

use super::{Precision, QuantizeArgs, Wider, options};
use crate::calibration::CalibrationSet;
use crate::dataset;
use crate::hold_out::Split;
use crate::host_engine::IsaArg;
use crate::inference::args::SlideArgs;
use crate::palette::Classes;
use crate::precision::{self, Chosen, Fitting, Forced, Limits, Measure, Offer, parts};
use crate::progress::Tasks;
use crate::quantize::half::{Peak, refuse_overflow};
use crate::quantize::report::Warning;
use crate::quantize::underflow::{self, Underflow};
use crate::quantize::{self, Options, Report, Techniques, unread};

/// Calibration frames on which precisions are compared.
const MEASURED: usize = 16;

/// An image without golden frame, and how it came to be.
pub struct Made<'a> {
    /// The image.
    pub image: AlignedBytes,
    /// Measurements of the quantiser, of operators that the image has as they were measured.
    pub report: Report,
    /// How `--precision auto` chose, and the name of its drift.
    pub chosen: Option<(Chosen, &'static str)>,
    /// Parts that do not fit 8 bits.
    pub forced: Vec<Forced>,
    /// Losses of the image by half precision, to be warned of.
    pub underflow: Vec<String>,
    /// A picture to write, and where.
    pub picture: Option<(&'a Path, String)>,
}

/// The image that `args` ask for, of a network and of its threshold if it had one class. Calibrates
/// with the frames of `split` that are not held out.
///
/// # Errors
/// If an operator does not fit its precision, or frames are missing.
pub fn make<'a>(
    args: &'a QuantizeArgs,
    (checkpoint, threshold): (&Checkpoint, Option<f32>),
    split: Option<&Split>,
    classes: Option<&Classes>,
) -> Result<Made<'a>> {
    if args.precision == Precision::Fp16 {
        return half(args, (checkpoint, threshold), split, classes);
    }
    let Some(split) = split else { bail!("integers need calibration frames: --calib DIR") };
    let set = &split.calibration;
    let mut options = Options { seed: args.seed, sequence: args.sequence, threshold, ..options(&args.weights, &split.provenance(), classes)? };
    if args.precision == Precision::Auto {
        return mix(args, checkpoint, set, &options, classes);
    }
    if args.precision == Precision::Int16x8 {
        options.precision = record::Precision::Int16x8;
    }
    options.techniques = Techniques::without(&args.without);
    for name in options.techniques.names_left_out() {
        options.provenance.push_str(&format!("; without {name}"));
    }
    if args.precision != Precision::Mixed {
        let made = quantize::quantize(checkpoint, args.size, set, &options, &Tasks::new())?;
        return Ok(Made { image: made.image, report: made.report, chosen: None, forced: Vec::new(), underflow: Vec::new(), picture: None });
    }
    let network = checkpoint.network();
    let named = parts::steps_named(network, args.size, &args.half)?;
    let ranges = Ranges::of(checkpoint, args.size, set)?;
    let is_named = |step| network.steps().enumerate().any(|(at, one)| one == step && named.contains(&at));
    refuse_overflow(&ranges.peaks.iter().copied().filter(|peak| is_named(peak.step)).collect::<Vec<_>>())?;
    let int8 = quantize::try_quantize(checkpoint, args.size, set, &options, &Tasks::new())?;
    let half = quantize::try_fp16(checkpoint, args.size, &options)?;
    let (offers, beyond) = ([Offer { precision: record::Precision::Fp16, steps: &half.steps }], ranges.beyond());
    let fitting = Fitting::new(&int8, &offers, &beyond);
    let mut chosen: Vec<Option<usize>> = fitting.parts.iter().map(|part| part.steps.iter().all(|at| named.contains(at)).then_some(0)).collect();
    let (image, forced) = fitting.complete(&mut chosen)?;
    Ok(Made { report: of_image(int8.report, &image)?, underflow: ranges.judge(&image)?, image, chosen: None, forced, picture: None })
}

/// Possible losses of a network by half precision.
struct Ranges {
    peaks: Vec<Peak>,
    underflow: Vec<Underflow>,
}

impl Ranges {
    /// Of its weights, and of its values over `set`.
    fn of(checkpoint: &Checkpoint, size: Size, set: &CalibrationSet) -> Result<Self> {
        let folded = unread::quiet(checkpoint);
        let (peaks, values) = underflow::peaks_and_underflow(&folded, size, set, &Tasks::new())?;
        Ok(Self { peaks, underflow: underflow::of_weights(&folded).into_iter().chain(values).collect() })
    }

    /// The steps that half precision does not reach, at either end.
    fn beyond(&self) -> Vec<Step> {
        let above = self.peaks.iter().filter(|peak| !peak.fits()).map(|peak| peak.step);
        above.chain(self.underflow.iter().filter(|one| one.is_fatal()).map(|one| one.step)).collect()
    }

    /// Warns of underflow in the steps of `image` that have half precision.
    fn judge(&self, image: &AlignedBytes) -> Result<Vec<String>> {
        let model = Model::load(image)?;
        let half: Vec<Step> = model.step_ids().filter(|(id, _)| model.precision(*id) == record::Precision::Fp16).map(|(_, step)| step).collect();
        underflow::judge(&self.underflow, |step| half.contains(&step))
    }
}

/// Half precision everywhere.
fn half<'a>(args: &QuantizeArgs, (checkpoint, threshold): (&Checkpoint, Option<f32>), split: Option<&Split>, classes: Option<&Classes>) -> Result<Made<'a>> {
    ensure!(args.without.is_empty(), "--without: half precision uses none of these techniques");
    let looked_at = split.map_or_else(String::new, |split| format!(", ranges of {}", split.provenance()));
    let options = Options { sequence: args.sequence, threshold, ..options(&args.weights, &format!("half precision{looked_at}"), classes)? };
    let ranges = match split {
        Some(split) => Ranges::of(checkpoint, args.size, &split.calibration)?,
        None => Ranges { peaks: Vec::new(), underflow: underflow::of_weights(&unread::quiet(checkpoint)) },
    };
    refuse_overflow(&ranges.peaks)?;
    let halved = quantize::to_fp16(checkpoint, args.size, &options)?;
    Ok(Made { underflow: ranges.judge(&halved.image)?, image: halved.image, report: halved.report, chosen: None, forced: Vec::new(), picture: None })
}

/// The part of a report on 8 bits that holds for an image with other precisions, too. It has
/// operators in 8 bits, and nothing of the logits.
fn of_image(mut report: Report, image: &AlignedBytes) -> Result<Report> {
    let model = Model::load(image)?;
    let steps_in = |precision| -> Vec<Step> { model.step_ids().filter(|(id, _)| model.precision(*id) == precision).map(|(_, step)| step).collect() };
    let (int8, int16x8) = (steps_in(record::Precision::Int8), steps_in(record::Precision::Int16x8));
    let names: Vec<String> = int8.iter().map(ToString::to_string).collect();
    report.ops.retain(|op| names.contains(&op.step));
    let holds = |warning: &Warning, step: &Step| int8.contains(step) || (warning.in_16_bits && int16x8.contains(step));
    report.warnings.retain(|warning| warning.steps.iter().any(|step| holds(warning, step)));
    report.logits_db = None;
    Ok(report)
}

/// Quantises to 8 bits, and gives those parts another precision that pay.
fn mix<'a>(args: &'a QuantizeArgs, checkpoint: &Checkpoint, set: &CalibrationSet, options: &Options, classes: Option<&Classes>) -> Result<Made<'a>> {
    let tasks = Tasks::new();
    let int8 = quantize::try_quantize(checkpoint, args.size, set, options, &tasks)?;
    let target = args.target.limits(checkpoint.network(), args.size);
    let with: Vec<Wider> = args.with.iter().copied().filter(|wider| target.has(wider.precision())).collect();
    let mut offered = Vec::new();
    for wider in &with {
        offered.push(match wider {
            Wider::Fp16 => (record::Precision::Fp16, quantize::try_fp16(checkpoint, args.size, options)?.steps),
            Wider::Int16x8 => {
                let options = Options { precision: record::Precision::Int16x8, ..options.clone() };
                (record::Precision::Int16x8, quantize::try_quantize(checkpoint, args.size, set, &options, &tasks)?.steps)
            }
        });
    }
    let offers: Vec<Offer<'_>> = offered.iter().map(|(precision, steps)| Offer { precision: *precision, steps }).collect();
    let labelled = args.labelled.as_deref().map(dataset::labelled).transpose()?;
    if let Some(set) = &labelled {
        let inference = SlideArgs::default().inference(None, args.size, checkpoint.preprocess())?;
        dataset::checks::labelled(set, usize::from(checkpoint.network().classes), &|frame| inference.check(frame, args.size))?;
        dataset::checks::unpaired(set)?.iter().for_each(|one| eprintln!("warning: {one}"));
    }
    let judged = labelled.as_deref().zip(classes);
    let kernels = IsaArg::default().kernels()?;
    let measure = Measure::new(checkpoint, (set, MEASURED), args.size, judged, kernels, &tasks)?;
    let half = with.contains(&Wider::Fp16);
    let ranges = if half { Ranges::of(checkpoint, args.size, set)? } else { Ranges { peaks: Vec::new(), underflow: Vec::new() } };
    let beyond = ranges.beyond();
    if !beyond.is_empty() {
        let names: Vec<String> = beyond.iter().map(ToString::to_string).collect();
        eprintln!("warning: beyond half precision on these frames: {}", names.join(", "));
    }
    let limits = Limits { drift: args.max_drift, arena_bytes: target.arena_bytes(), beyond };
    let found = precision::search(&int8, &offers, &measure, &limits, &tasks)?;
    let draw = |file: &'a PathBuf| -> Result<(&'a Path, String)> { Ok((file.as_path(), precision::picture::draw(&found.path, measure.drift_name())?)) };
    let picture = args.pareto.as_ref().map(draw).transpose()?;
    let (report, forced, underflow) = (of_image(int8.report, &found.image)?, found.forced.clone(), ranges.judge(&found.image)?);
    Ok(Made { image: found.image.clone(), report, chosen: Some((found, measure.drift_name())), forced, underflow, picture })
}
