//! Model images and frames.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use hrvit_camera::Rows;
use hrvit_core::{AlignedBytes, Engine, Head, Isa, Logit, ModelBuf, NoObserver, Plan, Ranked, Segmentation, Size, Threads};
use hrvit_tool::host_engine::{IsaArg, PackedImage};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArray3, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray3, PyUntypedArrayMethods};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;

use crate::camera::{Camera, bytes_of};
use crate::raised;

/// An image, planned, with its arena. The lock makes frames of one model run one after another.
#[pyclass(frozen, module = "hrvit")]
pub struct Model {
    engine: Mutex<Engine<ModelBuf, AlignedBytes, Threads>>,
    size: Size,
    head: Head,
}

impl Model {
    fn load(path: PathBuf, threads: usize, size: Option<(u16, u16)>, isa: Option<&str>) -> Result<Self> {
        let isa = isa.map(|name| name.parse::<Isa>().with_context(|| format!("isa={name:?}"))).transpose()?;
        let packed = PackedImage::read(&path, IsaArg { isa }).with_context(|| format!("{}", path.display()))?;
        let image = ModelBuf::from_bytes(packed.image())?;
        let model = image.model();
        let size = size.map_or(Ok(model.meta().size), |(height, width)| Size::new(height, width))?;
        let plan = Plan::for_model(&model).size(size).workers(threads).build()?;
        let (arena, head) = (AlignedBytes::zeroed(plan.arena_bytes()), plan.network().head);
        let threads = Threads::new(threads).with_context(|| format!("starting {threads} threads"))?;
        let engine = Engine::with_kernels(image, plan, threads, arena, packed.kernels())?;
        Ok(Self { engine: Mutex::new(engine), size, head })
    }

    /// Runs `work` with the engine, while other Python threads go on.
    fn with<T: Send>(&self, py: Python<'_>, work: impl FnOnce(&mut Engine<ModelBuf, AlignedBytes, Threads>) -> Result<T> + Send) -> PyResult<T> {
        // An arena has no state between frames: one that failed leaves nothing behind.
        py.detach(|| work(&mut self.engine.lock().unwrap_or_else(PoisonError::into_inner))).map_err(raised)
    }

    /// Reads the model.
    fn read<T: Send>(&self, py: Python<'_>, read: impl FnOnce(&hrvit_core::Model<'_>) -> T + Send) -> PyResult<T> {
        self.with(py, |engine| Ok(read(&engine.model().model())))
    }

    fn sides(&self) -> (usize, usize) {
        (self.size.height.into(), self.size.width.into())
    }

    /// The frame's bytes, row by row.
    fn pixels(&self, frame: &PyReadonlyArray3<'_, u8>) -> PyResult<Vec<u8>> {
        let (height, width) = self.sides();
        if frame.shape() != [height, width, 3] {
            let error =
                anyhow::anyhow!("the frame has the shape {:?}, expected ({height}, {width}, 3): resize it, or open the model with size=", frame.shape());
            return Err(raised(error));
        }
        Ok(frame.as_array().iter().copied().collect())
    }
}

/// Label map and margins of one frame, `[height, width]` each.
type LabelsAndMargins<'py> = (Bound<'py, PyArray2<u8>>, Bound<'py, PyArray2<f32>>);

#[pymethods]
impl Model {
    #[staticmethod]
    #[pyo3(signature = (path, *, threads = 1, size = None, isa = None))]
    fn open(py: Python<'_>, path: PathBuf, threads: usize, size: Option<(u16, u16)>, isa: Option<String>) -> PyResult<Self> {
        py.detach(|| Self::load(path, threads, size, isa.as_deref())).map_err(raised)
    }

    #[getter]
    fn size(&self) -> (usize, usize) {
        self.sides()
    }

    #[getter]
    fn head(&self) -> &'static str {
        if self.head == Head::Segformer { "segformer" } else { "classifier" }
    }

    #[getter]
    fn classes(&self, py: Python<'_>) -> PyResult<usize> {
        self.read(py, |model| model.meta().network.classes.into())
    }

    #[getter]
    fn class_names(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        self.read(py, |model| (0..model.meta().network.classes.into()).map_while(|class| Some(model.meta().class_name(class)?.to_owned())).collect())
    }

    #[getter]
    fn colours(&self, py: Python<'_>) -> PyResult<Vec<(u8, u8, u8)>> {
        self.read(py, |model| (0..model.meta().network.classes.into()).map_while(|class| model.meta().colour(class).map(Into::into)).collect())
    }

    #[getter]
    fn kernels(&self, py: Python<'_>) -> PyResult<String> {
        self.with(py, |engine| Ok(engine.kernels().isa().name().to_owned()))
    }

    #[getter]
    fn arena_bytes(&self, py: Python<'_>) -> PyResult<usize> {
        self.with(py, |engine| Ok(engine.plan().arena_bytes()))
    }

    #[getter]
    fn logit_scale(&self, py: Python<'_>) -> PyResult<f32> {
        self.read(py, |model| match model.logits_format() {
            hrvit_core::LogitFormat::S16 { scale } => scale,
            _ => 1.0,
        })
    }

    fn golden_frame<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyArray3<u8>>>> {
        let golden = self.read(py, |model| model.golden().map(|golden| (golden.frame.to_vec(), model.meta().size)))?;
        golden.map(|(frame, size)| frame.into_pyarray(py).reshape([size.height.into(), size.width.into(), 3])).transpose()
    }

    fn segment<'py>(&self, py: Python<'py>, frame: PyReadonlyArray3<'py, u8>) -> PyResult<Bound<'py, PyArray2<u8>>> {
        let pixels = self.pixels(&frame)?;
        let (height, width) = self.sides();
        let labels = self.with(py, |engine| {
            let mut labels = vec![0; height * width];
            engine.segment(&pixels, &mut labels, &NoObserver)?;
            Ok(labels)
        })?;
        labels.into_pyarray(py).reshape([height, width])
    }

    fn segment_camera<'py>(&self, py: Python<'py>, camera: PyRef<'py, Camera>, buffer: PyReadonlyArray1<'py, u8>) -> PyResult<Bound<'py, PyArray2<u8>>> {
        let (height, width) = self.sides();
        let (camera, bytes) = (camera.clone(), bytes_of(&buffer)?);
        let size = self.size;
        let labels = self.with(py, |engine| {
            let (frame, geometry) = (camera.frame(&bytes)?, camera.geometry(size)?);
            let mut scratch = vec![0; Rows::scratch_words(frame.format(), &geometry, camera.filter())?];
            let mut rows = Rows::new(engine.kernels(), frame, geometry, camera.filter(), &mut scratch)?;
            let mut labels = vec![0; height * width];
            engine.segment_rows(&mut |y, pixels: &mut [u8]| rows.read(y, pixels), Segmentation::new(&mut labels), &NoObserver)?;
            Ok(labels)
        })?;
        labels.into_pyarray(py).reshape([height, width])
    }

    #[pyo3(signature = (frame, most = 8.0))]
    fn segment_with_margins<'py>(&self, py: Python<'py>, frame: PyReadonlyArray3<'py, u8>, most: f32) -> PyResult<LabelsAndMargins<'py>> {
        let pixels = self.pixels(&frame)?;
        let (height, width) = self.sides();
        let (labels, margins) = self.with(py, |engine| {
            ensure!(most.is_finite() && most > 0.0, "most={most}: expected how many logits the largest margin stands for");
            let (mut labels, mut codes) = (vec![0; height * width], vec![0; height * width]);
            let format = engine.model().model().logits_format();
            let shift = format.margin_shift(most);
            engine.segment_into(&pixels, Segmentation::new(&mut labels).margins(&mut codes, shift), &NoObserver)?;
            let unit = format.margin_unit(shift);
            Ok((labels, codes.into_iter().map(|code| f32::from(code) * unit).collect::<Vec<_>>()))
        })?;
        Ok((labels.into_pyarray(py).reshape([height, width])?, margins.into_pyarray(py).reshape([height, width])?))
    }

    fn logits(&self, py: Python<'_>, frame: PyReadonlyArray3<'_, u8>) -> PyResult<Py<PyAny>> {
        let pixels = self.pixels(&frame)?;
        let values: Vec<f32> = self.with(py, |engine| {
            let mut logits = vec![Logit::default(); engine.logits_len()];
            engine.logits(&pixels, &mut logits, &NoObserver)?;
            Ok(engine.model().model().logits_format().values(&logits).collect())
        })?;
        let (height, width) = self.sides();
        let classes = self.classes(py)?;
        let values: Bound<'_, PyArray1<f32>> = values.into_pyarray(py);
        match self.head {
            Head::Segformer => values.reshape([height / 4, width / 4, classes])?.into_py_any(py),
            Head::Classifier => values.into_py_any(py),
        }
    }

    #[pyo3(signature = (frame, top = 5))]
    fn classify(&self, py: Python<'_>, frame: PyReadonlyArray3<'_, u8>, top: usize) -> PyResult<Vec<(u16, f32)>> {
        let pixels = self.pixels(&frame)?;
        let classes = self.classes(py)?;
        self.with(py, |engine| {
            ensure!((1..=classes).contains(&top), "top={top}: expected 1 to {classes}, the classes of the model");
            let mut ranked = vec![Ranked::default(); top];
            engine.classify(&pixels, &mut ranked, &NoObserver)?;
            let format = engine.model().model().logits_format();
            Ok(ranked.into_iter().map(|one| (one.class, format.value(one.logit))).collect())
        })
    }

    fn __repr__(&self) -> String {
        format!("<hrvit.Model {} {}x{}>", self.head(), self.size.height, self.size.width)
    }
}
