//! Definition of the depthwise convolution of 16-bit codes: the loops of
//! [`crate::dwconv_s8::scalar`] over another type.

use crate::dwconv_s8::{Depthwise, scalar};
use crate::epilogue::Epilogue;

/// Computes the row; lengths were checked by
/// [`Kernels::depthwise_s16`](crate::Kernels::depthwise_s16).
pub(super) fn run(args: &Depthwise<'_, i16>, epilogue: Epilogue<'_>, out_stride: usize) {
    scalar::run(args, epilogue, out_stride);
}
