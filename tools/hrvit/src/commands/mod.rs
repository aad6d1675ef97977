//! One module per subcommand: its arguments and what it does with them.

pub mod eval;
pub mod inspect;
pub mod run;
pub mod synth;
