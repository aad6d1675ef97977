//! Runs the golden frame of a model image once and prints what firmware prints: the CRC of every
//! step, in the words that `hrvit profile --decoded` reads.
//!
//! ```text
//! cargo run --release -p hrvit-core --features std --example golden -- MODEL.hrvit [scalar | avx2 | neon | ... | fastest]
//! ```

use std::error::Error;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use hrvit_core::{Engine, Kernels, Logit, Model, Observer, Plan, Serial, StepCrcs, StepId, StepInfo, Tile, packing_for};
use hrvit_format::{Head, aligned::AlignedBytes, writer::repack};
use hrvit_log::{Crc, Run, Size, Step, Total, Unit};

/// CRCs, and nanoseconds of every step. The time since the last call belongs to the step that made
/// it: steps inside another count once.
struct Watch<'c> {
    crcs: StepCrcs<'c>,
    times: Mutex<Times>,
}

struct Times {
    last: Instant,
    current: Option<StepId>,
    steps: Vec<u64>,
}

impl Times {
    fn charge(&mut self, step: StepId) {
        let now = Instant::now();
        self.steps[usize::from(step.0)] += nanoseconds(now - self.last);
        self.last = now;
    }
}

impl Observer for Watch<'_> {
    fn enter(&self, step: StepInfo) -> ControlFlow<()> {
        if let Ok(mut times) = self.times.lock() {
            let current = times.current.replace(step.id);
            times.charge(current.unwrap_or(step.id));
        }
        self.crcs.enter(step)
    }

    fn leave(&self, step: StepInfo) {
        if let Ok(mut times) = self.times.lock() {
            times.charge(step.id);
            times.current = None;
        }
    }

    fn tile(&self, tile: Tile<'_>) {
        self.crcs.tile(tile);
        if let Ok(mut times) = self.times.lock() {
            times.charge(tile.id);
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("expected the file of a model image")?;
    let kernels = match arguments.next().as_deref() {
        None | Some("fastest") => Kernels::detect(),
        Some(isa) => Kernels::new(isa.parse()?)?,
    };
    let written = AlignedBytes::from(std::fs::read(&path)?.as_slice());
    let image = repack(&Model::load(&written)?, packing_for(kernels))?;
    let model = Model::load(&image)?;
    let golden = model.golden().ok_or("the image has no golden frame")?;
    let (network, size) = (&model.meta().network, model.meta().size);
    let plan = Plan::for_model(&model).build()?;
    let arena = AlignedBytes::zeroed(plan.arena_bytes());
    let mut engine = Engine::with_kernels(&model, plan, Serial, arena, kernels)?;

    let crcs: Vec<_> = model.steps().iter().map(|_| 0.into()).collect();
    let (mut labels, mut logits) = (Vec::new(), Vec::new());
    let start = Instant::now();
    let watch = Watch { crcs: StepCrcs(&crcs), times: Mutex::new(Times { last: start, current: None, steps: vec![0; crcs.len()] }) };
    match network.head {
        Head::Segformer => {
            labels.resize(size.pixels(), 0);
            engine.segment(golden.frame, &mut labels, &watch)?;
        }
        Head::Classifier => {
            logits.resize(engine.logits_len(), Logit::default());
            engine.logits(golden.frame, &mut logits, &watch)?;
        }
    }
    let ticks = nanoseconds(start.elapsed());
    let codes: &[u8] = bytemuck::cast_slice(&logits);
    let result = hrvit_format::crc32(if labels.is_empty() { codes } else { &labels });

    let run = Run {
        machine: kernels.isa().name(),
        unit: Unit::Ticks,
        clock_hz: 1_000_000_000,
        network: "image",
        size: Size { height: size.height, width: size.width },
        steps: crcs.len(),
        frames: 1,
        arena: engine.plan().arena_bytes(),
        weights: "mapped",
        probe: 0,
    };
    println!("{run}");
    let times = watch.times.into_inner()?;
    for (((id, step), crc), ticks) in model.step_ids().zip(crcs).zip(times.steps) {
        let macs = engine.plan().macs(step);
        println!("{}", Step { id: id.0, kind: step.kind(), name: step, ticks, macs, crc: Crc(crc.into_inner()) });
    }
    let macs: u64 = network.steps().map(|step| engine.plan().macs(step)).sum();
    println!("{}", Total { ticks, macs, stack: 0, labels_crc: Crc(result) });
    Ok(())
}
