//! The product, see [`product`](super::product).

super::product::product!(Neon, neon, "neon");
