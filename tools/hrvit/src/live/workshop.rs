//! Engines as they are wanted, made beside the one that runs.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use hrvit_core::{AlignedBytes, Engine, Head, Isa, Kernels, ModelBuf, Plan, Threads};
use serde::{Deserialize, Serialize};

use super::latest::Latest;
use crate::binary;
use crate::fit::Fitting;
use crate::host_engine::{IsaArg, PackedImage};
use crate::margins::RANGE;
use crate::palette::Classes;

/// How often the model's file is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// How long a file that could not be used is left alone.
const RETRY: Duration = Duration::from_secs(1);

/// Settings of an engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Number of the model among those that the command was given.
    pub model: usize,
    /// Name of the instruction set; none: the fastest.
    pub isa: Option<String>,
    /// Threads that share a frame's work.
    pub workers: usize,
}

/// An engine that owns all that it works with.
pub type LiveEngine = Engine<ModelBuf, AlignedBytes, Threads>;

/// An engine, and what there is to say of it.
pub struct Ready {
    /// The engine.
    pub engine: LiveEngine,
    /// Its description.
    pub about: About,
}

/// Description of an engine.
#[derive(Clone, Debug, Serialize)]
pub struct About {
    /// How many engines were made before it.
    pub generation: u64,
    /// The model's file.
    pub model: PathBuf,
    /// Settings that it was made from.
    pub settings: Settings,
    /// Its instruction set.
    pub kernels: &'static str,
    /// Rows and columns of the input.
    pub size: [u16; 2],
    /// Classes with their colours.
    #[serde(flatten)]
    pub classes: Classes,
    /// Shift of margins.
    #[serde(skip)]
    pub margin_shift: u8,
    /// Logits that one code of a margin stands for.
    pub margin_unit: f32,
    /// How frames of another shape are fitted.
    pub fitting: Fitting,
}

/// When a file was written, how long it is and which one it is: another file of the same name has
/// another stamp.
pub type Stamp = (Option<SystemTime>, u64, u64);

/// Makes engines.
pub struct Workshop {
    models: Vec<PathBuf>,
    classes_file: Option<PathBuf>,
    fit: Option<hrvit_format::Fit>,
    wanted: Mutex<Settings>,
    /// Why the last engine could not be made.
    complaint: Mutex<Option<String>>,
    ready: Latest<Ready>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Workshop {
    /// For these models, of which the settings name one.
    pub fn new(models: Vec<PathBuf>, settings: Settings, classes_file: Option<PathBuf>, fit: Option<hrvit_format::Fit>) -> Self {
        Self { models, classes_file, fit, wanted: Mutex::new(settings), complaint: Mutex::default(), ready: Latest::default() }
    }

    /// The models' files.
    pub fn models(&self) -> &[PathBuf] {
        &self.models
    }

    /// The settings wanted.
    pub fn wanted(&self) -> Settings {
        held(&self.wanted).clone()
    }

    /// Wants something else.
    ///
    /// # Errors
    /// If there is no such model, instruction set or number of workers.
    pub fn want(&self, settings: Settings) -> Result<()> {
        ensure!(settings.model < self.models.len(), "there are {} models, numbered from 0", self.models.len());
        ensure!((1..=8).contains(&settings.workers), "{} workers: expected 1 to 8", settings.workers);
        isa_of(&settings)?;
        *held(&self.wanted) = settings;
        Ok(())
    }

    /// Why the last engine could not be made, if it could not; the one before it goes on.
    pub fn complaint(&self) -> Option<String> {
        held(&self.complaint).clone()
    }

    /// A new engine, if one was made.
    pub fn ready(&self) -> Option<Ready> {
        self.ready.try_take()
    }

    /// Makes the engine that is wanted.
    ///
    /// # Errors
    /// If the model cannot be read or is no segmentor.
    pub fn make(&self, generation: u64) -> Result<Ready> {
        let settings = self.wanted();
        let path = self.models.get(settings.model).context("no such model")?;
        let packed = PackedImage::read(path, IsaArg { isa: isa_of(&settings)? }).with_context(|| path.display().to_string())?;
        let image = ModelBuf::from_bytes(packed.image())?;
        let model = image.model();
        let plan = Plan::for_model(&model).workers(settings.workers).build()?;
        ensure!(plan.network().head == Head::Segformer, "{}: a classifier has no label map to show", path.display());
        let (format, size) = (model.logits_format(), plan.size());
        let margin_shift = format.margin_shift(RANGE);
        let mut preprocess = model.meta().preprocess;
        preprocess.fit = self.fit.unwrap_or(preprocess.fit);
        let about = About {
            generation,
            model: path.clone(),
            kernels: packed.kernels().isa().name(),
            size: [size.height, size.width],
            classes: binary::classes_for(model.meta(), self.classes_file.as_deref())?,
            margin_shift,
            margin_unit: format.margin_unit(margin_shift),
            fitting: Fitting::of(&preprocess),
            settings,
        };
        let arena = AlignedBytes::try_zeroed(plan.arena_bytes()).with_context(|| format!("{}: an arena of {} bytes", path.display(), plan.arena_bytes()))?;
        let threads = Threads::new(plan.workers()).context("starting threads")?;
        let kernels: Kernels = packed.kernels();
        Ok(Ready { engine: Engine::with_kernels(image, plan, threads, arena, kernels)?, about })
    }

    /// The present settings and model file, from which an engine is made.
    pub fn key(&self) -> (Settings, Option<Stamp>) {
        let wanted = self.wanted();
        let stamp = self.models.get(wanted.model).and_then(|path| stamp(path));
        (wanted, stamp)
    }

    /// Watches what an engine is made from until `goes_on` says no. It makes a new one whenever that
    /// is not `made` any longer. A file that cannot be used is tried again.
    pub fn watch(&self, mut made: (Settings, Option<Stamp>), goes_on: impl Fn() -> bool) {
        let mut generation = 0;
        // Settings and file that cannot be used, and when they are tried again.
        let mut failed: Option<((Settings, Option<Stamp>), Instant)> = None;
        while goes_on() {
            std::thread::sleep(LOOK);
            let now = self.key();
            if now == made {
                if failed.take().is_some() {
                    *held(&self.complaint) = None;
                }
                continue;
            }
            let known = failed.as_ref().filter(|(key, _)| *key == now);
            match known {
                Some((_, again)) if Instant::now() < *again => continue,
                // A file that is being replaced may be gone for a moment.
                None if now.1.is_none() => {
                    failed = Some((now, Instant::now() + RETRY));
                    continue;
                }
                _ => {}
            }
            match self.make(generation + 1) {
                Ok(ready) => {
                    generation += 1;
                    (made, failed) = (now, None);
                    *held(&self.complaint) = None;
                    self.ready.put(ready);
                }
                Err(error) => {
                    *held(&self.complaint) = Some(format!("{error:#}"));
                    failed = Some((now, Instant::now() + RETRY));
                }
            }
        }
    }
}

fn isa_of(settings: &Settings) -> Result<Option<Isa>> {
    let isa = settings.isa.as_deref().map(|name| name.parse::<Isa>().with_context(|| format!("instruction set {name:?}"))).transpose()?;
    if let Some(isa) = isa {
        Kernels::new(isa).with_context(|| format!("instruction set {isa}"))?;
    }
    Ok(isa)
}

#[cfg(unix)]
fn stamp(path: &Path) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt;
    let found = std::fs::metadata(path).ok()?;
    Some((found.modified().ok(), found.len(), found.ino()))
}

#[cfg(not(unix))]
fn stamp(path: &Path) -> Option<Stamp> {
    let found = std::fs::metadata(path).ok()?;
    Some((found.modified().ok(), found.len(), 0))
}
