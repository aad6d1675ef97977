//! The attention, see [`strip`](super::strip).

super::strip::strip!(Avx2, avx2, "avx2,fma,f16c");
