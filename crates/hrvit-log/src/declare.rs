//! One format string for every formatter and for the parser.

/// Declares a line: a struct whose fields stand, in order, where the text has `{}`.
///
/// `Display` and `defmt::Format` write that text, `FromStr` reads it. Types of the struct's
/// parameters are any that can be written, or read.
macro_rules! line {
    (
        $(#[$meta:meta])*
        $name:ident $(<$($text:ident),+>)? = $format:literal {
            $($(#[$field_meta:meta])* $field:ident: $type:ty,)+
        }
    ) => {
        $(#[$meta])*
        #[doc = concat!("\n\n```text\n", $format, "\n```")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
        pub struct $name $(<$($text),+>)? {
            $($(#[$field_meta])* pub $field: $type,)+
        }

        impl $(<$($text: core::fmt::Display),+>)? core::fmt::Display for $name $(<$($text),+>)? {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::write!(f, $format, $(self.$field),+)
            }
        }

        #[cfg(feature = "defmt")]
        impl $(<$($text: defmt::Format),+>)? defmt::Format for $name $(<$($text),+>)? {
            fn format(&self, f: defmt::Formatter<'_>) {
                defmt::write!(f, $format, $(self.$field),+)
            }
        }

        impl $(<$($text: $crate::Value),+>)? core::str::FromStr for $name $(<$($text),+>)? {
            type Err = $crate::LineError;

            fn from_str(line: &str) -> Result<Self, $crate::LineError> {
                let mut reader = $crate::reader::Reader::new($format, line);
                let read = Self { $($field: reader.value(stringify!($field))?),+ };
                reader.end()?;
                Ok(read)
            }
        }
    };
}

/// Writes `Display`, and with feature `defmt` also `defmt::Format`, of a value from the same format
/// strings.
macro_rules! texts {
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

pub(crate) use {line, texts};
