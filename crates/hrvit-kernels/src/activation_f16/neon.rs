//! The elementwise operators, see [`elements`](super::elements).

super::elements::elements!(Neon, neon, "neon");
