//! The LayerNorm, see [`tokens`](super::tokens).

super::tokens::tokens!(Neon, neon, "neon");
