//! Uncompressed video with headers: YUV4MPEG2, as `ffmpeg -f yuv4mpegpipe` writes it.

use std::io::{BufRead, Read};
use std::ops::RangeInclusive;

use anyhow::{Context, Result, bail, ensure};
use hrvit_camera::{Format, MAX_SIDE, Range};

use super::camera::{Camera, Colours, Layout, Matrix};
use crate::decoding::MaxPixels;

/// Frames a second that are taken for a rate.
pub const RATES: RangeInclusive<f64> = 0.01..=1000.0;
/// First bytes of such a video.
pub const MAGIC: &[u8] = b"YUV4MPEG2 ";
/// Longest line of a header.
const LONGEST: u64 = 4096;

/// Content of the header.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Header {
    width: u32,
    height: u32,
    format: Format,
    /// Luma from 0 to 255, where the header says so.
    full: Option<bool>,
    /// Frames a second, where the header says so.
    rate: Option<f64>,
}

/// A video, frame by frame.
pub struct Video<R> {
    stream: R,
    layout: Layout,
    /// Bytes of the frame in the stream, behind which chroma of grey may follow.
    bytes: usize,
    rate: Option<f64>,
}

/// A line without its end; none at the end of the stream.
fn line(stream: &mut impl BufRead) -> Result<Option<String>> {
    let mut bytes = Vec::new();
    stream.take(LONGEST).read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    ensure!(bytes.pop() == Some(b'\n'), "YUV4MPEG2 that is cut or damaged: a header without an end");
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

fn header(line: &str) -> Result<Header> {
    let mut found = Header { width: 0, height: 0, format: Format::I420, full: None, rate: None };
    for parameter in line.split(' ').skip(1).filter(|parameter| !parameter.is_empty()) {
        let Some((name, value)) = parameter.split_at_checked(1) else { bail!("YUV4MPEG2 header with {parameter:?}") };
        match (name, value) {
            ("W", width) => found.width = width.parse().with_context(|| format!("YUV4MPEG2 of width {width:?}"))?,
            ("H", height) => found.height = height.parse().with_context(|| format!("YUV4MPEG2 of height {height:?}"))?,
            ("C", "420" | "420jpeg" | "420mpeg2" | "420paldv") => found.format = Format::I420,
            ("C", "422") => found.format = Format::I422,
            ("C", "411") => found.format = Format::I411,
            ("C", "444") => found.format = Format::I444,
            ("C", "mono") => found.format = Format::Gray8,
            ("C", other) => bail!("YUV4MPEG2 with pixels C{other}: expected 8 bits, 420, 422, 411, 444 or mono (ffmpeg: -pix_fmt yuv420p)"),
            ("F", rate) => found.rate = rate.split_once(':').and_then(|(frames, seconds)| Some(frames.parse::<f64>().ok()? / seconds.parse::<f64>().ok()?)),
            ("X", "COLORRANGE=FULL") => found.full = Some(true),
            ("X", "COLORRANGE=LIMITED") => found.full = Some(false),
            _ => {}
        }
    }
    ensure!(found.width > 0 && found.height > 0, "YUV4MPEG2 header without width and height: {line:?}");
    MaxPixels::of_process().check(found.width, found.height, 4)?;
    let fits = |side: u32| usize::try_from(side).is_ok_and(|side| side <= MAX_SIDE);
    ensure!(fits(found.width) && fits(found.height), "YUV4MPEG2 of {}x{}: expected sides of at most {MAX_SIDE}", found.width, found.height);
    Ok(found)
}

impl<R: BufRead> Video<R> {
    /// Reads the header. `full` says that luma is from 0 to 255 whatever the header says.
    ///
    /// # Errors
    /// If it is none, is of pixels that are not read, or of more than allowed.
    pub fn new(mut stream: R, matrix: Matrix, full: bool) -> Result<Self> {
        let first = line(&mut stream)?.unwrap_or_default();
        ensure!(first.as_bytes().starts_with(MAGIC), "expected a YUV4MPEG2 header");
        let header = header(&first)?;
        // Luma alone is grey: of all 255 steps unless the header says otherwise.
        let grey = header.format == Format::Gray8;
        let full = full || header.full.unwrap_or(grey);
        let colours = Colours { matrix, range: if full { Range::Full } else { Range::Limited } };
        let (width, height) = (header.width as usize, header.height as usize);
        let bytes = header.format.frame_bytes(width, height);
        // Grey of limited range is luma whose chroma is none.
        let format = if grey && !full { Format::I420 } else { header.format };
        Ok(Self { stream, layout: Layout::packed(format, width, height, colours), bytes, rate: header.rate })
    }

    /// Frames a second, where the header has a rate within [`RATES`].
    pub fn rate(&self) -> Option<f64> {
        self.rate.filter(|rate| RATES.contains(rate))
    }

    /// How its frames lie, as they are read.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The next frame; none at the end.
    ///
    /// # Errors
    /// If the video ends inside a frame, or something else follows one.
    pub fn frame(&mut self) -> Result<Option<Camera>> {
        let mut bytes = Vec::new();
        if !self.read(&mut bytes)? {
            return Ok(None);
        }
        Camera::new(self.layout.clone(), bytes).map(Some)
    }

    /// Reads the bytes of the next frame into `bytes`; false at the end.
    ///
    /// # Errors
    /// As [`Video::frame`].
    pub fn read(&mut self, bytes: &mut Vec<u8>) -> Result<bool> {
        let Some(line) = line(&mut self.stream)? else { return Ok(false) };
        ensure!(
            line == "FRAME" || line.starts_with("FRAME "),
            "YUV4MPEG2 that is cut or damaged: expected FRAME, found {:?}",
            line.chars().take(20).collect::<String>()
        );
        bytes.clear();
        bytes.resize(self.bytes, 0);
        self.stream.read_exact(bytes).with_context(|| format!("truncated video: a frame has {} bytes", self.bytes))?;
        bytes.resize(self.layout.bytes(), 128);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn video(bytes: &[u8]) -> Result<Vec<image::RgbImage>> {
        let mut video = Video::new(bytes, Matrix::Bt601, false)?;
        std::iter::from_fn(|| video.frame().transpose()).map(|frame| frame?.picture()).collect()
    }

    #[test]
    fn frames_come_one_after_another_whatever_their_headers_say() {
        let mut bytes = b"YUV4MPEG2 W3 H2 F25:1 Ip A1:1 C420jpeg XYSCSS=420JPEG XCOLORRANGE=LIMITED\nFRAME\n".to_vec();
        bytes.extend([16, 16, 16, 235, 235, 235, 128, 128, 128, 128]);
        bytes.extend(b"FRAME Ip\n");
        bytes.extend([81; 6].into_iter().chain([90, 90, 240, 240]));
        let frames = video(&bytes).unwrap();
        assert_eq!(frames[0].as_raw()[..], [[0; 9], [255; 9]].concat());
        assert_eq!(frames[1].as_raw()[..3], [254, 0, 0]);
        assert_eq!(frames.len(), 2);
        for cut in [1, 5, bytes.len() - 70] {
            let error = format!("{:#}", video(&bytes[..bytes.len() - cut]).unwrap_err());
            assert!(error.contains("cut") || error.contains("truncated"), "{cut}: {error}");
        }
    }

    #[test]
    fn ranges_and_samplings_are_those_of_the_header() {
        let first =
            |header: &str, data: &[u8]| video(&[format!("YUV4MPEG2 W2 H2 {header}\nFRAME\n").as_bytes(), data].concat()).unwrap()[0].as_raw()[..3].to_vec();
        assert_eq!(first("C444", &[16, 0, 0, 0, 128, 0, 0, 0, 128, 0, 0, 0]), [0; 3]);
        assert_eq!(first("C422 XCOLORRANGE=FULL", &[16, 0, 0, 0, 128, 0, 128, 0]), [16; 3]);
        assert_eq!(first("Cmono", &[16, 0, 0, 0]), [16; 3]);
        assert_eq!(first("Cmono XCOLORRANGE=LIMITED", &[16, 0, 0, 0]), [0; 3]);
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for (text, said) in [
            ("YUV4MPEG2 W2 H2 C420p10\n", "C420p10"),
            ("YUV4MPEG2 W2\n", "without width and height"),
            ("YUV4MPEG2 W900000 H900000\n", "--max-pixels"),
            ("YUV4MPEG2 W2 H2", "without an end"),
            ("YUV4MPEG2 W2 H2\nFRAMES\n", "expected FRAME"),
        ] {
            let error = format!("{:#}", video(text.as_bytes()).unwrap_err());
            assert!(error.contains(said), "{error}");
        }
    }
}
