//! The depthwise convolution, see [`rows`](super::rows).

super::rows::rows!(Avx2, avx2, "avx2,fma,f16c");
