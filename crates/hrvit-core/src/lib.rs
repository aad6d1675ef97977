//! HRViT on the edge: the quantised forward pass in one caller-given arena, without a heap, and without floating point unless an image asks for half precision
//! (feature `fp16`).
//!
//! ```text
//! Model::load(image) ──► plan(network, size, workers, weights) ──► Engine::new(&model, &plan, executor, &mut arena)
//!                                                                     │ segment(frame, labels, observer)
//!                                                                     │ logits (frame, codes,  observer)
//!                                                                     └ classify(frame, top,   observer)
//! ```
//! One step of the canonical graph (`hrvit_format::graph`) runs after another; inside a step the operators work row by row or strip by strip, and only the
//! step's result is a whole map. `docs/architecture.md` is the map of this crate, `docs/quantisation.md` the arithmetic.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]

pub mod arena;
pub mod arithmetic;
pub mod blocks;
#[cfg(feature = "fp16")]
#[allow(clippy::float_arithmetic, reason = "compares logits of half precision")]
pub mod drift_f16;
pub mod engine;
pub mod error;
pub mod heads;
mod macs;
pub mod observe;
mod operator;
pub mod plan;
mod ring;
mod rows;
pub mod schedule;
#[cfg(feature = "threads")]
mod threads;
pub mod weights;

pub use engine::{Engine, Ranked};
pub use error::{PlanError, RunError, SetupError};
pub use hrvit_format::{Logit, LogitFormat, Model, ModelHead, Network, Size, Step, StepId, WideParts, record::Precision};
pub use hrvit_kernels::{Family, Isa, Kernels};
pub use macs::{recomputed_macs, step_macs};
pub use observe::{NoObserver, Observer, StepCrcs, StepInfo, Tile, TileData};
pub use operator::packing_for;
pub use plan::{KeptHalf, Plan, Region, RegionKind, StepMemory, Tiling, WeightPlacement, plan, plan_mixed, plan_tiled};
pub use schedule::{Executor, Serial};
#[cfg(feature = "threads")]
pub use threads::Threads;
pub use weights::{Mapped, ReadImage, StreamError, Streamed, WeightSource, read_head};
