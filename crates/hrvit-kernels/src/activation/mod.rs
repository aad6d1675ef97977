//! Elementwise operators: Hardswish, activations by table, rescaling, sums and means.

pub mod elementwise;
pub mod hardswish;
pub mod mean;
pub mod table;

pub use elementwise::{add_s16, add_s32, narrow_s16, relu_s32, rescale_add32, rescale_s16, store_s8};
pub use hardswish::{hardswish_s8, hardswish_s16};
pub use mean::{mean_finish, mean_s8};
pub use table::table_s8;
