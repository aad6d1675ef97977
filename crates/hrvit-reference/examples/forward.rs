//! Time of one frame through both float forward passes on one thread.
//!
//! `cargo run --release -p hrvit-reference --example forward -- VARIANT HEIGHT WIDTH [FRAMES]`

use std::time::{Duration, Instant};

use hrvit_format::{Head, Network, Size, Spec};
use hrvit_reference::{Checkpoint, Folded, Frame, Model, NoTap};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [variant, height, width, rest @ ..] = arguments.as_slice() else { return Err("usage: forward VARIANT HEIGHT WIDTH [FRAMES]".into()) };
    let frames = rest.first().map_or(Ok(3), |count| count.parse())?;
    let spec = Spec::variant(variant).ok_or("no such variant")?;
    let size = Size::new(height.parse()?, width.parse()?)?;
    let checkpoint = Checkpoint::synthetic(&Network { spec, head: Head::Segformer, classes: 19 }, 1)?;
    let frame = Frame::new(size, (0..size.pixels() * 3).map(|i| (i * 7 % 256) as u8).collect())?;
    let folded = Folded::new(&checkpoint);
    let model = Model::new(checkpoint);
    let best = |run: &dyn Fn()| (0..frames).map(|_| time(run)).min().unwrap_or_default();
    let written = best(&|| drop(model.forward(&frame, &mut |_, _| {})));
    let rewritten = best(&|| drop(folded.forward(frame.clone(), &mut NoTap)));
    println!("{variant} {size}: as written {written:.2?}, folded {rewritten:.2?} (best of {frames})");
    Ok(())
}

fn time(run: &dyn Fn()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}
