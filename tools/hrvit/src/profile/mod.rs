//! A device's report of itself: its log ([`hrvit_log::Log`]), decoded, and the profile in it.
//!
//! | module | what |
//! |---|---|
//! | [`decode`] | a defmt stream and its ELF to lines of text |
//! | [`serial`] | that stream, as it comes over a serial port |
//! | [`summary`] | per step and per kind of block: share, time, multiply-accumulates per tick |
//! | [`compare`] | two profiles side by side |
//! | [`trace`], [`bars`] | the same as a Chrome trace and as a picture |

pub mod bars;
pub mod compare;
pub mod decode;
pub mod serial;
pub mod summary;
pub mod trace;

#[cfg(test)]
mod example;
