//! Frames of cameras and videos: their own bytes, which `hrvit_camera` converts and resizes as
//! devices do.

use anyhow::{Context, Result};
use clap::ValueEnum;
use hrvit_camera::{Filter, Fit, Format, Frame, Geometry, Kernels, Plane, Range, Rows, View};
use hrvit_format::Size;
use image::RgbImage;

use crate::fit::{Fitting, Placement, extent};

/// Which matrix a camera or video uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Matrix {
    /// ITU-R BT.601: cameras, standard definition
    #[default]
    Bt601,
    /// ITU-R BT.709: high definition
    Bt709,
}

impl From<Matrix> for hrvit_camera::Matrix {
    fn from(matrix: Matrix) -> Self {
        match matrix {
            Matrix::Bt601 => Self::Bt601,
            Matrix::Bt709 => Self::Bt709,
        }
    }
}

/// How luma and chroma become red, green and blue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Colours {
    /// The matrix.
    pub matrix: Matrix,
    /// The values that luma and chroma take.
    pub range: Range,
}

/// How a frame's bytes lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Order of the bytes.
    pub format: Format,
    /// Pixels of a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Bytes from one row to the next, of each plane.
    pub strides: Vec<usize>,
    /// Meaning of luma and chroma.
    pub colours: Colours,
}

/// A frame with its own bytes.
#[derive(Clone, Debug)]
pub struct Camera {
    layout: Layout,
    /// The planes one after another, every row with its stride.
    bytes: Vec<u8>,
}

impl Layout {
    /// Rows without gaps.
    pub fn packed(format: Format, width: usize, height: usize, colours: Colours) -> Self {
        Self { format, width, height, strides: (0..format.planes()).map(|plane| format.row_bytes(plane, width)).collect(), colours }
    }

    /// Bytes of a frame; `usize::MAX` if there are more.
    pub fn bytes(&self) -> usize {
        self.plane_bytes().fold(0, usize::saturating_add)
    }

    fn plane_bytes(&self) -> impl Iterator<Item = usize> {
        self.strides.iter().enumerate().map(|(plane, stride)| stride.saturating_mul(self.format.rows(plane, self.height)))
    }
}

impl Camera {
    /// A frame of `bytes`.
    ///
    /// # Errors
    /// If there are fewer than the frame has, or there is no such frame.
    pub fn new(layout: Layout, bytes: Vec<u8>) -> Result<Self> {
        let camera = Self { layout, bytes };
        camera.frame()?;
        Ok(camera)
    }

    /// The frame of NV12 that shows a picture, BT.601 in limited range; chroma is the mean of its
    /// pixels. Values are the nearest to those in real numbers.
    ///
    /// # Errors
    /// If there is no such frame.
    pub fn nv12(picture: &RgbImage) -> Result<Self> {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let yuv = |[r, g, b]: [u8; 3]| {
            let [r, g, b] = [r, g, b].map(f64::from);
            let y = 0.299 * r + 0.587 * g + 0.114 * b;
            [y * 219.0 / 255.0, (b - y) / 1.772 * 224.0 / 255.0, (r - y) / 1.402 * 224.0 / 255.0]
        };
        let byte = |real: f64| real.round().clamp(0.0, 255.0) as u8;
        let mut bytes: Vec<u8> = picture.pixels().map(|pixel| byte(16.0 + yuv(pixel.0)[0])).collect();
        for y in (0..picture.height()).step_by(2) {
            for x in (0..picture.width()).step_by(2) {
                let within = |x: u32, y: u32| (x < picture.width() && y < picture.height()).then(|| yuv(picture.get_pixel(x, y).0));
                let seen: Vec<_> = [within(x, y), within(x + 1, y), within(x, y + 1), within(x + 1, y + 1)].into_iter().flatten().collect();
                let mean = |part: usize| byte(128.0 + seen.iter().map(|yuv| yuv[part]).sum::<f64>() / seen.len() as f64);
                bytes.extend([mean(1), mean(2)]);
            }
        }
        Self::new(Layout::packed(Format::Nv12, width, height, Colours::default()), bytes)
    }

    /// The frame as `hrvit_camera` sees it.
    ///
    /// # Errors
    /// If its bytes are none.
    pub fn frame(&self) -> Result<Frame<'_>> {
        let Layout { format, width, height, strides, colours } = &self.layout;
        let mut rest = self.bytes.as_slice();
        let planes: Vec<Plane<'_>> = (strides.iter().zip(self.layout.plane_bytes()))
            .map(|(stride, bytes)| {
                let (bytes, after) = rest.split_at(bytes.min(rest.len()));
                rest = after;
                Plane { bytes, stride: *stride }
            })
            .collect();
        Ok(Frame::new(*format, *width, *height, &planes)?.with_colour(colours.matrix.into(), colours.range))
    }

    /// All its pixels in red, green and blue.
    ///
    /// # Errors
    /// If it has more than a picture may have.
    pub fn picture(&self) -> Result<RgbImage> {
        let frame = self.frame()?;
        let mut pixels = vec![0; 3 * frame.width() * frame.height()];
        for (y, row) in pixels.chunks_exact_mut(3 * frame.width()).enumerate() {
            frame.row(y, row)?;
        }
        RgbImage::from_raw(u32::try_from(frame.width())?, u32::try_from(frame.height())?, pixels).context("a frame of other pixels than it says")
    }

    /// The input of a network of `size`: the mean of all that each of its pixels covers, byte for
    /// byte what devices make.
    ///
    /// # Errors
    /// If its sums are too large.
    pub fn input(&self, fitting: Fitting, size: Size) -> Result<RgbImage> {
        let frame = self.frame()?;
        let geometry = Geometry::new(frame.width(), frame.height(), View { fit: fit(fitting), ..View::default() }, size)?;
        let mut scratch = vec![0; Rows::scratch_words(frame.format(), &geometry, Filter::Area)?];
        let mut rows = Rows::new(Kernels::detect(), frame, geometry, Filter::Area, &mut scratch)?;
        let mut pixels = vec![0; 3 * size.pixels()];
        for (y, row) in pixels.chunks_exact_mut(3 * usize::from(size.width)).enumerate() {
            rows.read(y, row)?;
        }
        RgbImage::from_raw(size.width.into(), size.height.into(), pixels).context("an input of other pixels than it says")
    }
}

/// The same of a camera's frame.
pub fn fit(fitting: Fitting) -> Fit {
    match fitting {
        Fitting::Stretch => Fit::Stretch,
        Fitting::Crop => Fit::Crop,
        Fitting::Letterbox { bars } => Fit::Letterbox { bars },
    }
}

/// Pixels of a frame.
#[derive(Clone, Debug)]
pub struct Pixels {
    /// All of them, in red, green and blue.
    pub rgb: RgbImage,
    /// Bytes as the camera left them; none of a picture.
    camera: Option<Camera>,
}

impl From<RgbImage> for Pixels {
    fn from(rgb: RgbImage) -> Self {
        Self { rgb, camera: None }
    }
}

impl TryFrom<Camera> for Pixels {
    type Error = anyhow::Error;

    fn try_from(camera: Camera) -> Result<Self> {
        Ok(Self { rgb: camera.picture()?, camera: Some(camera) })
    }
}

impl Pixels {
    /// Whether a camera left them.
    pub fn is_of_camera(&self) -> bool {
        self.camera.is_some()
    }

    /// The one input of a network, and where the frame lies in it. A camera's frame is resized as
    /// devices do it ([`Camera::input`]), a picture by [`Fitting::input`].
    ///
    /// # Errors
    /// If the frame has no pixels, or its sums are too large.
    pub fn fitted(&self, fitting: Fitting, size: Size) -> Result<(RgbImage, Placement)> {
        match &self.camera {
            Some(camera) => Ok((camera.input(fitting, size)?, fitting.placement(extent(&self.rgb), size))),
            None => fitting.input(&self.rgb, size),
        }
    }
}

#[cfg(test)]
mod tests;
