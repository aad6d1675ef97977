//! `hrvit demo`: the whole way, on what is bundled.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use hrvit_format::{Head, Network, Size, Spec};
use hrvit_reference::Checkpoint;
use image::RgbImage;
use serde::Serialize;

use super::quantize;
use crate::calibration::CalibrationSet;
use crate::dataset::{self, Labelled};
use crate::evaluation::{self, Contestants, Evaluation, Segmented};
use crate::fit::Fitting;
use crate::float::Float;
use crate::golden;
use crate::host_engine::{IsaArg, PackedImage};
use crate::inference::Inference;
use crate::output::{self, Format};
use crate::palette::Classes;
use crate::progress::Tasks;
use crate::quantize::Quantised;
use crate::segmenter::Segmenter;
use crate::{frames, overlay};

/// Quantise a bundled network, segment 8 street scenes with float and int8, and compare
///
/// Writes the model image and one picture per frame (frame, label, float, int8 side by side).
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  hrvit demo --out target/demo\n  hrvit demo --variant b1 --out target/demo-b1")]
pub struct DemoArgs {
    /// Which bundled network
    #[arg(long, value_enum, default_value_t = Bundled::Nano)]
    variant: Bundled,
    /// Folder for the results
    #[arg(long, value_name = "DIR", default_value = DEFAULT_OUT)]
    out: PathBuf,
    /// Input height and width, multiples of 32
    #[arg(long, value_name = "HxW", default_value_t = DEFAULT_SIZE)]
    size: Size,
    /// Folder that holds models/ and data/
    #[arg(long, value_name = "DIR", default_value = REPOSITORY)]
    assets: PathBuf,
}

const DEFAULT_OUT: &str = "target/demo";
const DEFAULT_SIZE: Size = Size { height: 192, width: 256 };
const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// A checkpoint in `models/`, trained on the eleven classes of CamVid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Bundled {
    /// 1.6 million parameters
    #[default]
    Nano,
    /// 8.1 million parameters; the float network takes seconds a frame
    B1,
}

impl Bundled {
    fn name(self) -> &'static str {
        match self {
            Self::Nano => "nano",
            Self::B1 => "b1",
        }
    }

    /// Its checkpoint, relative to the assets.
    fn weights(self) -> String {
        format!("models/{}_camvid11.safetensors", self.name())
    }

    fn network(self) -> Result<Network> {
        Ok(Network { spec: Spec::variant(self.name()).context("a bundled network is a built-in variant")?, head: Head::Segformer, classes: 11 })
    }
}

impl Default for DemoArgs {
    fn default() -> Self {
        Self { variant: Bundled::default(), out: DEFAULT_OUT.into(), size: DEFAULT_SIZE, assets: REPOSITORY.into() }
    }
}

/// Figures of the table.
#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    evaluation: Evaluation,
    checkpoint_bytes: u64,
    model_bytes: usize,
    arena_bytes: usize,
    float_ms: f64,
    int8_ms: f64,
    quantise_seconds: f64,
    /// The model image.
    model: PathBuf,
    out: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// If bundled files are missing or results cannot be written.
pub fn run(args: &DemoArgs, format: Format) -> Result<()> {
    output::probe_folder(&args.out)?;
    let weights = args.assets.join(args.variant.weights());
    let network = args.variant.network()?;
    let classes = Classes::camvid11();
    let checkpoint = Checkpoint::read(&weights, &network)?;
    let (set, unfit) = CalibrationSet::open(&args.assets.join("data/calib"), args.size, Fitting::Stretch)?;
    quantize::warn(set.doubts());
    quantize::judge(&unfit, false)?;
    if format == Format::Text {
        output::print_text(format_args!("quantising {} with {} frames at {}", file_name(&weights), set.paths().len(), args.size))?;
    }
    let options = quantize::options(&weights, &set.provenance(), Some(&classes))?;
    let Quantised { image, report: quantised, .. } = crate::quantize::quantize(&checkpoint, args.size, &set, &options, &Tasks::new())?;
    let image = golden::with_golden(&image, &set)?;
    let model = args.out.join(format!("{}.hrvit", args.variant.name()));
    output::write_file(&model, &image)?;

    let float = Float::new(checkpoint, args.size);
    let packed = PackedImage::new(image.clone(), IsaArg::default().kernels()?)?;
    let int8 = packed.load()?;
    let labelled = dataset::labelled(&args.assets.join("data/val"))?;
    let contestants = Contestants { float: Some(&float), engine: Some(&int8), inference: Inference::default() };
    let draw = |one: &Segmented<'_>| output::write_file(&args.out.join(format!("{}.png", one.name)), &picture(one, &classes)?);
    let evaluation = evaluation::evaluate(&labelled, contestants, &classes, &draw)?;
    let inputs: Vec<RgbImage> = labelled.iter().map(|item| input(item, args.size)).collect::<Result<_>>()?;
    let report = Report {
        evaluation,
        checkpoint_bytes: std::fs::metadata(&weights)?.len(),
        model_bytes: image.len(),
        arena_bytes: int8.plan().arena_bytes(),
        float_ms: milliseconds(&float, &inputs)?,
        int8_ms: milliseconds(&int8, &inputs)?,
        quantise_seconds: quantised.seconds,
        model,
        out: args.out.clone(),
    };
    match format {
        Format::Json => output::print_json(&report),
        Format::Text => print_table(&report),
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn input(item: &Labelled, size: Size) -> Result<RgbImage> {
    Ok(Fitting::Stretch.input(&frames::read(&item.frame)?, size)?.0)
}

/// Frame, label, float and int8 side by side.
fn picture(one: &Segmented<'_>, classes: &Classes) -> Result<Vec<u8>> {
    let float = one.float.as_ref().context("the float network was run")?;
    let int8 = one.engine.as_ref().context("the int8 network was run")?;
    let [truth, by_float, by_int8] = [&one.truth, float, int8].map(|labels| overlay::tinted(&one.frame, labels, classes));
    let (truth, by_float, by_int8) = (truth?, by_float?, by_int8?);
    let parts = [("frame", &one.frame), ("label", &truth), ("float", &by_float), ("int8", &by_int8)];
    overlay::encode_png(&overlay::panel(&parts, &[&one.truth, float, int8], classes))
}

/// Mean time of one frame's label map on one core.
fn milliseconds(segmenter: &dyn Segmenter, inputs: &[RgbImage]) -> Result<f64> {
    let start = Instant::now();
    for input in inputs {
        segmenter.labels(input)?;
    }
    Ok(1e3 * start.elapsed().as_secs_f64() / inputs.len() as f64)
}

fn print_table(report: &Report) -> Result<()> {
    let evaluation = &report.evaluation;
    let (float, int8) = (evaluation.float.as_ref().context("float was measured")?, evaluation.engine.as_ref().context("int8 was measured")?);
    let percent = |value: f64| format!("{:.2}", 100.0 * value);
    let maybe = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), percent);
    let bytes = |value: u64| output::grouped(value);
    let title = format!("{} frames at {}x{}", evaluation.frames, evaluation.size[0], evaluation.size[1]);
    let mut table = output::table(&[&title, "float", "int8"], 1);
    table.add_row(["mIoU, %".to_owned(), maybe(float.miou), maybe(int8.miou)]);
    table.add_row(["pixel accuracy, %".to_owned(), maybe(float.pixel_accuracy), maybe(int8.pixel_accuracy)]);
    table.add_row(["pixels that agree with float, %".to_owned(), String::new(), evaluation.pixel_agreement.map_or_else(String::new, percent)]);
    table.add_row(["logits SQNR, dB".to_owned(), String::new(), evaluation.logits_sqnr_db.map_or_else(String::new, |db| format!("{db:.1}"))]);
    table.add_row(["model, bytes".to_owned(), bytes(report.checkpoint_bytes), bytes(report.model_bytes as u64)]);
    table.add_row(["arena, bytes".to_owned(), String::new(), bytes(report.arena_bytes as u64)]);
    table.add_row(["ms per frame, one core".to_owned(), format!("{:.1}", report.float_ms), format!("{:.1}", report.int8_ms)]);
    output::print_text(format_args!(
        "{table}\nquantised in {:.1} s; pictures and {} in {}",
        report.quantise_seconds,
        file_name(&report.model),
        report.out.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundled_checkpoints_are_of_their_variant() {
        for variant in Bundled::value_variants() {
            let weights = Path::new(REPOSITORY).join(variant.weights());
            let network = variant.network().unwrap();
            let checkpoint = Checkpoint::read(&weights, &network).unwrap();
            assert_eq!(checkpoint.network(), &network, "{}", weights.display());
        }
    }
}
