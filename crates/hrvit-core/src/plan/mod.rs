//! Plans: how much memory a network needs at a size, and where in the arena each map lies. Planning
//! needs no model and no heap, so that build scripts and firmware can do it.
//!
//! ```text
//! arena  │ weights (if streamed) │ x0 │ x1 │ x2 │ x3 │ scratch │
//! ```
//! `x0` to `x3` are the regions of the branches. A region holds one content at a time. It is the
//! residual stream (s16), the stage norm (s16), or row by row a narrowed stage norm and a fusion
//! output (s8 + s8). If any fusion has codes of two bytes (fp16, int16x8), every region has a
//! second map. It holds fusion outputs, and the kept half of an attention block. Scratch begins
//! behind the last branch of the step's module, so that early modules use the room of branches that
//! do not exist yet. The head narrows the last stage norms to s8 and packs them at the front. The
//! other half of their room becomes scratch.
//!
//! The plan contains no separate formulas for scratch: each block cuts its buffers by one function,
//! which a plan runs to measure them.

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
