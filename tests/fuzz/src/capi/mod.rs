//! Calls of the C interface as fuzzed bytes choose them.
//!
//! A sequence begins with some open models and engines, and opens more. It makes every call on them
//! that the header allows or calls an error. Of every call it is known how it must end, unless an
//! image was damaged or several things meet. Label maps are compared with plain code's.

mod calls;
mod camera;
mod frames;
mod made;
mod memory;
mod open;
mod world;

use crate::{Choices, Verdict};
pub use made::calls_made;
use world::World;

/// The most calls of a sequence, but for those that close what it opened.
const MOST_CALLS: usize = 12;
/// One sequence in so many may run frames to their end.
const WITH_FRAMES: u8 = 24;

/// Makes the calls that `data` chooses. Panics where one ends otherwise than it must, or a label
/// map is not that of plain code. Accepted is a sequence in which a frame ran to its end.
pub fn capi(data: &[u8]) -> Verdict {
    let mut choices = Choices::new(data);
    let mut world = World::new(if choices.one_in(WITH_FRAMES) { 2 } else { 0 });
    for _ in 0..MOST_CALLS {
        if choices.rest().is_empty() {
            break;
        }
        match choices.below(32) {
            0 => open::model(&mut world, &mut choices),
            1 if choices.one_in(4) => open::damaged(&mut world, &mut choices),
            1 if choices.one_in(4) => open::file(&mut world, &mut choices),
            1..4 => open::engine(&mut world, &mut choices),
            4..6 => open::close_model(&mut world, &mut choices),
            6..9 => open::close_engine(&mut world, &mut choices),
            9..11 => calls::describe(&mut world, &mut choices),
            11 => calls::plan(&mut world, &mut choices),
            12..14 => calls::text(&mut world, &mut choices),
            14 => calls::colour(&mut world, &mut choices),
            15 if choices.one_in(2) => calls::golden(&mut world, &mut choices),
            15 => calls::golden_crc(&mut world, &mut choices),
            16 => calls::values(&mut world, &mut choices),
            17 if choices.one_in(2) => calls::margins(&mut world, &mut choices),
            17 => camera::maps(&mut world, &mut choices),
            18 => calls::constants(&mut choices),
            19..26 => frames::segment(&mut world, &mut choices),
            26..28 => frames::segment_rows(&mut world, &mut choices),
            28 => camera::segment(&mut world, &mut choices),
            29..31 => frames::logits(&mut world, &mut choices),
            _ => frames::classify(&mut world, &mut choices),
        }
    }
    open::close_all(&mut world);
    if world.frames_run > 0 { Verdict::Accepted } else { Verdict::Refused }
}
