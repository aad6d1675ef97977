//! `hrvit pack-clip`: frames behind a model image.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Args;
use hrvit_format::{ModelBuf, clip};
use serde::Serialize;

use crate::inference::args::FitArgs;
use crate::inputs::InputArgs;
use crate::inputs::stream::Frame;
use crate::output::{self, Format, grouped};

/// Put frames behind a model image, for a device without a camera
///
/// The firmware's program `segment` runs every one of them after the golden frame. Frames are
/// fitted to the model's input; the file is flashed in place of the image.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  hrvit pack-clip --model nano.hrvit data/val/images --most 4 --out nano.clip.hrvit")]
pub struct PackClipArgs {
    #[command(flatten)]
    input: InputArgs,
    /// Model image
    #[arg(long, value_name = "M.hrvit")]
    model: PathBuf,
    /// File to write: the image and the frames
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Take the first N frames
    #[arg(long, value_name = "N", default_value_t = u16::MAX, value_parser = clap::value_parser!(u16).range(1..))]
    most: u16,
    #[command(flatten)]
    fit: FitArgs,
}

#[derive(Serialize)]
struct Report<'a> {
    file: &'a PathBuf,
    frames: Vec<PathBuf>,
    bytes: usize,
    image_bytes: usize,
}

/// Runs the command.
///
/// # Errors
/// If the model is no valid image, a frame cannot be read, or the file cannot be written.
pub fn run(args: &PackClipArgs, format: Format) -> Result<()> {
    let stream = args.input.open(&args.out)?;
    output::probe(&args.out)?;
    let image = ModelBuf::read(&args.model)?;
    let (size, fitting) = (image.model().meta().size, args.fit.fitting(&image.model().meta().preprocess)?);
    let (mut frames, mut names) = (Vec::new(), Vec::new());
    for Frame { origin, pixels, .. } in stream.take(args.most.into()) {
        let pixels = pixels.with_context(|| origin.display().to_string())?;
        frames.push(pixels.fitted(fitting, size)?.0.into_raw());
        names.push(origin);
    }
    ensure!(!frames.is_empty(), "no frames");
    let file = clip::with_frames(image.bytes(), size, &frames)?;
    output::write_file(&args.out, &file)?;
    let report = Report { file: &args.out, frames: names, bytes: file.len(), image_bytes: image.bytes().len() };
    match format {
        Format::Json => output::print_json(&report),
        Format::Text => output::print_text(format_args!(
            "{}: {} bytes, {} frame(s) of {size} behind an image of {}",
            report.file.display(),
            grouped(report.bytes as u64),
            report.frames.len(),
            grouped(report.image_bytes as u64)
        )),
    }
}
