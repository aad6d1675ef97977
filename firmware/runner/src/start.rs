//! From a machine with its memory to a job.

use core::cell::RefCell;

use defmt::Format;
use hrvit_core::{
    Engine, Executor, Logit, Model, ModelHead, ModelSource, Plan, PlanBuilder, ReadImage, SetupError, StreamError, Streamed, WeightPlacement, read_head,
};
use hrvit_format::{
    Head, LoadError, WideParts,
    clip::Clip,
    slots::{self, Loaded, Slot},
};
use hrvit_log::{SlotImage, SlotRefused};

use crate::{
    MAX_STEPS, Workers,
    clock::Clock,
    code::Code,
    golden::Golden,
    job::{HEAD, Job},
    marker::Marker,
    placement::Placement,
    planned::Planned,
    port::Port,
    programs::Program,
    reason::Reason,
    shared::{Shared, StreamedGolden},
};

/// Place of a model image that can be addressed.
#[derive(Clone, Copy, Debug)]
pub enum Image<'i> {
    /// In memory of its own.
    Mapped(&'i [u8]),
    /// In one of two slots: the newer valid one is used.
    Slots([&'i [u8]; 2]),
    /// Within the firmware.
    Embedded(&'i [u8]),
}

impl<'i> Image<'i> {
    /// Two slots, each one half of `memory`.
    pub fn two(memory: &'i [u8]) -> Self {
        let (a, b) = memory.split_at(memory.len() / 2);
        Self::Slots([a, b])
    }
}

/// Parts that a machine brings.
#[derive(Debug)]
pub struct Machine<C, M> {
    /// The plan for it, made when the program was built.
    pub planned: Planned,
    /// Clock that times steps.
    pub clock: C,
    /// Marker that shows steps outside.
    pub marker: M,
    /// Port that frames may come from.
    pub port: Option<Port>,
    /// A camera's buffer.
    #[cfg(feature = "camera")]
    pub camera: Option<crate::Camera>,
    /// Who does the work.
    pub workers: Workers,
}

/// Loads the image, sets the engine up and runs `program`. The result is the exit code.
pub fn run<P: Program, C: Clock, M: Marker>(program: P, machine: Machine<C, M>, image: Image<'_>) -> i32 {
    exit_code(run_image(&program, machine, image))
}

/// Reads the image's head from `reader` into `head`, checks the whole image, and runs `program`
/// with weights that are paged in. The result is the exit code.
pub fn run_streamed<P, C, M, R>(program: P, mut machine: Machine<C, M>, reader: R, head: &mut [u8]) -> i32
where
    P: Program,
    C: Clock,
    M: Marker,
    R: ReadImage<Error: Format>,
{
    exit_code(try_streamed(&program, &mut machine, reader, head))
}

fn exit_code(result: Result<(), Code>) -> i32 {
    result.err().map_or(0, |code| code as i32)
}

fn run_image<P: Program, C: Clock, M: Marker>(program: &P, mut machine: Machine<C, M>, image: Image<'_>) -> Result<(), Code> {
    let (model, placement, memory) = match image {
        Image::Mapped(bytes) => (load(bytes)?, Placement::Mapped, bytes),
        Image::Embedded(bytes) => (load(bytes)?, Placement::Embedded, bytes),
        Image::Slots([a, b]) => {
            let Loaded { slot, model, .. } = load_newer([a, b])?;
            (model, Placement::Mapped, if slot == Slot::A { a } else { b })
        }
    };
    let clip = Clip::behind_image(memory).map_err(|error| Code::ImageCorrupt.because(error))?;
    let golden = model.golden().ok_or_else(no_golden)?;
    let logits = golden.result.map(|result| result.logits);
    run_model(program, &mut machine, &model, placement, plan_for(&model), &model, Frames { golden, logits, clip })
}

fn load(image: &[u8]) -> Result<Model<'_>, Code> {
    Model::load(image).map_err(refused)
}

fn refused(error: LoadError) -> Code {
    Code::of_load(error).because(error)
}

fn no_golden() -> Code {
    Code::NoGoldenFrame.because("the model image has no golden frame; quantise with one")
}

/// The newer of two valid images; why a slot has none is logged.
fn load_newer(both: [&[u8]; 2]) -> Result<Loaded<'_>, Code> {
    let tell = |name: &str, found: Result<u32, LoadError>| match found {
        Ok(sequence) => defmt::info!("{}", SlotImage { slot: name, number: sequence }),
        Err(error) => defmt::info!("{}", SlotRefused { slot: name, reason: error }),
    };
    match slots::load(both) {
        Ok(loaded) => {
            ["A", "B"].into_iter().zip(loaded.found).for_each(|(name, found)| tell(name, found));
            Ok(loaded)
        }
        Err([a, b]) => {
            tell("B", Err(b));
            Err(refused(a))
        }
    }
}

pub(crate) fn try_streamed<P, C, M, R>(program: &P, machine: &mut Machine<C, M>, reader: R, head: &mut [u8]) -> Result<(), Code>
where
    P: Program,
    C: Clock,
    M: Marker,
    R: ReadImage<Error: Format>,
{
    let reader = RefCell::new(reader);
    let model = read_head(&mut Shared(&reader), head).map_err(not_streamed)?;
    let golden = StreamedGolden::open(&model, Shared(&reader)).map_err(not_streamed)?.ok_or_else(no_golden)?;
    let source = Streamed::open(model.clone(), Shared(&reader), machine.planned.arena).map_err(not_streamed)?;
    let plan = plan_for(&model).weights(WeightPlacement::streamed(&model));
    run_model(program, machine, &model, Placement::Streamed, plan, source, Frames { golden, logits: None, clip: None })
}

fn not_streamed<E: Format>(error: StreamError<E>) -> Code {
    let code = match error {
        StreamError::Image(error) => Code::of_load(error),
        StreamError::Buffer { .. } => Code::ArenaTooSmall,
        _ => Code::Stream,
    };
    code.because(error)
}

/// A plan for what this program can run.
fn plan_for(model: &ModelHead<'_>) -> PlanBuilder {
    let plan = Plan::for_model(model).workers(Workers::default().workers());
    if cfg!(any(feature = "fp16", feature = "int16x8")) { plan } else { plan.precisions(WideParts::NONE) }
}

/// The golden frame; where they can be addressed the definition's logits of an image with
/// half-precision steps, and the frames behind the image.
struct Frames<'g, G> {
    golden: G,
    logits: Option<&'g [Logit]>,
    clip: Option<Clip<'g>>,
}

fn run_model<P, C, M, S, G>(
    program: &P,
    machine: &mut Machine<C, M>,
    model: &ModelHead<'_>,
    placement: Placement,
    plan: PlanBuilder,
    source: S,
    Frames { golden, logits, clip }: Frames<'_, G>,
) -> Result<(), Code>
where
    P: Program,
    C: Clock,
    M: Marker,
    S: ModelSource<Error: Format>,
    G: Golden,
{
    let plan = plan.build().map_err(|error| Code::Setup.because(error))?;
    let Machine { planned: Planned { name, arena, labels, stack_lowest, frames, .. }, clock, marker, port, workers, .. } = machine;
    let labels = check_memory(model, &plan, arena, labels)?;
    let engine = Engine::new(source, plan, *workers, &mut **arena).map_err(|error| match error {
        SetupError::PackingNeeds { .. } => Code::ImagePacking.because(error),
        _ => Code::Setup.because(error),
    })?;
    let mut job = Job {
        machine: name,
        placement,
        model,
        logits,
        frames: *frames,
        stack_lowest: *stack_lowest,
        clip,
        port: *port,
        #[cfg(feature = "camera")]
        camera: machine.camera,
        engine,
        golden,
        labels,
    };
    program.run(&mut job, clock, marker)
}

/// Whether arena, label map and tables are large enough for the image; returns the label map cut to
/// size.
fn check_memory<'l>(model: &ModelHead<'_>, plan: &Plan, arena: &[u8], labels: &'l mut [u8]) -> Result<&'l mut [u8], Code> {
    let head = plan.network().head;
    if head != HEAD {
        return Err(Code::Setup.because(Reason::OtherHead(head)));
    }
    let (needed, found) = (plan.arena_bytes(), arena.len());
    if needed > found {
        return Err(Code::ArenaTooSmall.because(Reason::Arena { needed, found }));
    }
    if model.steps().len() > MAX_STEPS {
        return Err(Code::Setup.because(Reason::Steps(model.steps().len())));
    }
    let (needed, found) = (if head == Head::Segformer { plan.size().pixels() } else { 0 }, labels.len());
    labels.get_mut(..needed).ok_or_else(|| Code::ArenaTooSmall.because(Reason::Labels { needed, found }))
}
