//! Integer kernels for quantised vision transformers: no heap, no panic, no float, and the same bytes on every target.
//!
//! The `scalar` file of each operator is its definition (`docs/quantisation.md` holds the formulas); a backend for one instruction set is another file in the
//! same folder and equals it byte for byte. The free functions are the definition; [`Kernels`] holds the same operators for one instruction set, by default the
//! fastest of this processor. The crate knows operators, not networks.
//!
//! | operator | folder | input x weights, accumulator | output | files besides `scalar` |
//! |---|---|---|---|---|
//! | linear, 1x1 convolution | [`mod@gemm_s8`] | s8 x s8, i32 | any [`Epilogue`] | `avx2` (from [`Layout::K4`] or [`Layout::Rows`]) |
//! | dense 3x3 convolution | [`im2row`], then [`mod@gemm_s8`] | s8 x s8, i32 | any [`Epilogue`] | (patches only move bytes) |
//! | linear on 16 bits | [`mod@gemm_s16`] | s16 x s8, i32 | any [`Epilogue`] | |
//! | depthwise convolution | [`dwconv_s8`] | s8 x s8, i32 | any [`Epilogue`] | `avx2` |
//! | LayerNorm | [`mod@layernorm_s16`] | s16, i64 | s8 or s16 | `avx2` |
//! | attention over one strip | [`mod@attention_s8`] | s8 x s8, i32 | s16, 8 fractional bits | `avx2` |
//! | diversity-enhancing shortcut | [`mod@des_s16`] | s16 x s8, i32 | added to i32 | `avx2` |
//! | Hardswish, tables, sums, means | [`activation`] | s8, s16 or i32 | s8, s16 or i32 | `avx2` |
//! | exact bilinear resize, label map | [`resize`] | s16, i32 | added to i32; labels | `avx2` |
//!
//! **Conventions.** Maps are `[rows, columns, channels]`, channel last, contiguous unless a stride is given; a token is one run of channels. Every entry is
//! safe: it checks lengths and scalar parameters once and returns [`ShapeError`]. It never panics and never reads out of bounds whatever the numbers; the
//! numbers mean what the documentation says only inside the stated ranges, which the loader of a model proves once, and only there are they the same on every
//! instruction set. i32 accumulators stay inside their range by that proof; outside it they wrap (and a build with overflow checks says so).
//!
//! **A fast path** is a file named after its instruction set with the functions of `scalar`, each with a token of [`isa`] in front (`fn run(_: Avx2, ..)`), and
//! one entry in the family's `backends!` list; [`Kernels::chosen`] then names it. What a file cannot do exactly, or was not written for, it hands to `scalar`, and
//! its documentation says which sizes those are. [`conformance`] compares every family with its definition on the processor at hand, without a heap.

#![no_std]
#![deny(clippy::float_arithmetic)]

pub mod activation;
pub mod attention_s8;
pub mod conformance;
pub mod des_s16;
pub mod dwconv_s8;
pub mod epilogue;
pub mod error;
pub mod gemm_s16;
pub mod gemm_s8;
pub mod im2row;
pub mod isa;
pub mod kernels;
pub mod layernorm_s16;
pub mod layout;
pub mod math;
pub mod requant;
pub mod resize;
pub mod tiles;

#[cfg(feature = "std")]
extern crate std;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(hrvit_dsp)]
mod dsp;
mod lanes;
#[cfg(hrvit_mve)]
mod mve;
#[cfg(target_arch = "aarch64")]
mod neon;

pub use activation::{
    add_s16, add_s32, hardswish_s8, hardswish_s16, mean_finish, mean_s8, narrow_s16, relu_s32, rescale_add32, rescale_s16, store_s8, table_s8,
};
pub use attention_s8::{Strip, attention_s8, exp_table};
pub use des_s16::{Des, des_s16};
pub use dwconv_s8::{Depthwise, depthwise_s8};
pub use epilogue::Epilogue;
pub use error::ShapeError;
pub use gemm_s8::{Gemm, PackedGemm, gemm_s8, gemm_s8_packed};
pub use gemm_s16::{GemmS16, gemm_s16};
pub use im2row::{im2row_s8, pixels_s8};
pub use isa::{Isa, IsaError};
pub use kernels::{Family, Kernels};
pub use layernorm_s16::{Norm, layernorm_s8, layernorm_s16, layernorm_s16_in_place};
pub use layout::Layout;
pub use math::rsqrt;
pub use requant::{Range8, Requant, Scalar, requant};
pub use resize::{Phase, argmax_s16, bilinear_add_s16, phase};
pub use tiles::Tiles;
