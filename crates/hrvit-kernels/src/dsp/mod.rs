//! Parts that the DSP kernels share: requantisation by the upper half of a product, activations
//! widened for `smlad`, products of 2 and 4 rows with pairs of channels, windows of pairs of rows;
//! and for processors with a floating-point unit its product of f16.

#[cfg(not(hrvit_mve))]
pub(crate) mod bytes;
pub(crate) mod dots;
pub(crate) mod pairs;
pub(crate) mod planar;
#[cfg(all(feature = "fp16", hrvit_float_unit))]
pub(crate) mod product_f16;
pub(crate) mod rates;
pub(crate) mod sink;
pub(crate) mod taps;
pub(crate) mod tile;
pub(crate) mod words;

/// Keeps the loop that calls it as short as it is written: the compiler does not unroll it. For
/// loops that take few of a frame's instructions.
#[inline(always)]
pub(crate) fn rolled() {
    // SAFETY: there is no instruction.
    unsafe { core::arch::asm!("", options(nomem, nostack, preserves_flags)) };
}
