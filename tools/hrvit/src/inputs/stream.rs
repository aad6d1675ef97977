//! The frames of all inputs, one in memory at a time.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, ensure};

use super::camera::{Layout, Matrix, Pixels};
use super::listing::Entry;
use super::video::Decoder;
use super::{InputArgs, raw, y4m};
use crate::decoding::{self, MaxPixels};

type Bytes = Box<dyn BufRead>;

/// One frame.
pub struct Frame {
    /// Its results' name without ending, below the folder of results.
    pub name: PathBuf,
    /// The file that it is from; of several frames with the number behind a `#`.
    pub origin: PathBuf,
    /// Its pixels, or why it has none.
    pub pixels: Result<Pixels>,
}

/// Source of the frames of an input.
enum Source {
    Picture(Bytes),
    Raw(Bytes, Layout),
    Y4m(y4m::Video<Bytes>),
    Video(y4m::Video<Bytes>, Decoder),
    Failed(anyhow::Error),
    End,
}

/// An input that is being read.
struct Open {
    entry: Entry,
    source: Source,
    /// It holds one frame, which has the input's own name.
    single: bool,
    frames: usize,
}

/// All frames, in order.
pub struct Stream {
    raw: Option<Layout>,
    matrix: Matrix,
    full_range: bool,
    entries: VecDeque<Entry>,
    inputs: usize,
    open: Option<Open>,
    early: VecDeque<Frame>,
}

/// The first bytes, then the whole.
fn begin(mut stream: impl BufRead + 'static, count: usize) -> io::Result<(Vec<u8>, Bytes)> {
    let mut head = Vec::with_capacity(count);
    stream.by_ref().take(count as u64).read_to_end(&mut head)?;
    Ok((head.clone(), Box::new(Cursor::new(head).chain(stream))))
}

impl Stream {
    /// The frames of `entries`, raw ones of this layout.
    pub fn new(args: &InputArgs, raw: Option<Layout>, entries: Vec<Entry>) -> Self {
        let inputs = entries.len();
        let (matrix, full_range) = (args.matrix.unwrap_or_default(), args.full_range);
        Self { raw, matrix, full_range, entries: entries.into(), inputs, open: None, early: VecDeque::new() }
    }

    /// How many inputs there are; each has one frame or more.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Height and width of the first frame that can be read, which still comes.
    ///
    /// # Errors
    /// If there is none.
    pub fn first_size(&mut self) -> Result<(u32, u32, PathBuf)> {
        let mut early = VecDeque::new();
        let found = loop {
            let Some(frame) = self.next() else { break None };
            let size = frame.pixels.as_ref().ok().map(|pixels| (pixels.rgb.height(), pixels.rgb.width(), frame.origin.clone()));
            early.push_back(frame);
            if size.is_some() {
                break size;
            }
        };
        let complaint = early.front().and_then(|frame| frame.pixels.as_ref().err()).map(|error| format!("{error:#}"));
        self.early = early;
        found.with_context(|| format!("no frame can be read: {}", complaint.unwrap_or_default()))
    }

    fn open(&self, entry: Entry) -> Open {
        let (source, single) = self.source(&entry).unwrap_or_else(|error| (Source::Failed(error), true));
        Open { entry, source, single, frames: 0 }
    }

    /// Source of the frames, and whether it is one.
    fn source(&self, entry: &Entry) -> Result<(Source, bool)> {
        let video = |stream: Bytes| y4m::Video::new(stream, self.matrix, self.full_range);
        if self.raw.is_none() && entry.is_video() {
            let (decoder, frames) = Decoder::start(&entry.path)?;
            let frames = match video(Box::new(frames)) {
                Ok(frames) => frames,
                // Without a header ffmpeg has something to say.
                Err(error) => {
                    let said = decoder.finish().err().map_or_else(String::new, |said| format!(" ({said:#})"));
                    return Err(anyhow!("{error:#}{said}"));
                }
            };
            return Ok((Source::Video(frames, decoder), false));
        }
        let (stream, length): (Bytes, _) = if entry.is_stdin() {
            (Box::new(io::stdin().lock()), None)
        } else {
            let file = File::open(&entry.path).context("opening it")?;
            let length = file.metadata().ok().filter(std::fs::Metadata::is_file).map(|found| found.len());
            (Box::new(BufReader::new(file)), length)
        };
        if let Some(raw) = &self.raw {
            let one = raw.bytes() as u64;
            return Ok((Source::Raw(stream, raw.clone()), length.is_some_and(|length| length <= one)));
        }
        let (head, stream) = begin(stream, y4m::MAGIC.len()).context("reading it")?;
        if head == y4m::MAGIC { Ok((Source::Y4m(video(stream)?), false)) } else { Ok((Source::Picture(stream), true)) }
    }
}

impl Iterator for Stream {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        if let Some(frame) = self.early.pop_front() {
            return Some(frame);
        }
        loop {
            if let Some(open) = &mut self.open
                && let Some(pixels) = open.next()
            {
                return Some(open.named(pixels, self.inputs == 1));
            }
            let entry = self.entries.pop_front()?;
            self.open = Some(self.open(entry));
        }
    }
}

impl Open {
    /// The next frame, or why there is none; after that the input is at its end.
    fn next(&mut self) -> Option<Result<Pixels>> {
        let next = match std::mem::replace(&mut self.source, Source::End) {
            Source::End => return None,
            Source::Failed(error) => Err(error),
            Source::Picture(stream) => bytes(stream).and_then(|bytes| {
                let picture = decoding::rgb(&bytes, MaxPixels::of_process())?;
                // Files of cameras may hold more than the picture; what is piped is meant.
                if self.entry.is_stdin() && decoding::is_followed(&bytes) {
                    self.source =
                        Source::Failed(anyhow!("another picture follows the first, which alone is run: pipe several as a video (ffmpeg -f yuv4mpegpipe)"));
                }
                Ok(Some(Pixels::from(picture)))
            }),
            Source::Raw(mut stream, layout) => {
                let frame = raw_frame(&mut stream, &layout);
                self.source = Source::Raw(stream, layout);
                frame
            }
            Source::Y4m(mut video) => {
                let frame = video_frame(&mut video);
                self.source = Source::Y4m(video);
                frame
            }
            Source::Video(mut video, decoder) => match video_frame(&mut video) {
                Ok(None) => decoder.finish().map(|()| None),
                frame => {
                    self.source = Source::Video(video, decoder);
                    frame
                }
            },
        };
        let next = match next {
            Ok(None) if self.frames == 0 => Err(anyhow!("it holds no frame")),
            next => next,
        };
        if !matches!(next, Ok(Some(_))) {
            self.source = Source::End;
        }
        next.transpose()
    }

    /// The frame with its name; `alone` says that the input is the only one.
    fn named(&mut self, pixels: Result<Pixels>, alone: bool) -> Frame {
        let number = format!("{:06}", self.frames);
        self.frames += 1;
        let path = if self.entry.is_stdin() { PathBuf::from("standard input") } else { self.entry.path.clone() };
        if self.single {
            return Frame { name: self.entry.name.clone(), origin: path, pixels };
        }
        let mut origin = path.into_os_string();
        origin.push(format!("#{number}"));
        Frame { name: if alone { number.into() } else { self.entry.name.join(number) }, origin: origin.into(), pixels }
    }
}

/// All bytes of a picture.
fn bytes(mut stream: Bytes) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).context("reading it")?;
    ensure!(!bytes.is_empty(), "it is empty");
    Ok(bytes)
}

fn video_frame(video: &mut y4m::Video<Bytes>) -> Result<Option<Pixels>> {
    video.frame()?.map(Pixels::try_from).transpose()
}

fn raw_frame(stream: &mut Bytes, layout: &Layout) -> Result<Option<Pixels>> {
    let expected = layout.bytes();
    let mut bytes = Vec::new();
    stream.take(expected as u64).read_to_end(&mut bytes).context("reading it")?;
    if bytes.is_empty() {
        return Ok(None);
    }
    ensure!(bytes.len() == expected, "it ends inside a frame, after {} of {expected} bytes: is --raw its layout and size?", bytes.len());
    Pixels::try_from(raw::frame(layout, bytes)?).map(Some)
}

#[cfg(test)]
mod tests;
