//! `hrvit send`: frames to a device, label maps back.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use hrvit_core::drift_f16::first_half_step;
use hrvit_format::Head;
use hrvit_log::Framed;
use image::RgbImage;
use serde::Serialize;

use crate::binary;
use crate::fit::{Fitting, Placement};
use crate::host_engine::{HostEngine, IsaArg, PackedImage};
use crate::inference::args::FitArgs;
use crate::inputs::stream::{Frame, Stream};
use crate::inputs::{InputArgs, listing};
use crate::labels::{self, LabelMap, NO_LABEL};
use crate::output::{self, Format, grouped};
use crate::overlay;
use crate::palette::Classes;
use crate::profile::{decode::Strings, serial};
use crate::segmenter::Segmenter;
use crate::sending::{self, Feed};

/// Send frames to a device and draw the labels that come back
///
/// Start this command, then reset the board. The firmware's program `segment` runs the golden
/// frame. It then asks for the rows of frames over its serial port, as long as a host sends some.
/// Frames are fitted to the model's input as `hrvit run` does. For each frame NAME the command
/// writes NAME.labels.png and NAME.overlay.png. Every label map is compared with the host's own.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  hrvit send --serial /dev/ttyACM0 --elf firmware/target/thumbv7em-none-eabihf/release/segment --model nano.hrvit frame.jpg --out out")]
pub struct SendArgs {
    #[command(flatten)]
    input: InputArgs,
    /// Serial port of the board
    #[arg(long, value_name = "PORT")]
    serial: PathBuf,
    /// Program that runs on it
    #[arg(long, value_name = "ELF")]
    elf: PathBuf,
    /// Model image that was flashed
    #[arg(long, value_name = "M.hrvit")]
    model: PathBuf,
    /// Folder for the results
    #[arg(long, value_name = "DIR", default_value = "hrvit-out")]
    out: PathBuf,
    /// Seconds without a word from the program after which nobody is taken to be there
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    patience: u64,
    #[command(flatten)]
    fit: FitArgs,
}

/// Report of one frame.
#[derive(Serialize)]
struct Report {
    frame: PathBuf,
    labels: PathBuf,
    overlay: PathBuf,
    /// As the device says.
    ticks: u64,
    labels_crc: hrvit_log::Crc,
    /// Labels that are not the host's.
    differ: usize,
}

/// The frames of the command line.
struct Frames<'a> {
    args: &'a SendArgs,
    engine: &'a HostEngine,
    classes: &'a Classes,
    fitting: Fitting,
    stream: Stream,
    current: Option<(Frame, RgbImage, RgbImage, Placement)>,
    reports: Vec<Report>,
}

/// Runs the command.
///
/// # Errors
/// If files are missing or do not fit each other. If the port or the device fails. If labels of an
/// image in integers are not the host's.
pub fn run(args: &SendArgs, format: Format) -> Result<()> {
    let stream = args.input.open(&args.out)?;
    output::probe_folder(&args.out)?;
    let packed = PackedImage::read(&args.model, IsaArg::default())?;
    let engine = packed.load()?;
    ensure!(engine.head() == Head::Segformer, "a classifier has no label map to send back: frames behind its image run on the device (hrvit pack-clip)");
    let program = std::fs::read(&args.elf).with_context(|| format!("reading {}", args.elf.display()))?;
    let strings = Strings::of(&program).with_context(|| format!("reading {}", args.elf.display()))?;
    let classes = binary::classes_for(engine.model().meta(), None)?;
    let fitting = args.fit.fitting(&engine.model().meta().preprocess)?;
    let mut port = serial::open(&args.serial)?;
    let mut frames = Frames { args, engine: &engine, classes: &classes, fitting, stream, current: None, reports: Vec::new() };
    let code = sending::converse(&mut port, &strings, &mut frames, Duration::from_secs(args.patience))?;
    let reports = frames.reports;
    match format {
        Format::Json => output::print_json(&reports)?,
        Format::Text => {
            for Report { frame, overlay, ticks, differ, .. } in &reports {
                let host = if *differ == 0 { "labels as on the host".to_owned() } else { format!("{} labels differ from the host's", grouped(*differ as u64)) };
                output::print_text(format_args!("{}: {host}, {} ticks, {}", frame.display(), grouped(*ticks), overlay.display()))?;
            }
        }
    }
    ensure!(code == 0, "the program ended with code {code}");
    ensure!(!reports.is_empty(), "the program ended without having asked for a frame: does it take some (`segment`)?");
    let integers = first_half_step(&engine.model()).is_none();
    let differ: usize = reports.iter().map(|report| report.differ).sum();
    ensure!(!integers || differ == 0, "{differ} labels are not the host's, although the image computes with integers alone");
    Ok(())
}

impl Frames<'_> {
    fn keep(&self, (origin, name, frame, placement): (PathBuf, &Path, &RgbImage, &Placement), map: &LabelMap) -> Result<(PathBuf, PathBuf, PathBuf)> {
        let found = labels::nearest(map, placement, frame.height() as usize, frame.width() as usize, NO_LABEL);
        let write = |ending: &str, bytes: &[u8]| -> Result<PathBuf> {
            let path = listing::result(&self.args.out, name, ending);
            output::write_file(&path, bytes)?;
            Ok(path)
        };
        let labels = write("labels.png", &labels::encode(&found, self.classes)?)?;
        let picture = write("overlay.png", &overlay::encode_png(&overlay::with_legend(frame, &found, self.classes)?)?)?;
        Ok((origin, labels, picture))
    }
}

impl Feed for Frames<'_> {
    fn shape(&self) -> (usize, usize) {
        let size = self.engine.size();
        (size.height.into(), 3 * usize::from(size.width))
    }

    fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let Some(mut frame) = self.stream.next() else { return Ok(None) };
        let pixels = std::mem::replace(&mut frame.pixels, Ok(RgbImage::default().into())).with_context(|| frame.origin.display().to_string())?;
        let (input, placement) = pixels.fitted(self.fitting, self.engine.size())?;
        let bytes = input.as_raw().clone();
        eprintln!("sending {}", frame.origin.display());
        self.current = Some((frame, pixels.rgb, input, placement));
        Ok(Some(bytes))
    }

    fn came_back(&mut self, labels: Vec<u8>, framed: &Framed<String>) -> Result<()> {
        let (frame, pixels, input, placement) = self.current.take().context("labels came back of no frame")?;
        let size = self.engine.size();
        let map = LabelMap::new(size.height.into(), size.width.into(), labels)?;
        let own = self.engine.labels(&input)?;
        let differ = map.data.iter().zip(&own.data).filter(|(device, host)| device != host).count();
        let (frame, labels, overlay) = self.keep((frame.origin, &frame.name, &pixels, &placement), &map)?;
        self.reports.push(Report { frame, labels, overlay, ticks: framed.ticks, labels_crc: framed.labels_crc, differ });
        Ok(())
    }

    fn said(&mut self, line: &str) {
        eprintln!("{line}");
    }
}
