//! Inputs to be run: pictures, folders of them, patterns, standard input, raw frames and videos,
//! one frame at a time.
//!
//! | module | what |
//! |---|---|
//! | [`listing`] | from paths and patterns to files with a name each |
//! | [`stream`] | the frames of these files, one in memory at a time |
//! | [`raw`], [`y4m`], [`video`] | frames without a header, uncompressed video, anything that ffmpeg reads |
//! | [`camera`] | a camera's own bytes, converted and resized as devices do it |

pub mod camera;
pub mod listing;
pub mod raw;
pub mod stream;
pub mod video;
pub mod y4m;

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use clap::Args;

use camera::Matrix;
use raw::RawFormat;
use stream::Stream;

/// Options that say which frames.
#[derive(Args, Clone, Debug, Default)]
pub struct InputArgs {
    /// Frames: pictures (JPEG, PNG, WebP, BMP, TIFF, PPM), folders of them, quoted patterns
    /// ('cam/*.jpg'), videos, or - for a picture or video on standard input
    #[arg(value_name = "FRAMES", required = true)]
    pub paths: Vec<PathBuf>,
    /// Take folders with all that is in them; results keep the sub-folders
    #[arg(long)]
    pub recursive: bool,
    /// Files and standard input hold raw frames, LAYOUT:WIDTHxHEIGHT (width first): nv12, nv21,
    /// i420, i422, i411, i444, yuyv, uyvy, rgb565, rgb, bgr, rgba, bgra, gray;
    /// behind the size ,full ,bt709 ,stride=BYTES, of planes of their own ,stride=A/B/C
    #[arg(long, value_name = "LAYOUT:WxH")]
    pub raw: Option<RawFormat>,
    /// How luma and chroma of raw frames and videos become red, green and blue; default: bt601
    #[arg(long, value_enum)]
    pub matrix: Option<Matrix>,
    /// Luma and chroma of raw frames and videos go from 0 to 255, not from 16 to 235 and 240. A
    /// video's header may say so itself
    #[arg(long)]
    pub full_range: bool,
}

impl InputArgs {
    /// Finds the files; their frames come as they are asked for. Results of frames go to `out`,
    /// whose files are no frames.
    ///
    /// # Errors
    /// If a file is missing, a folder or pattern has no frame, two frames have the same name, or a
    /// video needs a missing program.
    pub fn open(&self, out: &Path) -> Result<Stream> {
        let raw = self.raw.as_ref().map(|raw| raw.layout(self.matrix, self.full_range)).transpose()?;
        let entries = listing::entries(self, out)?;
        listing::check(&entries, out)?;
        ensure!(entries.iter().filter(|entry| entry.is_stdin()).count() <= 1, "standard input (-) can be read once only");
        if let Some(entry) = entries.iter().find(|entry| self.raw.is_none() && entry.is_video()) {
            video::check(&entry.path)?;
        }
        Ok(Stream::new(self, raw, entries))
    }
}
