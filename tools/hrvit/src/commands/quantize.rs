//! `hrvit quantize`: from a checkpoint and some frames to a model image.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use hrvit_core::{Model, Plan};
use hrvit_format::{Size, WideParts, crc32, record};
use hrvit_reference::{Checkpoint, Folded};
use serde::Serialize;

use crate::calibration::CalibrationSet;
use crate::dataset;
use crate::frame_checks::Unfit;
use crate::golden;
use crate::host_engine::IsaArg;
use crate::output::{self, Format};
use crate::palette::Classes;
use crate::precision::{self, Chosen, Limits, Measure, Offer, parts};
use crate::progress::Tasks;
use crate::quantize::half::{peaks, refuse_overflow};
use crate::quantize::{self, Frames, Options, Report, Technique, Techniques};
use crate::spec_file::NetworkArgs;
use crate::target::{self, TargetArgs};

/// How many of the worst operators are shown.
const WORST: usize = 8;
/// Calibration frames on which precisions are compared.
const MEASURED: usize = 16;
/// How many complaints about frames are spelt out.
const SPELT_OUT: usize = 8;

/// Turn a trained checkpoint into a model image
///
/// Scales come from calibration frames: pictures like those the device will see, resized to the input as `hrvit eval` does. Some hundred of the training set are
/// usual, 16 are enough to start with. The image carries the first of them as its golden frame, with a checksum per step that every device can check itself
/// against; with half precision also with the logits and labels of plain code, to which a device is held within bounds.
///
/// With --precision auto every part of the network (each attention and MixCFN block, the entry of every module, stem and head) is measured alone in each precision of
/// --with, and the most worth ones are added to the image in 8 bits until it drifts no further from the float network than --max-drift.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  hrvit quantize --weights models/nano_camvid11.safetensors --variant nano --head segformer --classes 11 --size 192x256 \\
      --calib data/calib --classes-file data/camvid11.toml --out nano.hrvit
  hrvit quantize --weights models/nano_camvid11.safetensors --variant nano --head segformer --classes 11 --size 192x256 \\
      --calib data/calib --precision auto --max-drift 0.2 --pareto precision.svg --out mixed.hrvit
  hrvit quantize --weights models/nano_camvid11.safetensors --variant nano --head segformer --classes 11 --size 192x256 \\
      --calib data/calib --precision auto --target m33 --out pico.hrvit")]
pub struct QuantizeArgs {
    /// Checkpoint (.safetensors or .pth)
    #[arg(long, value_name = "CKPT")]
    weights: PathBuf,
    #[command(flatten)]
    network: NetworkArgs,
    /// Input height and width, multiples of 32, for example 192x256
    #[arg(long, value_name = "HxW")]
    size: Size,
    /// Folder of calibration frames; half precision alone needs none, and if they are given looks for overflow on them and has a golden frame
    #[arg(long, value_name = "DIR", required_if_eq_any([("precision", "int8"), ("precision", "int16x8"), ("precision", "mixed"), ("precision", "auto")]))]
    calib: Option<PathBuf>,
    /// Arithmetic of the image
    #[arg(long, value_enum, default_value_t = Precision::Int8)]
    precision: Precision,
    /// mixed: the parts in half precision, comma-separated, as auto names them (stem, m2.entry, m3.branch.0.1.attn, head); the beginning of a name (m3) stands for all of them
    #[arg(long, value_name = "PARTS", value_delimiter = ',', required_if_eq("precision", "mixed"))]
    half: Vec<String>,
    /// auto: what parts may run in beside 8 bits
    #[arg(long, value_name = "PRECISIONS", value_enum, value_delimiter = ',', default_values_t = [Wider::Fp16, Wider::Int16x8])]
    with: Vec<Wider>,
    /// auto: how far the image may drift from the float network. In percent of decisions (pixels; frames of a classifier) that change on calibration frames, or
    /// with --labelled in points of mIoU
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
    /// Names and colours of the classes for the image, a TOML file like data/camvid11.toml
    #[arg(long, value_name = "FILE")]
    classes_file: Option<PathBuf>,
    /// Sequence number of the image; of two valid ones on a device the higher is newer
    #[arg(long, value_name = "N", default_value_t = 0)]
    sequence: u32,
    /// Decides which tokens are sampled
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// For experiments: leave out techniques of the quantiser, comma-separated
    #[arg(long, value_name = "TECHNIQUES", value_enum, value_delimiter = ',', hide_short_help = true)]
    without: Vec<Technique>,
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

/// What parts may run in beside 8 bits.
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

#[derive(Serialize)]
struct Outcome<'a> {
    file: &'a Path,
    bytes: usize,
    arena_bytes: usize,
    report: &'a Report,
    #[serde(skip_serializing_if = "Option::is_none")]
    precision: Option<Precisions<'a>>,
}

/// How `--precision auto` chose.
#[derive(Serialize)]
struct Precisions<'a> {
    drift: &'static str,
    max_drift: f64,
    reached: bool,
    path: &'a [precision::search::Step],
    sensitivities: &'a [precision::search::Sensitivity],
}

/// Runs the command.
///
/// # Errors
/// If the options name no network, the checkpoint does not fit it or has values that are not finite, the folder has no frames or unfit ones, or the image cannot
/// be written.
pub fn run(args: &QuantizeArgs, format: Format) -> Result<()> {
    let network = args.network.network()?;
    [&args.out].into_iter().chain(&args.pareto).try_for_each(|path| output::probe(path))?;
    let classes = args.classes_file.as_deref().map(|file| Classes::of_model(usize::from(network.classes), Some(file))).transpose()?;
    let checkpoint = Checkpoint::read(&args.weights, &network)?;
    ensure!(args.half.is_empty() || args.precision == Precision::Mixed, "--half names the parts of --precision mixed");
    let named = parts::steps_named(&network, args.size, &args.half)?;
    let wide = match args.precision {
        Precision::Int8 | Precision::Auto => WideParts::NONE,
        Precision::Int16x8 => WideParts::ALL_INT16X8,
        Precision::Fp16 => WideParts::ALL,
        Precision::Mixed => target::half(&network, &named),
    };
    let name = args.precision.to_possible_value().context("a precision has a name")?;
    args.target.limits(&network, args.size).check(name.get_name(), wide, &network, args.size)?;
    let mut chosen = None;
    let (image, report, set) = match (args.precision, &args.calib) {
        (Precision::Fp16, _) => {
            ensure!(args.without.is_empty(), "--without: half precision uses none of these techniques");
            let options = Options { sequence: args.sequence, ..options(&args.weights, None, classes.as_ref())? };
            let set = args.calib.as_deref().map(|calib| frames(args, calib)).transpose()?;
            if let Some(set) = &set {
                refuse_overflow(&peaks(&Folded::new(&checkpoint), args.size, set, &Tasks::new())?)?;
            }
            let halved = quantize::to_fp16(&checkpoint, args.size, &options)?;
            (halved.image, halved.report, set)
        }
        (Precision::Int8 | Precision::Int16x8 | Precision::Mixed | Precision::Auto, None) => bail!("integers need calibration frames: --calib DIR"),
        (Precision::Auto, Some(calib)) => {
            let set = frames(args, calib)?;
            let options = Options { seed: args.seed, sequence: args.sequence, ..options(&args.weights, Some(&set), classes.as_ref())? };
            let (found, drift, report) = mix(args, &checkpoint, &set, &options, classes.as_ref())?;
            let image = found.image.clone();
            chosen = Some((found, drift));
            (image, report, Some(set))
        }
        (Precision::Int8 | Precision::Int16x8 | Precision::Mixed, Some(calib)) => {
            let set = frames(args, calib)?;
            let mut options = Options { seed: args.seed, sequence: args.sequence, ..options(&args.weights, Some(&set), classes.as_ref())? };
            if args.precision == Precision::Int16x8 {
                options.precision = record::Precision::Int16x8;
            }
            options.techniques = Techniques::without(&args.without);
            for name in options.techniques.names_left_out() {
                options.provenance.push_str(&format!("; without {name}"));
            }
            let int8 = quantize::quantize(&checkpoint, args.size, &set, &options, &Tasks::new())?;
            let image = match args.precision {
                Precision::Mixed => {
                    let mut peaks = peaks(&Folded::new(&checkpoint), args.size, &set, &Tasks::new())?;
                    peaks.retain(|peak| network.steps().enumerate().any(|(at, step)| step == peak.step && named.contains(&at)));
                    refuse_overflow(&peaks)?;
                    int8.with_wide_steps(&quantize::to_fp16(&checkpoint, args.size, &options)?.steps, &named)?
                }
                _ => int8.image,
            };
            (image, int8.report, Some(set))
        }
    };
    let image = match set {
        Some(set) if !args.no_golden => golden::with_golden(&image, &set)?,
        _ => image,
    };
    output::write_file(&args.out, &image)?;
    let arena_bytes = Plan::for_model(Model::load(&image)?.head()).build()?.arena_bytes();
    match format {
        Format::Json => {
            let precision = chosen.as_ref().map(|(found, drift)| Precisions {
                drift,
                max_drift: args.max_drift,
                reached: found.reached,
                path: &found.path,
                sensitivities: &found.sensitivities,
            });
            output::print_json(&Outcome { file: &args.out, bytes: image.len(), arena_bytes, report: &report, precision })
        }
        Format::Text => {
            if let Some((found, drift)) = &chosen {
                print_choice(found, drift, args.max_drift)?;
            }
            print_report(args, &report, image.len(), arena_bytes)
        }
    }
}

/// The calibration frames in `folder`, if they are fit or taken all the same.
fn frames(args: &QuantizeArgs, folder: &Path) -> Result<CalibrationSet> {
    let (set, unfit) = CalibrationSet::open(folder, args.size)?;
    judge(&unfit, args.force)?;
    Ok(set)
}

/// Quantises to 8 bits, and gives those parts another precision that pay.
fn mix(
    args: &QuantizeArgs,
    checkpoint: &Checkpoint,
    set: &CalibrationSet,
    options: &Options,
    classes: Option<&Classes>,
) -> Result<(Chosen, &'static str, Report)> {
    let tasks = Tasks::new();
    let int8 = quantize::quantize(checkpoint, args.size, set, options, &tasks)?;
    let target = args.target.limits(checkpoint.network(), args.size);
    let with: Vec<Wider> = args.with.iter().copied().filter(|wider| target.has(wider.precision())).collect();
    let mut offered = Vec::new();
    for wider in &with {
        offered.push(match wider {
            Wider::Fp16 => (record::Precision::Fp16, quantize::to_fp16(checkpoint, args.size, options)?.steps),
            Wider::Int16x8 => {
                let options = Options { precision: record::Precision::Int16x8, ..options.clone() };
                (record::Precision::Int16x8, quantize::quantize(checkpoint, args.size, set, &options, &tasks)?.steps)
            }
        });
    }
    let offers: Vec<Offer<'_>> = offered.iter().map(|(precision, steps)| Offer { precision: *precision, steps }).collect();
    let labelled = args.labelled.as_deref().map(dataset::labelled).transpose()?;
    let judged = labelled.as_deref().zip(classes);
    let kernels = IsaArg::default().kernels()?;
    let measure = Measure::new(checkpoint, (set, MEASURED), args.size, judged, kernels, &tasks)?;
    let half = with.contains(&Wider::Fp16);
    let peaks = if half { peaks(&Folded::new(checkpoint), args.size, set, &tasks)? } else { Vec::new() };
    let beyond: Vec<_> = peaks.iter().filter(|peak| !peak.fits()).map(|peak| peak.step).collect();
    if !beyond.is_empty() {
        let names: Vec<String> = beyond.iter().map(ToString::to_string).collect();
        eprintln!("warning: beyond half precision on these frames: {}", names.join(", "));
    }
    let limits = Limits { drift: args.max_drift, arena_bytes: target.arena_bytes(), beyond };
    let found = precision::search(&int8, &offers, &measure, &limits, &tasks)?;
    if let Some(file) = &args.pareto {
        output::write_file(file, precision::picture::draw(&found.path, measure.drift_name())?.as_bytes())?;
    }
    Ok((found, measure.drift_name(), int8.report))
}

/// The parts that were added and what each brought.
fn print_choice(found: &Chosen, drift: &str, most: f64) -> Result<()> {
    let mut table = output::table(&["not in 8 bits", "precision", "logits dB", drift, "MACs not in 8x8, %", "image bytes", "arena bytes"], 2);
    for step in &found.path {
        table.add_row([
            step.part.as_deref().map_or_else(|| "nothing".to_owned(), |part| format!("+ {part}")),
            step.precision.unwrap_or_default().to_owned(),
            format!("{:.2}", step.logits_db),
            format!("{:.3}", step.drift),
            format!("{:.1}", 100.0 * step.wide_macs),
            output::grouped(step.bytes as u64),
            output::grouped(step.arena_bytes as u64),
        ]);
    }
    output::print_text(table)?;
    if !found.reached {
        eprintln!(
            "warning: no choice drifts {most} points or less ({drift}); this is the last one that helps. --precision fp16 has every part in half precision"
        );
    }
    Ok(())
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

/// Options of the quantiser whose provenance names checkpoint, frames and tool.
///
/// # Errors
/// If the checkpoint cannot be read.
pub fn options(weights: &Path, set: Option<&CalibrationSet>, classes: Option<&Classes>) -> Result<Options> {
    let bytes = std::fs::read(weights).with_context(|| format!("reading checkpoint {}", weights.display()))?;
    let name = weights.file_name().unwrap_or_default().to_string_lossy();
    let calibrated = set.map_or_else(|| "half precision".to_owned(), |set| format!("{} calibration frames", set.len()));
    let provenance = format!("hrvit {}; {name}, CRC32 {:08x}; {calibrated}", env!("CARGO_PKG_VERSION"), crc32(&bytes));
    let class_names = classes.map(|classes| classes.iter().map(|class| class.name.clone()).collect()).unwrap_or_default();
    let colours = classes.map(|classes| classes.colours().collect()).unwrap_or_default();
    Ok(Options { provenance, class_names, colours, ..Options::default() })
}

fn print_report(args: &QuantizeArgs, report: &Report, bytes: usize, arena_bytes: usize) -> Result<()> {
    if args.operators {
        output::print_text(report.table())?;
    } else {
        let mut table = output::table(&["worst operators", "", "dB alone", "dB in the network"], 2);
        let decibels = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |db| format!("{db:.1}"));
        for op in report.worst(WORST) {
            table.add_row([op.step.clone(), op.op.clone(), decibels(op.single_db), decibels(op.entire_db)]);
        }
        output::print_text(table)?;
    }
    output::print_text(format_args!(
        "{}: {} bytes, arena {} bytes; logits SQNR {} dB on {} of {} calibration frames; {:.1} s",
        args.out.display(),
        output::grouped(bytes as u64),
        output::grouped(arena_bytes as u64),
        report.logits_db.map_or_else(|| "-".to_owned(), |db| format!("{db:.1}")),
        report.measured_frames,
        report.frames,
        report.seconds
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfit_frames_are_refused_unless_forced() {
        let unfit = vec![Unfit::TooFew(3); 20];
        let error = judge(&unfit, false).unwrap_err().to_string();
        assert!(error.contains("--force") && error.contains("and 12 more"), "{error}");
        judge(&unfit, true).unwrap();
        judge(&[], false).unwrap();
    }
}
