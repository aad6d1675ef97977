//! A loaded model with its engine and golden frame: what programs work on.

use core::sync::atomic::AtomicU32;

use defmt::Format;
#[cfg(feature = "fp16")]
use hrvit_core::drift_f16::{Drift, FoundLogits, Magnitude, first_step_beyond};
use hrvit_core::{Engine, Logit, ModelHead, ModelSource, Observer, Plan, Ranked, RunError, Segmentation, Step, StepId};
#[cfg(feature = "fp16")]
use hrvit_format::DriftBound;
use hrvit_format::{Head, clip::Clip};

use crate::{
    MAX_STEPS, Workers,
    clock::Clock,
    code::Code,
    golden::{Golden, RowLost},
    placement::Placement,
    port::{Port, Rows},
};

/// The head that the program is built for, as its arena is: `HRVIT_HEAD`, a SegFormer where the
/// variable is not set. The other one takes no flash.
pub const HEAD: Head = match option_env!("HRVIT_HEAD") {
    Some(name) if matches!(name.as_bytes(), b"classifier") => Head::Classifier,
    _ => Head::Segformer,
};

/// CRC of every step, as the observer leaves them.
pub static CRCS: [AtomicU32; MAX_STEPS] = [const { AtomicU32::new(0) }; MAX_STEPS];

/// Magnitude of what every step in half precision left behind, as the observer leaves them.
#[cfg(feature = "fp16")]
pub static MAGNITUDES: [Magnitude; MAX_STEPS] = [const { Magnitude::new() }; MAX_STEPS];

/// State that a program is given.
pub struct Job<'j, S, G> {
    /// Name of the machine.
    pub machine: &'static str,
    /// How the weights are reached.
    pub placement: Placement,
    /// The model.
    pub model: &'j ModelHead<'j>,
    /// The definition's logits of an image with half-precision steps, where they can be addressed.
    pub logits: Option<&'j [Logit]>,
    /// Frames that a profile takes.
    pub frames: u32,
    /// Lowest address of the free stack.
    pub stack_lowest: usize,
    /// Frames behind the image.
    pub clip: Option<Clip<'j>>,
    /// Port that frames may come from.
    pub port: Option<Port>,
    /// A camera's buffer.
    #[cfg(feature = "camera")]
    pub camera: Option<crate::Camera>,
    pub(crate) engine: Engine<S, &'j mut [u8], Workers>,
    pub(crate) golden: G,
    pub(crate) labels: &'j mut [u8],
}

impl<S: ModelSource, G> Job<'_, S, G> {
    /// The plan at the model's own size.
    pub fn plan(&self) -> &Plan {
        self.engine.plan()
    }
}

impl<S: ModelSource<Error: Format>, G: Golden> Job<'_, S, G> {
    /// Runs the golden frame.
    pub fn frame(&mut self, observer: &dyn Observer) -> Result<(), Code> {
        let Self { engine, golden, labels, .. } = self;
        match (HEAD, golden.frame()) {
            (Head::Segformer, Some(frame)) => engine.segment(frame, labels, observer).map_err(not_run),
            (Head::Segformer, None) => engine.segment_rows(&mut |y, pixels| golden.row(y, pixels), Segmentation::new(labels), observer).map_err(not_run),
            (Head::Classifier, Some(frame)) => engine.classify(frame, &mut [Ranked::default()], observer).map_err(not_run),
            (Head::Classifier, None) => Err(Code::NoGoldenFrame.because("a classifier needs its frame in memory that can be addressed")),
        }?;
        golden.check().map_err(|error| Code::Stream.because(error))
    }

    /// Runs a frame of its own, of the plan's size. With a classifier, use [`Self::ranked_of`].
    pub fn own_frame(&mut self, frame: &[u8], observer: &dyn Observer) -> Result<(), Code> {
        self.engine.segment(frame, self.labels, observer).map_err(not_run)
    }

    /// Runs a frame whose rows come over a serial port; whether there was one.
    pub fn sent_frame(&mut self, rows: &Rows<'_, impl Clock>, observer: &dyn Observer) -> Result<bool, Code> {
        let Self { engine, labels, .. } = self;
        match engine.segment_rows(&mut |y, pixels| rows.row(y, pixels), Segmentation::new(labels), observer) {
            Ok(()) => Ok(true),
            Err(RunError::Row { error: RowLost::NoMore, .. }) => Ok(false),
            Err(error @ RunError::Row { .. }) => Err(Code::Run.because(error)),
            Err(error) => Err(not_run(error)),
        }
    }

    /// The best classes of a frame of its own, best first.
    pub fn ranked_of(&mut self, frame: &[u8], observer: &dyn Observer) -> Result<[Ranked; 5], Code> {
        let mut top = [Ranked::default(); 5];
        let wanted = top.len().min(self.plan().network().classes.into());
        let wanted = top.get_mut(..wanted).unwrap_or_default();
        self.engine.classify(frame, wanted, observer).map_err(not_run)?;
        Ok(top)
    }

    /// The best classes of the golden frame, best first; none with a segmentor.
    pub fn ranked(&mut self, observer: &dyn Observer) -> Result<[Ranked; 5], Code> {
        let mut top = [Ranked::default(); 5];
        let wanted = top.len().min(self.plan().network().classes.into());
        let (Some(frame), Some(wanted)) = (self.golden.frame(), top.get_mut(..wanted)) else {
            return Err(Code::NoGoldenFrame.because("a classifier needs its frame in memory that can be addressed"));
        };
        self.engine.classify(frame, wanted, observer).map_err(not_run)?;
        Ok(top)
    }

    /// The label map of the last frame, `[height, width]`; empty with a classifier.
    pub fn labels(&self) -> &[u8] {
        self.labels
    }

    /// How far the result may be from the definition's.
    #[cfg(feature = "fp16")]
    pub fn bound(&self) -> Result<DriftBound, Code> {
        self.golden.bound().ok_or_else(|| Code::NoGoldenFrame.because("the golden frame has no bounds for half precision"))
    }

    /// How far the last frame is from the definition; `logits`: of an observer that compared them.
    #[cfg(feature = "fp16")]
    pub fn drift(&mut self, logits: Option<FoundLogits>) -> Result<Drift, Code> {
        const CHUNK: usize = 64;
        let step = first_step_beyond(self.model, &MAGNITUDES, |number| self.golden.magnitude(number));
        let mut drift = Drift::new(step, logits);
        for (chunk, labels) in self.labels.chunks(CHUNK).enumerate() {
            let mut expected = [0; CHUNK];
            let expected = expected.get_mut(..labels.len()).unwrap_or_default();
            if !self.golden.labels(chunk * CHUNK, expected) {
                return Err(Code::NoGoldenFrame.because("the golden frame's labels cannot be read"));
            }
            drift = labels.iter().zip(&*expected).fold(drift, |drift, (found, expected)| drift.and((*found, *expected)));
        }
        Ok(drift)
    }

    /// Steps of the model with their numbers.
    pub fn steps(&self) -> impl Iterator<Item = (StepId, Step)> + '_ {
        self.model.step_ids()
    }

    /// The host's CRC of a step.
    pub fn expected(&mut self, id: StepId) -> Option<u32> {
        self.golden.crc(id)
    }
}

pub(crate) fn not_run<W: Format, F: Format>(error: RunError<W, F>) -> Code {
    let code = match error {
        RunError::Weights(..) | RunError::Row { .. } => Code::Stream,
        _ => Code::Run,
    };
    code.because(error)
}

/// CRC of the step at `id` in the last frame that was watched for CRCs.
pub fn found_crc(id: StepId) -> u32 {
    CRCS.get(usize::from(id.0)).map_or(0, |crc| crc.load(core::sync::atomic::Ordering::Relaxed))
}

/// CRC of the result: of the label map, or of the classifier's logits.
pub fn result_crc(model: &ModelHead<'_>) -> u32 {
    model.step_ids().last().map_or(0, |(id, _)| found_crc(id))
}
