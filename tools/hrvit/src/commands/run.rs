//! `hrvit run`: frames in, label maps and pictures out.

mod batch;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Args;
use hrvit_format::{Fit, Head, Preprocess, Size};
use hrvit_log::Crc;
use image::RgbImage;
use serde::Serialize;

use crate::binary;
use crate::fit::Placement;
use crate::float::Float;
use crate::host_engine::{HostEngine, IsaArg, PackedImage};
use crate::inference::Inference;
use crate::inference::args::{HaloArg, SlideArgs};
use crate::inputs::camera::Pixels;
use crate::inputs::stream::Stream;
use crate::inputs::{InputArgs, listing};
use crate::margins::{Margins, RANGE};
use crate::output::{self, Format};
use crate::palette::Classes;
use crate::segmenter::{Segmented, Segmenter, Wanted};
use crate::spec_file::{NetworkArgs, SizeArg};
use crate::{
    labels::{self, NO_LABEL},
    overlay,
    preprocess_args::PreprocessArgs,
    selection::SelectionArgs,
};

/// How many classes a classifier's result lists.
const TOP: usize = 5;

/// Segment (or classify) frames: pictures, folders, videos, a camera's raw frames
///
/// Pictures are turned as their EXIF orientation asks. Videos and raw frames come one at a time
/// from files or a pipe. Their frames are numbered, 000000 and so on. With several inputs they go
/// to a folder of the file's name. Files that cannot be read are listed at the end, and the command
/// then fails. For each frame NAME the command writes NAME.labels.png (the pixel value is the
/// class), NAME.overlay.png (with a legend) and NAME.json into the output folder. With a model
/// image labels are the engine's, the same as a device's. Their size is the one that the image was
/// calibrated for, or --size. Each pixel of the frame takes the nearest label. Frames of another
/// shape are fitted as the image records, or as --resize says. Pixels that a crop leaves out have
/// the value 255. With --slide or --halo frames are not resized. They must then not be smaller than
/// the model's input, unless --keep-ratio resizes them first. --smooth resizes the logits instead.
/// --device-labels leaves label and margin PNGs at the model's size. --margin adds NAME.margin.png
/// (grey, the pixel value is the margin's code). It also adds NAME.unsure.png, red at nearly tied
/// pixels.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  hrvit run --model nano.hrvit data/val/images --out out
  hrvit run --model nano.hrvit frame.jpg --margin
  hrvit run --model nano.hrvit data/val/images --slide --stride 96x128 --out out
  hrvit run --model nano.hrvit data/val/images --halo 32 --out out
  hrvit run --model nano.hrvit --recursive drives/ 'more/*.webp' --out out
  ffmpeg -i drive.mp4 -pix_fmt yuv420p -f yuv4mpegpipe - | hrvit run --model nano.hrvit --out out -
  hrvit run --model nano.hrvit --raw nv12:640x480 camera.nv12 --out out
  hrvit run --float --weights models/nano_camvid11.safetensors --variant nano --classes 11 --size 192x256 frame.jpg --logits logits.safetensors")]
pub struct RunArgs {
    #[command(flatten)]
    input: InputArgs,
    /// Model image
    #[arg(long, value_name = "M.hrvit", required_unless_present = "float")]
    model: Option<PathBuf>,
    /// Run the float reference instead; network and size come from --model or from the options
    /// below
    #[arg(long, requires = "weights")]
    float: bool,
    /// Checkpoint of the float network (.safetensors or .pth)
    #[arg(long, value_name = "CKPT", requires = "float")]
    weights: Option<PathBuf>,
    #[command(flatten)]
    selection: SelectionArgs,
    /// Leave out tensors of the checkpoint of this name; * stands for any characters. Heads that
    /// serve training alone (auxiliary_head) are left out anyway
    #[arg(long, value_name = "GLOB", requires = "weights", alias = "ignore")]
    ignore_tensor: Vec<String>,
    /// Folder for the results
    #[arg(long, value_name = "DIR", default_value = "hrvit-out")]
    out: PathBuf,
    /// Also write the logits of a single frame, float32. The tensor `logits` has the shape [1,
    /// classes, H/4, W/4] of the model's size ([1, classes] from a classifier). With --slide or
    /// --keep-ratio it is [1, classes, H, W] of the frame that windows slide over
    #[arg(long, value_name = "FILE.safetensors", conflicts_with = "halo")]
    logits: Option<PathBuf>,
    /// Write the label map at the model's size, as the engine leaves it, also of what a letterbox
    /// adds
    #[arg(long, conflicts_with_all = ["slide", "halo"])]
    device_labels: bool,
    /// Make the labels from logits that are resized to the frame, with smoother outlines than a
    /// device gives
    #[arg(long, conflicts_with_all = ["device_labels", "slide", "halo"])]
    smooth: bool,
    /// Draw how sure the labels are: the margin between the two largest logits of every pixel
    #[arg(long, conflicts_with_all = ["float", "slide", "halo", "flip"])]
    margin: bool,
    /// Right shift of the margins' codes, 0 to 31; default: the smallest that tells margins of up
    /// to 8 logits apart
    #[arg(long, value_name = "K", requires = "margin", value_parser = clap::value_parser!(u8).range(0..=31))]
    margin_shift: Option<u8>,
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
    /// With --float and without --model, a network of one class: from which probability on a pixel
    /// is of the class, else 0.5
    #[arg(long, value_name = "P")]
    threshold: Option<f32>,
}

/// Report of one frame.
#[derive(Serialize)]
struct FrameReport {
    frame: PathBuf,
    network: &'static str,
    ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<PathBuf>,
    /// CRC-32 of the label map at the model's size, as a device's log has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    labels_crc: Option<Crc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overlay: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    margin: Option<MarginReport>,
    /// Segmentor: classes that occur, largest first. Classifier: the best classes, best first.
    classes: Vec<Found>,
}

/// Report of a frame's margins.
#[derive(Serialize)]
struct MarginReport {
    /// Codes, at the label map's size.
    codes: PathBuf,
    picture: PathBuf,
    shift: u8,
    /// Logits that one code stands for.
    unit: f32,
    /// In logits, codes of 255 counted as 255.
    mean: f32,
}

/// One class in a frame.
#[derive(Serialize)]
struct Found {
    class: usize,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pixels: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    share: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logit: Option<f32>,
}

/// Runs the command.
///
/// # Errors
/// If files are missing or do not fit each other.
pub fn run(args: &RunArgs, format: Format) -> Result<()> {
    let mut stream = args.input.open(&args.out)?;
    ensure!(args.logits.is_none() || stream.inputs() == 1, "--logits takes a single frame, there are {}", stream.inputs());
    output::probe_folder(&args.out)?;
    args.logits.as_deref().map(output::probe).transpose()?;
    let packed = args.model.as_deref().map(|path| PackedImage::read(path, args.isa)).transpose()?;
    let int8 = packed.as_ref().map(|packed| packed.load_at(args.size.size)).transpose()?;
    ensure!(args.threshold.is_none() || (args.float && int8.is_none()), "--threshold comes from --model");
    let classes_of = |int8: &HostEngine| binary::classes_for(int8.model().meta(), args.classes_file.as_deref());
    if let Some(weights) = args.weights.as_deref().filter(|_| args.float) {
        ensure!(!args.preprocess.is_given() || int8.is_none(), "preprocessing comes from --model: leave out --mean, --std, --order and --preprocess");
        let selection = args.selection.selection(&args.ignore_tensor);
        let given = args.preprocess.preprocess()?;
        let (checkpoint, size, classes) = match &int8 {
            Some(int8) => (binary::read_for(weights, int8.model().meta(), &selection)?, int8.size(), classes_of(int8)?),
            None => {
                let stretched = !args.slide.slide && args.halo.halo.is_none() && args.slide.fit.fit().unwrap_or(given.fit) == Fit::Stretch;
                ensure!(stretched || args.size.size.is_some(), "--size HxW is missing: the size of the network's input");
                let network = args.network.network()?;
                let classes = binary::classes(network.classes, args.classes_file.as_deref())?;
                (binary::read(weights, &network, args.threshold, &selection, given)?, args.size.size.map_or_else(|| own_size(&mut stream), Ok)?, classes)
            }
        };
        let inference = inference(args, size, checkpoint.preprocess(), checkpoint.network().head)?;
        let float = Float::new(checkpoint, size);
        return batch::run(&float, inference, None, stream, &classes, args, format);
    }
    ensure!(
        !args.network.is_given() && !args.preprocess.is_given(),
        "network and preprocessing come from --model: leave out --variant, --spec, --classes, --mean, --std, --order and --preprocess"
    );
    let int8 = int8.as_ref().context("--model M.hrvit is missing")?;
    let shift = args.margin.then(|| args.margin_shift.unwrap_or_else(|| int8.model().logits_format().margin_shift(RANGE)));
    let inference = inference(args, int8.size(), &int8.model().meta().preprocess, int8.head())?;
    batch::run(int8, inference, shift, stream, &classes_of(int8)?, args, format)
}

/// How frames are seen, which must go with what is to be written.
fn inference(args: &RunArgs, size: Size, preprocess: &Preprocess, head: Head) -> Result<Inference> {
    let inference = args.slide.inference(args.halo.halo, size, preprocess)?;
    inference.check_head(head)?;
    for (given, option) in [(args.device_labels, "--device-labels"), (args.smooth, "--smooth"), (args.margin, "--margin")] {
        ensure!(!given || !inference.has_windows(), "{option} is for one input a frame, and windows slide here: --resize stretch, crop or letterbox");
    }
    Ok(inference)
}

/// The first frame's own size, where a network can take it.
fn own_size(stream: &mut Stream) -> Result<Size> {
    let (height, width, frame) = stream.first_size()?;
    let fits = |n: u32| u16::try_from(n).unwrap_or(u16::MAX);
    Size::new(fits(height), fits(width)).with_context(|| format!("frame {} cannot be taken as it is: give --size HxW", frame.display()))
}

/// Runs one frame and writes its results but for the JSON document.
fn run_frame(
    segmenter: &dyn Segmenter,
    inference: Inference,
    shift: Option<u8>,
    (name, origin, pixels): (&Path, PathBuf, &Pixels),
    classes: &Classes,
    args: &RunArgs,
) -> Result<FrameReport> {
    let (frame, input) = (&pixels.rgb, inference.input_of(pixels, segmenter.size())?);
    let start = Instant::now();
    let mut report =
        FrameReport { frame: origin, network: segmenter.name(), ms: 0.0, labels: None, labels_crc: None, overlay: None, margin: None, classes: Vec::new() };
    let logits = match segmenter.head() {
        Head::Classifier => {
            let logits = inference.logits(segmenter, &input.picture)?;
            report.ms = 1e3 * start.elapsed().as_secs_f64();
            report.classes = best(&logits.data, classes);
            Some(logits)
        }
        Head::Segformer => {
            input.check_classes(segmenter.classes())?;
            let wanted = Wanted { logits: args.smooth || args.logits.is_some(), margins: shift };
            let Segmented { labels, logits, margins } = inference.segment(segmenter, &input.picture, wanted)?;
            report.ms = 1e3 * start.elapsed().as_secs_f64();
            report.labels_crc = (!inference.has_windows()).then(|| Crc(hrvit_format::crc32(&labels.data)));
            let (height, width) = (frame.height() as usize, frame.width() as usize);
            let found = match &logits {
                Some(logits) if args.smooth => logits.labels_at(&input.placement, height, width),
                _ => labels::nearest(&labels, &input.placement, height, width, NO_LABEL),
            };
            let written = if args.device_labels { &labels } else { &found };
            report.labels = Some(write(args, name, "labels.png", &labels::encode(written, classes)?)?);
            report.overlay = Some(write(args, name, "overlay.png", &picture(frame, &found, classes)?)?);
            report.margin = shift.zip(margins).map(|(shift, margins)| write_margins(args, name, (frame, &input.placement), shift, &margins)).transpose()?;
            report.classes = shares(&found.histogram(classes.len()), classes);
            logits
        }
    };
    if let (Some(file), Some(logits)) = (&args.logits, logits) {
        output::write_file(file, &logits.to_safetensors(segmenter.head())?)?;
    }
    Ok(report)
}

fn write_margins(args: &RunArgs, name: &Path, (frame, placement): (&RgbImage, &Placement), shift: u8, margins: &Margins) -> Result<MarginReport> {
    let resized = margins.resized(placement, frame.height() as usize, frame.width() as usize);
    let written = if args.device_labels { margins } else { &resized };
    let codes = write(args, name, "margin.png", &written.encode()?)?;
    let picture = write(args, name, "unsure.png", &overlay::encode_png(&resized.picture(frame)?)?)?;
    Ok(MarginReport { codes, picture, shift, unit: margins.unit, mean: margins.mean(placement) })
}

fn picture(frame: &RgbImage, found: &labels::LabelMap, classes: &Classes) -> Result<Vec<u8>> {
    overlay::encode_png(&overlay::with_legend(frame, found, classes)?)
}

fn write(args: &RunArgs, name: &Path, ending: &str, bytes: &[u8]) -> Result<PathBuf> {
    let path = listing::result(&args.out, name, ending);
    output::write_file(&path, bytes)?;
    Ok(path)
}

/// Classes that occur, largest first.
fn shares(histogram: &[u64], classes: &Classes) -> Vec<Found> {
    let total: u64 = histogram.iter().sum();
    let mut found: Vec<Found> = (0..)
        .zip(histogram)
        .zip(classes.iter())
        .filter(|((_, pixels), _)| **pixels > 0)
        .map(|((class, &pixels), known)| Found {
            class,
            name: known.name.clone(),
            pixels: Some(pixels),
            share: Some(pixels as f64 / total as f64),
            logit: None,
        })
        .collect();
    found.sort_by_key(|one| std::cmp::Reverse(one.pixels));
    found
}

/// Classes of the largest logits, best first, the lower index first among equals.
fn best(logits: &[f32], classes: &Classes) -> Vec<Found> {
    let mut found: Vec<Found> = (0..)
        .zip(logits)
        .zip(classes.iter())
        .map(|((class, &logit), known)| Found { class, name: known.name.clone(), pixels: None, share: None, logit: Some(logit) })
        .collect();
    found.sort_by(|a, b| b.logit.unwrap_or(f32::NEG_INFINITY).total_cmp(&a.logit.unwrap_or(f32::NEG_INFINITY)));
    found.truncate(TOP);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_largest_first_and_leave_out_absent_classes() {
        let found = shares(&[1, 0, 3], &Classes::numbered(3));
        assert_eq!(found.iter().map(|one| (one.class, one.share)).collect::<Vec<_>>(), [(2, Some(0.75)), (0, Some(0.25))]);
    }

    #[test]
    fn best_is_five_and_ties_go_to_the_lower_class() {
        let found = best(&[0.0, 2.0, -1.0, 2.0, 1.0, 0.5, 0.1], &Classes::numbered(7));
        assert_eq!(found.iter().map(|one| one.class).collect::<Vec<_>>(), [1, 3, 4, 5, 6]);
    }
}
