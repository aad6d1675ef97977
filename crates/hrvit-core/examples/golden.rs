//! Runs the golden frame of a model image once and prints what firmware prints: the CRC of every step, in the words that `hrvit profile --decoded` reads.
//!
//! ```text
//! cargo run --release -p hrvit-core --features std --example golden -- MODEL.hrvit [scalar | avx2 | neon | ... | fastest]
//! ```

use std::error::Error;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::time::Instant;

use hrvit_core::{Engine, Kernels, Logit, Model, Observer, Plan, Serial, StepCrcs, StepInfo, Tile, packing_for};
use hrvit_format::{Head, aligned::AlignedBytes, writer::repack};

/// CRCs, and nanoseconds of every step; those of a step inside another count for both.
struct Watch<'c> {
    crcs: StepCrcs<'c>,
    times: Mutex<Vec<(Option<Instant>, u128)>>,
}

impl Observer for Watch<'_> {
    fn enter(&self, step: StepInfo) -> ControlFlow<()> {
        if let Ok(mut times) = self.times.lock() {
            times[usize::from(step.id.0)].0 = Some(Instant::now());
        }
        self.crcs.enter(step)
    }

    fn leave(&self, step: StepInfo) {
        if let Ok(mut times) = self.times.lock() {
            let (start, total) = &mut times[usize::from(step.id.0)];
            *total += start.take().map_or(0, |start| start.elapsed().as_nanos());
        }
    }

    fn tile(&self, tile: Tile<'_>) {
        self.crcs.tile(tile);
    }
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
    let watch = Watch { crcs: StepCrcs(&crcs), times: Mutex::new(vec![(None, 0); crcs.len()]) };
    let (mut labels, mut logits) = (Vec::new(), Vec::new());
    let start = Instant::now();
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
    let nanoseconds = start.elapsed().as_nanos();
    let codes: &[u8] = bytemuck::cast_slice(&logits);
    let result = hrvit_format::crc32(if labels.is_empty() { codes } else { &labels });

    println!(
        "hrvit run: machine={} unit=ticks clock_hz=1000000000 network=image size={size} steps={} frames=1 arena={} weights=mapped probe=0",
        kernels.isa(),
        crcs.len(),
        engine.plan().arena_bytes()
    );
    let times = watch.times.into_inner()?;
    for (((id, step), crc), (_, time)) in model.step_ids().zip(crcs).zip(times) {
        let macs = engine.plan().macs(step);
        println!("hrvit step: id={} kind={} name=\"{step}\" ticks={time} macs={macs} crc={:08x}", id.0, step.kind(), crc.into_inner());
    }
    let macs: u64 = network.steps().map(|step| engine.plan().macs(step)).sum();
    println!("hrvit total: ticks={nanoseconds} macs={macs} stack=0 labels_crc={result:08x}");
    Ok(())
}
