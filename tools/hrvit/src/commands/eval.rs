//! `hrvit eval`: how good a network is, and what quantisation costs it.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Args;
use hrvit_format::Size;

use crate::binary;
use crate::dataset;
use crate::evaluation::{self, Contestants, Evaluation};
use crate::float::Float;
use crate::host_engine::{IsaArg, PackedImage};
use crate::inference::args::{HaloArg, SlideArgs};
use crate::output::{self, Format};
use crate::preprocess_args::PreprocessArgs;
use crate::provenance;
use crate::segmenter::Segmenter;
use crate::selection::SelectionArgs;
use crate::spec_file::{NetworkArgs, SizeArg};

/// Measure segmentation quality on labelled frames, float against int8
///
/// The data set is a folder with `images/*` and `labels/*.png`, paired by name; the value of a label pixel is its class, and any value that is no class is
/// ignored. Frames are resized to the model's input (bilinear, antialiased), logits back to the labels (bilinear); with --slide or --halo neither is resized, windows of the model's
/// size are cut from frames, which must not be smaller. Intersection over union is that of the whole
/// set; its mean is over the classes that occur. With --model and --weights the checkpoint should be the one that the image was made from: another
/// one is warned of.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  hrvit eval --model nano.hrvit --weights models/nano_camvid11.safetensors --data data/val
  hrvit eval --model nano.hrvit --weights models/nano_camvid11.safetensors --data data/val --slide --stride 96x128
  hrvit eval --float-only --weights models/nano_camvid11.safetensors --variant nano --classes 11 --size 192x256 --data data/val")]
pub struct EvalArgs {
    /// Model image; without --weights, the int8 network alone is measured
    #[arg(long, value_name = "M.hrvit")]
    model: Option<PathBuf>,
    /// Checkpoint of the float network (.safetensors or .pth)
    #[arg(long, value_name = "CKPT")]
    weights: Option<PathBuf>,
    #[command(flatten)]
    selection: SelectionArgs,
    /// Folder with images/ and labels/
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Measure the float network only; network and size come from --model or from the options below
    #[arg(long, requires = "weights")]
    float_only: bool,
    #[command(flatten)]
    preprocess: PreprocessArgs,
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    size: SizeArg,
    #[command(flatten)]
    slide: SlideArgs,
    #[command(flatten)]
    halo: HaloArg,
    #[command(flatten)]
    isa: IsaArg,
    /// Names and colours of the classes, a TOML file like data/camvid11.toml
    #[arg(long, value_name = "FILE")]
    classes_file: Option<PathBuf>,
    /// With --float-only, a network of one class: from which probability on a pixel is of the class, else 0.5
    #[arg(long, value_name = "P")]
    threshold: Option<f32>,
}

/// Runs the command.
///
/// # Errors
/// If files are missing or do not fit each other.
pub fn run(args: &EvalArgs, format: Format) -> Result<()> {
    let set = dataset::labelled(&args.data)?;
    let packed = args.model.as_deref().map(|path| PackedImage::read(path, args.isa)).transpose()?;
    let int8 = packed.as_ref().map(PackedImage::load).transpose()?;
    let (network, size) = match &int8 {
        Some(int8) => {
            ensure!(
                !args.network.is_given() && args.size.size.is_none() && !args.preprocess.is_given(),
                "network, size and preprocessing come from --model: leave out --variant, --spec, --classes, --size, --mean, --std, --order and --preprocess"
            );
            (int8.model().meta().network.clone(), int8.size())
        }
        None => {
            ensure!(args.float_only, "--model M.hrvit is missing (or --float-only, to measure the float network alone)");
            (args.network.network()?, args.size.size.context("--size HxW is missing: which input size?")?)
        }
    };
    let inference = args.slide.inference(args.halo.halo, size)?;
    let classes = match &int8 {
        Some(int8) => binary::classes_for(int8.model().meta(), args.classes_file.as_deref())?,
        None => binary::classes(network.classes, args.classes_file.as_deref())?,
    };
    ensure!(args.threshold.is_none() || int8.is_none(), "--threshold comes from --model");
    if let (Some(int8), Some(weights), false) = (&int8, &args.weights, args.float_only) {
        provenance::doubt(int8.model().meta().provenance, weights)?.iter().for_each(|doubt| eprintln!("warning: {doubt}"));
    }
    let float = match &args.weights {
        Some(path) => Some(Float::new(
            match &int8 {
                Some(int8) => binary::read_for(path, int8.model().meta(), &args.selection.selection())?,
                None => binary::read(path, &network, args.threshold, &args.selection.selection(), args.preprocess.preprocess()?)?,
            },
            size,
        )),
        None => None,
    };
    let contestants = Contestants {
        float: float.as_ref().map(|one| one as &dyn Segmenter),
        engine: int8.as_ref().filter(|_| !args.float_only).map(|one| one as &dyn Segmenter),
        inference,
    };
    let result = evaluation::evaluate(&set, contestants, &classes, &|_| Ok(()))?;
    match format {
        Format::Json => output::print_json(&result),
        Format::Text => print_table(&result),
    }
}

/// One row per class, then the totals, a column per contestant.
fn print_table(result: &Evaluation) -> Result<()> {
    let columns: Vec<_> = [("float", &result.float), (result.precision.unwrap_or("image"), &result.engine)]
        .into_iter()
        .filter_map(|(name, quality)| Some((name, quality.as_ref()?)))
        .collect();
    let mut header = vec!["class"];
    header.extend(columns.iter().map(|(name, _)| *name));
    if columns.len() == 2 {
        header.push("delta");
    }
    let mut table = output::table(&header, 1);
    let percent = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{:.2}", 100.0 * value));
    let mut row = |title: &str, values: Vec<Option<f64>>| {
        let mut cells = vec![title.to_owned()];
        cells.extend(values.iter().map(|value| percent(*value)));
        if let [Some(float), Some(int8)] = values[..] {
            cells.push(format!("{:+.2}", 100.0 * (int8 - float)));
        }
        table.add_row(cells);
    };
    let (_, first) = columns.first().context("an evaluation has a contestant")?;
    for (number, class) in first.classes.iter().enumerate() {
        row(&class.name, columns.iter().map(|(_, quality)| quality.classes[number].iou).collect());
    }
    row("mIoU", columns.iter().map(|(_, quality)| Some(quality.miou)).collect());
    row("pixel accuracy", columns.iter().map(|(_, quality)| Some(quality.pixel_accuracy)).collect());
    let [height, width] = result.size;
    output::print_text(format_args!("{} frames {}, in percent\n{table}", result.frames, result.inference.words(Size { height, width })))?;
    match (result.pixel_agreement, result.logits_sqnr_db) {
        (Some(agreement), Some(sqnr)) => output::print_text(format_args!("pixel agreement {:.2} %, logits SQNR {sqnr:.1} dB", 100.0 * agreement)),
        (Some(agreement), None) => output::print_text(format_args!("pixel agreement {:.2} %", 100.0 * agreement)),
        (None, _) => Ok(()),
    }
}
