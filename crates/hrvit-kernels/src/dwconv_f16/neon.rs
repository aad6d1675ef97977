//! The depthwise convolution, see [`rows`](super::rows).

super::rows::rows!(Neon, neon, "neon");
