//! Integer kernels for quantised vision transformers: no heap, no panic, no float (but in feature
//! `fp16`), and the same bytes on every target.
//!
//! The `scalar` file of each operator is its definition (`docs/quantisation.md` holds the
//! formulas). A backend for one instruction set is another file in the same folder. It equals the
//! definition byte for byte. [`Kernels`] holds the operators for one instruction set, by default
//! the fastest of this processor; `Kernels::SCALAR` is the definition. The crate knows operators,
//! not networks.
//!
//! | operator | folder | input x weights, accumulator | output | files besides `scalar` |
//! |---|---|---|---|---|
//! | linear, 1x1 convolution | [`gemm_s8`] | s8 x s8, i32 | any [`Epilogue`] | `avx2` `avx_vnni` `zmm` `neon` `neon_dotprod` `neon_i8mm` `mve` `dsp`, each from its [`Packing`] |
//! | dense 3x3 convolution | [`im2row`], then [`gemm_s8`] | s8 x s8, i32 | any [`Epilogue`] | (patches only move bytes) |
//! | linear on 16 bits | [`gemm_s16`] | s16 x s8, i32 | any [`Epilogue`] | `avx2` `mve` |
//! | depthwise convolution | [`dwconv_s8`] | s8 x s8, i32 | any [`Epilogue`] | `avx2` `zmm` `neon` `neon_dotprod` `mve` `dsp` |
//! | LayerNorm | [`layernorm_s16`] | s16, i64 | s8 or s16 | `x86` `neon` `mve` `dsp` |
//! | attention over one strip | [`attention_s8`] | s8 x s8, i32 | s16, 8 fractional bits | `avx2` `avx_vnni` `zmm` `neon` `neon_dotprod` `neon_i8mm` `mve` `dsp` |
//! | diversity-enhancing shortcut | [`des_s16`] | s16 x s8, i32 | added to i32 | `x86` `neon` `mve` `dsp` |
//! | Hardswish, tables, sums, means | [`activation`] | s8, s16 or i32 | s8, s16 or i32 | `x86` `avx2` `neon` `mve` `dsp`, not each for all |
//! | resizing of camera planes | [`resample`] | u8, u16 or u32 | u16 or u32 sums, u16 means | `avx2` |
//! | exact bilinear resize, label map | [`resize`] | s16, i32 | added to i32; labels, margins | `x86` `neon` `mve` |
//!
//! With feature `int16x8` there are the operators on 16-bit codes that the table above does not
//! have:
//!
//! | operator | folder | input x weights, accumulator | output | files besides `scalar` |
//! |---|---|---|---|---|
//! | dense 3x3 convolution | [`im2row`], then [`gemm_s16`] | s16 x s8, i32 | any [`Epilogue`] | (patches only move bytes) |
//! | depthwise convolution | `dwconv_s16` | s16 x s8, i32 | any [`Epilogue`] | `avx2` |
//! | attention over one strip | `attention_s16` | s16 x s16, i32 and i64 | s16, 2 fractional bits | `avx2` |
//! | limits, interpolated tables, Hardswish, sums to codes, means | `activation_s16` | s16 or i32 | s16 or i32 | `avx2` |
//!
//! With feature `fp16` there are the same operators on 16-bit floats (`f16`, from crate `half`):
//! stored in 16 bits, summed in f32. Their bits may differ between instruction sets within a stated
//! bound; `math_f32` says why none ever stores an infinity or a NaN.
//!
//! | operator | folder | input x weights, accumulator | output | files besides `scalar` |
//! |---|---|---|---|---|
//! | linear, 1x1 convolution | `gemm_f16` | f16 x f16, f32 | any `EpilogueF16` | `avx2` `neon` `neon_i8mm` `mve` `dsp` |
//! | dense 3x3 convolution | [`im2row`], then `gemm_f16` | f16 x f16, f32 | any `EpilogueF16` | (patches only move values) |
//! | depthwise convolution | `dwconv_f16` | f16 x f16, f32 | any `EpilogueF16` | `avx2` `neon` `mve` |
//! | LayerNorm | `layernorm_f16` | f16, f32 | f16 | `avx2` `neon` `mve` |
//! | attention over one strip | `attention_f16` | f16 x f16, f32 | f16 | `avx2` `neon` `mve` |
//! | diversity-enhancing shortcut | `des_f16` | f16 x f16, f32 | added to f32 | `avx2` `neon` |
//! | Hardswish, activations, sums, means, conversions | `activation_f16` | f16, s16 or f32 | f16, s16 or f32 | `avx2` `neon` |
//! | bilinear resize, label map | `resize_f16` | f16, f32 | added to f32; labels, margins | `avx2` `neon` |
//!
//! With feature `orders`, for hosts, there is each instruction set's order of f16 sums in plain
//! code, wherever its bits differ from the definition's (`orders`).
//!
//! **Conventions.** Maps are `[rows, columns, channels]`, channel last, contiguous unless a stride
//! is given; a token is one run of channels. Every entry is safe: it checks lengths and scalar
//! parameters once and returns [`ShapeError`]. No number makes it panic or read out of bounds.
//! Results follow the documentation only inside the stated ranges, and only there are they the same
//! on every instruction set. The loader of a model proves the ranges once. i32 accumulators stay
//! inside their range by that proof. Outside it they wrap (and a build with overflow checks
//! panics).
//!
//! **A fast path** is a file named after its instruction set with the functions of `scalar`, each
//! with a token of [`isa`] in front (`fn run(_: Avx2, ..)`), and one entry in the family's
//! `backends!` list; [`Kernels::chosen`] then names it. A file hands sizes that it cannot do
//! exactly, or was not written for, to `scalar`, and its documentation names them. [`conformance`]
//! compares every family with its definition on the processor at hand, without a heap.

#![no_std]
#![deny(clippy::float_arithmetic, clippy::missing_errors_doc)]
#![cfg_attr(not(hrvit_scalar), allow(dead_code, reason = "a build for one instruction set uses some of the definitions only"))]

pub mod activation;
#[cfg(feature = "fp16")]
#[allow(clippy::float_arithmetic, reason = "float kernels")]
pub mod activation_f16;
#[cfg(feature = "int16x8")]
pub mod activation_s16;
#[cfg(feature = "fp16")]
#[allow(clippy::float_arithmetic, reason = "float kernels")]
pub mod attention_f16;
#[cfg(feature = "int16x8")]
pub mod attention_s16;
pub mod attention_s8;
#[cfg(all(target_arch = "aarch64", any(target_os = "linux", target_os = "android")))]
mod auxv;
#[cfg(hrvit_scalar)]
pub mod conformance;
pub mod contract;
#[cfg(feature = "fp16")]
#[allow(clippy::float_arithmetic, reason = "float kernels")]
pub mod des_f16;
pub mod des_s16;
#[cfg(feature = "fp16")]
#[allow(clippy::float_arithmetic, reason = "float kernels")]
pub mod dwconv_f16;
#[cfg(feature = "int16x8")]
pub mod dwconv_s16;
pub mod dwconv_s8;
pub mod epilogue;
#[cfg(feature = "fp16")]
#[allow(clippy::float_arithmetic, reason = "float kernels")]
pub mod epilogue_f16;
pub mod error;
pub mod family;
#[cfg(feature = "fp16")]
#[allow(clippy::float_arithmetic, reason = "float kernels")]
pub mod gemm_f16;
pub mod gemm_s16;
pub mod gemm_s8;
pub mod im2row;
pub mod isa;
pub mod kernels;
#[cfg(feature = "fp16")]
#[allow(clippy::float_arithmetic, reason = "float kernels")]
pub mod layernorm_f16;
pub mod layernorm_s16;
pub mod math;
#[cfg(feature = "fp16")]
#[allow(clippy::float_arithmetic, reason = "float kernels")]
pub mod math_f32;
#[cfg(feature = "orders")]
#[allow(clippy::float_arithmetic, reason = "float kernels")]
pub mod orders;
pub mod packing;
pub mod peak;
#[cfg(target_arch = "aarch64")]
mod pipeline;
pub mod requant;
pub mod resample;
pub mod resize;
#[cfg(feature = "fp16")]
#[allow(clippy::float_arithmetic, reason = "float kernels")]
pub mod resize_f16;
mod runs;
pub mod tiles;

#[cfg(feature = "std")]
extern crate std;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(hrvit_dsp)]
mod dsp;
#[cfg(all(feature = "fp16", any(target_arch = "x86_64", target_arch = "aarch64")))]
#[allow(clippy::float_arithmetic, reason = "float kernels")]
mod floats;
#[cfg(hrvit_mve)]
mod mve;
#[cfg(target_arch = "aarch64")]
mod neon;
mod slices;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(feature = "fp16")]
pub use attention_f16::StripF16;
pub use attention_s8::{Strip, exp_table};
#[cfg(feature = "int16x8")]
pub use attention_s16::StripS16;
#[cfg(feature = "fp16")]
pub use des_f16::DesF16;
pub use des_s16::Des;
#[cfg(feature = "fp16")]
pub use dwconv_f16::DepthwiseF16;
pub use dwconv_s8::Depthwise;
pub use epilogue::Epilogue;
#[cfg(feature = "fp16")]
pub use epilogue_f16::{ActivationF16, EpilogueF16};
pub use error::ShapeError;
pub use family::Family;
#[cfg(feature = "fp16")]
pub use gemm_f16::{GemmF16, blocks_f16_index, blocks_f16_len};
pub use gemm_s8::{Gemm, PackedGemm};
pub use gemm_s16::GemmS16;
#[cfg(feature = "fp16")]
pub use half::f16;
#[cfg(feature = "orders")]
pub use isa::Order;
pub use isa::{Isa, IsaError};
pub use kernels::Kernels;
#[cfg(feature = "fp16")]
pub use layernorm_f16::NormF16;
pub use layernorm_s16::Norm;
pub use math::rsqrt;
pub use packing::{Packing, UnknownPacking};
pub use requant::{Range8, Requant, TensorRequant, requant};
pub use resize::{Phase, phase};
#[cfg(feature = "fp16")]
pub use resize_f16::MARGIN_BITS_F16;
pub use runs::{clear, copy_run, copy_strided};
pub use tiles::Tiles;
