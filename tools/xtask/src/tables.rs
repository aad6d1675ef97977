//! Tables and numbers as text.

use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};

/// A table whose columns but the first are aligned to the right.
pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// `1234567` as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let from_end = |at: usize| digits.len() - at;
    digits.char_indices().flat_map(|(at, digit)| (at > 0 && from_end(at).is_multiple_of(3)).then_some(',').into_iter().chain([digit])).collect()
}
