//! A small valid image, edited, and run on every instruction set.

use hrvit_core::{Engine, Kernels, Logit, Model, Plan, PlanError, Serial, SetupError, Tiling};
use hrvit_format::record::Precision;
use hrvit_format::writer::repack;
use hrvit_format::{Head, Packing, Parts, Size, Step};
use hrvit_kernels::Isa;
use hrvit_tests::random_image::random_frame;
use hrvit_tests::run::{Guarded, StepTensors};
use hrvit_tests::simulator::simulate;

use crate::image::{base, edited};
use crate::load::streams;
use crate::{Choices, Verdict};

/// Frames of more pixels take too long.
const MOST_PIXELS: usize = 64 * 96;
/// So do networks of more steps.
const MOST_STEPS: usize = 60;

/// Runs an edited image on every instruction set of this processor. Panics if one leaves another
/// tensor than plain code, or plain code another than the simulator. Panics too if a half-precision
/// tensor holds a number that is not finite.
pub fn run_image(data: &[u8]) -> Verdict {
    let mut choices = Choices::new(data);
    let tiling = tiling(&mut choices);
    let frame = choices.u8();
    let base = base(&mut choices);
    let image = edited(&mut choices, base);
    let Ok(model) = Model::load(&image) else {
        assert!(!streams(&image), "{}: refused from memory, loaded from a stream", base.name);
        return Verdict::Refused;
    };
    let (size, network) = (model.meta().size, &model.meta().network);
    if size.pixels() > MOST_PIXELS || network.steps().count() > MOST_STEPS {
        return Verdict::Skipped;
    }
    let plan = match Plan::for_model(&model).tiling(tiling).build() {
        Ok(plan) => plan,
        Err(PlanError::Budget { .. }) if matches!(tiling, Tiling::Within(_)) => return Verdict::Skipped,
        Err(error) => panic!("{}: a loaded model has no plan: {error}", base.name),
    };
    let frame = made_frame(size, frame);
    let Ok(scalar) = tensors(Kernels::SCALAR, &model, &plan, &frame) else { return Verdict::Skipped };
    let halves = model.head().wide_parts().of(Precision::Fp16);
    finite(&model, &scalar, Isa::Scalar);
    for isa in Isa::available().filter(|isa| *isa != Isa::Scalar) {
        let kernels = Kernels::new(isa).unwrap_or_else(|error| panic!("{error}"));
        match tensors(kernels, &model, &plan, &frame) {
            Ok(found) => {
                finite(&model, &found, isa);
                same(&format!("{} {isa}", base.name), integer_steps(&model, halves), &scalar, &found);
            }
            Err(SetupError::PackingNeeds { .. }) => {}
            Err(error) => panic!("{} {isa}: {error}", base.name),
        }
    }
    if halves == Parts::NONE {
        let rows = repack(&model, Packing::Rows).unwrap_or_else(|error| panic!("{}: loaded, but not repacked: {error}", base.name));
        let rows = Model::load(&rows).unwrap_or_else(|error| panic!("{}: repacked, but not loaded: {error}", base.name));
        let simulated: Vec<Vec<i32>> = simulate(&rows, size, &frame).into_iter().map(|step| step.tensor.values).collect();
        same(&format!("{} simulator", base.name), integer_steps(&model, halves), &scalar, &simulated);
    }
    Verdict::Accepted
}

fn tiling(choices: &mut Choices<'_>) -> Tiling {
    match choices.u8() % 8 {
        0 => Tiling::Rows(1 + usize::from(choices.u8())),
        1 => Tiling::Rows(usize::MAX),
        2 => Tiling::Within(1 << (14 + choices.u8() % 14)),
        _ => Tiling::Smallest,
    }
}

/// A black or white frame, the finest stripes, or noise.
fn made_frame(size: Size, kind: u8) -> Vec<u8> {
    let fill = |value: &dyn Fn(usize) -> bool| (0..3 * size.pixels()).map(|at| if value(at) { 255 } else { 0 }).collect();
    match kind % 8 {
        0 => fill(&|_| false),
        1 => fill(&|_| true),
        2 => fill(&|at| at % 2 == 0),
        3 => fill(&|at| at / 3 % 2 == 0),
        _ => random_frame(size, kind.into()),
    }
}

/// Every step's tensor on the given kernels.
fn tensors(kernels: Kernels, model: &Model<'_>, plan: &Plan, frame: &[u8]) -> Result<Vec<Vec<i32>>, SetupError> {
    let mut memory = Guarded::painted(plan, || 0xa5);
    let observer = StepTensors::default();
    let mut engine = Engine::with_kernels(model, plan.clone(), Serial, memory.arena(), kernels)?;
    let done = match plan.network().head {
        Head::Segformer => engine.segment(frame, &mut vec![0; plan.size().pixels()], &observer),
        Head::Classifier => engine.logits(frame, &mut vec![Logit::default(); usize::from(plan.network().classes)], &observer),
    };
    done.unwrap_or_else(|error| panic!("{}: a loaded model failed: {error}", kernels.isa()));
    Ok(observer.into_inner())
}

/// How many steps come before the first half-precision one: their tensors are alike on every
/// instruction set.
fn integer_steps(model: &Model<'_>, halves: Parts) -> usize {
    let network = &model.meta().network;
    network.steps().take_while(|step| !halves.contains(network, *step)).count()
}

fn same(what: &str, steps: usize, expected: &[Vec<i32>], found: &[Vec<i32>]) {
    assert_eq!(expected.len(), found.len(), "{what}: steps");
    for (id, (expected, found)) in expected.iter().zip(found).enumerate().take(steps) {
        assert_eq!(expected.len(), found.len(), "{what}: elements of step {id}");
        if let Some(at) = expected.iter().zip(found).position(|(expected, found)| expected != found) {
            panic!("{what}: step {id} element {at} is {}, plain code has {}", found[at], expected[at]);
        }
    }
}

/// Half-precision tensors hold neither NaN nor infinity.
fn finite(model: &Model<'_>, tensors: &[Vec<i32>], isa: Isa) {
    for ((id, step), tensor) in model.step_ids().zip(tensors) {
        let half = model.precision(id) == Precision::Fp16 && step != Step::LabelMap;
        if let Some(at) = tensor.iter().position(|bits| half && bits & 0x7c00 == 0x7c00) {
            panic!("{isa}: step {id} {step} element {at} is no finite f16: {:#06x}", tensor[at]);
        }
    }
}
