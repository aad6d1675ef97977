//! The attention, see [`strip`](super::strip).

super::strip::strip!(Neon, neon, "neon");
