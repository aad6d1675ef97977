//! `hrvit bench`: how fast the engine is on this machine, and where the time goes.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use hrvit_core::{Engine, Executor, Family, Kernels, Model, Plan, Serial, Step, Threads, Tiling};
use hrvit_format::{Head, Logit, Size, aligned::AlignedBytes};
use serde::Serialize;

use crate::host_engine::{IsaArg, PackedImage};
use crate::output::{self, Format};
use crate::peak::{Best, Peaks};
use crate::timing::{StepTimes, median_and_least};

/// Time the int8 engine on this machine, step by step
///
/// Runs warm-up frames, then the frames that count, on a frame of noise. Times are medians over the
/// frames; multiply-accumulates are those after the exact rewrites, each counted once.
///
/// Between the frames it measures what the machine can do at most with the kernels' instructions:
/// 8-bit products with exact 32-bit sums in registers, no memory, on as many threads as there are
/// workers. `of peak` is a step's share of that; `no loop` says that there is no such measurement
/// for the instruction set.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  hrvit bench --model target/demo/nano.hrvit
  hrvit bench --model b1.hrvit --size 512x512 --threads 2 --frames 9 --steps
  hrvit bench --model b1.hrvit --isa scalar --json")]
pub struct BenchArgs {
    /// Model image
    #[arg(long, value_name = "M.hrvit")]
    model: PathBuf,
    /// Input size; default: the one that the model was calibrated for
    #[arg(long, value_name = "HxW")]
    size: Option<Size>,
    /// Workers
    #[arg(long, value_name = "N", default_value_t = 1)]
    threads: usize,
    /// Frames that count
    #[arg(long, value_name = "N", default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..))]
    frames: u32,
    /// Frames before them
    #[arg(long, value_name = "N", default_value_t = 2)]
    warm_up: u32,
    /// Make tiles as high as is useful in an arena of this many bytes, instead of the smallest
    /// arena
    #[arg(long, value_name = "BYTES")]
    arena: Option<usize>,
    /// List every step, not only kinds of steps
    #[arg(long)]
    steps: bool,
    #[command(flatten)]
    isa: IsaArg,
}

/// Time of a step, or of all steps of a kind.
#[derive(Serialize)]
struct Row {
    name: String,
    ms: f64,
    macs: u64,
    share: f64,
    gmac_per_s: f64,
    /// Of the machine's peak; `None` where the instruction set has no loop that measures it.
    share_of_peak: Option<f64>,
}

impl Row {
    fn new(name: String, time: Duration, macs: u64, whole: Duration, peak: Option<&Best>) -> Self {
        let seconds = time.as_secs_f64();
        let per_second = if seconds > 0.0 { macs as f64 / seconds } else { 0.0 };
        let gmac_per_s = per_second / 1e9;
        let share_of_peak = peak.map(|peak| gmac_per_s / peak.gmac_per_s);
        Self { name, ms: 1e3 * seconds, macs, share: seconds / whole.as_secs_f64(), gmac_per_s, share_of_peak }
    }
}

#[derive(Serialize)]
struct Report {
    model: PathBuf,
    size: [u16; 2],
    isa: &'static str,
    /// File that serves each family of operators.
    kernels: Vec<(&'static str, &'static str)>,
    threads: usize,
    frames: u32,
    arena_bytes: usize,
    macs: u64,
    median_ms: f64,
    min_ms: f64,
    gmac_per_s: f64,
    /// The best loop on registers; `None` where the instruction set has none.
    peak: Option<Best>,
    share_of_peak: Option<f64>,
    kinds: Vec<Row>,
    steps: Vec<Row>,
}

/// Name of a step together with its likes.
fn kind(step: Step) -> &'static str {
    match step {
        Step::Stem => "stem",
        Step::Fusion { .. } => "fusion",
        Step::PatchEmbed { .. } => "patch embedding",
        Step::Attention { .. } => "attention + DES",
        Step::MixCfn { .. } => "MixCFN",
        Step::StageNorm { .. } => "stage norm",
        Step::Logits | Step::LabelMap => "head",
        Step::Increase { .. } | Step::Classify => "classification head",
    }
}

/// Runs the command.
///
/// # Errors
/// If the model cannot run here.
pub fn run(args: &BenchArgs, format: Format) -> Result<()> {
    let packed = PackedImage::read(&args.model, args.isa)?;
    let (model, kernels) = (Model::load(packed.image()), packed.kernels());
    let model = model.with_context(|| format!("model {}", args.model.display()))?;
    let tiling = args.arena.map_or(Tiling::Smallest, Tiling::Within);
    let plan = Plan::for_model(&model).size(args.size.unwrap_or(model.meta().size)).workers(args.threads).tiling(tiling).build()?;
    let threads = (args.threads > 1).then(|| Threads::new(args.threads)).transpose()?;
    let times = measure(args, &model, &plan, kernels, threads.as_ref())?;
    let report = report(args, &model, &plan, kernels, times);
    match format {
        Format::Json => output::print_json(&report),
        Format::Text => print_tables(&report, args.steps),
    }
}

/// Whole frames, of each the steps, and the peak between them.
struct Times {
    frames: Vec<Duration>,
    steps: Vec<Vec<Duration>>,
    peak: Option<Best>,
}

fn measure(args: &BenchArgs, model: &Model<'_>, plan: &Plan, kernels: Kernels, threads: Option<&Threads>) -> Result<Times> {
    let executor: &(dyn Executor + Sync) = threads.map_or(&Serial, |threads| threads);
    let mut arena = AlignedBytes::zeroed(plan.arena_bytes());
    let mut engine = Engine::with_kernels(model, plan.clone(), executor, &mut arena, kernels)?;
    let frame = noise(3 * plan.size().pixels());
    let mut labels = vec![0; plan.size().pixels()];
    let mut logits = vec![Logit::default(); usize::from(plan.network().classes)];
    let (mut frames, mut steps, mut peaks) = (Vec::new(), Vec::new(), Peaks::new(kernels, plan.workers()));
    for number in 0..args.warm_up + args.frames {
        let (observer, start) = (StepTimes::default(), Instant::now());
        let mut segment = || match plan.network().head {
            Head::Segformer => engine.segment(&frame, &mut labels, &observer),
            Head::Classifier => engine.logits(&frame, &mut logits, &observer),
        };
        // A frame at a time: the measurement of the peak between them wants all cores.
        match threads {
            Some(threads) => threads.install(segment)?,
            None => segment()?,
        }
        let whole = start.elapsed();
        if number >= args.warm_up {
            frames.push(whole);
            steps.push(observer.into_times());
            peaks.measure();
        }
    }
    ensure!(!frames.is_empty(), "no frame was measured");
    Ok(Times { frames, steps, peak: peaks.best() })
}

/// Bytes that repeat in no way a kernel could profit from.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1u32;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

fn report(args: &BenchArgs, model: &Model<'_>, plan: &Plan, kernels: Kernels, Times { frames, steps, peak }: Times) -> Report {
    let (median, least) = median_and_least(frames);
    let mut rows: Vec<(String, Duration, u64)> = Vec::new();
    let mut kinds: Vec<(&str, Duration, u64)> = Vec::new();
    for (id, step) in model.step_ids() {
        let time = median_and_least(steps.iter().filter_map(|times| times.get(usize::from(id.0)).copied()).collect()).0;
        let macs = plan.macs(step);
        match kinds.iter_mut().find(|(name, ..)| *name == kind(step)) {
            Some((_, sum, all)) => (*sum, *all) = (*sum + time, *all + macs),
            None => kinds.push((kind(step), time, macs)),
        }
        match (step, rows.last_mut()) {
            // The rows of both are made in turn, inside the step of the labels.
            (Step::LabelMap, Some((name, sum, all))) => (*name, *sum, *all) = (format!("{name} + {step}"), *sum + time, *all + macs),
            _ => rows.push((step.to_string(), time, macs)),
        }
    }
    let macs = rows.iter().map(|(.., macs)| macs).sum();
    let whole = Row::new(String::new(), median, macs, median, peak.as_ref());
    Report {
        model: args.model.clone(),
        size: [plan.size().height, plan.size().width],
        isa: kernels.isa().name(),
        kernels: Family::ALL.iter().map(|&family| (family.name(), kernels.chosen(family))).collect(),
        threads: plan.workers(),
        frames: args.frames,
        arena_bytes: plan.arena_bytes(),
        macs,
        median_ms: whole.ms,
        min_ms: 1e3 * least.as_secs_f64(),
        gmac_per_s: whole.gmac_per_s,
        kinds: kinds.into_iter().map(|(name, time, macs)| Row::new(name.to_owned(), time, macs, median, peak.as_ref())).collect(),
        steps: rows.into_iter().map(|(name, time, macs)| Row::new(name, time, macs, median, peak.as_ref())).collect(),
        share_of_peak: whole.share_of_peak,
        peak,
    }
}

fn print_tables(report: &Report, steps: bool) -> Result<()> {
    let mut table = output::table(&["step", "ms", "share", "MMAC", "GMAC/s", "of peak"], 1);
    for row in if steps { &report.steps } else { &report.kinds } {
        let cells = [
            format!("{:.2}", row.ms),
            format!("{:.1} %", 100.0 * row.share),
            format!("{:.1}", row.macs as f64 / 1e6),
            format!("{:.1}", row.gmac_per_s),
            row.share_of_peak.map_or("no loop".to_owned(), |share| format!("{:.1} %", 100.0 * share)),
        ];
        table.add_row([row.name.clone()].into_iter().chain(cells));
    }
    output::print_text(table)?;
    let plain: Vec<&str> = report.kernels.iter().filter(|(_, file)| *file == "scalar").map(|(family, _)| *family).collect();
    if report.isa != "scalar" && !plain.is_empty() {
        output::print_text(format_args!("plain code for: {}", plain.join(", ")))?;
    }
    output::print_text(format_args!(
        "{}x{}, {}, {} worker(s), arena {} bytes: median {:.1} ms, least {:.1} ms of {} frames; {} MACs, {:.1} GMAC/s",
        report.size[0],
        report.size[1],
        report.isa,
        report.threads,
        output::grouped(report.arena_bytes as u64),
        report.median_ms,
        report.min_ms,
        report.frames,
        output::grouped(report.macs),
        report.gmac_per_s,
    ))?;
    output::print_text(match (&report.peak, report.share_of_peak) {
        (Some(peak), Some(share)) => {
            format!("peak in registers {:.1} GMAC/s ({}), between the frames; the frame reaches {:.1} % of it", peak.gmac_per_s, peak.name, 100.0 * share)
        }
        _ => format!("peak in registers: no loop measures it for {}", report.isa),
    })
}
