//! Contents of a file, under the names that it gives.

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
