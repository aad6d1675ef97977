//! The product, see [`product`](super::product).

super::product::product!(Avx2, avx2, "avx2,fma,f16c");
