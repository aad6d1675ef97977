//! Line buffers: the last few rows of a map that is never whole.

use crate::error::Fault;

/// The most rows that an operator looks at (fusion: 9x9).
pub const MAX_WINDOW: usize = 9;

/// A ring of `rows` rows of `row_len` elements; row `y` of the map lives in slot `y % rows`.
pub struct Ring<'a, T> {
    data: &'a mut [T],
    row_len: usize,
    /// The row that is to be made next; rows before it, as many as the ring holds, are there.
    next: usize,
}

impl<'a, T> Ring<'a, T> {
    /// A ring over `data`, empty; row `first` is to be made first.
    pub fn new(data: &'a mut [T], row_len: usize, first: usize) -> Self {
        Self { data, row_len, next: first }
    }

    fn slot(&self, y: usize) -> usize {
        let rows = self.data.len().checked_div(self.row_len).unwrap_or(0);
        y.checked_rem(rows).unwrap_or(0) * self.row_len
    }

    /// Number of the next row to make, if it is not past `last`.
    pub fn peek_up_to(&self, last: usize) -> Option<usize> {
        (self.next <= last).then_some(self.next)
    }

    /// The next row to make, if it is not past `last`, with its number.
    pub fn next_up_to(&mut self, last: usize) -> Option<(usize, &mut [T])> {
        let y = self.next;
        if y > last {
            return None;
        }
        self.next += 1;
        let slot = self.slot(y);
        Some((y, self.data.get_mut(slot..)?.get_mut(..self.row_len)?))
    }

    /// Row `y`, which must have been made and not yet been overwritten.
    pub fn row(&self, y: usize) -> Result<&[T], Fault> {
        self.data.get(self.slot(y)..).and_then(|rest| rest.get(..self.row_len)).ok_or(Fault)
    }

    /// Rows `y - kernel / 2 ..= y + kernel / 2` of a map with `rows` rows; `None` outside the map. Only the first `kernel` entries count.
    pub fn window(&self, y: usize, kernel: usize, rows: usize) -> Result<[Option<&[T]>; MAX_WINDOW], Fault> {
        let mut window = [None; MAX_WINDOW];
        for (tap, entry) in window.iter_mut().enumerate().take(kernel) {
            if let Some(at) = (y + tap).checked_sub(kernel / 2).filter(|&at| at < rows) {
                *entry = Some(self.row(at)?);
            }
        }
        Ok(window)
    }
}
