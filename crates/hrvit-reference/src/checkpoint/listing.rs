//! Contents of a file, under the names that it gives.

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

impl Part for super::Tensor {
    fn shape(&self) -> Option<&[usize]> {
        Some(&self.shape)
    }

    fn is_integer(&self) -> bool {
        false
    }
}

/// A tensor, the dictionary that it lies in, and its whole name, that of its dictionary included.
#[derive(Clone, Debug)]
pub(crate) struct Listed<P> {
    /// Number of the dictionary.
    pub(crate) dictionary: usize,
    /// The name, parts separated by dots.
    pub(crate) name: String,
    /// The tensor.
    pub(crate) part: P,
}

/// Names of classes that a file has beside its weights, and their colours where there are as many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassNames {
    /// One name per class.
    pub names: Vec<String>,
    /// One colour per class, or none.
    pub colours: Vec<[u8; 3]>,
}
