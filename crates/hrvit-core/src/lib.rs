//! HRViT on the edge: the quantised forward pass in one caller-given arena, without a heap, and without floating point unless an image asks for half precision
//! (feature `fp16`).
//!
//! From the bytes of a model image to a label map:
//!
//! ```
//! use hrvit_core::{Engine, Model, NoObserver, Plan, Serial};
//!
//! # fn example_image() -> hrvit_format::aligned::AlignedBytes {
//! #     let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tiny.hrvit");
//! #     hrvit_format::aligned::AlignedBytes::read(&path).unwrap()
//! # }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let bytes = example_image();
//! // Where bytes lie at a multiple of 64; `ModelBuf` owns a copy of those that do not.
//! let model = Model::load(&bytes)?;
//! let plan = Plan::for_model(&model).build()?;
//! # #[cfg(feature = "std")]
//! let arena = hrvit_format::aligned::AlignedBytes::zeroed(plan.arena_bytes());
//! let size = plan.size();
//! let mut engine = Engine::new(model, plan, Serial, arena)?;
//!
//! let frame = vec![128; 3 * size.pixels()]; // [height, width, 3] RGB
//! let mut labels = vec![0; size.pixels()]; // [height, width] class indices
//! engine.segment(&frame, &mut labels, &NoObserver)?;
//! # Ok(())
//! # }
//! ```
//!
//! | | |
//! |---|---|
//! | [`Model`], `ModelBuf`, [`Streamed`] | a checked image: borrowed, owned, or paged in from a device; an engine takes any [`ModelSource`] |
//! | [`Plan`] | the bytes of the arena, where each map lies in it, and the tiles of every step |
//! | [`Engine`] | [`segment`](Engine::segment), [`segment_into`](Engine::segment_into), [`segment_rows`](Engine::segment_rows), [`logits`](Engine::logits), [`classify`](Engine::classify) |
//! | [`Executor`] | who does the work: [`Serial`], `Threads` |
//! | [`Observer`] | sees each step and its data, and may stop a frame |
//!
//! One step of the canonical graph ([`hrvit_format::graph`]) runs after another; inside a step the operators work row by row or strip by strip, and only the
//! step's result is a whole map. `docs/architecture.md` is the map of this crate, `docs/quantisation.md` the arithmetic.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic, clippy::missing_errors_doc)]

mod arena;
mod arithmetic;
mod blocks;
#[cfg(feature = "fp16")]
#[allow(clippy::float_arithmetic, reason = "compares logits of half precision")]
pub mod drift_f16;
mod element;
mod engine;
mod error;
mod fault;
mod geometry;
mod heads;
mod macs;
mod observe;
mod operator;
mod output;
mod plan;
mod ring;
mod rows;
mod schedule;
mod slices;
mod source;
mod streamed;
#[cfg(feature = "threads")]
mod threads;

pub use arena::{ALIGN, Arena, CANARY};
pub use element::TileData;
pub use engine::Engine;
pub use error::{PlanError, RunError, SetupError};
#[cfg(feature = "std")]
pub use hrvit_format::ModelBuf;
pub use hrvit_format::{Logit, LogitFormat, Model, ModelHead, Network, Packing, Precision, Size, Step, StepId, WideParts};
pub use hrvit_kernels::{Family, Isa, Kernels};
pub use macs::step_macs;
pub use observe::{NoObserver, Observer, StepCrcs, StepInfo, Tile};
pub use output::{Ranked, Segmentation};
pub use plan::{KeptHalf, Plan, PlanBuilder, Region, RegionKind, Regions, StepMemory, Tiling, WeightPlacement, recomputed_macs};
pub use schedule::{Executor, MAX_WORKERS, Serial};
pub use source::ModelSource;
pub use streamed::{ReadImage, StreamError, Streamed, read_head};
#[cfg(feature = "threads")]
pub use threads::Threads;

/// The packing that `kernels` read fastest.
pub fn packing_for(kernels: Kernels) -> Packing {
    kernels.packing()
}
