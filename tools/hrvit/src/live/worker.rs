//! One frame after another: the newest one, through the engine that is wanted.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use hrvit_camera::{Filter, Geometry, Rotation, Rows, View};
use hrvit_core::{NoObserver, Segmentation};
use hrvit_format::Size;

use super::latest::Latest;
use super::meter::{Meter, Took};
use super::source::Arrived;
use super::workshop::{About, LiveEngine, Ready, Workshop};
use crate::inputs::camera::{Camera, fit};

/// A frame with what the network made of it.
pub struct Shown {
    /// Which one, from 1.
    pub number: u64,
    /// The frame.
    pub camera: Camera,
    /// Its way to the network's input.
    pub geometry: Geometry,
    /// Class of every pixel of the input.
    pub labels: Vec<u8>,
    /// How sure it is.
    pub margins: Vec<u8>,
    /// Engine that ran it.
    pub about: Arc<About>,
    /// Its times.
    pub took: Took,
}

/// How a camera hangs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mount {
    /// How frames are turned to stand upright.
    pub rotation: Rotation,
    /// Whether left and right then change places.
    pub mirror: bool,
}

/// State that the parts of the command share.
pub struct Live {
    /// Frames that have come.
    pub arrived: Latest<Arrived>,
    /// Frames that were run.
    pub shown: Latest<Arc<Shown>>,
    /// Engines.
    pub workshop: Workshop,
    /// Times of frames.
    pub meter: Mutex<Meter>,
    /// Why the last frame could not be run.
    pub complaint: Mutex<Option<String>>,
    /// How the camera hangs.
    pub mount: Mount,
    /// Said when the command ends.
    pub ended: AtomicBool,
}

impl Live {
    /// With these engines.
    pub fn new(workshop: Workshop, mount: Mount) -> Self {
        Self {
            arrived: Latest::default(),
            shown: Latest::default(),
            workshop,
            meter: Mutex::default(),
            complaint: Mutex::default(),
            mount,
            ended: AtomicBool::new(false),
        }
    }

    /// Says that the command ends.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
        self.shown.end();
    }

    /// Runs frames until no more come.
    ///
    /// # Errors
    /// If no frame at all can be run, why the last one could not.
    pub fn work(&self, ready: Ready) -> Result<()> {
        let (mut engine, mut about) = (ready.engine, Arc::new(ready.about));
        let (mut number, mut scratch) = (0, Vec::new());
        let mut failed = None;
        while let Some(Arrived { camera, at }) = self.arrived.take() {
            if let Some(new) = self.workshop.ready() {
                (engine, about) = (new.engine, Arc::new(new.about));
            }
            let wait = at.elapsed();
            let made = run(&mut engine, &camera, (&about, self.mount), &mut scratch);
            let complaint = made.as_ref().err().map(|error| format!("{error:#}"));
            *self.complaint.lock().unwrap_or_else(PoisonError::into_inner) = complaint;
            match made {
                Err(error) => failed = Some(error),
                Ok((geometry, labels, margins, rows, network)) => {
                    number += 1;
                    let took = Took { wait, rows, network };
                    self.meter.lock().unwrap_or_else(PoisonError::into_inner).add(Instant::now(), took);
                    self.shown.put(Arc::new(Shown { number, camera, geometry, labels, margins, about: Arc::clone(&about), took }));
                }
            }
        }
        match failed {
            Some(error) if number == 0 => Err(error),
            _ => Ok(()),
        }
    }
}

/// Geometry, labels, margins, and the time of rows and of the network.
type Made = (Geometry, Vec<u8>, Vec<u8>, Duration, Duration);

fn run(engine: &mut LiveEngine, camera: &Camera, (about, mount): (&About, Mount), scratch: &mut Vec<u32>) -> Result<Made> {
    let frame = camera.frame()?;
    let [height, width] = about.size;
    let view = View { rotation: mount.rotation, mirror: mount.mirror, fit: fit(about.fitting), ..View::default() };
    let size = Size { height, width };
    let geometry = Geometry::new(frame.width(), frame.height(), view, size)?;
    scratch.resize(Rows::scratch_words(frame.format(), &geometry, Filter::Area)?, 0);
    let mut rows = Rows::new(engine.kernels(), frame, geometry, Filter::Area, scratch)?;
    let (mut labels, mut margins) = (vec![0; size.pixels()], vec![0; size.pixels()]);
    let (start, mut in_rows) = (Instant::now(), Duration::ZERO);
    let mut read = |y: usize, pixels: &mut [u8]| {
        let start = Instant::now();
        let made = rows.read(y, pixels);
        in_rows += start.elapsed();
        made
    };
    engine.segment_rows(&mut read, Segmentation::new(&mut labels).margins(&mut margins, about.margin_shift), &NoObserver)?;
    Ok((geometry, labels, margins, in_rows, start.elapsed().saturating_sub(in_rows)))
}
