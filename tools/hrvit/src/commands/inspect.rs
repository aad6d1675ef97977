//! `hrvit inspect`: what a network or a model image consists of and costs.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use comfy_table::Cell;
use hrvit_core::Plan;
use hrvit_format::{Head, Model, Network, Preprocess, Size, StepId, WideParts, record::Precision};
use serde::Serialize;

use crate::accounting::{self, Cost, StageCost};
use crate::golden::{self, Checked};
use crate::host_engine::{self, IsaArg, PackedImage};
use crate::output::{self, Format};
use crate::preprocess_args;
use crate::report::macs::Macs;
use crate::segmenter::Segmenter;
use crate::spec_file::{self, NetworkArgs, SizeArg};

/// Classes whose names a summary has.
const NAMED: usize = 12;

/// Show what a network or a model image consists of and costs
///
/// Lists for each stage and kind of operator learnt parameters, and multiply-accumulates (MACs) of
/// one frame as trained and after the exact rewrites. Also lists the bytes of the operators'
/// outputs, stored whole. MACs are convolutions, linear layers, the diversity-enhancing shortcut,
/// q·v and p·v over real keys. A network needs no weights to be inspected.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  hrvit inspect --variant b1 --head segformer --classes 19 --size 512x512
  hrvit inspect nano.hrvit
  hrvit inspect nano.hrvit --summary
  hrvit inspect --variant b3 --emit-spec > mine.toml
  hrvit inspect --spec mine.toml --classes 4 --size 256x320")]
pub struct InspectArgs {
    /// Model image
    #[arg(value_name = "FILE", conflicts_with_all = ["variant", "spec", "size", "emit_spec"])]
    file: Option<PathBuf>,
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    size: SizeArg,
    /// Print the backbone as TOML, to start a spec of your own from
    #[arg(long)]
    emit_spec: bool,
    /// One screen: what an image says of itself and one line per stage
    #[arg(long, conflicts_with = "emit_spec")]
    summary: bool,
}

/// An image's description of itself.
#[derive(Serialize)]
struct ImageReport {
    file: PathBuf,
    bytes: usize,
    sequence: u32,
    packing: String,
    /// `int8`, `int16x8`, `fp16` or `mixed`.
    precision: &'static str,
    /// Steps in half precision.
    half_steps: Vec<String>,
    /// Steps with 16-bit codes and 8-bit weights.
    int16x8_steps: Vec<String>,
    weight_bytes: u64,
    /// Multiply-accumulates by the width of their operands.
    macs: Macs,
    classes: Vec<String>,
    /// How pictures were prepared in training.
    preprocess: Preprocess,
    /// Of a network trained with one class: from which probability on a decision is the class.
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<f32>,
    provenance: String,
    golden: String,
}

#[derive(Serialize)]
struct Report {
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<ImageReport>,
    network: Network,
    size: [u16; 2],
    #[serde(flatten)]
    total: Cost,
    /// Bytes of the engine's arena with the weights addressed in place.
    arena_bytes: usize,
    stages: Vec<StageCost>,
}

impl Report {
    fn new(image: Option<ImageReport>, (network, half): (Network, WideParts), size: Size) -> Result<Self> {
        let stages = accounting::stages(&network, size);
        let arena_bytes = Plan::builder(&network, size).precisions(half).build()?.arena_bytes();
        Ok(Self { image, network, size: [size.height, size.width], total: accounting::total(&stages), arena_bytes, stages })
    }
}

/// Runs the command.
///
/// # Errors
/// If the options name no network, or the file is no model image.
pub fn run(args: &InspectArgs, format: Format) -> Result<()> {
    if args.emit_spec {
        let spec = args.network.backbone()?;
        return match format {
            Format::Text => output::print_text(spec_file::spec_to_toml(&spec)?.trim_end()),
            Format::Json => output::print_json(&spec),
        };
    }
    let mut report = match &args.file {
        Some(path) => inspect_image(path)?,
        None => {
            let network = args.network.network()?;
            Report::new(None, (network, WideParts::NONE), args.size.size.context("--size HxW is missing: which input size?")?)?
        }
    };
    match format {
        Format::Json => {
            if args.summary {
                report.stages.iter_mut().for_each(|stage| stage.operators.clear());
            }
            output::print_json(&report)
        }
        Format::Text => print_tables(&report, args.summary),
    }
}

fn inspect_image(path: &Path) -> Result<Report> {
    let bytes = host_engine::read_image(path)?;
    let in_model = || format!("model {}", path.display());
    let model = Model::load(&bytes).with_context(in_model)?;
    let packed = PackedImage::new(bytes.clone(), IsaArg::default().kernels()?)?;
    let int8 = packed.load().with_context(in_model)?;
    let meta = model.meta();
    let golden = match golden::check(&int8)? {
        Checked::Nothing => "none".to_owned(),
        Checked::Equal => "equal on this machine".to_owned(),
        Checked::Drift(found) if found.is_within_bound() => format!("within bounds on this machine: {found}"),
        Checked::Drift(found) => bail!("model {}: its golden frame is beyond the bounds on this machine: {found}", path.display()),
        Checked::Differs(StepId(step)) => {
            bail!("model {}: its golden frame gives another result in step {step} on this machine than where the image was made", path.display())
        }
    };
    let names = (0..usize::from(meta.network.classes)).map_while(|class| meta.class_name(class)).map(str::to_owned);
    let image = ImageReport {
        file: path.to_path_buf(),
        bytes: bytes.len(),
        sequence: model.sequence(),
        packing: format!("{:?}", model.packing()).to_lowercase(),
        precision: int8.name(),
        half_steps: steps_in(&model, Precision::Fp16),
        int16x8_steps: steps_in(&model, Precision::Int16x8),
        weight_bytes: model.steps().iter().map(|step| u64::from(step.len)).sum(),
        macs: Macs::of(&model, int8.size())?,
        classes: names.collect(),
        preprocess: meta.preprocess,
        threshold: meta.threshold,
        provenance: meta.provenance.to_owned(),
        golden,
    };
    let (network, size) = (meta.network.clone(), int8.size());
    Report::new(Some(image), (network, model.wide_parts()), size)
}

/// Names of the steps in `precision`.
fn steps_in(model: &Model<'_>, precision: Precision) -> Vec<String> {
    model.step_ids().filter(|(id, _)| model.precision(*id) == precision).map(|(_, step)| step.to_string()).collect()
}

fn print_tables(report: &Report, summary: bool) -> Result<()> {
    if let Some(image) = &report.image {
        let mut table = output::table(&["image", ""], 2);
        table.add_row(["file".to_owned(), image.file.display().to_string()]);
        table.add_row(["bytes".to_owned(), output::grouped(image.bytes as u64)]);
        table.add_row(["of these, weights and tables".to_owned(), output::grouped(image.weight_bytes)]);
        table.add_row(["precision".to_owned(), image.precision.to_owned()]);
        for (name, steps) in [("of these in fp16", &image.half_steps), ("of these in int16x8", &image.int16x8_steps)] {
            if image.precision == "mixed" && !steps.is_empty() {
                table.add_row([name.to_owned(), steps.join(" ")]);
            }
        }
        let rest = image.macs.rest();
        let others = if rest.is_empty() { String::new() } else { format!("; others: {rest}") };
        table.add_row(["MACs in 8x8".to_owned(), format!("{:.1} %{others}", 100.0 * image.macs.share())]);
        table.add_row(["sequence, packing".to_owned(), format!("{}, {}", image.sequence, image.packing)]);
        let shown = if summary { image.classes.len().min(NAMED) } else { image.classes.len() };
        let more = if shown < image.classes.len() { format!(" and {} more", image.classes.len() - shown) } else { String::new() };
        table.add_row(["classes".to_owned(), format!("{}{more}", image.classes[..shown].join(", "))]);
        table.add_row(["pictures".to_owned(), preprocess_args::words(&image.preprocess)]);
        if let Some(threshold) = image.threshold {
            table.add_row(["threshold of the class".to_owned(), threshold.to_string()]);
        }
        table.add_row(["golden frame".to_owned(), image.golden.clone()]);
        table.add_row(["provenance".to_owned(), image.provenance.clone()]);
        output::print_text(table)?;
    }
    let mut table = output::table(&["stage", "operator", "count", "parameters", "MACs as written", "MACs folded", "activation bytes"], 2);
    for stage in &report.stages {
        let count = stage.operators.iter().map(|operator| operator.count).sum();
        let total = cells(&stage.stage, "all", count, &stage.cost);
        if summary {
            table.add_row(total);
            continue;
        }
        table.add_row(total.map(|cell| cell.add_attribute(comfy_table::Attribute::Bold)));
        for operator in &stage.operators {
            table.add_row(cells("", &operator.operator, operator.count, &operator.cost));
        }
    }
    output::print_text(table)?;
    let (network, total) = (&report.network, &report.total);
    let head = match network.head {
        Head::Segformer => "segmentor",
        Head::Classifier => "classifier",
    };
    output::print_text(format_args!(
        "{head}, {} classes, {}x{}: {} parameters, {:.3} GMAC as written, {:.3} GMAC after the exact rewrites, arena {} bytes",
        network.classes,
        report.size[0],
        report.size[1],
        output::grouped(total.params),
        total.macs_as_written as f64 / 1e9,
        total.macs_folded as f64 / 1e9,
        output::grouped(report.arena_bytes as u64)
    ))
}

fn cells(stage: &str, operator: &str, count: u64, cost: &Cost) -> [Cell; 7] {
    let number = |value: u64| Cell::new(output::grouped(value));
    let [params, written, folded, bytes] = [cost.params, cost.macs_as_written, cost.macs_folded, cost.activation_bytes].map(number);
    [Cell::new(stage), Cell::new(operator), Cell::new(count), params, written, folded, bytes]
}
