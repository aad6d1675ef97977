//! Edits float checkpoints and judges what quantising them costs.
//!
//! | module | what it holds |
//! |---|---|
//! | [`tensors`] | the tensors of a checkpoint, to be changed row by row or column by column |
//! | [`edits`] | the edits: those that keep the function, those that keep the decisions, those that make another network |
//! | [`judge`] | quantising in process, figures against the float network |
//! | [`audit`] | the gate, and whether other frames agree with it |
//! | [`table`] | outcomes of many edits, their worst and median |
//! | [`bars`] | what outcomes must meet |
//!
//! Everything follows from seeds. `tests/preserving.rs` proves in float that edits keep what they
//! claim to keep; `tests/stress.rs` judges.
#![forbid(unsafe_code)]

pub mod audit;
pub mod bars;
pub mod edits;
pub mod judge;
pub mod table;
pub mod tensors;
