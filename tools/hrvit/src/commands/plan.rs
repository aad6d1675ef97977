//! `hrvit plan`: the memory of one engine, before anything is flashed.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use clap::builder::RangedU64ValueParser;
use hrvit_core::{Plan, Step, StepMemory, Tiling, WideParts, recomputed_macs};
use serde::Serialize;

use crate::binary;
use crate::memory_picture;
use crate::output::{self, Format};
use crate::spec_file::{NetworkArgs, SizeArg};

/// Show how many bytes of arena a network needs, and when
///
/// The arena is everything that the engine writes: residual streams, fusion outputs, line buffers,
/// scratch of all workers. Not in it: the model image, the caller's frame and label map. `--svg`
/// draws which addresses hold what at every step.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  hrvit plan --variant b1 --classes 19 --size 512x512
  hrvit plan --variant nano --classes 11 --size 192x256 --workers 2 --svg plan.svg
  hrvit plan --variant b1 --classes 19 --size 224x224 --arena 524288
  hrvit plan --spec mine.toml --head classifier --classes 10 --size 224x224 --json")]
pub struct PlanArgs {
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    size: SizeArg,
    /// Workers that share the work, each with scratch of its own
    #[arg(long, default_value_t = 1, value_name = "N")]
    workers: usize,
    /// Plan for half precision in every part of the network (an image of hrvit quantize --precision
    /// fp16)
    #[arg(long)]
    half: bool,
    /// Plan for 16-bit codes in every part of the network (an image of hrvit quantize --precision
    /// int16x8)
    #[arg(long, conflicts_with = "half")]
    int16x8: bool,
    /// Make tiles as high as is useful in an arena of this many bytes, instead of the smallest
    /// arena
    #[arg(long, value_name = "BYTES", conflicts_with = "tile")]
    arena: Option<usize>,
    /// Make tiles of this many rows in every step
    #[arg(long, value_name = "ROWS", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    tile: Option<usize>,
    /// Draw the arena over the steps of a frame
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// The hungriest step of a group of steps.
#[derive(Serialize)]
struct Row {
    part: String,
    step: String,
    /// Height of the step's tiles.
    tile: usize,
    maps: usize,
    kept: usize,
    scratch: usize,
    bytes: usize,
}

#[derive(Serialize)]
struct Report {
    size: [u16; 2],
    workers: usize,
    arena_bytes: usize,
    arena_bytes_untiled: usize,
    macs: u64,
    recomputed_macs: u64,
    peak: Row,
    parts: Vec<Row>,
}

impl Row {
    fn new(part: String, moment: &StepMemory) -> Self {
        Self { part, step: moment.step.to_string(), tile: moment.tile, maps: moment.maps, kept: moment.kept, scratch: moment.scratch, bytes: moment.bytes() }
    }
}

/// The module of a step, or its head.
fn part(step: Step) -> String {
    match step {
        Step::Stem => "stem".to_owned(),
        Step::Fusion { module, .. } => format!("module {}: fusion", module + 1),
        Step::PatchEmbed { module, .. } | Step::Attention { module, .. } | Step::MixCfn { module, .. } | Step::StageNorm { module, .. } => {
            format!("module {}: branches", module + 1)
        }
        Step::Logits | Step::LabelMap | Step::Increase { .. } | Step::Classify => "head".to_owned(),
    }
}

impl Report {
    fn new(plan: &Plan) -> Result<Self> {
        let mut parts: Vec<Row> = Vec::new();
        for moment in plan.moments() {
            let row = Row::new(part(moment.step), &moment);
            match parts.last_mut().filter(|last| last.part == row.part) {
                Some(last) if last.bytes >= row.bytes => {}
                Some(last) => *last = row,
                None => parts.push(row),
            }
        }
        let peak = plan.peak().context("a network without steps")?;
        let (network, size) = (plan.network(), plan.size());
        Ok(Self {
            size: [size.height, size.width],
            workers: plan.workers(),
            arena_bytes: plan.arena_bytes(),
            arena_bytes_untiled: plan.untiled_bytes(),
            macs: network.steps().map(|step| plan.macs(step)).sum(),
            recomputed_macs: recomputed_macs(plan),
            peak: Row::new("peak".to_owned(), &peak),
            parts,
        })
    }
}

/// Runs the command.
///
/// # Errors
/// If the options name no network, no plan exists, or the picture cannot be written.
pub fn run(args: &PlanArgs, format: Format) -> Result<()> {
    let network = binary::in_image(args.network.network()?);
    let size = args.size.size.context("--size HxW is missing: which input size?")?;
    args.svg.as_deref().map(output::probe).transpose()?;
    let tiling = args.arena.map(Tiling::Within).or(args.tile.map(Tiling::Rows)).unwrap_or_default();
    let half = match (args.half, args.int16x8) {
        (true, _) => WideParts::ALL,
        (_, true) => WideParts::ALL_INT16X8,
        _ => WideParts::NONE,
    };
    let plan = Plan::builder(&network, size).precisions(half).workers(args.workers).tiling(tiling).build()?;
    let report = Report::new(&plan)?;
    if let Some(path) = &args.svg {
        output::write_file(path, memory_picture::draw(&plan)?.as_bytes())?;
    }
    match format {
        Format::Json => output::print_json(&report),
        Format::Text => print_tables(&report, args),
    }
}

fn print_tables(report: &Report, args: &PlanArgs) -> Result<()> {
    let bytes = |n: usize| output::grouped(n as u64);
    let mut table = output::table(&["part", "hungriest step", "tile", "maps", "kept half", "scratch", "bytes"], 2);
    for row in report.parts.iter().chain([&report.peak]) {
        table.add_row([row.part.clone(), row.step.clone(), row.tile.to_string(), bytes(row.maps), bytes(row.kept), bytes(row.scratch), bytes(row.bytes)]);
    }
    output::print_text(table)?;
    let percent = 100.0 * report.recomputed_macs as f64 / report.macs as f64;
    output::print_text(format!(
        "arena {} bytes with {} worker(s); every tensor whole: {} bytes; {} of {} MACs done twice ({percent:.2} %)",
        bytes(report.arena_bytes),
        report.workers,
        bytes(report.arena_bytes_untiled),
        output::grouped(report.recomputed_macs),
        output::grouped(report.macs),
    ))?;
    if let Some(path) = &args.svg {
        output::print_text(format!("picture: {}", path.display()))?;
    }
    Ok(())
}
