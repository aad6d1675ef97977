//! The one error of every kernel entry.

use core::fmt;

/// Why a kernel refused its arguments. Nothing was written.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShapeError {
    /// A scalar argument lies outside its documented range (a count of 0, a shift, a range with
    /// `lo > hi`).
    Parameter,
    /// The input is not a whole number of rows or tokens, or two inputs differ in shape.
    Input,
    /// The weights do not have the documented shape.
    Weights,
    /// A per-channel array (bias, multipliers, shifts, gains) does not hold one entry per channel.
    Channels,
    /// A look-up table is empty, has the wrong length or holds an entry outside its range.
    Table,
    /// The scratch buffer is too short.
    Scratch,
    /// The output is not as long as the input and the parameters require.
    Output,
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Parameter => "a scalar argument is outside its range",
            Self::Input => "an input is not a whole number of tokens, or inputs differ in shape",
            Self::Weights => "the weights do not have the documented shape",
            Self::Channels => "a per-channel array does not hold one entry per channel",
            Self::Table => "a look-up table has the wrong length or an entry outside its range",
            Self::Scratch => "the scratch buffer is too short",
            Self::Output => "the output length does not follow from the input and the parameters",
        })
    }
}

impl core::error::Error for ShapeError {}

/// `Err(error)` unless `holds`.
#[inline(always)]
pub(crate) fn require(holds: bool, error: ShapeError) -> Result<(), ShapeError> {
    if holds { Ok(()) } else { Err(error) }
}
