//! The int8 engine on the host: model images from files, arenas from a pool, results as the commands take them.

use std::{path::Path, sync::Mutex};

use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use hrvit_core::{Engine, Isa, Kernels, Mapped, NoObserver, Observer, Plan, Ranked, Serial, Tiling, WeightPlacement, packing_for, plan_mixed};
use hrvit_format::{Head, Logit, Model, ModelBuf, Size, StepId, aligned::AlignedBytes, writer::repack};
use image::RgbImage;

use crate::{
    labels::LabelMap,
    logits::Logits,
    segmenter::{Segmenter, check_size},
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
    image: ModelBuf,
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
        Ok(Self { image, kernels })
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
    pub fn load(&self) -> Result<HostEngine<'_>> {
        HostEngine::new(self.image.model(), self.kernels)
    }
}

/// Chooses the kernels that a command runs on.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct IsaArg {
    /// Instruction set of the kernels (scalar, avx2, avx_vnni, avx512, neon, neon_dotprod, neon_i8mm); default: HRVIT_ISA from the environment, or else the fastest here
    #[arg(long, value_name = "ISA", value_parser = Isa::parse)]
    pub isa: Option<Isa>,
}

impl IsaArg {
    /// The kernels that were asked for; without an answer those that the environment variable `HRVIT_ISA` names, or else the fastest of this processor.
    ///
    /// # Errors
    /// If there is no such instruction set, or not here.
    pub fn kernels(self) -> Result<Kernels> {
        let named = |name: String| Isa::parse(&name).with_context(|| format!("HRVIT_ISA={name}"));
        match self.isa.map(Ok).or_else(|| std::env::var("HRVIT_ISA").ok().map(named)).transpose()? {
            Some(isa) => Kernels::new(isa).with_context(|| format!("instruction set {isa}")),
            None => Ok(Kernels::detect()),
        }
    }
}

/// A loaded model with its plan; every thread that runs it borrows an arena from a pool.
pub struct HostEngine<'a> {
    model: Model<'a>,
    plan: Plan,
    kernels: Kernels,
    arenas: Mutex<Vec<AlignedBytes>>,
}

impl<'a> HostEngine<'a> {
    /// Plans for `model`, packed for `kernels`.
    fn new(model: Model<'a>, kernels: Kernels) -> Result<Self> {
        let meta = model.meta();
        let plan = plan_mixed((&meta.network, model.wide_parts()), meta.size, 1, WeightPlacement::Mapped, Tiling::Smallest)?;
        let int8 = Self { model, plan, kernels, arenas: Mutex::default() };
        int8.with_engine(|_| Ok(()))?;
        Ok(int8)
    }

    /// The model.
    pub fn model(&self) -> &Model<'a> {
        &self.model
    }

    /// The memory plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    fn with_engine<T>(&self, run: impl FnOnce(&mut Engine<'_, Mapped<'_>, Serial>) -> Result<T>) -> Result<T> {
        let pool = || self.arenas.lock().map_err(|_| anyhow!("a thread failed while it held an arena"));
        let free = pool()?.pop();
        let mut arena = free.unwrap_or_else(|| AlignedBytes::zeroed(self.plan.arena_bytes()));
        let mut engine = Engine::with_kernels(&self.model, &self.plan, self.kernels, Mapped::new(&self.model), Serial, &mut arena)?;
        let result = run(&mut engine);
        pool()?.push(arena);
        result
    }

    /// Labels of a frame (`[height, width, 3]` RGB) at the input's size, watched by `observer`.
    ///
    /// # Errors
    /// If the frame has another size or the model is a classifier.
    pub fn segment(&self, frame: &[u8], observer: &dyn Observer) -> Result<Vec<u8>> {
        let mut labels = vec![0; self.plan.size().pixels()];
        self.with_engine(|engine| Ok(engine.segment(frame, &mut labels, observer)?))?;
        Ok(labels)
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

impl Segmenter for HostEngine<'_> {
    fn name(&self) -> &'static str {
        let first = self.model.precision(StepId(0));
        if self.model.step_ids().all(|(id, _)| self.model.precision(id) == first) { first.name() } else { "mixed" }
    }

    fn size(&self) -> Size {
        self.plan.size()
    }

    fn classes(&self) -> usize {
        usize::from(self.model.meta().network.classes)
    }

    fn head(&self) -> Head {
        self.model.meta().network.head
    }

    fn logits(&self, frame: &RgbImage) -> Result<Logits> {
        check_size(frame, self.size())?;
        let logits = self.raw_logits(frame.as_raw(), &NoObserver)?;
        let (height, width) = match self.model.meta().network.head {
            Head::Segformer => self.size().map(0),
            Head::Classifier => (1, 1),
        };
        Logits::new(height, width, self.classes(), self.model.logits_format().values(&logits).collect())
    }

    fn labels(&self, frame: &RgbImage) -> Result<LabelMap> {
        check_size(frame, self.size())?;
        let (height, width) = (usize::from(self.size().height), usize::from(self.size().width));
        Ok(LabelMap { height, width, data: self.segment(frame.as_raw(), &NoObserver)? })
    }
}
