//! Reads a line by the format string that writes it.

use core::fmt;

use crate::Value;

/// Why a text is not the line that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineError {
    /// The field at which reading ended.
    pub field: &'static str,
    /// The fault there.
    pub problem: Problem,
    /// The line's format, with `{}` for each value.
    pub expected: &'static str,
}

/// Fault of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The line has something else where the field should begin, or ends before it.
    Missing,
    /// The value's closing quote is missing.
    Unclosed,
    /// The value is not what this names.
    Value(&'static str),
    /// More follows after the last field.
    Trailing,
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, problem, expected } = self;
        match problem {
            Problem::Missing => write!(f, "{field}= is missing")?,
            Problem::Unclosed => write!(f, "the quote of {field} does not end")?,
            Problem::Value(what) => write!(f, "{field} is not {what}")?,
            Problem::Trailing => write!(f, "something follows after {field}")?,
        }
        write!(f, ": expected `{expected}`")
    }
}

impl core::error::Error for LineError {}

/// The rest of a line, and of the format that it is read by.
pub(crate) struct Reader<'l> {
    format: &'static str,
    ahead: &'static str,
    rest: &'l str,
    field: &'static str,
}

impl<'l> Reader<'l> {
    pub(crate) fn new(format: &'static str, line: &'l str) -> Self {
        Self { format, ahead: format, rest: line.trim(), field: "" }
    }

    /// The value of the next `{}`. It ends where the character stands that follows in the format.
    pub(crate) fn value<T: Value>(&mut self, field: &'static str) -> Result<T, LineError> {
        self.field = field;
        let (before, after) = self.ahead.split_once("{}").ok_or_else(|| self.error(Problem::Missing))?;
        let rest = self.rest.strip_prefix(before).ok_or_else(|| self.error(Problem::Missing))?;
        let end = match after.chars().next() {
            Some('"') => rest.find('"').ok_or_else(|| self.error(Problem::Unclosed))?,
            Some(stop) => rest.find(stop).unwrap_or(rest.len()),
            None => rest.len(),
        };
        let (value, rest) = rest.split_at(end);
        (self.ahead, self.rest) = (after, rest);
        value.parse().map_err(|_| self.error(Problem::Value(T::WHAT)))
    }

    /// Nothing more follows.
    pub(crate) fn end(&self) -> Result<(), LineError> {
        if self.rest == self.ahead { Ok(()) } else { Err(self.error(Problem::Trailing)) }
    }

    fn error(&self, problem: Problem) -> LineError {
        LineError { field: self.field, problem, expected: self.format }
    }
}
