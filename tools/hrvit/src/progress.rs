//! Progress bars on standard error; invisible where that is no terminal.

use indicatif::{ProgressBar, ProgressStyle};

use crate::quantize::Progress;

/// A bar over `count` frames.
pub fn frames(count: usize, task: &'static str) -> ProgressBar {
    bar(count as u64).with_message(task)
}

fn bar(length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length);
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}") {
        bar.set_style(style);
    }
    bar
}

/// One bar that shows the quantiser's tasks one after another and disappears in the end.
pub struct Tasks(ProgressBar);

impl Tasks {
    /// Shows nothing yet.
    pub fn new() -> Self {
        Self(bar(0))
    }
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress for Tasks {
    fn begin(&self, task: &str, total: usize) {
        self.0.set_message(task.to_owned());
        self.0.set_length(total as u64);
        self.0.reset();
    }

    fn advance(&self, count: usize) {
        self.0.inc(count as u64);
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
