//! The elementwise operators, see [`elements`](super::elements).

super::elements::elements!(Avx2, avx2, "avx2,fma,f16c");
