//! The one way in which a step's inner parts fail.

use hrvit_kernels::ShapeError;

/// Operands contradict each other; becomes [`crate::RunError::Internal`] with the step's number. A
/// loaded model and its plan exclude this.
#[derive(Clone, Copy, Debug)]
pub struct Fault;

impl From<ShapeError> for Fault {
    fn from(_: ShapeError) -> Self {
        Self
    }
}
