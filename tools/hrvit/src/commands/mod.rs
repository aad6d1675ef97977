//! One module per subcommand: its arguments and what it does with them.

pub mod bench;
pub mod demo;
pub mod doctor;
pub mod eval;
pub mod inspect;
pub mod live;
pub mod pack;
pub mod pack_clip;
pub mod paper;
pub mod plan;
pub mod profile;
pub mod quantize;
pub mod report;
pub mod run;
pub mod send;
pub mod synth;
