//! Finds the parts of a network that are worth 16 bits or half precision. Each is measured, then
//! the cheapest are bought until the drift is small enough.
//!
//! | module | what it holds |
//! |---|---|
//! | [`parts`] | what can be chosen, and what it costs |
//! | [`fitting`] | images whose parts differ, and parts that do not fit 8 bits |
//! | [`measure`] | noise and drift of an image against the float network |
//! | [`mod@search`] | sensitivities, the order of buying, the choice |
//! | [`picture`] | accuracy over cost, drawn |

pub mod fitting;
pub mod measure;
pub mod parts;
pub mod picture;
pub mod search;

pub use fitting::{Fitting, Forced, Offer};
pub use measure::Measure;
pub use search::{Chosen, Limits, search};
