//! `hrvit-peer MODEL.hrvit FRAMES LABELS`: segments frames of raw RGB bytes,
//! `[frames, height, width, 3]`, and writes their label maps, `[frames, height, width]`.
//!
//! The first frame is segmented once more at the beginning, so that nothing that happens only once
//! is part of a frame. Every frame lies between two calls of `parent_id`, which the plugin
//! `count.c` takes for marks. Prints the instruction set of the kernels.

use std::os::unix::process::parent_id;
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use hrvit_core::{Engine, Kernels, NoObserver, Plan, Serial, packing_for};
use hrvit_format::{Model, aligned::AlignedBytes, writer::repack};

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [model, frames, out] = &arguments[..] else { anyhow::bail!("usage: hrvit-peer MODEL.hrvit FRAMES LABELS") };
    let written = AlignedBytes::read(model.as_ref()).with_context(|| format!("reading {model}"))?;
    let kernels = Kernels::detect();
    let image = repack(&Model::load(&written)?, packing_for(kernels))?;
    let model = Model::load(&image)?;
    let plan = Plan::for_model(&model).build()?;
    let pixels = plan.size().pixels();
    let arena = AlignedBytes::zeroed(plan.arena_bytes());
    let mut engine = Engine::with_kernels(&model, plan, Serial, arena, kernels)?;

    let bytes = fs::read(frames).with_context(|| format!("reading {frames}"))?;
    let (rgb, rest) = (bytes.chunks_exact(3 * pixels), bytes.len() % (3 * pixels));
    ensure!(rest == 0 && rgb.len() > 0, "{frames}: {} bytes, expected whole frames of {} bytes", bytes.len(), 3 * pixels);
    let mut labels = vec![0; rgb.len() * pixels];
    let first = bytes.chunks_exact(3 * pixels).take(1);
    let places = (0..1).chain(0..rgb.len());
    for (frame, place) in first.chain(rgb).zip(places) {
        let _mark = parent_id();
        engine.segment(frame, &mut labels[place * pixels..][..pixels], &NoObserver)?;
    }
    let _mark = parent_id();
    fs::write(out, &labels).with_context(|| format!("writing {out}"))?;
    println!("{}", kernels.isa().name());
    Ok(())
}
