//! A tensor as a file describes it.

use super::tensor::Tensor;
use crate::pth::View;

/// A tensor as a file describes it.
pub(crate) trait Part: Clone {
    /// Its shape; none of a kind of tensor that is not read.
    fn shape(&self) -> Option<&[usize]>;
    /// Whether its elements are integers or truth values: no weights.
    fn is_integer(&self) -> bool;
}

impl Part for super::header::Part {
    fn shape(&self) -> Option<&[usize]> {
        Some(&self.shape)
    }

    fn is_integer(&self) -> bool {
        matches!(self.dtype.as_str(), "BOOL" | "U8" | "I8" | "U16" | "I16" | "U32" | "I32" | "U64" | "I64")
    }
}

impl Part for Result<View, String> {
    fn shape(&self) -> Option<&[usize]> {
        self.as_ref().ok().map(|view| view.shape.as_slice())
    }

    fn is_integer(&self) -> bool {
        self.as_ref().is_ok_and(View::is_integer)
    }
}

impl Part for Tensor {
    fn shape(&self) -> Option<&[usize]> {
        Some(&self.shape)
    }

    fn is_integer(&self) -> bool {
        false
    }
}
