//! What the DSP kernels share: requantisation by the upper half of a product, activations widened for `smlad`, the product of 2 rows with pairs of channels.

pub(crate) mod dots;
pub(crate) mod rates;
pub(crate) mod sink;
pub(crate) mod taps;
pub(crate) mod tile;
