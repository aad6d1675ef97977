//! Element types and operators of each precision.

#[cfg(feature = "fp16")]
mod fp16;
#[cfg(feature = "int16x8")]
mod int16x8;
mod int8;
mod precision;
#[cfg(feature = "fp16")]
mod stream;

#[cfg(feature = "fp16")]
pub use fp16::Fp16;
pub use int8::Int8;
#[cfg(feature = "int16x8")]
pub use int16x8::Int16x8;
pub use precision::{Arithmetic, HeadStrip, Mixed, Out, Part, Shortcut};
