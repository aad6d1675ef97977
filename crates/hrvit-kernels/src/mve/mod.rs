//! Parts that the MVE kernels share: the product of 3 rows with pairs of channels, and the
//! requantisation and storing of a tile of accumulators.
//!
//! Vectors cannot be operands of `asm!`, so each inner loop is one block, and blocks hand
//! accumulators to each other in a [`tile::Tile`] on the stack. Loops are tail predicated (`dlstp`
//! .. `letp`): lanes beyond the end neither read nor write memory. Loads of bytes need no
//! alignment, those of 16 and 32 bits that of their elements, which every slice has.

pub(crate) mod bytes;
pub(crate) mod dots;
#[cfg(feature = "fp16")]
#[allow(clippy::float_arithmetic, reason = "float kernels")]
pub(crate) mod floats;
pub(crate) mod planar;
#[cfg(feature = "fp16")]
#[allow(clippy::float_arithmetic, reason = "float kernels")]
pub(crate) mod product_f16;
pub(crate) mod sink;
pub(crate) mod taps;
pub(crate) mod tile;
