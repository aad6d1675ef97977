//! The float operators, each a function of maps and row-major weights.
//!
//! | module | operators |
//! |---|---|
//! | [`activation`] | ReLU, exact GELU, Hardswish |
//! | [`linear`] | linear layers, 1x1 convolutions and the GEMM below everything dense |
//! | [`convolution`] | dense and depthwise convolutions, zero padding of half a kernel |
//! | [`normalise`] | LayerNorm and BatchNorm |
//! | [`attention`] | attention in horizontal and vertical strips, keys shared with values |
//! | [`des`] | the two projections of the diversity-enhancing shortcut |
//! | [`resize`] | nearest and bilinear resizing, label map |

pub mod activation;
pub mod attention;
pub mod convolution;
pub mod des;
pub mod linear;
pub mod normalise;
pub mod resize;
