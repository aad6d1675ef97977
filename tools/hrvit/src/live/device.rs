//! Cameras of Linux, by V4L2.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use hrvit_camera::{Format, Range};
use v4l::buffer::Type;
use v4l::format::quantization::Quantization;
use v4l::io::mmap::Stream;
use v4l::io::traits::CaptureStream;
use v4l::video::Capture;
use v4l::{Device as Video, FourCC};

use super::wishes::Wishes;
use crate::inputs::camera::{Camera, Colours, Layout};

/// Buffers that the driver fills in turn: one is read, one is filled, one is the next.
const BUFFERS: u32 = 3;
/// Formats in order of preference, by their V4L2 names.
const FORMATS: [(&[u8; 4], Format); 8] = [
    (b"NV12", Format::Nv12),
    (b"YUYV", Format::Yuyv),
    (b"UYVY", Format::Uyvy),
    (b"NV21", Format::Nv21),
    (b"YU12", Format::I420),
    (b"RGB3", Format::Rgb),
    (b"BGR3", Format::Bgr),
    (b"GREY", Format::Gray8),
];

/// A camera that sends frames.
pub struct Device {
    stream: Stream<'static>,
    layout: Layout,
}

impl Device {
    /// Opens a camera and asks for a format that can be read.
    ///
    /// # Errors
    /// If it is no camera or has no such format.
    pub fn open(path: &Path, wishes: &Wishes) -> Result<Self> {
        let video = Video::with_path(path).with_context(|| format!("opening {}", path.display()))?;
        let offered = video.enum_formats().with_context(|| format!("{}: its formats", path.display()))?;
        let known = FORMATS.iter().find(|(name, _)| offered.iter().any(|one| one.fourcc == FourCC::new(name)));
        let Some((name, format)) = known else {
            let names: Vec<String> = offered.iter().map(|one| one.fourcc.to_string()).collect();
            bail!("{}: it has the formats {}, none of which is read; ffmpeg converts them", path.display(), names.join(", "));
        };
        let mut asked = video.format()?;
        asked.fourcc = FourCC::new(name);
        (asked.width, asked.height) = wishes.camera_size.unwrap_or((640, 480));
        let given = video.set_format(&asked).with_context(|| format!("{}: asking for frames", path.display()))?;
        ensure!(given.fourcc == asked.fourcc, "{}: it sends {} though it offers {}", path.display(), given.fourcc, asked.fourcc);
        let range = if wishes.full_range || matches!(given.quantization, Quantization::FullRange) { Range::Full } else { Range::Limited };
        let colours = Colours { matrix: wishes.matrix.unwrap_or_default(), range };
        let packed = Layout::packed(*format, given.width as usize, given.height as usize, colours);
        let row = packed.strides[0].max(given.stride as usize);
        // Chroma of V4L2's planar formats has a stride that follows from that of luma.
        let strides = packed.strides.iter().map(|own| own * row / packed.strides[0]).collect();
        let stream = Stream::with_buffers(&video, Type::VideoCapture, BUFFERS).with_context(|| format!("{}: its buffers", path.display()))?;
        Ok(Self { stream, layout: Layout { strides, ..packed } })
    }

    /// The next frame.
    ///
    /// # Errors
    /// If the camera is gone.
    pub fn frame(&mut self) -> Result<Camera> {
        let (bytes, _) = self.stream.next().context("a frame of the camera")?;
        Camera::new(self.layout.clone(), bytes.to_vec())
    }
}
