//! One text for every formatter.

/// Writes `Display`, and with feature `defmt` of the crate that uses it also `defmt::Format`, of a
/// type from the same format strings. Arguments are named by position: `defmt` knows no other way.
#[doc(hidden)]
#[macro_export]
macro_rules! sentences {
    ($type:ident $(<$($parameter:ident),*>)? { $($pattern:pat => ($text:literal $(, $argument:expr)*)),* $(,)? }) => {
        impl $(<$($parameter: core::fmt::Display),*>)? core::fmt::Display for $type $(<$($parameter),*>)? {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self { $($pattern => core::write!(f, $text $(, $argument)*)),* }
            }
        }

        #[cfg(feature = "defmt")]
        impl $(<$($parameter: defmt::Format),*>)? defmt::Format for $type $(<$($parameter),*>)? {
            fn format(&self, f: defmt::Formatter<'_>) {
                match self { $($pattern => defmt::write!(f, $text $(, $argument)*)),* }
            }
        }
    };
}

pub(crate) use sentences;
