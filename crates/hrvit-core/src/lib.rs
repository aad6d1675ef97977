//! Runs the quantised HRViT network in one arena that the caller provides, without a heap. It uses
//! no floating point unless an image asks for half precision (feature `fp16`).
//!
//! This example goes from the bytes of a model image to a label map:
//!
//! ```
//! use hrvit_core::{Aligned, Arena, Engine, Model, NoObserver, Plan, Serial};
//!
//! // In firmware also a linker section; on hosts `ModelBuf` reads a file.
//! static IMAGE: &Aligned<[u8]> =
//!     &Aligned(*include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tiny.hrvit")));
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let model = Model::load(&IMAGE.0)?; // checks every byte once
//! let plan = Plan::for_model(&model).build()?;
//! let (size, mut arena) = (plan.size(), Arena::<{ 128 << 10 }>::new());
//! let mut engine = Engine::new(model, plan, Serial, &mut arena)?;
//!
//! let frame = vec![128; 3 * size.pixels()]; // [height, width, 3] RGB
//! let mut labels = vec![0xff; size.pixels()]; // [height, width] class indices
//! engine.segment(&frame, &mut labels, &NoObserver)?;
//! assert!(labels.iter().all(|&label| label < 5));
//! # Ok(())
//! # }
//! ```
//!
//! - [`Model`], `ModelBuf` and [`Streamed`] are a checked image: borrowed, owned, or paged in from
//!   a device. An engine takes any [`ModelSource`].
//! - [`Plan`] has the bytes of the arena, the place of each map in it, and the tiles of every step.
//! - [`Engine`] runs frames: [`segment`](Engine::segment), [`segment_into`](Engine::segment_into),
//!   [`segment_rows`](Engine::segment_rows), [`logits`](Engine::logits),
//!   [`classify`](Engine::classify).
//! - [`Executor`] spreads the work: [`Serial`] on the caller's thread, `Threads` on several.
//! - [`Observer`] sees each step and its data, and may stop a frame.
//! - [`windows`] places windows of the model's size over larger frames: overlapping, or with cores
//!   that tile the frame.
//!
//! The steps of the canonical graph ([`hrvit_format::graph`]) run one after another. Inside a step
//! the operators work row by row or strip by strip. Only the step's result is a whole map.
//! `docs/architecture.md` describes the design of this crate, `docs/quantisation.md` the
//! arithmetic.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic, clippy::missing_errors_doc)]

mod arena;
mod arithmetic;
mod blocks;
mod branch_maps;
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
pub mod windows;

/// Whether this build runs networks without some of the paper's techniques. Other builds refuse the
/// images of such networks and have no code for them.
const ABLATIONS: bool = cfg!(feature = "ablations");

pub use arena::{ALIGN, Arena, CANARY};
pub use element::TileData;
pub use engine::Engine;
pub use error::{Never, PlanError, RunError, SetupError};
pub use hrvit_format::{
    Head, LoadError, Logit, LogitFormat, Model, ModelHead, Network, Packing, Precision, Records, Size, Spec, SpecError, Step, StepId, WideParts,
    aligned::Aligned,
};
#[cfg(feature = "std")]
pub use hrvit_format::{ModelBuf, START_BYTES, aligned::AlignedBytes};
pub use hrvit_kernels::{Family, Isa, Kernels};
pub use macs::step_macs;
pub use observe::{NoObserver, Observer, StepCrcs, StepInfo, Tile};
pub use output::{Ranked, RowSource, Segmentation};
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
