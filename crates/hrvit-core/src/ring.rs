//! Line buffers: the last few rows of a map that is never whole.

use core::ops::Range;

use crate::{fault::Fault, slices::Slices};

/// The most rows that an operator looks at (fusion: 9x9).
pub const MAX_WINDOW: usize = 9;

/// Number of rows of a ring for a map with `rows` rows. The reader makes tiles of `tile` rows and
/// looks at `reach` rows on each side. The ring holds whole tiles, so that a batch of new rows is
/// one run of memory.
pub fn rows_for(tile: usize, reach: usize, rows: usize) -> usize {
    (tile + 2 * reach).next_multiple_of(tile.max(1)).min(rows)
}

/// How the rows of a ring are made.
#[derive(Clone, Copy)]
pub struct Batches {
    /// The row that is made first.
    pub first: usize,
    /// The most rows of a batch.
    pub rows: usize,
    /// The row from which on all batches are full, if the ring holds a multiple of `rows`.
    pub origin: usize,
}

/// A ring of rows of `row_len` elements, made in batches.
pub struct Ring<'a, T> {
    data: &'a mut [T],
    row_len: usize,
    /// The most rows of a batch.
    batch: usize,
    /// The row that lies at the beginning of the memory.
    origin: usize,
    /// The row to be made next. The ring holds as many rows before it as it has places.
    next: usize,
}

impl<'a, T> Ring<'a, T> {
    /// An empty ring over `data`. Row `first` is made first, and every row is a batch of its own.
    pub fn new(data: &'a mut [T], row_len: usize, first: usize) -> Self {
        Self::batched(data, row_len, Batches { first, rows: 1, origin: first })
    }

    /// An empty ring over `data` that is filled in `batches`.
    pub fn batched(data: &'a mut [T], row_len: usize, Batches { first, rows, origin }: Batches) -> Self {
        Self { data, row_len, batch: rows, origin, next: first }
    }

    /// Index of the place of row `y`, and the number of places from it to the end of the memory.
    #[inline(never)] // called for every row, from many places
    fn place(&self, y: usize) -> (usize, usize) {
        let rows = self.data.len().checked_div(self.row_len).unwrap_or(0);
        let place = match y.checked_sub(self.origin) {
            Some(after) => after.checked_rem(rows).unwrap_or(0),
            None => (self.origin - y).checked_rem(rows).filter(|&before| before > 0).map_or(0, |before| rows - before),
        };
        (place, rows - place)
    }

    /// The next row to make, if it is not past `last`.
    pub fn peek_up_to(&self, last: usize) -> Option<usize> {
        (self.next <= last).then_some(self.next)
    }

    /// The next batch of rows to make, up to `last`: the first row and the memory of all of them.
    pub fn next_up_to(&mut self, last: usize) -> Option<(usize, &mut [T])> {
        let first = self.next;
        let (place, to_end) = self.place(first);
        let rows = (last + 1).saturating_sub(first).min(self.batch).min(to_end);
        if rows == 0 {
            return None;
        }
        self.next += rows;
        Some((first, self.data.get_mut(place * self.row_len..(place + rows) * self.row_len)?))
    }

    /// Row `y`, which must have been made and not yet been overwritten.
    pub fn row(&self, y: usize) -> Result<&[T], Fault> {
        self.data.row(self.place(y).0, self.row_len)
    }

    /// Rows `rows`, which must have been made and not yet been overwritten. `None` unless they lie
    /// in one run of memory.
    pub fn run(&self, rows: Range<usize>) -> Option<&[T]> {
        let (place, to_end) = self.place(rows.start);
        let len = (rows.len() <= to_end).then_some(rows.len() * self.row_len)?;
        self.data.get(place * self.row_len..)?.get(..len)
    }

    /// Rows `y - kernel / 2 ..= y + kernel / 2` of a map with `rows` rows; `None` outside the map.
    /// Only the first `kernel` entries count.
    pub fn window(&self, y: usize, kernel: usize, rows: usize) -> Result<[Option<&[T]>; MAX_WINDOW], Fault> {
        self.window_from(y, kernel / 2, kernel, rows)
    }

    /// `count` rows from `y - before` on.
    pub fn window_from(&self, y: usize, before: usize, count: usize, rows: usize) -> Result<[Option<&[T]>; MAX_WINDOW], Fault> {
        let mut window = [None; MAX_WINDOW];
        for (tap, entry) in window.iter_mut().enumerate().take(count) {
            if let Some(at) = (y + tap).checked_sub(before).filter(|&at| at < rows) {
                *entry = Some(self.row(at)?);
            }
        }
        Ok(window)
    }
}
