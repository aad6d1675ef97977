//! Model images: where their records lie, images to start from, and edits.

mod bases;
mod edit;
mod half;
mod layout;

pub use bases::{base, classifier, segmentor};
pub use edit::edited;
pub use layout::mend_crcs;
