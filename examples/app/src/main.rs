//! `app MODEL.hrvit FRAME...`: segments one frame after another and prints what it sees, and how
//! sure it is.

use std::error::Error;

use hrvit_core::{AlignedBytes, Engine, ModelBuf, NoObserver, Plan, Segmentation, Serial};
use image::imageops::{FilterType, resize};
use image::{ImageReader, Limits, RgbImage};

/// State that an application keeps between frames: nothing of it is borrowed.
struct Vision {
    engine: Engine<ModelBuf, AlignedBytes>,
    labels: Vec<u8>,
    margins: Vec<u8>,
}

impl Vision {
    fn new(path: &str) -> Result<Self, Box<dyn Error>> {
        let model = ModelBuf::read(path)?;
        let plan = Plan::for_model(&model.model()).build()?;
        let (arena, pixels) = (AlignedBytes::zeroed(plan.arena_bytes()), plan.size().pixels());
        Ok(Self { engine: Engine::new(model, plan, Serial, arena)?, labels: vec![0; pixels], margins: vec![0; pixels] })
    }

    /// Pixels of every class, and the mean margin in logits.
    fn see(&mut self, frame: &[u8]) -> Result<([usize; 256], f32), Box<dyn Error>> {
        let format = self.engine.model().model().logits_format();
        let shift = format.margin_shift(8.0);
        self.engine.segment_into(frame, Segmentation::new(&mut self.labels).margins(&mut self.margins, shift), &NoObserver)?;
        let mut areas = [0; 256];
        self.labels.iter().for_each(|&label| areas[usize::from(label)] += 1);
        let sum: u64 = self.margins.iter().copied().map(u64::from).sum();
        Ok((areas, sum as f32 / self.margins.len() as f32 * format.margin_unit(shift)))
    }
}

/// A picture of at most 50 megapixels, whoever it comes from: larger ones are refused by their
/// headers.
fn decode(path: &str) -> Result<RgbImage, Box<dyn Error>> {
    let mut limits = Limits::default();
    limits.max_alloc = Some(3 * 50_000_000);
    let mut reader = ImageReader::open(path)?.with_guessed_format()?;
    reader.limits(limits);
    Ok(reader.decode()?.into_rgb8())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut vision = Vision::new(&arguments.next().ok_or("usage: app MODEL.hrvit FRAME...")?)?;
    let size = vision.engine.plan().size();
    for path in arguments {
        let frame = resize(&decode(&path)?, size.width.into(), size.height.into(), FilterType::Triangle);
        let (areas, margin) = vision.see(&frame)?;
        println!("{path}: mean margin {margin:.2} logits");
        for (class, area) in areas.iter().enumerate().filter(|(_, area)| **area > 0) {
            println!("  class {class:2} {:5.1} %", 100.0 * *area as f32 / size.pixels() as f32);
        }
    }
    Ok(())
}
