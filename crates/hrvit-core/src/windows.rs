//! Windows of a model's size over larger frames.
//!
//! [`SlidingWindows`] follow each other at a stride, overlap and cover every pixel. A caller with
//! memory for logits takes the mean of all windows on a pixel. [`CoreWindows`] need no logits: each
//! pixel belongs to the core of one window. Labels of the halo around a core are computed and
//! thrown away.
//!
//! ```
//! use hrvit_core::{Aligned, Arena, Engine, Model, NoObserver, Plan, Segmentation, Serial};
//! use hrvit_core::windows::CoreWindows;
//! # static IMAGE: &Aligned<[u8]> =
//! #     &Aligned(*include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tiny.hrvit")));
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let model = Model::load(&IMAGE.0)?;
//! # let plan = Plan::for_model(&model).build()?;
//! # let mut arena = Arena::<{ 128 << 10 }>::new();
//! # let mut engine = Engine::new(model, plan, Serial, &mut arena)?;
//! let size = engine.plan().size();
//! let (height, width) = (50, 100); // of the frame, as large as the model's input or larger
//! let (frame, mut labels) = (vec![128; 3 * height * width], vec![0xff; height * width]);
//! let mut own = vec![0; size.pixels()]; // labels of one window
//!
//! for window in CoreWindows::new(height, width, size, 8)? {
//!     let mut row = |y: usize, pixels: &mut [u8]| {
//!         let first = 3 * ((window.rect.y + y) * width + window.rect.x);
//!         pixels.copy_from_slice(&frame[first..][..pixels.len()]);
//!         Ok::<(), std::convert::Infallible>(())
//!     };
//!     engine.segment_rows(&mut row, Segmentation::new(&mut own), &NoObserver)?;
//!     for (from, to) in window.spans(width) {
//!         labels[to].copy_from_slice(&own[from]);
//!     }
//! }
//! assert!(labels.iter().all(|&label| label < 5));
//! # Ok(())
//! # }
//! ```

use core::ops::Range;

use hrvit_format::{Size, sentences};

/// A rectangle of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Rect {
    /// First row.
    pub y: usize,
    /// First column.
    pub x: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// A window and its core, in pixels of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Window {
    /// The part of the frame that the model sees.
    pub rect: Rect,
    /// The part of `rect` whose labels are kept.
    pub core: Rect,
}

impl Window {
    /// For every row of the core, the ranges of its pixels in the window's map and in the frame's
    /// map. The frame has `frame_width` columns.
    pub fn spans(&self, frame_width: usize) -> impl Iterator<Item = (Range<usize>, Range<usize>)> + use<> {
        let Self { rect, core } = *self;
        let span = move |y: usize, x: usize, width: usize| {
            let first = y.saturating_mul(width).saturating_add(x);
            first..first.saturating_add(core.width)
        };
        (core.y..core.y.saturating_add(core.height))
            .map(move |y| (span(y.saturating_sub(rect.y), core.x.saturating_sub(rect.x), rect.width), span(y, core.x, frame_width)))
    }
}

/// Why windows cannot cover a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WindowError {
    /// A side of the frame is shorter than the window's.
    SmallFrame {
        /// Pixels of the frame's side.
        frame: usize,
        /// Pixels of the window's side.
        window: usize,
    },
    /// The stride is 0, or longer than the window, which leaves gaps.
    Stride {
        /// The stride.
        stride: usize,
        /// Pixels of the window's side.
        window: usize,
    },
    /// Two halos are at least as long as the window's side, which leaves no core.
    Halo {
        /// The halo.
        halo: usize,
        /// Pixels of the window's side.
        window: usize,
    },
}

sentences!(WindowError {
    Self::SmallFrame { frame, window } => ("a side of {} pixels is shorter than the window's {}: enlarge the frame", frame, window),
    Self::Stride { stride, window } => ("a stride of {} pixels: expected 1 to {}, the window's side", stride, window),
    Self::Halo { halo, window } => ("a halo of {} pixels on both sides leaves nothing of a window of {}: choose less than half", halo, window),
});

impl core::error::Error for WindowError {}

/// Windows along one side: one every `step` pixels, the last one flush with the border.
#[derive(Clone, Copy, Debug)]
struct Axis {
    frame: usize,
    window: usize,
    step: usize,
    count: usize,
}

impl Axis {
    fn new(frame: usize, window: u16, step: impl FnOnce(usize) -> Result<usize, WindowError>) -> Result<Self, WindowError> {
        let window = usize::from(window);
        let rest = frame.checked_sub(window).ok_or(WindowError::SmallFrame { frame, window })?;
        let step = step(window)?;
        // At most `frame`: no window has 0 pixels, whose steps are refused.
        Ok(Self { frame, window, step, count: rest.div_ceil(step).saturating_add(1) })
    }

    /// Start of window `at`; steps end before `frame`, since no step is longer than the window.
    fn start(&self, at: usize) -> usize {
        at.saturating_mul(self.step).min(self.frame.saturating_sub(self.window))
    }

    /// The core of window `at`: all but its halos. At the frame's border the core reaches the
    /// border.
    fn core(&self, at: usize) -> Range<usize> {
        let halo = self.window.saturating_sub(self.step) / 2;
        let first = |at: usize| if at == 0 { 0 } else { at.saturating_mul(self.step).saturating_add(halo) };
        let next = at.saturating_add(1);
        first(at)..if next < self.count { first(next) } else { self.frame }
    }
}

/// Windows along both sides, row by row.
#[derive(Clone, Copy, Debug)]
struct Grid {
    rows: Axis,
    columns: Axis,
    /// Row and column of the next window.
    next: (usize, usize),
}

impl Grid {
    fn new(rows: Axis, columns: Axis) -> Self {
        Self { rows, columns, next: (0, 0) }
    }

    fn next(&mut self) -> Option<(usize, usize)> {
        let (row, column) = self.next;
        if row >= self.rows.count {
            return None;
        }
        let after = column.saturating_add(1);
        self.next = if after < self.columns.count { (row, after) } else { (row.saturating_add(1), 0) };
        Some((row, column))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let (row, column) = self.next;
        let left = self.rows.count.saturating_sub(row).checked_mul(self.columns.count).map(|all| all.saturating_sub(column));
        (left.unwrap_or(usize::MAX), left)
    }

    fn rect(&self, (row, column): (usize, usize)) -> Rect {
        Rect { y: self.rows.start(row), x: self.columns.start(column), height: self.rows.window, width: self.columns.window }
    }
}

/// Overlapping windows that cover a frame, row by row. A window starts every `stride` pixels, the
/// last of a row or column lies flush with the border.
///
/// Window `i` of a side of `n` pixels starts at `min(i * stride, n - window)`; there are
/// `ceil((n - window) / stride) + 1` of them.
#[derive(Clone, Debug)]
pub struct SlidingWindows(Grid);

impl SlidingWindows {
    /// Windows of size `window` over a frame of `height` x `width` pixels, with `stride` in (rows,
    /// columns).
    ///
    /// # Errors
    /// If the frame is smaller than the window in either axis, or a stride is 0 or longer than the
    /// window.
    pub fn new(height: usize, width: usize, window: Size, stride: (usize, usize)) -> Result<Self, WindowError> {
        let step = |stride: usize| move |window: usize| if (1..=window).contains(&stride) { Ok(stride) } else { Err(WindowError::Stride { stride, window }) };
        Ok(Self(Grid::new(Axis::new(height, window.height, step(stride.0))?, Axis::new(width, window.width, step(stride.1))?)))
    }

    /// Rows and columns of windows.
    pub fn grid(&self) -> (usize, usize) {
        (self.0.rows.count, self.0.columns.count)
    }
}

impl Iterator for SlidingWindows {
    type Item = Rect;

    fn next(&mut self) -> Option<Rect> {
        let at = self.0.next()?;
        Some(self.0.rect(at))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

/// Windows whose cores tile a frame exactly, row by row.
///
/// Every pixel of a core lies `halo` pixels or more inside its window, except at the frame's own
/// border. A window starts every `window - 2 * halo` pixels, the last of a row or column lies flush
/// with the border.
#[derive(Clone, Debug)]
pub struct CoreWindows(Grid);

impl CoreWindows {
    /// Windows of size `window` over a frame of `height` x `width` pixels, with `halo` pixels
    /// around each core.
    ///
    /// # Errors
    /// If the frame is smaller than the window in either axis, or two halos are as long as a side
    /// of the window.
    pub fn new(height: usize, width: usize, window: Size, halo: usize) -> Result<Self, WindowError> {
        let step = |window: usize| match window.checked_sub(halo.saturating_mul(2)) {
            None | Some(0) => Err(WindowError::Halo { halo, window }),
            Some(step) => Ok(step),
        };
        Ok(Self(Grid::new(Axis::new(height, window.height, step)?, Axis::new(width, window.width, step)?)))
    }

    /// Rows and columns of windows.
    pub fn grid(&self) -> (usize, usize) {
        (self.0.rows.count, self.0.columns.count)
    }
}

impl Iterator for CoreWindows {
    type Item = Window;

    fn next(&mut self) -> Option<Window> {
        let at = self.0.next()?;
        let (rows, columns) = (self.0.rows.core(at.0), self.0.columns.core(at.1));
        Some(Window { rect: self.0.rect(at), core: Rect { y: rows.start, x: columns.start, height: rows.len(), width: columns.len() } })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

#[cfg(test)]
mod tests;
