//! Input sizes.

use serde::{Deserialize, Serialize};

use crate::{sentence::sentences, spec_error::SpecError};

/// Height and width of a network's input in pixels, multiples of 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Rows of pixels.
    pub height: u16,
    /// Columns of pixels.
    pub width: u16,
}

impl Size {
    /// A checked size.
    ///
    /// # Errors
    /// [`SpecError::Size`] if a side is no multiple of 32, below 32 or above 4096.
    pub fn new(height: u16, width: u16) -> Result<Self, SpecError> {
        let fits = |n: u16| n.is_multiple_of(32) && (32..=4096).contains(&n);
        if fits(height) && fits(width) { Ok(Self { height, width }) } else { Err(SpecError::Size { height, width }) }
    }

    /// `(rows, columns)` of the map of `branch`: 1/4, 1/8, 1/16 or 1/32 of the input for branch 0
    /// to 3.
    pub fn map(&self, branch: usize) -> (usize, usize) {
        // A side has 16 bits: nothing is left of it from a shift of 16 on.
        let side = |side: u16| usize::from(side) >> 2 >> branch.min(16);
        (side(self.height), side(self.width))
    }

    /// Tokens of `branch`.
    pub fn tokens(&self, branch: usize) -> usize {
        let (rows, columns) = self.map(branch);
        rows * columns
    }

    /// Pixels of the input.
    pub fn pixels(&self) -> usize {
        usize::from(self.height) * usize::from(self.width)
    }
}

impl core::str::FromStr for Size {
    type Err = SpecError;

    /// `HEIGHTxWIDTH`.
    fn from_str(text: &str) -> Result<Self, SpecError> {
        let side = |digits: &str| digits.parse().map_err(|_| SpecError::SizeText);
        let (height, width) = text.split_once(['x', 'X']).ok_or(SpecError::SizeText)?;
        Self::new(side(height)?, side(width)?)
    }
}

sentences!(Size {
    Self { height, width } => ("{}x{}", height, width),
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_two_sides_that_are_multiples_of_32() {
        assert_eq!("192x256".parse(), Ok(Size { height: 192, width: 256 }));
        for wrong in ["192", "x256", "192x", "192x250", "0x32", "32x32x32", "-32x32", "99999x32"] {
            assert!(wrong.parse::<Size>().is_err(), "{wrong}");
        }
    }
}
