//! Turns camera frames into a network's input, and brings labels back onto the frames. It uses
//! integers and no heap, and gives the same bytes on every target.
//!
//! [`Frame`] is a frame in a camera's buffer. [`Geometry`] says which of its pixels a network sees,
//! how they are turned and where they lie in the input. [`Rows`] makes the rows of the input one by
//! one, as the engine requests them. No whole picture in red, green and blue exists.
//! `docs/camera.md` has the formulas.
//!
//! [`Geometry::frame_row`] brings labels and margins back to the frame's pixels.
//! [`FrameMut::overlay`] draws labels on the frame. [`ClassSet`] makes masks and runs of labels.
//! [`ClassExtent`] measures each class.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic, clippy::missing_errors_doc)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used))]
#![cfg_attr(test, allow(clippy::float_arithmetic, reason = "what results are compared with"))]

mod colour;
mod filter;
mod format;
mod frame;
mod geometry;
mod labels;
mod lines;
mod masks;
mod overlay;
mod pixels;
mod rows;
mod sums;

pub use colour::{Matrix, Range};
pub use filter::Filter;
pub use format::{Format, UnknownFormat};
pub use frame::{Frame, FrameError, MAX_SIDE, Plane};
pub use geometry::{Fit, Geometry, GeometryError, Region, Rotation, View};
pub use hrvit_format::Size;
pub use hrvit_kernels::Kernels;
pub use labels::LabelsError;
pub use masks::{ClassExtent, ClassSet, MaskError, Run};
pub use overlay::{FrameMut, Ink, OverlayError, PlaneMut};
pub use rows::{Rows, RowsError};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
