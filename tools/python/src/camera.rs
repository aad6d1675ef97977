//! Camera frames.

use anyhow::{Context, Result, bail, ensure};
use hrvit_camera::{Filter, Fit, Format, Frame, FrameMut, Geometry, Ink, Kernels, Matrix, Plane, PlaneMut, Range, Region, Rotation, Rows, Size, View};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArray3, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;

use crate::raised;

/// A camera: how its buffers are to be read, and what a network sees of them.
#[pyclass(frozen, module = "hrvit")]
#[derive(Clone)]
pub struct Camera {
    format: Format,
    width: usize,
    height: usize,
    strides: Vec<usize>,
    matrix: Matrix,
    range: Range,
    view: View,
    filter: Filter,
}

/// All bytes of a buffer, in order.
pub fn bytes_of(buffer: &PyReadonlyArray1<'_, u8>) -> PyResult<Vec<u8>> {
    Ok(buffer.as_array().iter().copied().collect())
}

impl Camera {
    /// The filter of its rows.
    pub fn filter(&self) -> Filter {
        self.filter
    }

    /// The input of a network of `size`.
    ///
    /// # Errors
    /// If there is no such view.
    pub fn geometry(&self, size: Size) -> Result<Geometry> {
        Ok(Geometry::new(self.width, self.height, self.view, size)?)
    }

    /// The frame in `bytes`: its planes one after another.
    ///
    /// # Errors
    /// If there are fewer bytes than it has.
    pub fn frame<'b>(&self, bytes: &'b [u8]) -> Result<Frame<'b>> {
        let mut rest = bytes;
        let mut planes = Vec::new();
        for (plane, stride) in self.strides.iter().enumerate() {
            let (own, after) = rest.split_at(self.plane_bytes(plane).min(rest.len()));
            planes.push(Plane { bytes: own, stride: *stride });
            rest = after;
        }
        Ok(Frame::new(self.format, self.width, self.height, &planes)?.with_colour(self.matrix, self.range))
    }

    fn plane_bytes(&self, plane: usize) -> usize {
        self.strides.get(plane).map_or(0, |stride| stride.saturating_mul(self.format.rows(plane, self.height)))
    }

    fn made(format: &str, (width, height): (usize, usize), options: Options) -> Result<Self> {
        let format: Format = format.parse().with_context(|| format!("format={format:?}"))?;
        let packed: Vec<usize> = (0..format.planes()).map(|plane| format.row_bytes(plane, width)).collect();
        let strides = options.strides.unwrap_or(packed);
        ensure!(strides.len() == format.planes(), "strides={strides:?}: {} has {} planes", format, format.planes());
        let matrix = match options.matrix.as_str() {
            "bt601" => Matrix::Bt601,
            "bt709" => Matrix::Bt709,
            other => bail!("matrix={other:?}: expected \"bt601\" or \"bt709\""),
        };
        let fit = match options.fit.as_str() {
            "stretch" => Fit::Stretch,
            "crop" => Fit::Crop,
            "letterbox" => Fit::Letterbox { bars: options.bars.into() },
            other => bail!("fit={other:?}: expected \"stretch\", \"crop\" or \"letterbox\""),
        };
        let filter = match options.filter.as_str() {
            "area" => Filter::Area,
            "bilinear" => Filter::Bilinear,
            other => bail!("filter={other:?}: expected \"area\" or \"bilinear\""),
        };
        let rotation = Rotation::from_degrees(options.rotation).with_context(|| format!("rotation={}: expected 0, 90, 180 or 270", options.rotation))?;
        let region = options.region.map(|(y, x, height, width)| Region { y, x, height, width });
        let view = View { region, rotation, mirror: options.mirror, fit };
        let range = if options.full_range { Range::Full } else { Range::Limited };
        let camera = Self { format, width, height, strides, matrix, range, view, filter };
        // A view that cannot be is told now, not with the first frame.
        camera.geometry(Size { height: 32, width: 32 })?;
        Ok(camera)
    }
}

/// Options beside format and size.
struct Options {
    strides: Option<Vec<usize>>,
    matrix: String,
    full_range: bool,
    region: Option<(usize, usize, usize, usize)>,
    rotation: u16,
    mirror: bool,
    fit: String,
    bars: (u8, u8, u8),
    filter: String,
}

#[pymethods]
impl Camera {
    #[new]
    #[pyo3(signature = (format, width, height, *, strides = None, matrix = "bt601".to_owned(), full_range = false, region = None, rotation = 0, mirror = false,
                        fit = "stretch".to_owned(), bars = (124, 116, 104), filter = "area".to_owned()))]
    #[allow(clippy::too_many_arguments, reason = "keywords of Python")]
    fn new(
        format: &str,
        width: usize,
        height: usize,
        strides: Option<Vec<usize>>,
        matrix: String,
        full_range: bool,
        region: Option<(usize, usize, usize, usize)>,
        rotation: u16,
        mirror: bool,
        fit: String,
        bars: (u8, u8, u8),
        filter: String,
    ) -> PyResult<Self> {
        Self::made(format, (width, height), Options { strides, matrix, full_range, region, rotation, mirror, fit, bars, filter }).map_err(raised)
    }

    #[getter]
    fn frame_bytes(&self) -> usize {
        (0..self.strides.len()).map(|plane| self.plane_bytes(plane)).fold(0, usize::saturating_add)
    }

    fn picture<'py>(&self, py: Python<'py>, buffer: PyReadonlyArray1<'py, u8>) -> PyResult<Bound<'py, PyArray3<u8>>> {
        let bytes = bytes_of(&buffer)?;
        let made = || {
            let frame = self.frame(&bytes)?;
            let mut pixels = vec![0; 3 * self.width * self.height];
            pixels.chunks_exact_mut(3 * self.width).enumerate().try_for_each(|(y, row)| frame.row(y, row))?;
            Ok(pixels)
        };
        made().map_err(raised)?.into_pyarray(py).reshape([self.height, self.width, 3])
    }

    fn input<'py>(&self, py: Python<'py>, buffer: PyReadonlyArray1<'py, u8>, size: (u16, u16)) -> PyResult<Bound<'py, PyArray3<u8>>> {
        let bytes = bytes_of(&buffer)?;
        let made = || {
            let (frame, geometry) = (self.frame(&bytes)?, self.geometry(Size { height: size.0, width: size.1 })?);
            let mut scratch = vec![0; Rows::scratch_words(self.format, &geometry, self.filter)?];
            let mut rows = Rows::new(Kernels::detect(), frame, geometry, self.filter, &mut scratch)?;
            let row = 3 * usize::from(size.1);
            let mut pixels = vec![0; row * usize::from(size.0)];
            pixels.chunks_exact_mut(row).enumerate().try_for_each(|(y, row)| rows.read(y, row))?;
            Ok(pixels)
        };
        made().map_err(raised)?.into_pyarray(py).reshape([size.0.into(), size.1.into(), 3])
    }

    #[pyo3(signature = (labels, outside = 255))]
    fn labels<'py>(&self, py: Python<'py>, labels: PyReadonlyArray2<'py, u8>, outside: u8) -> PyResult<Bound<'py, PyArray2<u8>>> {
        let made = || {
            let (geometry, map) = self.map(&labels)?;
            let mut pixels = vec![0; self.width * self.height];
            pixels.chunks_exact_mut(self.width).enumerate().try_for_each(|(y, row)| geometry.frame_row(&map, y, outside, row))?;
            Ok(pixels)
        };
        made().map_err(raised)?.into_pyarray(py).reshape([self.height, self.width])
    }

    fn overlay<'py>(
        &self,
        py: Python<'py>,
        buffer: PyReadonlyArray1<'py, u8>,
        labels: PyReadonlyArray2<'py, u8>,
        palette: Vec<(u8, u8, u8, u8)>,
    ) -> PyResult<Bound<'py, PyArray1<u8>>> {
        let mut bytes = bytes_of(&buffer)?;
        let mut draw = || {
            self.frame(&bytes)?;
            let (geometry, map) = self.map(&labels)?;
            let inks: Vec<Ink> = palette.iter().map(|&(r, g, b, alpha)| Ink { colour: [r, g, b], alpha }).collect();
            // The last row may end with its pixels.
            let luma = self.plane_bytes(0).min(bytes.len());
            let (pixels, rest) = bytes.split_at_mut(luma);
            let plane = |bytes, number: usize| PlaneMut { bytes, stride: self.strides.get(number).copied().unwrap_or(0) };
            let chroma = if self.format.planes() == 2 { Some(plane(rest, 1)) } else { None };
            let frame = FrameMut::new(self.format, self.width, self.height, plane(pixels, 0), chroma)?;
            Ok(frame.with_colour(self.matrix, self.range).overlay(&geometry, &map, &inks)?)
        };
        draw().map_err(raised)?;
        Ok(bytes.into_pyarray(py))
    }

    fn __repr__(&self) -> String {
        format!("<hrvit.Camera {} {}x{}>", self.format, self.width, self.height)
    }
}

impl Camera {
    /// A map's bytes, and the view that it is of.
    fn map(&self, labels: &PyReadonlyArray2<'_, u8>) -> Result<(Geometry, Vec<u8>)> {
        let side = |side: usize| u16::try_from(side).context("a map of labels whose sides are too long");
        let [height, width] = labels.shape() else { bail!("a map of labels has two dimensions") };
        Ok((self.geometry(Size { height: side(*height)?, width: side(*width)? })?, labels.as_array().iter().copied().collect()))
    }
}
