//! Errors of planning, of setting up and of running. Small, `Copy`, without texts.

mod never;
mod plan;
mod run;
mod setup;

pub use never::Never;
pub use plan::PlanError;
pub use run::RunError;
pub use setup::SetupError;
