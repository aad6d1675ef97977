//! How much memory a network needs at a size, and where in the arena each map lies. Pure, without
//! allocation: also for build scripts.
//!
//! ```text
//! arena  │ weights (if streamed) │ x0 │ x1 │ x2 │ x3 │ scratch │
//! ```
//! The head narrows the last stage norms to s8 and packs them at the front, so that the other half
//! of their room is scratch. Branch b's region holds one thing at a time: residual stream (s16),
//! stage norm (s16), or pairs of narrowed stage norm and fusion output (s8 + s8). If any fusion has
//! codes of two bytes (fp16, int16x8), regions have two maps. The second holds fusion outputs, and
//! the kept half of an attention block. Scratch begins behind the last branch that is alive, so
//! that early modules use the room of branches that do not exist yet.
//!
//! Scratch has no sums of its own here: each block cuts its buffers by one function, which a plan
//! only measures.

mod builder;
mod memory;
mod moment;
mod recomputed;
mod regions;
mod table;
mod untiled;

pub use builder::{PlanBuilder, Tiling, WeightPlacement};
pub use memory::{KeptHalf, Plan};
pub use moment::StepMemory;
pub use recomputed::recomputed_macs;
pub use regions::{Region, RegionKind, Regions};
