//! Precision of a step, and format of the tensor that it leaves behind.

use crate::{graph::Step, sentence::sentences};

/// Precision of a step: its arithmetic.
///
/// The enum is exhaustive: engine, quantiser and reports must handle every precision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum Precision {
    /// 8-bit weights and activations, 16-bit residual stream.
    #[default]
    Int8 = 0,
    /// 16-bit activations, 8-bit weights.
    Int16x8 = 1,
    /// Half precision.
    Fp16 = 2,
}

impl Precision {
    /// Every precision, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Int8, Self::Int16x8, Self::Fp16];

    /// Whether this build has the precision (features `int16x8` and `fp16`).
    pub const fn is_built(self) -> bool {
        match self {
            Self::Int8 => true,
            Self::Int16x8 => cfg!(feature = "int16x8"),
            Self::Fp16 => cfg!(feature = "fp16"),
        }
    }

    /// `int8`, `int16x8` or `fp16`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Int8 => "int8",
            Self::Int16x8 => "int16x8",
            Self::Fp16 => "fp16",
        }
    }
}

/// No [`Precision`] has this number or name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownPrecision;

sentences!(UnknownPrecision {
    Self => ("unknown precision: expected int8 (0), int16x8 (1) or fp16 (2)"),
});

impl core::error::Error for UnknownPrecision {}

impl core::fmt::Display for Precision {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

impl TryFrom<u8> for Precision {
    type Error = UnknownPrecision;

    fn try_from(number: u8) -> Result<Self, UnknownPrecision> {
        Self::ALL.into_iter().find(|&precision| precision as u8 == number).ok_or(UnknownPrecision)
    }
}

impl core::str::FromStr for Precision {
    type Err = UnknownPrecision;

    fn from_str(name: &str) -> Result<Self, UnknownPrecision> {
        Self::ALL.into_iter().find(|precision| precision.name() == name).ok_or(UnknownPrecision)
    }
}

/// Format of the tensor that a step leaves behind.
///
/// The enum is exhaustive: code that reads a tensor must handle every format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum TensorFormat {
    /// Signed 8-bit codes.
    S8 = 1,
    /// Signed 16-bit codes.
    S16 = 2,
    /// Half precision.
    F16 = 3,
    /// Class indices.
    Labels = 4,
}

impl TensorFormat {
    /// Every format, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::S8, Self::S16, Self::F16, Self::Labels];

    /// The format in which a step of `precision` leaves its tensor.
    pub fn of(precision: Precision, step: Step) -> Self {
        match (precision, step) {
            (_, Step::LabelMap) => Self::Labels,
            (Precision::Fp16, _) => Self::F16,
            (Precision::Int8, Step::Fusion { .. } | Step::Increase { .. }) => Self::S8,
            _ => Self::S16,
        }
    }
}

impl TryFrom<u8> for TensorFormat {
    type Error = UnknownNumber;

    fn try_from(number: u8) -> Result<Self, UnknownNumber> {
        Self::ALL.into_iter().find(|&format| format as u8 == number).ok_or(UnknownNumber(number.into()))
    }
}

/// A number in a record that this build does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownNumber(pub u32);

sentences!(UnknownNumber {
    Self(number) => ("number {} is unknown to this build", number),
});

impl core::error::Error for UnknownNumber {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_lead_back() {
        for precision in Precision::ALL {
            assert_eq!(Precision::try_from(precision as u8), Ok(precision));
            assert_eq!(precision.name().parse(), Ok(precision));
        }
        assert_eq!(Precision::try_from(3), Err(UnknownPrecision));
        assert_eq!("int4".parse::<Precision>(), Err(UnknownPrecision));
        for format in TensorFormat::ALL {
            assert_eq!(TensorFormat::try_from(format as u8), Ok(format));
        }
        assert_eq!(TensorFormat::try_from(0), Err(UnknownNumber(0)));
    }
}
