//! `hrvit quantize`: from a checkpoint and some frames to a model image.

mod make;
mod outcome;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use hrvit_core::Model;
use hrvit_format::{Fit, Head, Preprocess, Size, WideParts, record};

use crate::binary;
use crate::calibration::CalibrationSet;
use crate::dataset::args::LayoutArgs;
use crate::fit::Fitting;
use crate::float::Float;
use crate::frame_checks::Unfit;
use crate::golden;
use crate::hold_out::{self, Split, gate::Gate};
use crate::host_engine::{IsaArg, PackedImage};
use crate::inference::args::FitArgs;
use crate::likeness::Doubt;
use crate::output::{self, Format};
use crate::palette::Classes;
use crate::precision::parts;
use crate::preprocess_args::PreprocessArgs;
use crate::progress::Tasks;
use crate::provenance;
use crate::quantize::{Options, Technique};
use crate::selection::SelectionArgs;
use crate::spec_file::NetworkArgs;
use crate::target::{self, TargetArgs};

/// How many complaints about frames are spelt out.
const SPELT_OUT: usize = 8;

/// Turn a trained checkpoint into a model image
///
/// Scales come from calibration frames: pictures like those the device will see, fitted to the
/// input (--resize). Some hundred of the training set are usual, 16 are enough to start with. The
/// image carries the first of them (or --golden) as its golden frame. A checksum per step lets
/// every device check itself. With half precision the image also carries logits and labels of plain
/// code, with bounds for a device's own.
///
/// A fifth of the frames is held out: they take no part in calibrating, and measure the image
/// against float. An image that loses too much is not written (--min-agreement, --allow-drift).
/// That takes 10 distinct frames. With fewer, the frames that calibrated judge.
///
/// With --precision auto every part of the network is measured alone in each precision of --with.
/// Parts are each attention and MixCFN block, the entry of every module, stem and head. The image
/// starts in 8 bits and takes the parts of the most worth, until it drifts no further from the
/// float network than --max-drift.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  hrvit quantize --weights models/nano_camvid11.safetensors --variant nano --head segformer --classes 11 --size 192x256 \\
      --calib data/calib --classes-file data/camvid11.toml --out nano.hrvit
  hrvit quantize --weights models/nano_camvid11.safetensors --variant nano --head segformer --classes 11 --size 192x256 \\
      --calib data/calib --precision auto --max-drift 0.2 --pareto precision.svg --out mixed.hrvit
  hrvit quantize --weights models/nano_camvid11.safetensors --variant nano --head segformer --classes 11 --size 192x256 \\
      --calib data/calib --min-agreement 0.99 --json --out nano.hrvit       # strict; figures of the frames held out under .hold_out
  hrvit quantize --weights models/nano_camvid11.safetensors --variant nano --head segformer --classes 11 --size 192x256 \\
      --calib data/calib --precision auto --target m33 --golden frame.jpg --out pico.hrvit")]
pub struct QuantizeArgs {
    /// Checkpoint (.safetensors or .pth)
    #[arg(long, value_name = "CKPT")]
    weights: PathBuf,
    #[command(flatten)]
    selection: SelectionArgs,
    /// Leave out tensors of the checkpoint of this name; * stands for any characters. Heads that
    /// serve training alone (auxiliary_head) are left out anyway
    #[arg(long, value_name = "GLOB", requires = "weights", alias = "ignore")]
    ignore_tensor: Vec<String>,
    #[command(flatten)]
    preprocess: PreprocessArgs,
    #[command(flatten)]
    fit: FitArgs,
    #[command(flatten)]
    network: NetworkArgs,
    /// Input height and width, multiples of 32, for example 192x256
    #[arg(long, value_name = "HxW")]
    size: Size,
    /// Folder of calibration frames; half precision alone needs none, and if they are given looks
    /// for overflow on them and has a golden frame
    #[arg(long, value_name = "DIR", required_if_eq_any([("precision", "int8"), ("precision", "int16x8"), ("precision", "mixed"), ("precision", "auto")]))]
    calib: Option<PathBuf>,
    #[command(flatten)]
    layout: LayoutArgs,
    /// Arithmetic of the image
    #[arg(long, value_enum, default_value_t = Precision::Int8)]
    precision: Precision,
    /// mixed: the parts in half precision, comma-separated, as auto names them (stem, m2.entry,
    /// m3.branch.0.1.attn, head). The beginning of a name (m3) stands for all parts below it
    #[arg(long, value_name = "PARTS", value_delimiter = ',', required_if_eq("precision", "mixed"))]
    half: Vec<String>,
    /// auto: what parts may run in beside 8 bits
    #[arg(long, value_name = "PRECISIONS", value_enum, value_delimiter = ',', default_values_t = [Wider::Fp16, Wider::Int16x8])]
    with: Vec<Wider>,
    /// auto: how far the image may drift from the float network. In percent of decisions (pixels;
    /// frames of a classifier) that change on calibration frames, or with --labelled in points of
    /// mIoU
    #[arg(long, value_name = "POINTS", default_value_t = 0.2)]
    max_drift: f64,
    /// auto: labelled frames that decide, a folder as hrvit eval takes it
    #[arg(long, value_name = "DIR", requires = "classes_file")]
    labelled: Option<PathBuf>,
    #[command(flatten)]
    target: TargetArgs,
    /// auto: draw accuracy over cost as SVG
    #[arg(long, value_name = "FILE")]
    pareto: Option<PathBuf>,
    /// Model image to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Calibrate also with frames that look unfit: too few, too small, flat, noise
    #[arg(long)]
    force: bool,
    /// Share of decisions (pixels; frames of a classifier) on frames held out that must be float's,
    /// else no image is written
    #[arg(long, value_name = "SHARE", default_value_t = 0.95, value_parser = share)]
    min_agreement: f64,
    /// Write the image even if it drifts too far from float: less agreement than --min-agreement,
    /// or a class with less than 80 % of float's decisions
    #[arg(long)]
    allow_drift: bool,
    /// A network of one class: from which probability on a pixel or frame is of the class, else
    /// 0.5. Its image has two classes, a background and the class
    #[arg(long, value_name = "P")]
    threshold: Option<f32>,
    /// Names and colours of the classes for the image, a TOML file like data/camvid11.toml;
    /// default: those that mmsegmentation saved in the checkpoint
    #[arg(long, value_name = "FILE")]
    classes_file: Option<PathBuf>,
    /// Serial number of the image, which may wrap (RFC 1982); of two valid ones on a device the
    /// greater is newer
    #[arg(long, value_name = "N", default_value_t = 0)]
    sequence: u32,
    /// Decides which tokens are sampled
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// For experiments: leave out techniques of the quantiser, comma-separated
    #[arg(long, value_name = "TECHNIQUES", value_enum, value_delimiter = ',', hide_short_help = true)]
    without: Vec<Technique>,
    /// The golden frame, one of your own; default: the first calibration frame
    #[arg(long, value_name = "FRAME", conflicts_with = "no_golden", requires = "calib")]
    golden: Option<PathBuf>,
    /// Leave out the golden frame (height x width x 3 bytes)
    #[arg(long)]
    no_golden: bool,
    /// Print every operator, not only the worst
    #[arg(long)]
    operators: bool,
}

/// Arithmetic of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Precision {
    /// 8-bit weights and activations, the same bytes on every target
    Int8,
    /// 16-bit activations, 8-bit weights: about twice the maps, the same bytes on every target
    Int16x8,
    /// Half precision, judged by tolerance: twice the weights, about twice the maps
    Fp16,
    /// 8 bits, with half precision in the parts that --half names
    Mixed,
    /// 8 bits, with 16 bits or half precision where they pay until --max-drift is met
    Auto,
}

/// Precisions that parts may run in beside 8 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Wider {
    /// Half precision
    Fp16,
    /// 16-bit activations, 8-bit weights
    Int16x8,
}

impl Wider {
    fn precision(self) -> record::Precision {
        match self {
            Self::Fp16 => record::Precision::Fp16,
            Self::Int16x8 => record::Precision::Int16x8,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// If the options name no network, or the checkpoint does not fit it or has values that are not
/// finite. If the folder has no frames or unfit ones. If the image drifts too far from float, or
/// cannot be written.
pub fn run(args: &QuantizeArgs, format: Format) -> Result<()> {
    let (start, network) = (Instant::now(), args.network.network()?);
    [&args.out].into_iter().chain(&args.pareto).try_for_each(|path| output::probe(path))?;
    let classes = args.classes_file.as_deref().map(|file| binary::classes(network.classes, Some(file))).transpose()?;
    let preprocess = args.preprocess.fitted(args.fit)?;
    ensure!(
        network.head == Head::Segformer || preprocess.fit != Fit::KeepRatio,
        "--keep-ratio slides windows over a frame, and a classifier has no label map to put together: --resize crop or letterbox"
    );
    let checkpoint = binary::read(&args.weights, &network, args.threshold, &args.selection.selection(&args.ignore_tensor), preprocess)?;
    let classes = classes.or_else(|| binary::classes_named(&checkpoint));
    let threshold = binary::threshold(&network, args.threshold);
    ensure!(args.half.is_empty() || args.precision == Precision::Mixed, "--half names the parts of --precision mixed");
    let auto = args.precision == Precision::Auto;
    ensure!(auto || args.pareto.is_none(), "--pareto draws the choice of --precision auto");
    ensure!(auto || args.labelled.is_none(), "--labelled decides for --precision auto");
    let named = parts::steps_named(&network, args.size, &args.half)?;
    let wide = match args.precision {
        Precision::Int8 | Precision::Auto => WideParts::NONE,
        Precision::Int16x8 => WideParts::ALL_INT16X8,
        Precision::Fp16 => WideParts::ALL,
        Precision::Mixed => target::half(&network, &named),
    };
    let name = args.precision.to_possible_value().context("a precision has a name")?;
    args.target.limits(&network, args.size).check(name.get_name(), wide, &network, args.size)?;
    let set = args.calib.as_deref().map(|calib| frames(args, checkpoint.preprocess(), calib)).transpose()?;
    let split = set.as_ref().map(Split::of);
    let made = make::make(args, (&checkpoint, threshold), split.as_ref(), classes.as_ref())?;
    // A part that does not fit 8 bits may have taken more.
    let found = Model::load(&made.image)?.wide_parts();
    args.target.limits(checkpoint.network(), args.size).check(name.get_name(), found, checkpoint.network(), args.size)?;
    let image = match &set {
        Some(set) if !args.no_golden => match &args.golden {
            Some(path) => golden::with_golden(&made.image, &golden::InFront::of(path, args.size, Fitting::of(checkpoint.preprocess()), set)?)?,
            None => golden::with_golden(&made.image, set)?,
        },
        _ => made.image.clone(),
    };
    let packed = PackedImage::new(image.clone(), IsaArg::default().kernels()?)?;
    let engine = packed.load()?;
    let names = Classes::of_image(engine.model().meta())?;
    let gate = Gate { min_agreement: args.min_agreement };
    let examine = |split| hold_out::examine(split, [&Float::new(checkpoint.clone(), args.size), &engine], &names, gate, &Tasks::new());
    let hold_out = split.as_ref().map(examine).transpose()?;
    let refused = hold_out.as_ref().map_or(&[][..], |hold_out| &hold_out.verdict.refused);
    let written = refused.is_empty() || args.allow_drift;
    if written {
        if let Some(picture) = &made.picture {
            output::write_file(picture.0, picture.1.as_bytes())?;
        }
        output::write_file(&args.out, &image)?;
    }
    outcome::Outcome::new(args, written, (image.len(), engine.plan().arena_bytes()), start.elapsed().as_secs_f64(), &made, hold_out.as_ref()).print(format)?;
    if !refused.is_empty() {
        let judged_by = if split.is_some_and(|split| split.held_out.is_some()) { "the frames held out" } else { "the calibration frames" };
        let complaint = refused.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  ");
        if !args.allow_drift {
            bail!(
                "on {judged_by} the image drifts too far from float; {} is not written:\n  {complaint}\n\
                 Give more or better frames to --calib, or --precision auto or int16x8; --allow-drift writes the image all the same, and `hrvit report` then \
                 says which steps are worst",
                args.out.display()
            );
        }
        eprintln!("warning: on {judged_by} the image drifts too far from float; written all the same:\n  {complaint}");
    }
    Ok(())
}

/// A share of the command line.
fn share(text: &str) -> Result<f64> {
    let share: f64 = text.parse().with_context(|| format!("{text} is no number"))?;
    ensure!((0.0..=1.0).contains(&share), "{text}: expected a share between 0 and 1, 0.95 for 95 %");
    Ok(share)
}

/// The calibration frames in `folder`, if they are fit or taken all the same.
fn frames(args: &QuantizeArgs, preprocess: &Preprocess, folder: &Path) -> Result<CalibrationSet> {
    let (set, unfit) = CalibrationSet::of(args.layout.frames(folder)?, args.size, Fitting::of(preprocess))?;
    warn(set.doubts());
    judge(&unfit, args.force)?;
    Ok(set)
}

/// Warns of what makes frames say less than their number suggests.
pub fn warn(doubts: &[Doubt]) {
    doubts.iter().for_each(|doubt| eprintln!("warning: {doubt}"));
}

/// Refuses unfit frames unless forced; then says what it goes on with.
///
/// # Errors
/// If there are unfit frames and `force` is not set.
pub fn judge(unfit: &[Unfit], force: bool) -> Result<()> {
    if unfit.is_empty() {
        return Ok(());
    }
    let mut lines: Vec<String> = unfit.iter().take(SPELT_OUT).map(ToString::to_string).collect();
    if unfit.len() > SPELT_OUT {
        lines.push(format!("and {} more", unfit.len() - SPELT_OUT));
    }
    let complaint = lines.join("\n  ");
    if !force {
        bail!("the calibration frames are unfit (--force takes them all the same):\n  {complaint}");
    }
    eprintln!("warning: calibrating with unfit frames:\n  {complaint}");
    Ok(())
}

/// Options of the quantiser whose provenance names checkpoint and tool, and says what calibrated.
///
/// # Errors
/// If the checkpoint cannot be read.
pub fn options(weights: &Path, calibrated: &str, classes: Option<&Classes>) -> Result<Options> {
    let bytes = std::fs::read(weights).with_context(|| format!("reading checkpoint {}", weights.display()))?;
    let provenance = provenance::text(weights, &bytes, calibrated);
    let class_names = classes.map(|classes| classes.iter().map(|class| class.name.clone()).collect()).unwrap_or_default();
    let colours = classes.map(|classes| classes.colours().collect()).unwrap_or_default();
    Ok(Options { provenance, class_names, colours, ..Options::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_are_no_share() {
        assert_eq!(share("0.95").unwrap(), 0.95);
        assert!(share("95").unwrap_err().to_string().contains("between 0 and 1"));
        assert!(share("nan").is_err() && share("much").is_err());
    }

    #[test]
    fn unfit_frames_are_refused_unless_forced() {
        let unfit = vec![Unfit::TooFew(3); 20];
        let error = judge(&unfit, false).unwrap_err().to_string();
        assert!(error.contains("--force") && error.contains("and 12 more"), "{error}");
        judge(&unfit, true).unwrap();
        judge(&[], false).unwrap();
    }
}
