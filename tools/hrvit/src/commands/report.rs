//! `hrvit report`: what a model image costs against float, as one page.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use hrvit_format::{Head, Model, crc32};
use hrvit_kernels::Kernels;
use hrvit_reference::{Checkpoint, Folded};

use super::quantize;
use crate::calibration::CalibrationSet;
use crate::dataset::{self, Labelled};
use crate::float::Float;
use crate::int8::{self, Int8, IsaArg, Packed};
use crate::output::{self, Format};
use crate::palette::Classes;
use crate::progress;
use crate::quantize::sample::spread_frames;
use crate::quantize::{Options, quantize as run_quantiser};
use crate::report::bars::Bars;
use crate::report::draws::Draws;
use crate::report::macs::Macs;
use crate::report::measure::{self, Against, Contestants};
use crate::report::page::{self, Extras, percent};
use crate::report::task::{self, Bootstrap};
use crate::report::{Drift, Report, Subject, WorstFrame, pictures, steps};
use crate::segmenter::Segmenter;

/// Calibration frames of a draw where the folder holds more.
const DRAW_FRAMES: usize = 128;

/// Report what int8 costs against float: quality, agreement, every step, worst frames, as one HTML page
///
/// Runs the float network and the model image over labelled frames (a folder as `hrvit eval` takes it) and writes a page that needs neither network nor script, and
/// the same as JSON. With --draws or --calib other calibrations of the same network are measured too, to tell drift from chance. With --bars the command fails where
/// the image does not meet them; the page is written all the same.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  hrvit report --model nano.hrvit --weights models/nano_camvid11.safetensors --data data/val --out report.html
  hrvit report --model nano.hrvit --weights models/nano_camvid11.safetensors --data camvid/val --calib camvid/train/images --calib-draws 5 \\
      --bars tests/data/drift_bars.toml --plan plan.svg --out report.html --report-json report.json")]
pub struct ReportArgs {
    /// Model image
    #[arg(long, value_name = "M.hrvit")]
    model: PathBuf,
    /// Checkpoint of the float network (.safetensors or .pth)
    #[arg(long, value_name = "CKPT")]
    weights: PathBuf,
    /// Folder with images/ and labels/
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Measure on this many frames, evenly spread, instead of all
    #[arg(long, value_name = "N")]
    frames: Option<usize>,
    /// Measure steps on this many of them, evenly spread
    #[arg(long, value_name = "N", default_value_t = 16)]
    step_frames: usize,
    /// Other model images of the same network
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "calib")]
    draws: Vec<PathBuf>,
    /// Folder of frames to calibrate other images with, each with a random draw of them
    #[arg(long, value_name = "DIR")]
    calib: Option<PathBuf>,
    /// How many of these images
    #[arg(long, value_name = "N", default_value_t = 5, requires = "calib")]
    calib_draws: usize,
    /// Frames of each draw; default: 128, or three quarters of a folder that holds no more
    #[arg(long, value_name = "N", requires = "calib")]
    calib_frames: Option<usize>,
    /// The page
    #[arg(long, value_name = "FILE.html")]
    out: PathBuf,
    /// Write the report as JSON too (--json prints it)
    #[arg(long, value_name = "FILE.json")]
    report_json: Option<PathBuf>,
    /// Bars to be met, a TOML file like tests/data/drift_bars.toml
    #[arg(long, value_name = "FILE")]
    bars: Option<PathBuf>,
    /// Which set of them
    #[arg(long, value_name = "NAME", default_value = "full", requires = "bars")]
    bar_set: String,
    /// Picture of the memory plan for the page (`hrvit plan --svg`)
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Picture of a device's profile for the page (`hrvit profile --svg`)
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// How many of the worst frames are shown
    #[arg(long, value_name = "N", default_value_t = 4)]
    worst: usize,
    /// Bootstrap resamples behind every interval
    #[arg(long, value_name = "N", default_value_t = 2000)]
    resamples: usize,
    /// Decides what the bootstrap and the draws choose
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    isa: IsaArg,
}

/// Images to measure beside the model, and how they came to be.
struct Others {
    names: Vec<String>,
    images: Vec<Packed>,
    origin: String,
}

/// Runs the command.
///
/// # Errors
/// If files are missing or do not fit each other, results cannot be written, or a bar is not met.
pub fn run(args: &ReportArgs, format: Format) -> Result<()> {
    let bars = args.bars.as_deref().map(|path| Bars::read(path, &args.bar_set)).transpose()?;
    let mut extras = Extras::default();
    for (title, path) in [("Memory plan", &args.plan), ("Profile", &args.profile)] {
        if let Some(path) = path {
            extras.pictures.push((title, pictures::file_uri(path)?));
        }
    }
    let all = dataset::labelled(&args.data)?;
    let count = args.frames.unwrap_or(all.len());
    ensure!((1..=all.len()).contains(&count), "--frames {count}: {} holds {} frames", args.data.display(), all.len());
    let set: Vec<&Labelled> = spread_frames(all.len(), count).into_iter().map(|i| &all[i]).collect();
    ensure!(args.step_frames > 0, "--step-frames 0: at least one frame is needed to measure steps and the logits' deviation");

    let kernels = args.isa.kernels()?;
    let file = int8::read_image(&args.model)?;
    let (bytes, crc) = file_facts(&file).with_context(|| format!("model image {}", args.model.display()))?;
    let image = Packed::new(file, kernels).with_context(|| format!("model image {}", args.model.display()))?;
    let int8 = image.load()?;
    let meta = int8.model().meta();
    ensure!(meta.network.head == Head::Segformer, "{}: it has a classification head; only segmentors can be reported on label maps", args.model.display());
    let checkpoint = Checkpoint::read(&args.weights, &meta.network)?;
    let classes = Classes::of_image(meta)?;
    let others = others(args, &int8, &checkpoint, &classes, kernels)?;

    let step_set: Vec<&Labelled> = spread_frames(set.len(), args.step_frames).into_iter().map(|i| set[i]).collect();
    let by_step = steps::measure(&step_set, &Folded::new(&checkpoint), &int8)?;
    let float = Float::new(checkpoint, int8.size());
    let draws: Vec<Int8<'_>> = others.iter().flat_map(|others| &others.images).map(Packed::load).collect::<Result<_>>()?;
    let contestants: Vec<&dyn Segmenter> = std::iter::once(&int8).chain(&draws).map(|one| one as &dyn Segmenter).collect();
    let measured = measure::measure(&set, Contestants { float: &float, others: &contestants, logits_deviation: by_step.logits_deviation })?;

    let bootstrap = Bootstrap { resamples: args.resamples, seed: args.seed };
    let (own, drawn) = measured.others.split_first().context("the model image was measured")?;
    let worst = worst(own, args.worst);
    let drawings = worst.iter().map(|&(at, _)| pictures::draw(set[at], &float, &int8, &classes)).collect::<Result<_>>()?;
    extras.worst.push(drawings);
    let mut report = Report {
        subject: Subject {
            model: file_name(&args.model),
            model_bytes: bytes,
            model_crc32: format!("{crc:08x}"),
            provenance: meta.provenance.to_owned(),
            weights: file_name(&args.weights),
            data: args.data.display().to_string(),
            frames: set.len(),
            step_frames: step_set.len(),
            size: [meta.size.height, meta.size.width],
            classes: classes.iter().map(|class| class.name.clone()).collect(),
            resamples: args.resamples,
            seed: args.seed,
        },
        quality: vec![
            task::quality(float.name(), &measured.float, classes.len(), bootstrap),
            task::quality(int8.name(), &own.classes, classes.len(), bootstrap),
        ],
        drift: vec![Drift {
            precision: int8.name(),
            delta: task::delta(&measured.float, &own.classes, classes.len(), bootstrap),
            agreement: own.counts.report(by_step.logits_deviation),
            logits_sqnr_db: own.noise.decibels(),
            macs: Macs::of(int8.model(), int8.size())?,
            steps: by_step.steps,
            draws: others.map(|others| Draws::of(others.origin, &others.names, &measured.float, drawn, classes.len())),
            worst: worst.into_iter().map(|(at, agreement)| WorstFrame { name: set[at].name.clone(), agreement }).collect(),
        }],
        verdicts: Vec::new(),
    };
    report.verdicts = bars.map(|bars| bars.judge(&report)).unwrap_or_default();
    output::write_file(&args.out, page::page(&report, &classes, &extras)?.as_bytes())?;
    if let Some(path) = &args.report_json {
        output::write_file(path, &serde_json::to_vec_pretty(&report)?)?;
    }
    match format {
        Format::Json => output::print_json(&report)?,
        Format::Text => print(&report, &args.out)?,
    }
    verdict(&report, args)
}

/// Bytes of an image, and the CRC32 of all of them but the last four, which hold it.
fn file_facts(file: &[u8]) -> Result<(usize, u32)> {
    let bytes = Model::load(file)?.total_len();
    Ok((bytes, crc32(&file[..bytes - size_of::<u32>()])))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Images given by --draws, or calibrated as --calib says; all packed for `kernels`.
fn others(args: &ReportArgs, int8: &Int8<'_>, checkpoint: &Checkpoint, classes: &Classes, kernels: Kernels) -> Result<Option<Others>> {
    if let Some(folder) = &args.calib {
        return calibrate(args, folder, int8, checkpoint, classes, kernels).map(Some);
    }
    if args.draws.is_empty() {
        return Ok(None);
    }
    let images = args.draws.iter().map(|path| {
        let load = || -> Result<Packed> {
            let image = Packed::new(int8::read_image(path)?, kernels)?;
            let other = image.load()?;
            let (own, other) = (int8.model().meta(), other.model().meta());
            ensure!(own.network == other.network && own.size == other.size, "it holds another network or size than {}", args.model.display());
            Ok(image)
        };
        load().with_context(|| format!("draw {}", path.display()))
    });
    let names = args.draws.iter().map(|path| file_name(path)).collect();
    Ok(Some(Others { names, images: images.collect::<Result<_>>()?, origin: "Other model images of the same network.".to_owned() }))
}

fn calibrate(args: &ReportArgs, folder: &Path, int8: &Int8<'_>, checkpoint: &Checkpoint, classes: &Classes, kernels: Kernels) -> Result<Others> {
    let (set, unfit) = CalibrationSet::open(folder, int8.size())?;
    quantize::judge(&unfit, false)?;
    let held = set.paths().len();
    let count = args.calib_frames.unwrap_or(if held > DRAW_FRAMES { DRAW_FRAMES } else { held * 3 / 4 });
    ensure!((1..held).contains(&count), "--calib-frames {count}: {} holds {held} frames, a draw leaves some of them out", folder.display());
    let mut others = Others {
        names: Vec::new(),
        images: Vec::new(),
        origin: format!("{} images, each calibrated with {count} of {held} frames drawn at random, seeds {} and up.", args.calib_draws, args.seed),
    };
    for number in 0..args.calib_draws {
        let seed = args.seed.wrapping_add(number as u64);
        let drawn = set.draw(count, seed)?;
        let options = Options { seed, ..quantize::options(&args.weights, Some(&drawn), Some(classes))? };
        let quantised =
            run_quantiser(checkpoint, int8.size(), &drawn, &options, &progress::Tasks::new()).with_context(|| format!("calibration draw {number}"))?;
        others.images.push(Packed::new(quantised.image, kernels)?);
        others.names.push(number.to_string());
    }
    Ok(others)
}

/// The frames that agree least and how much, worst first; equal ones in order.
fn worst(image: &Against, count: usize) -> Vec<(usize, f64)> {
    let mut frames: Vec<(usize, f64)> = image.agreement.iter().map(|pixels| pixels.agreement().unwrap_or(1.0)).enumerate().collect();
    frames.sort_by(|a, b| a.1.total_cmp(&b.1));
    frames.truncate(count);
    frames
}

fn print(report: &Report, out: &Path) -> Result<()> {
    let mut table = output::table(&["", "float"], 1);
    let mut header = vec![format!("{} frames", report.subject.frames)];
    header.extend(report.quality.iter().map(|quality| quality.precision.to_owned()));
    table.set_header(header);
    let quality =
        |of: &dyn Fn(&task::Quality) -> Option<task::Estimate>| report.quality.iter().map(|one| percent(of(one).map(|one| one.value))).collect::<Vec<_>>();
    let drift = |of: &dyn Fn(&Drift) -> String| std::iter::once(String::new()).chain(report.drift.iter().map(of)).collect::<Vec<_>>();
    let between = |one: Option<task::Estimate>| one.map_or_else(|| "-".to_owned(), |one| format!("{:+.3} ({:+.3} to {:+.3})", one.value, one.low, one.high));
    let rows = [
        ("mIoU, %", quality(&|one| one.miou)),
        ("pixel accuracy, %", quality(&|one| one.pixel_accuracy)),
        ("mIoU less float's, points (95 %)", drift(&|one| between(one.delta.miou_points))),
        ("pixels that agree with float, %", drift(&|one| percent(one.agreement.overall))),
        ("at borders of classes, %", drift(&|one| percent(one.agreement.at_borders.agreement))),
        ("where float is clear, %", drift(&|one| percent(one.agreement.at_clear_margin.agreement))),
        ("logits SQNR, dB", drift(&|one| one.logits_sqnr_db.map_or_else(|| "-".to_owned(), |db| format!("{db:.1}")))),
        ("MACs in 8x8, %", drift(&|one| format!("{:.1}", 100.0 * one.macs.share()))),
        ("the others", drift(&|one| one.macs.rest())),
    ];
    for (title, values) in rows {
        table.add_row(std::iter::once(title.to_owned()).chain(values));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(comfy_table::CellAlignment::Right);
    }
    output::print_text(format_args!("{table}\n{}", out.display()))
}

/// Fails with every bar that is not met.
fn verdict(report: &Report, args: &ReportArgs) -> Result<()> {
    let failed: Vec<String> = report.verdicts.iter().filter(|verdict| !verdict.passed).map(ToString::to_string).collect();
    if failed.is_empty() {
        return Ok(());
    }
    let bars = args.bars.as_deref().unwrap_or(Path::new("bars")).display();
    bail!(
        "{} of {} bars ({bars}, set {}) are not met; see {}:\n  {}",
        failed.len(),
        report.verdicts.len(),
        args.bar_set,
        args.out.display(),
        failed.join("\n  ")
    )
}
