//! `hrvit live`: frames as they come, on a page of this machine.

use std::path::PathBuf;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use hrvit_camera::Rotation;
use scopeguard::defer;
use serde::Serialize;

use crate::host_engine::IsaArg;
use crate::inference::args::FitArgs;
use crate::inputs::camera::Matrix;
use crate::inputs::raw::RawFormat;
use crate::inputs::y4m::RATES;
use crate::live::meter::{Figures, WINDOW};
use crate::live::server::Server;
use crate::live::source::Source;
use crate::live::wishes::Wishes;
use crate::live::worker::{Live, Mount};
use crate::live::workshop::{Settings, Workshop};
use crate::output::{self, Format};

/// Segment frames as they come, and show them on a page of this machine
///
/// Frames come from a video on standard input (YUV4MPEG2), a folder of pictures in a loop, a file,
/// or a camera of Linux. A camera (/dev/video0) takes a build with the feature v4l. The newest
/// frame is run; older ones that nobody got to are dropped and counted. The page on
/// http://localhost shows the frame with labels, the margin, a legend, frames a second and
/// milliseconds of each stage. Model, instruction set and number of workers can be changed there. A
/// model file that is replaced serves from the next frame on. If the new file is no valid image,
/// the page says so and the old one goes on. The command ends with its source, and prints what
/// frames took.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  ffmpeg -re -i drive.mp4 -pix_fmt yuv420p -f yuv4mpegpipe - | hrvit live --model nano.hrvit -
  hrvit live --model nano.hrvit --model b1.hrvit data/val/images
  hrvit live --model nano.hrvit --rotate 90 --port 8080 /dev/video0
  hrvit live --model nano.hrvit --raw nv12:1280x720 --rate 30 camera.nv12 --json")]
pub struct LiveArgs {
    /// Source of the frames: - (standard input), a folder, a file, a camera
    #[arg(value_name = "SOURCE")]
    source: PathBuf,
    /// Model image of a segmentor; several can be changed between on the page
    #[arg(long, value_name = "M.hrvit", required = true)]
    model: Vec<PathBuf>,
    /// Port of the page on this machine; 0: any that is free
    #[arg(long, value_name = "N", default_value_t = 8747)]
    port: u16,
    /// Threads that share a frame's work
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=8))]
    workers: u8,
    /// Frames a second, instead of the source's own; a folder has 10
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<f64>,
    /// Degrees by which frames are turned to stand upright, clockwise: 0, 90, 180, 270
    #[arg(long, value_name = "DEGREES", default_value_t = 0)]
    rotate: u16,
    /// Left and right then change places
    #[arg(long)]
    mirror: bool,
    /// The source holds raw frames, as of `hrvit run --raw`
    #[arg(long, value_name = "LAYOUT:WxH")]
    raw: Option<RawFormat>,
    /// Columns and rows that a camera is asked for
    #[arg(long, value_name = "WxH", value_parser = sides)]
    camera_size: Option<(u32, u32)>,
    /// How luma and chroma become red, green and blue; default: bt601
    #[arg(long, value_enum)]
    matrix: Option<Matrix>,
    /// Luma and chroma go from 0 to 255
    #[arg(long)]
    full_range: bool,
    #[command(flatten)]
    fit: FitArgs,
    #[command(flatten)]
    isa: IsaArg,
    /// Names and colours of the classes, a TOML file like data/camvid11.toml
    #[arg(long, value_name = "FILE")]
    classes_file: Option<PathBuf>,
}

fn rate(text: &str) -> Result<f64> {
    text.parse().ok().filter(|rate: &f64| RATES.contains(rate)).with_context(|| format!("expected frames a second, {} to {}", RATES.start(), RATES.end()))
}

fn sides(text: &str) -> Result<(u32, u32)> {
    let sides = text.split_once(['x', 'X']).and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    sides.filter(|(width, height)| *width > 0 && *height > 0).context("expected columns and rows, 640x480 for example")
}

/// The figures at the end.
#[derive(Serialize)]
struct Report {
    arrived: u64,
    dropped: u64,
    #[serde(flatten)]
    figures: Figures,
}

/// Runs the command.
///
/// # Errors
/// If source, model or port are not to be had, or no frame can be run.
pub fn run(args: &LiveArgs, format: Format) -> Result<()> {
    let rotation = Rotation::from_degrees(args.rotate).with_context(|| format!("--rotate {}: expected 0, 90, 180 or 270", args.rotate))?;
    let fit = args.fit.fit();
    ensure!(fit != Some(hrvit_format::Fit::KeepRatio), "--keep-ratio slides windows, and one input is run of a frame: --resize crop");
    for path in &args.model {
        ensure!(path.is_file(), "--model {}: there is no such file", path.display());
    }
    let settings = Settings { model: 0, isa: args.isa.kernels()?.isa().name().to_owned().into(), workers: args.workers.into() };
    let workshop = Workshop::new(args.model.clone(), settings, args.classes_file.clone(), fit);
    let made = workshop.key();
    let ready = workshop.make(0)?;
    let wishes = Wishes { raw: args.raw.clone(), matrix: args.matrix, full_range: args.full_range, camera_size: args.camera_size, rate: args.rate };
    let live = Live::new(workshop, Mount { rotation, mirror: args.mirror });
    let server = Server::open(args.port)?;
    eprintln!("http://localhost:{}", server.port);
    let source = Source::open(&args.source, &wishes)?;
    let done = std::thread::scope(|scope| {
        // A thread that panics ends the others too.
        let reader = scope.spawn(|| {
            defer! { live.arrived.end() }
            source.run(&wishes, &live.arrived)
        });
        scope.spawn(|| live.workshop.watch(made, || !live.ended.load(Ordering::Relaxed)));
        server.start(scope, &live);
        let worked = {
            defer! {
                live.end();
                server.close();
            }
            live.work(ready)
        };
        let read = reader.join().map_err(|_| anyhow!("the thread that reads frames failed"))?;
        worked.and(read)
    });
    let (arrived, dropped) = live.arrived.counts();
    let figures = live.meter.lock().unwrap_or_else(PoisonError::into_inner).figures(Instant::now());
    let report = Report { arrived, dropped, figures };
    match format {
        Format::Json => output::print_json(&report)?,
        Format::Text => output::print_text(format_args!(
            "{} of {} frames run, {} dropped for newer ones; the last {}: rows {:.2} ms, network {:.2} ms, latency {:.2} ms, 95 of 100 within {:.2} ms",
            report.figures.frames,
            report.arrived,
            report.dropped,
            report.figures.frames.min(WINDOW as u64),
            report.figures.rows_ms,
            report.figures.network_ms,
            report.figures.latency_ms,
            report.figures.latency_p95_ms
        ))?,
    }
    done
}
