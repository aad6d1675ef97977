//! The engine on the host: model images from files, engines from a pool, results as the commands
//! take them.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use hrvit_core::{Engine, Isa, Kernels, NoObserver, Observer, Plan, Ranked, Segmentation, Serial, packing_for};
use hrvit_format::{Head, Logit, LogitFormat, Model, ModelBuf, Size, StepId, aligned::AlignedBytes, writer::repack};
use image::RgbImage;

use crate::{
    labels::LabelMap,
    logits::Logits,
    margins::Margins,
    segmenter::{Segmented, Segmenter, Wanted, check_size},
};

/// Reads a model image into memory where it can be used in place.
///
/// # Errors
/// If the file cannot be read or is empty.
pub fn read_image(path: &Path) -> Result<AlignedBytes> {
    let bytes = AlignedBytes::read(path).with_context(|| format!("reading {}", path.display()))?;
    ensure!(!bytes.is_empty(), "{}: the file is empty, expected a model image (hrvit quantize makes one)", path.display());
    Ok(bytes)
}

/// A model image with the kernels that it is packed for.
pub struct PackedImage {
    image: Arc<ModelBuf>,
    kernels: Kernels,
}

impl PackedImage {
    /// `image` for `kernels`: its weights packed as they read them fastest.
    ///
    /// # Errors
    /// If the image is not a valid one.
    pub fn new(image: AlignedBytes, kernels: Kernels) -> Result<Self> {
        let (image, packing) = (ModelBuf::load(image)?, packing_for(kernels));
        let fits = image.records().packing == packing || kernels.isa() == Isa::Scalar;
        let image = if fits { image } else { ModelBuf::load(repack(&image.model(), packing)?)? };
        Ok(Self { image: Arc::new(image), kernels })
    }

    /// The image in `path` for the kernels that a command was asked for.
    ///
    /// # Errors
    /// If the file cannot be read or is not a valid image, or there are no such kernels here.
    pub fn read(path: &Path, isa: IsaArg) -> Result<Self> {
        Self::new(read_image(path)?, isa.kernels()?)
    }

    /// The packed image.
    pub fn image(&self) -> &[u8] {
        self.image.bytes()
    }

    /// The kernels.
    pub fn kernels(&self) -> Kernels {
        self.kernels
    }

    /// The model, planned for the size that it was calibrated for.
    ///
    /// # Errors
    /// If it cannot run on these kernels.
    pub fn load(&self) -> Result<HostEngine> {
        self.load_at(None)
    }

    /// The model, planned for this size, or the one that it was calibrated for.
    ///
    /// # Errors
    /// If it cannot run on these kernels, or the network does not take the size.
    pub fn load_at(&self, size: Option<Size>) -> Result<HostEngine> {
        HostEngine::new(Arc::clone(&self.image), size, self.kernels)
    }
}

/// Chooses the kernels that a command runs on.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct IsaArg {
    /// Instruction set of the kernels (scalar, avx2, avx_vnni, avx512, neon, neon_dotprod,
    /// neon_i8mm); default: HRVIT_ISA from the environment, or else the fastest here
    #[arg(long, value_name = "ISA")]
    pub isa: Option<Isa>,
}

impl IsaArg {
    /// The kernels that were asked for; without an answer those that the environment variable
    /// `HRVIT_ISA` names, or else the fastest of this processor.
    ///
    /// # Errors
    /// If there is no such instruction set, or not here.
    pub fn kernels(self) -> Result<Kernels> {
        let named = |name: String| name.parse::<Isa>().with_context(|| format!("HRVIT_ISA={name}"));
        match self.isa.map(Ok).or_else(|| std::env::var("HRVIT_ISA").ok().map(named)).transpose()? {
            Some(isa) => Kernels::new(isa).with_context(|| format!("instruction set {isa}")),
            None => Ok(Kernels::detect()),
        }
    }
}

/// A loaded model with its plan; every thread that runs it borrows an engine from a pool.
pub struct HostEngine {
    image: Arc<ModelBuf>,
    plan: Plan,
    kernels: Kernels,
    engines: Mutex<Vec<PooledEngine>>,
}

/// An engine that owns its arena and shares its image.
type PooledEngine = Engine<Arc<ModelBuf>, AlignedBytes, Serial>;

impl HostEngine {
    /// Plans for `image`, packed for `kernels`.
    fn new(image: Arc<ModelBuf>, size: Option<Size>, kernels: Kernels) -> Result<Self> {
        let model = image.model();
        let plan = Plan::for_model(&model).size(size.unwrap_or(model.meta().size)).build()?;
        let engine = Self { image, plan, kernels, engines: Mutex::default() };
        engine.with_engine(|_| Ok(()))?;
        Ok(engine)
    }

    /// The model.
    pub fn model(&self) -> Model<'_> {
        self.image.model()
    }

    /// The memory plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    fn with_engine<T>(&self, run: impl FnOnce(&mut PooledEngine) -> Result<T>) -> Result<T> {
        let pool = || self.engines.lock().map_err(|_| anyhow!("a thread failed while it held an engine"));
        let free = pool()?.pop();
        let mut engine = match free {
            Some(engine) => engine,
            None => {
                let arena = AlignedBytes::zeroed(self.plan.arena_bytes());
                Engine::with_kernels(Arc::clone(&self.image), self.plan.clone(), Serial, arena, self.kernels)?
            }
        };
        let result = run(&mut engine);
        pool()?.push(engine);
        result
    }

    /// Labels of a frame (`[height, width, 3]` RGB) at the input's size, watched by `observer`.
    ///
    /// # Errors
    /// If the frame has another size or the model is a classifier.
    pub fn segment(&self, frame: &[u8], observer: &dyn Observer) -> Result<Vec<u8>> {
        let mut labels = vec![0; self.plan.size().pixels()];
        self.segment_into(frame, Segmentation::new(&mut labels), observer)?;
        Ok(labels)
    }

    /// All that `results` asks for, in one forward pass.
    ///
    /// # Errors
    /// If the frame or a result has another size, or the model is a classifier.
    pub fn segment_into(&self, frame: &[u8], results: Segmentation<'_>, observer: &dyn Observer) -> Result<()> {
        self.with_engine(|engine| Ok(engine.segment_into(frame, results, observer)?))
    }

    /// Logits of a frame as the engine leaves them.
    ///
    /// # Errors
    /// If the frame has another size.
    pub fn raw_logits(&self, frame: &[u8], observer: &dyn Observer) -> Result<Vec<Logit>> {
        self.with_engine(|engine| {
            let mut logits = vec![Logit::default(); engine.logits_len()];
            engine.logits(frame, &mut logits, observer)?;
            Ok(logits)
        })
    }

    /// Logits of a frame, read as `format`.
    fn logits_as(&self, frame: &RgbImage, format: LogitFormat) -> Result<Logits> {
        check_size(frame, self.size())?;
        let logits = self.raw_logits(frame.as_raw(), &NoObserver)?;
        let (height, width) = match self.plan.network().head {
            Head::Segformer => self.size().map(0),
            Head::Classifier => (1, 1),
        };
        Logits::new(height, width, self.classes(), format.values(&logits).collect())
    }

    /// The `count` best classes of a frame (all, if there are fewer).
    ///
    /// # Errors
    /// If the frame has another size or the model is a segmentor.
    pub fn classify(&self, frame: &[u8], count: usize) -> Result<Vec<Ranked>> {
        let mut top = vec![Ranked::default(); count.min(self.classes())];
        self.with_engine(|engine| Ok(engine.classify(frame, &mut top, &NoObserver)?))?;
        Ok(top)
    }
}

impl Segmenter for HostEngine {
    fn name(&self) -> &'static str {
        let (model, first) = (self.model(), self.image.records().precision(StepId(0)));
        if model.step_ids().all(|(id, _)| model.precision(id) == first) { first.name() } else { "mixed" }
    }

    fn size(&self) -> Size {
        self.plan.size()
    }

    fn classes(&self) -> usize {
        self.plan.network().classes.into()
    }

    fn head(&self) -> Head {
        self.plan.network().head
    }

    fn logits(&self, frame: &RgbImage) -> Result<Logits> {
        self.logits_as(frame, self.model().logits_format())
    }

    fn countable(&self, frame: &RgbImage) -> Result<(Logits, f32)> {
        let (format, unit) = match self.model().logits_format() {
            // Codes as they are.
            LogitFormat::S16 { scale } => (LogitFormat::S16 { scale: 1.0 }, scale),
            format => (format, 1.0),
        };
        Ok((self.logits_as(frame, format)?, unit))
    }

    fn segment(&self, frame: &RgbImage, wanted: Wanted) -> Result<Segmented> {
        check_size(frame, self.size())?;
        let (size, format) = (self.size(), self.model().logits_format());
        let (height, width) = (usize::from(size.height), usize::from(size.width));
        let mut labels = vec![0; size.pixels()];
        let mut codes = vec![0; if wanted.margins.is_some() { size.pixels() } else { 0 }];
        let mut logits = vec![Logit::default(); if wanted.logits { size.tokens(0) * self.classes() } else { 0 }];
        let mut results = Segmentation::new(&mut labels);
        if let Some(shift) = wanted.margins {
            results = results.margins(&mut codes, shift);
        }
        if wanted.logits {
            results = results.logits(&mut logits);
        }
        self.segment_into(frame.as_raw(), results, &NoObserver)?;
        let (rows, columns) = size.map(0);
        let values = || Logits::new(rows, columns, self.classes(), format.values(&logits).collect());
        let margins = |shift| anyhow::Ok(Margins { codes: LabelMap::new(height, width, codes)?, unit: format.margin_unit(shift) });
        Ok(Segmented {
            labels: LabelMap::new(height, width, labels)?,
            logits: wanted.logits.then(values).transpose()?,
            margins: wanted.margins.map(margins).transpose()?,
        })
    }
}
