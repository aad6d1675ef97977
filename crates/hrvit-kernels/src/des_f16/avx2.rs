//! The shortcut, see [`tokens`](super::tokens).

super::tokens::tokens!(Avx2, avx2, "avx2,fma,f16c");
