//! The depthwise convolution of 16-bit codes on AVX2: the definition, compiled for it.

use crate::dwconv_s8::{Depthwise, scalar};
use crate::epilogue::Epilogue;
use crate::isa::Avx2;

/// Computes the row.
pub(super) fn run(_: Avx2, args: &Depthwise<'_, i16>, epilogue: Epilogue<'_>, out_stride: usize) {
    // SAFETY: the token proves AVX2.
    unsafe { row(args, epilogue, out_stride) }
}

#[target_feature(enable = "avx2")]
fn row(args: &Depthwise<'_, i16>, epilogue: Epilogue<'_>, out_stride: usize) {
    scalar::run(args, epilogue, out_stride);
}
