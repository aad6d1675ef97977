//! Frames at their own pace.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use hrvit_camera::Format;

use super::latest::Latest;
use super::wishes::Wishes;
use crate::frames;
use crate::inputs::camera::{Camera, Colours, Layout};
use crate::inputs::y4m;

/// A frame that has come.
pub struct Arrived {
    /// Its bytes.
    pub camera: Camera,
    /// When it was whole.
    pub at: Instant,
}

/// A bytes' stream that a thread can read.
type Stream = Box<dyn BufRead + Send>;

/// Source of the frames.
pub enum Source {
    /// A video, once.
    Video(Box<y4m::Video<Stream>>),
    /// Frames without a header, once.
    Raw(Stream, Layout),
    /// Pictures, over and over.
    Folder(Folder),
    /// A camera of Linux.
    #[cfg(all(target_os = "linux", feature = "v4l"))]
    Device(super::device::Device),
}

impl Source {
    /// Opens `path`: `-` (standard input), a file, a folder or a device.
    ///
    /// # Errors
    /// If there is nothing, or nothing that has frames.
    pub fn open(path: &Path, wishes: &Wishes) -> Result<Self> {
        let layout = wishes.raw.as_ref().map(|raw| raw.layout(wishes.matrix, wishes.full_range)).transpose()?;
        if path.is_dir() {
            ensure!(layout.is_none(), "--raw is for files and standard input, {} is a folder", path.display());
            return Ok(Self::Folder(Folder { paths: frames::list(path)?, next: 0, told: HashSet::new() }));
        }
        if is_device(path) {
            return device(path, wishes);
        }
        let stream: Stream = if path == Path::new("-") {
            Box::new(BufReader::new(io::stdin()))
        } else {
            Box::new(BufReader::new(File::open(path).with_context(|| format!("opening {}", path.display()))?))
        };
        if let Some(layout) = layout {
            return Ok(Self::Raw(stream, layout));
        }
        let video = y4m::Video::new(stream, wishes.matrix.unwrap_or_default(), wishes.full_range);
        let hint = "a video is taken as YUV4MPEG2: ffmpeg -re -i FILE -pix_fmt yuv420p -f yuv4mpegpipe - | hrvit live … -";
        Ok(Self::Video(Box::new(video.with_context(|| format!("{}: {hint}", path.display()))?)))
    }

    /// Frames a second, where the source has a rate.
    fn rate(&self) -> Option<f64> {
        match self {
            Self::Video(video) => video.rate(),
            Self::Raw(..) => None,
            Self::Folder(_) => Some(10.0),
            #[cfg(all(target_os = "linux", feature = "v4l"))]
            Self::Device(_) => None,
        }
    }

    /// Whether frames come though nobody reads them: then the reader must not fall behind.
    fn goes_on(&self) -> bool {
        match self {
            Self::Video(_) | Self::Raw(..) | Self::Folder(_) => false,
            #[cfg(all(target_os = "linux", feature = "v4l"))]
            Self::Device(_) => true,
        }
    }

    /// Puts frames into `latest` as they come, until there are no more. A source with a rate gives
    /// none earlier than it says: one that goes on loses those between.
    ///
    /// # Errors
    /// If a frame cannot be read.
    pub fn run(mut self, wishes: &Wishes, latest: &Latest<Arrived>) -> Result<()> {
        let period = wishes.rate.or(self.rate()).map(|rate| Duration::from_secs_f64(1.0 / rate));
        let mut due = Instant::now();
        let mut number = 0;
        while let Some(camera) = self.next()? {
            number += 1;
            if let Some(period) = period {
                let early = due.saturating_duration_since(Instant::now());
                if !early.is_zero() && self.goes_on() {
                    continue;
                }
                std::thread::sleep(early);
                // A source that was held up does not hurry after.
                due = due.max(Instant::now().checked_sub(period).unwrap_or(due)) + period;
            }
            latest.put(Arrived { camera, at: Instant::now() });
        }
        ensure!(number > 0, "there is no frame");
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Camera>> {
        match self {
            Self::Video(video) => video.frame(),
            Self::Raw(stream, layout) => {
                let (mut bytes, whole) = (Vec::new(), layout.bytes());
                stream.take(whole as u64).read_to_end(&mut bytes).context("reading frames")?;
                let filled = bytes.len();
                ensure!(filled == 0 || filled == whole, "frames end inside one, after {filled} of {whole} bytes: is --raw their layout and size?");
                if filled == 0 { Ok(None) } else { Camera::new(layout.clone(), bytes).map(Some) }
            }
            Self::Folder(folder) => folder.next().map(Some),
            #[cfg(all(target_os = "linux", feature = "v4l"))]
            Self::Device(device) => device.frame().map(Some),
        }
    }
}

/// Pictures, over and over.
pub struct Folder {
    paths: Vec<PathBuf>,
    next: usize,
    /// Pictures that could not be read, each told once.
    told: HashSet<PathBuf>,
}

impl Folder {
    /// The next picture that can be read: one that is being written may do so in the next round.
    fn next(&mut self) -> Result<Camera> {
        let mut failed = anyhow!("there is no picture");
        for _ in 0..self.paths.len() {
            let path = &self.paths[self.next % self.paths.len()];
            self.next += 1;
            match frames::read(path) {
                Ok(picture) => {
                    let layout = Layout::packed(Format::Rgb, picture.width() as usize, picture.height() as usize, Colours::default());
                    return Camera::new(layout, picture.into_raw());
                }
                Err(error) => {
                    if self.told.insert(path.clone()) {
                        eprintln!("left out: {error:#}");
                    }
                    failed = error;
                }
            }
        }
        Err(failed.context("no picture of the folder can be read"))
    }
}

#[cfg(target_os = "linux")]
fn is_device(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::metadata(path).is_ok_and(|found| found.file_type().is_char_device())
}

#[cfg(not(target_os = "linux"))]
fn is_device(_: &Path) -> bool {
    false
}

#[cfg(all(target_os = "linux", feature = "v4l"))]
fn device(path: &Path, wishes: &Wishes) -> Result<Source> {
    super::device::Device::open(path, wishes).map(Source::Device)
}

#[cfg(not(all(target_os = "linux", feature = "v4l")))]
fn device(path: &Path, _: &Wishes) -> Result<Source> {
    anyhow::bail!(
        "{} is a camera, and this build of hrvit reads none: build it with --features v4l (needs libclang), or\n  \
         ffmpeg -f v4l2 -i {} -pix_fmt yuv420p -f yuv4mpegpipe - | hrvit live … -",
        path.display(),
        path.display()
    )
}
