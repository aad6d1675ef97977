//! An error that cannot happen.

use core::fmt;

/// An error that cannot happen. It is [`core::convert::Infallible`] with a `defmt::Format` that has
/// no path to a panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Never {}

impl fmt::Display for Never {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Never {
    fn format(&self, _: defmt::Formatter<'_>) {
        match *self {}
    }
}

impl core::error::Error for Never {}
