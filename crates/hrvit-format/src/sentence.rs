//! One text for every formatter.

/// Writes `Display`, and with feature `defmt` also `defmt::Format`, of a type from the same format strings. Arguments are named by position: `defmt` knows no
/// other way.
macro_rules! sentences {
    ($type:ident { $($pattern:pat => ($text:literal $(, $argument:expr)*)),* $(,)? }) => {
        impl core::fmt::Display for $type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match *self { $($pattern => core::write!(f, $text $(, $argument)*)),* }
            }
        }

        #[cfg(feature = "defmt")]
        impl defmt::Format for $type {
            fn format(&self, f: defmt::Formatter<'_>) {
                match *self { $($pattern => defmt::write!(f, $text $(, $argument)*)),* }
            }
        }
    };
}

pub(crate) use sentences;
