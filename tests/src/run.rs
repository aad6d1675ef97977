//! One run of the engine with everything that it shows.

use std::sync::Mutex;

use hrvit_core::{Engine, Executor, Kernels, Logit, Model, Observer, Plan, Serial, SetupError, Tile, TileData, WeightPlacement};
use hrvit_format::Head;
use hrvit_format::aligned::AlignedBytes;

/// The tensor of every step in canonical order, as integers; empty where the run did not make it.
#[derive(Debug, Default)]
pub struct StepTensors(Mutex<Vec<Vec<i32>>>);

impl StepTensors {
    /// The tensors.
    pub fn into_inner(self) -> Vec<Vec<i32>> {
        self.0.into_inner().unwrap_or_else(|error| panic!("{error}"))
    }
}

impl Observer for StepTensors {
    fn tile(&self, tile: Tile<'_>) {
        if tile.op.is_some() {
            return;
        }
        let mut tensors = self.0.lock().unwrap_or_else(|error| panic!("{error}"));
        let id = usize::from(tile.id.0);
        if tensors.len() <= id {
            tensors.resize(id + 1, Vec::new());
        }
        let tensor = &mut tensors[id];
        let values: Vec<i32> = match tile.data {
            TileData::S8(codes) => codes.iter().map(|&code| code.into()).collect(),
            TileData::S16(codes) => codes.iter().map(|&code| code.into()).collect(),
            TileData::S32(sums) => sums.to_vec(),
            TileData::U8(labels) => labels.iter().map(|&label| label.into()).collect(),
            TileData::F16(values) => values.iter().map(|value| value.to_bits().into()).collect(),
            other => panic!("step {id}: no step's tensor is one of {other:?}"),
        };
        assert_eq!(tile.x, 0, "step {id}: a tile of the step's tensor is no whole row");
        assert_eq!(tensor.len(), tile.y * values.len(), "step {id}: rows of the step's tensor are not in raster order");
        tensor.extend(values);
    }
}

/// An arena that held something before, with bytes behind it that nobody may write.
pub struct Guarded {
    memory: AlignedBytes,
    arena: usize,
    guard: Vec<u8>,
}

impl Guarded {
    /// The bytes that `plan` asks for, and a guard, filled by `paint`.
    pub fn painted(plan: &Plan, paint: impl FnMut() -> u8) -> Self {
        const GUARD: usize = 4096;
        let arena = plan.arena_bytes();
        let mut memory = AlignedBytes::zeroed(arena + GUARD);
        memory.fill_with(paint);
        let guard = memory[arena..].to_vec();
        Self { memory, arena, guard }
    }

    /// The arena.
    pub fn arena(&mut self) -> &mut [u8] {
        &mut self.memory[..self.arena]
    }
}

/// Panics where the guard was written.
impl Drop for Guarded {
    fn drop(&mut self) {
        assert!(std::thread::panicking() || self.memory[self.arena..] == self.guard[..], "bytes behind the arena were written");
    }
}

/// A plan for the model at the size that its image was made for. Panics where there is none.
pub fn plan_of(model: &Model<'_>, placement: WeightPlacement) -> Plan {
    Plan::for_model(model).weights(placement).build().unwrap_or_else(|error| panic!("{error}"))
}

/// An engine that reads a borrowed model in place.
pub type MappedEngine<'a> = Engine<&'a Model<'a>, &'a mut [u8]>;

/// An engine on the definition's kernels, which read weights of every packing in place.
pub fn scalar_engine<'a>(model: &'a Model<'a>, plan: &Plan, arena: &'a mut [u8]) -> Result<MappedEngine<'a>, SetupError> {
    Engine::with_kernels(model, plan.clone(), Serial, arena, Kernels::SCALAR)
}

/// Calls `work` with an engine over `model`, weights in place, in an arena of exactly the planned
/// bytes.
pub fn with_engine<R>(model: &Model<'_>, work: impl FnOnce(&mut MappedEngine<'_>) -> R) -> R {
    let plan = plan_of(model, WeightPlacement::Mapped);
    let mut arena = AlignedBytes::zeroed(plan.arena_bytes());
    let mut engine = scalar_engine(model, &plan, &mut arena).unwrap_or_else(|error| panic!("{error}"));
    work(&mut engine)
}

/// The tensor of every step of one frame, in an arena of exactly the planned bytes that held
/// something before, with guard bytes behind it. Panics where the run fails or writes beyond the
/// arena.
pub fn every_tensor(model: &Model<'_>, plan: &Plan, executor: &dyn Executor, frame: &[u8]) -> Vec<Vec<i32>> {
    every_tensor_on(Kernels::SCALAR, model, plan, executor, frame)
}

/// [`every_tensor`] on the given kernels.
pub fn every_tensor_on(kernels: Kernels, model: &Model<'_>, plan: &Plan, executor: &dyn Executor, frame: &[u8]) -> Vec<Vec<i32>> {
    let mut memory = Guarded::painted(plan, || 0xa5);
    let observer = StepTensors::default();
    let engine = Engine::with_kernels(model, plan.clone(), executor, memory.arena(), kernels);
    let mut engine = engine.unwrap_or_else(|error| panic!("{error}"));
    let done = match plan.network().head {
        Head::Segformer => engine.segment(frame, &mut vec![0; plan.size().pixels()], &observer),
        Head::Classifier => engine.logits(frame, &mut vec![Logit::default(); usize::from(plan.network().classes)], &observer),
    };
    done.unwrap_or_else(|error| panic!("{error}"));
    observer.into_inner()
}
