//! The engine: a model, a plan and an arena, ready to run frames.

mod backbone;
mod classification;
mod maps;
mod segmentation;
mod session;
mod setup;
mod work;

use hrvit_format::{Head, Logit, StepId};
use hrvit_kernels::Kernels;

use crate::{
    arena::ALIGN,
    blocks::stem::Frame,
    error::{RunError, SetupError},
    fault::Fault,
    heads::labels::LabelMap,
    observe::Observer,
    output::{Ranked, RowSource, Segmentation},
    plan::Plan,
    schedule::{Executor, Serial},
    source::ModelSource,
};
use work::Work;

/// Runs frames through one model in one arena.
///
/// It owns or borrows its parts. `M` is a [`hrvit_format::Model`], a `ModelBuf`, a reference or an
/// `Arc` to one of them, or [`crate::Streamed`]. `A` is anything that lends its bytes, such as
/// `AlignedBytes` or `&'static mut [u8]`. An application can therefore keep an engine in a struct
/// of its own.
#[derive(Debug)]
pub struct Engine<M, A, X = Serial> {
    model: M,
    plan: Plan,
    executor: X,
    kernels: Kernels,
    arena: A,
}

impl<M: ModelSource, A: AsMut<[u8]>, X: Executor> Engine<M, A, X> {
    /// An engine with the processor's fastest kernels. `arena` must have [`Plan::arena_bytes`] and
    /// start at a multiple of [`ALIGN`].
    ///
    /// # Errors
    /// If the plan was made for another network, other precisions, another number of workers, or
    /// without a buffer for streamed weights. If the arena is too small or misaligned. If the
    /// plan's size gives attention strips more keys than the model was quantised for. If the
    /// weights are packed for other kernels.
    pub fn new(model: M, plan: Plan, executor: X, arena: A) -> Result<Self, SetupError> {
        Self::with_kernels(model, plan, executor, arena, Kernels::detect())
    }

    /// An engine with the given kernels, which must read the image's packing. `Kernels::SCALAR`
    /// reads every packing.
    ///
    /// # Errors
    /// As [`Engine::new`].
    pub fn with_kernels(model: M, plan: Plan, executor: X, mut arena: A, kernels: Kernels) -> Result<Self, SetupError> {
        setup::check(&model.head(), &plan, executor.workers(), model.buffer_bytes(), kernels, arena.as_mut())?;
        Ok(Self { model, plan, executor, kernels, arena })
    }

    /// Gives back the model and the arena.
    pub fn into_parts(self) -> (M, A) {
        (self.model, self.arena)
    }

    /// The model.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The kernels that it runs. [`Kernels::chosen`] names the kernel of each operator.
    pub fn kernels(&self) -> Kernels {
        self.kernels
    }

    /// Segments `frame` (`[height, width, 3]` RGB) into `labels`, one class index per pixel.
    ///
    /// # Errors
    /// As [`Engine::segment_into`].
    pub fn segment(&mut self, frame: &[u8], labels: &mut [u8], observer: &dyn Observer) -> Result<(), RunError<M::Error>> {
        self.segment_into(frame, Segmentation::new(labels), observer)
    }

    /// Segments `frame` (`[height, width, 3]` RGB) in one forward pass, and fills every buffer of
    /// `results`.
    ///
    /// # Errors
    /// If the frame or a buffer has another size, or the model is a classifier. If its weights
    /// cannot be fetched, or the observer stops the frame.
    pub fn segment_into(&mut self, frame: &[u8], results: Segmentation<'_>, observer: &dyn Observer) -> Result<(), RunError<M::Error>> {
        self.expect_frame(frame)?;
        self.segment_frame(&mut Frame::Whole(frame), results, observer)
    }

    /// Segments a frame whose rows the engine requests one by one, in order, each once:
    /// `row(y, pixels)` writes row y (`[width, 3]` RGB). The frame need not be in memory as a
    /// whole. A single worker runs the stem.
    ///
    /// # Errors
    /// As [`Engine::segment_into`]. If `row` fails, [`RunError::Row`] with its error; `row` is not
    /// called again for this frame.
    pub fn segment_rows<F>(&mut self, row: &mut RowSource<'_, F>, results: Segmentation<'_>, observer: &dyn Observer) -> Result<(), RunError<M::Error, F>> {
        let mut failed = None;
        let mut fetch = |y: usize, pixels: &mut [u8]| -> Result<(), Fault> {
            row(y, pixels).map_err(|error| {
                failed = Some((y, error));
                Fault
            })
        };
        let result = self.segment_frame(&mut Frame::Rows(&mut fetch), results, observer);
        match failed {
            Some((y, error)) => Err(RunError::Row { y, error }),
            None => result.map_err(RunError::of_rows),
        }
    }

    /// Writes the logits of `frame`: `[height / 4, width / 4, classes]` of a segmentor, `[classes]`
    /// of a classifier. [`hrvit_format::ModelHead::logits_format`] gives their format.
    ///
    /// # Errors
    /// If the frame or `logits` has another size, the weights cannot be fetched, or the observer
    /// stops the frame.
    pub fn logits(&mut self, frame: &[u8], logits: &mut [Logit], observer: &dyn Observer) -> Result<(), RunError<M::Error>> {
        self.expect_frame(frame)?;
        expect_len(self.logits_len(), logits.len())?;
        let mut work = self.work(observer)?;
        work.backbone(&mut Frame::Whole(frame))?;
        match work.plan.network().head {
            Head::Segformer => work.segment(None, Some(logits)),
            Head::Classifier => work.classify(classification::Output::Logits(logits)),
        }
    }

    /// Writes the best classes of `frame` into `top`, best first, the lower index first among
    /// equals. `top` has room for one class to all classes.
    ///
    /// # Errors
    /// If the frame has another size, `top` is empty or longer than the number of classes, or the
    /// model is a segmentor. If its weights cannot be fetched, or the observer stops the frame.
    pub fn classify(&mut self, frame: &[u8], top: &mut [Ranked], observer: &dyn Observer) -> Result<(), RunError<M::Error>> {
        self.expect_head(Head::Classifier)?;
        self.expect_frame(frame)?;
        let classes = usize::from(self.plan.network().classes);
        if top.is_empty() || top.len() > classes {
            return Err(RunError::OutputSize { needed: classes, found: top.len() });
        }
        let mut work = self.work(observer)?;
        work.backbone(&mut Frame::Whole(frame))?;
        work.classify(classification::Output::Top(top))
    }

    /// Number of logits: the length of the buffer for [`Engine::logits`].
    pub fn logits_len(&self) -> usize {
        let classes = usize::from(self.plan.network().classes);
        match self.plan.network().head {
            Head::Segformer => self.plan.size().tokens(0) * classes,
            Head::Classifier => classes,
        }
    }

    #[inline(always)] // every caller knows its head, so that a program without a classifier has no classification head
    fn segment_frame(&mut self, frame: &mut Frame<'_>, results: Segmentation<'_>, observer: &dyn Observer) -> Result<(), RunError<M::Error>> {
        self.expect_head(Head::Segformer)?;
        let Segmentation { map, logits } = results;
        let LabelMap { labels, margins } = &map;
        let pixels = self.plan.size().pixels();
        expect_len(pixels, labels.len())?;
        margins.as_ref().map_or(Ok(()), |margins| expect_len(pixels, margins.codes.len()))?;
        logits.as_ref().map_or(Ok(()), |logits| expect_len(self.logits_len(), logits.len()))?;
        let mut work = self.work(observer)?;
        work.backbone(frame)?;
        work.segment(Some(map), logits)
    }

    fn expect_head(&self, needed: Head) -> Result<(), RunError<M::Error>> {
        let found = self.plan.network().head;
        if needed == found { Ok(()) } else { Err(RunError::WrongHead { needed, found }) }
    }

    fn expect_frame(&self, frame: &[u8]) -> Result<(), RunError<M::Error>> {
        let needed = 3 * self.plan.size().pixels();
        if frame.len() == needed { Ok(()) } else { Err(RunError::FrameSize { needed, found: frame.len() }) }
    }

    /// Splits the arena, which lies where it did when it was checked unless it was moved with the
    /// engine.
    fn work<'e>(&'e mut self, observer: &'e dyn Observer) -> Result<Work<'e, M>, RunError<M::Error>> {
        let Self { model, plan, executor, kernels, arena } = self;
        let arena = arena.as_mut();
        if !arena.as_ptr().addr().is_multiple_of(ALIGN) || arena.len() < plan.arena_bytes() {
            return Err(RunError::ArenaMoved);
        }
        let (weights, arena) = arena.split_at_mut_checked(plan.weight_buffer_bytes()).ok_or(RunError::Internal(StepId(0)))?;
        Ok(Work { model, plan, executor, kernels: *kernels, observer, weights, arena })
    }
}

fn expect_len<W>(needed: usize, found: usize) -> Result<(), RunError<W>> {
    if needed == found { Ok(()) } else { Err(RunError::OutputSize { needed, found }) }
}
