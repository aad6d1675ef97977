//! One tensor of a checkpoint.

/// One tensor, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Shape, outermost first.
    pub shape: Vec<usize>,
    /// Values; as many as the shape says.
    pub data: Vec<f32>,
}
