//! Output of a command: one JSON document, a table, or files ([`crate::files`]).

use std::cell::RefCell;
use std::fmt;
use std::io::{self, Write};

use anyhow::{Context, Result};
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, Table};
use serde::Serialize;

pub use crate::files::{probe, probe_folder, write as write_file};

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Tables and sentences.
    Text,
    /// One JSON document on standard output and nothing else there.
    Json,
}

/// Nobody reads standard output any more, as of `hrvit … | head`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReaderGone;

impl fmt::Display for ReaderGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody reads standard output any more")
    }
}

impl std::error::Error for ReaderGone {}

thread_local! {
    /// Buffer for this thread's output instead of standard output.
    static CAPTURED: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Runs `work`; returns what it gave, and what it printed on standard output through this module.
pub fn captured<T>(work: impl FnOnce() -> T) -> (T, Vec<u8>) {
    let before = CAPTURED.replace(Some(Vec::new()));
    let done = work();
    (done, CAPTURED.replace(before).unwrap_or_default())
}

fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let taken = CAPTURED.take();
    if let Some(mut text) = taken {
        let written = write(&mut text);
        CAPTURED.set(Some(text));
        return written.context("writing to memory");
    }
    let mut stdout = io::stdout().lock();
    match write(&mut stdout).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(ReaderGone.into()),
        written => written.context("writing to standard output"),
    }
}

/// Prints one JSON document, indented, on standard output.
///
/// # Errors
/// If standard output cannot be written; [`ReaderGone`] if nobody reads it.
pub fn print_json(document: &impl Serialize) -> Result<()> {
    print(|stdout| {
        serde_json::to_writer_pretty(&mut *stdout, document).map_err(io::Error::from)?;
        writeln!(stdout)
    })
}

/// Prints text and a line end on standard output.
///
/// # Errors
/// As [`print_json`].
pub fn print_text(text: impl fmt::Display) -> Result<()> {
    print(|stdout| writeln!(stdout, "{text}"))
}

/// One JSON array on standard output, element by element.
#[derive(Debug, Default)]
pub struct JsonList {
    begun: bool,
}

impl JsonList {
    /// Prints one more element.
    ///
    /// # Errors
    /// As [`print_json`].
    pub fn push(&mut self, element: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string_pretty(element)?.replace('\n', "\n  ");
        let before = if std::mem::replace(&mut self.begun, true) { "," } else { "[" };
        print(|stdout| write!(stdout, "{before}\n  {text}"))
    }

    /// Ends the array.
    ///
    /// # Errors
    /// As [`print_json`].
    pub fn finish(self) -> Result<()> {
        print_text(if self.begun { "\n]" } else { "[]" })
    }
}

/// A table with this header; every column but the first `left` ones is aligned to the right.
pub fn table(header: &[&str], left: usize) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(header.iter().map(Cell::new).collect::<Vec<_>>());
    for column in table.column_iter_mut().skip(left) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// `1234567` as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_captured_is_what_is_printed() {
        let (inner, outer) = captured(|| {
            print_text("before").unwrap();
            let ((), inner) = captured(|| print_json(&[1]).unwrap());
            print_text("after").unwrap();
            inner
        });
        assert_eq!((inner.as_slice(), outer.as_slice()), (&b"[\n  1\n]\n"[..], &b"before\nafter\n"[..]));
    }

    #[test]
    fn grouped_puts_commas_between_thousands_only() {
        assert_eq!([0, 999, 1000, 123_456, 1_234_567].map(grouped), ["0", "999", "1,000", "123,456", "1,234,567"]);
    }
}
