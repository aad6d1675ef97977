//! `hrvit report`: what a model image costs against float, as one page.

mod classifier;
mod segmentor;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use hrvit_format::{Head, Model, crc32};
use hrvit_kernels::Kernels;
use hrvit_reference::Checkpoint;
use serde::Serialize;

use super::quantize;
use crate::binary;
use crate::calibration::CalibrationSet;
use crate::dataset::args::DatasetArgs;
use crate::fit::Fitting;
use crate::host_engine::{self, HostEngine, IsaArg, PackedImage};
use crate::inference::Inference;
use crate::inference::args::SlideArgs;
use crate::output::{self, Format};
use crate::palette::Classes;
use crate::picture_mark::Mark;
use crate::progress;
use crate::provenance;
use crate::quantize::sample::spread_frames;
use crate::quantize::{Options, quantize as run_quantiser};
use crate::report::bars::Bars;
use crate::report::task::{Bootstrap, Estimate};
use crate::report::verdict::Verdict;
use crate::report::{Subject, pictures};
use crate::segmenter::Segmenter as _;
use crate::selection::SelectionArgs;

/// Calibration frames of a draw where the folder holds more.
const DRAW_FRAMES: usize = 128;

/// Report what int8 costs against float: quality, agreement, every step, worst frames, as one HTML
/// page
///
/// Runs the float network and the model image over labelled frames, in a folder as `hrvit eval`
/// takes it. A classifier's folder has images/ and, if there are labels, labels.csv with lines
/// "STEM,CLASS". Writes a page that works offline and without scripts, and the same as JSON. With
/// --draws or --calib other calibrations of the same network are measured too, to tell drift from
/// chance. With --bars the command fails if the image misses a bar. The page is written all the
/// same. With --slide steps are measured on the window in the middle of a frame. The checkpoint
/// should be the image's own: a warning names any other.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  hrvit report --model nano.hrvit --weights models/nano_camvid11.safetensors --data data/val --out report.html
  hrvit report --model nano.hrvit --weights models/nano_camvid11.safetensors --data camvid/val --calib camvid/train/images --calib-draws 5 \\
      --bars tests/data/drift_bars.toml --plan plan.svg --out report.html --report-json report.json
  hrvit report --model nano.hrvit --weights models/nano_camvid11.safetensors --data data/val --slide --out slide.html")]
pub struct ReportArgs {
    /// Model image
    #[arg(long, value_name = "M.hrvit")]
    model: PathBuf,
    /// Checkpoint of the float network (.safetensors or .pth)
    #[arg(long, value_name = "CKPT")]
    weights: PathBuf,
    #[command(flatten)]
    selection: SelectionArgs,
    /// Leave out tensors of the checkpoint of this name; * stands for any characters. Heads that
    /// serve training alone (auxiliary_head) are left out anyway
    #[arg(long, value_name = "GLOB", requires = "weights")]
    ignore_tensor: Vec<String>,
    /// Folder with images/ and labels/; of a classifier, with images/ and perhaps labels.csv
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    #[command(flatten)]
    dataset: DatasetArgs,
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
    slide: SlideArgs,
    #[command(flatten)]
    isa: IsaArg,
}

/// Images to measure beside the model, and how they came to be.
struct Others {
    names: Vec<String>,
    images: Vec<PackedImage>,
    origin: String,
}

/// Parts that a report needs beside the frames.
struct Prepared<'a> {
    args: &'a ReportArgs,
    format: Format,
    bars: Option<Bars>,
    /// Title and address of further pictures.
    pictures: Vec<(&'static str, String)>,
    /// How frames are seen.
    inference: Inference,
    int8: &'a HostEngine,
    checkpoint: Checkpoint,
    classes: Classes,
    kernels: Kernels,
    bytes: usize,
    crc: u32,
}

/// Runs the command.
///
/// # Errors
/// If files are missing or do not fit each other, results cannot be written, or a bar is not met.
pub fn run(args: &ReportArgs, format: Format) -> Result<()> {
    let bars = args.bars.as_deref().map(|path| Bars::read(path, &args.bar_set)).transpose()?;
    ensure!(args.step_frames > 0, "--step-frames 0: at least one frame is needed to measure steps and the logits' deviation");
    [&args.out].into_iter().chain(&args.report_json).try_for_each(|path| output::probe(path))?;
    let kernels = args.isa.kernels()?;
    let file = host_engine::read_image(&args.model)?;
    let (bytes, crc) = file_facts(&file).with_context(|| format!("model image {}", args.model.display()))?;
    let image = PackedImage::new(file, kernels).with_context(|| format!("model image {}", args.model.display()))?;
    let int8 = &image.load()?;
    let model = int8.model();
    let meta = model.meta();
    let inference = args.slide.inference(None, int8.size(), &meta.preprocess)?;
    inference.check_head(meta.network.head)?;
    let mark = Mark::of(&meta.network, int8.size());
    let mut pictures = Vec::new();
    let planned = mark.clone().in_precision(model.wide_parts());
    for (title, kind, mark, path) in [("Memory plan", "plan", &planned, &args.plan), ("Profile", "profile", &mark, &args.profile)] {
        if let Some(path) = path {
            pictures.push((title, pictures::data_uri("image/svg+xml", &mark.check(path, kind)?)));
        }
    }
    let checkpoint = binary::read_for(&args.weights, meta, &args.selection.selection(&args.ignore_tensor))?;
    provenance::doubt(meta.provenance, &args.weights)?.iter().for_each(|doubt| eprintln!("warning: {doubt}"));
    let classes = Classes::of_image(meta)?;
    let head = meta.network.head;
    let prepared = Prepared { args, inference, format, bars, pictures, int8, checkpoint, classes, kernels, bytes, crc };
    match head {
        Head::Segformer => segmentor::run(prepared),
        Head::Classifier => classifier::run(prepared),
    }
}

impl Prepared<'_> {
    /// As many frames of `all` as asked for, evenly spread.
    fn set<'s, T>(&self, all: &'s [T]) -> Result<Vec<&'s T>> {
        let count = self.args.frames.unwrap_or(all.len());
        ensure!((1..=all.len()).contains(&count), "--frames {count}: {} holds {} frames", self.args.data.display(), all.len());
        Ok(spread_frames(all.len(), count).into_iter().map(|i| &all[i]).collect())
    }

    /// The frames of `frames` on which steps are measured.
    fn step_set<'p>(&self, frames: &[&'p Path]) -> Vec<&'p Path> {
        spread_frames(frames.len(), self.args.step_frames).into_iter().map(|i| frames[i]).collect()
    }

    fn bootstrap(&self) -> Bootstrap {
        Bootstrap { resamples: self.args.resamples, seed: self.args.seed }
    }

    fn subject(&self, frames: usize, step_frames: usize) -> Subject {
        let model = self.int8.model();
        let meta = model.meta();
        Subject {
            model: file_name(&self.args.model),
            model_bytes: self.bytes,
            model_crc32: format!("{:08x}", self.crc),
            provenance: meta.provenance.to_owned(),
            weights: file_name(&self.args.weights),
            data: self.args.data.display().to_string(),
            frames,
            step_frames,
            size: [meta.size.height, meta.size.width],
            inference: self.inference,
            classes: self.classes.iter().map(|class| class.name.clone()).collect(),
            resamples: self.args.resamples,
            seed: self.args.seed,
        }
    }

    /// Writes the page and the JSON document; prints the latter if asked to, else `table`.
    fn write(&self, page: &str, report: &impl Serialize, table: comfy_table::Table) -> Result<()> {
        output::write_file(&self.args.out, page.as_bytes())?;
        if let Some(path) = &self.args.report_json {
            output::write_file(path, &serde_json::to_vec_pretty(report)?)?;
        }
        match self.format {
            Format::Json => output::print_json(report),
            Format::Text => output::print_text(format_args!("{table}\n{}", self.args.out.display())),
        }
    }
}

/// A table with one row per metric; the columns are float and the other precisions.
fn table<const N: usize>(frames: usize, precisions: &[&str], rows: [(&str, Vec<String>); N]) -> comfy_table::Table {
    let mut table = output::table(&["", "float"], 1);
    table.set_header(std::iter::once(format!("{frames} frames")).chain(precisions.iter().map(|&name| name.to_owned())));
    for (title, values) in rows {
        table.add_row(std::iter::once(title.to_owned()).chain(values));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(comfy_table::CellAlignment::Right);
    }
    table
}

/// A difference in points and its interval.
fn points(delta: Option<Estimate>) -> String {
    delta.map_or_else(|| "-".to_owned(), |one| format!("{:+.3} ({:+.3} to {:+.3})", one.value, one.low, one.high))
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
fn others(args: &ReportArgs, int8: &HostEngine, checkpoint: &Checkpoint, classes: &Classes, kernels: Kernels) -> Result<Option<Others>> {
    if let Some(folder) = &args.calib {
        return calibrate(args, folder, int8, checkpoint, classes, kernels).map(Some);
    }
    if args.draws.is_empty() {
        return Ok(None);
    }
    let images = args.draws.iter().map(|path| {
        let load = || -> Result<PackedImage> {
            let image = PackedImage::new(host_engine::read_image(path)?, kernels)?;
            let other = image.load()?;
            let (own, other) = (int8.model(), other.model());
            let (own, other) = (own.meta(), other.meta());
            ensure!(own.network == other.network && own.size == other.size, "it holds another network or size than {}", args.model.display());
            ensure!(own.preprocess == other.preprocess, "its pictures were prepared otherwise than those of {} (hrvit inspect says how)", args.model.display());
            Ok(image)
        };
        load().with_context(|| format!("draw {}", path.display()))
    });
    let names = args.draws.iter().map(|path| file_name(path)).collect();
    Ok(Some(Others { names, images: images.collect::<Result<_>>()?, origin: "Other model images of the same network.".to_owned() }))
}

fn calibrate(args: &ReportArgs, folder: &Path, int8: &HostEngine, checkpoint: &Checkpoint, classes: &Classes, kernels: Kernels) -> Result<Others> {
    let (set, unfit) = CalibrationSet::open(folder, int8.size(), Fitting::of(&int8.model().meta().preprocess))?;
    quantize::warn(set.doubts());
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
        let options = Options { seed, ..quantize::options(&args.weights, &drawn.provenance(), Some(classes))? };
        let quantised =
            run_quantiser(checkpoint, int8.size(), &drawn, &options, &progress::Tasks::new()).with_context(|| format!("calibration draw {number}"))?;
        others.images.push(PackedImage::new(quantised.image, kernels)?);
        others.names.push(number.to_string());
    }
    Ok(others)
}

/// Fails with every bar that is not met.
fn verdict(verdicts: &[Verdict], args: &ReportArgs) -> Result<()> {
    let failed: Vec<String> = verdicts.iter().filter(|verdict| !verdict.passed).map(ToString::to_string).collect();
    if failed.is_empty() {
        return Ok(());
    }
    let bars = args.bars.as_deref().unwrap_or(Path::new("bars")).display();
    bail!("{} of {} bars ({bars}, set {}) are not met; see {}:\n  {}", failed.len(), verdicts.len(), args.bar_set, args.out.display(), failed.join("\n  "))
}
