//! HRViT behind a C ABI: everything that `include/hrvit.h` declares, for hosts and for firmware.
//!
//! The header is made from this source (`cargo xtask capi --header`); its texts are the comments
//! here. Mistakes of a C program end in an error code:
//!
//! - A handle is a number in the clothes of a pointer. It names a slot of a fixed table and the
//!   generation of its content (`slots`), and is never read through: NULL, a closed handle, one
//!   of the other kind or a wild pointer are told apart from an open one.
//! - Structures begin with the size that the caller's header gave them (`sized`).
//! - Buffers are checked for NULL, alignment, length and overlap before they become slices
//!   (`memory`); so is memory that is lent for longer (`lent`).
//! - With feature `std` a panic becomes an error code; without it there is none to happen: the
//!   library is searched for ways to one after it was linked.
//!
//! Without `std` nothing is allocated: the caller brings image, arena, frame and results, and the
//! table has `slots::MODELS` models and `slots::ENGINES` engines in static memory.
#![cfg_attr(not(feature = "std"), no_std)]
#![deny(clippy::missing_safety_doc)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used))]

// In the order in which the header declares their functions.
mod about;

mod model;

mod plan;

mod engine;

mod frame;

mod camera;
mod camera_error;

mod masks;

mod answer;
mod camera_structs;
mod failure;
mod lent;
mod lock;
mod memory;
mod observer;
#[cfg(all(not(feature = "std"), target_os = "none"))]
mod panic;
mod sized;
mod slots;
mod status;
mod structs;
mod text;

pub use about::*;
pub use camera::{hrvit_camera_labels, hrvit_camera_overlay, hrvit_camera_scratch, hrvit_engine_segment_camera};
pub use camera_structs::*;
pub use engine::*;
pub use frame::{hrvit_engine_classify, hrvit_engine_logits, hrvit_engine_segment, hrvit_engine_segment_rows};
pub use masks::{hrvit_labels_extents, hrvit_labels_mask, hrvit_labels_runs};
pub use model::*;
pub use plan::*;
pub use status::hrvit_status;
pub use structs::*;
