//! Progress bars on standard error; invisible where that is no terminal.

use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressStyle};

use crate::quantize::Progress;

/// A bar over `count` frames.
pub fn frames(count: usize, task: &'static str) -> ProgressBar {
    bar(count as u64, "{msg} {wide_bar} {pos}/{len} {eta}").with_message(task)
}

/// A count of frames whose number nobody knows.
pub fn stream(task: &'static str) -> ProgressBar {
    let bar = ProgressBar::no_length();
    if let Ok(style) = ProgressStyle::with_template("{msg} {spinner} {pos} frames, {per_sec}") {
        bar.set_style(style);
    }
    bar.with_message(task)
}

fn bar(length: u64, template: &str) -> ProgressBar {
    let bar = ProgressBar::new(length);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// One bar that shows the quantiser's tasks one after another and disappears in the end.
pub struct Tasks {
    bar: ProgressBar,
    task: Mutex<String>,
}

impl Tasks {
    /// Shows nothing yet.
    pub fn new() -> Self {
        Self { bar: bar(0, "{msg} {wide_bar} {percent}% {eta} left"), task: Mutex::default() }
    }
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress for Tasks {
    fn begin(&self, task: &str, total: usize) {
        task.clone_into(&mut self.task.lock().unwrap_or_else(PoisonError::into_inner));
        self.bar.set_message(task.to_owned());
        self.bar.set_length(total as u64);
        self.bar.reset();
    }

    fn at(&self, part: &str) {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        self.bar.set_message(format!("{task} {part}"));
    }

    fn advance(&self, count: usize) {
        self.bar.inc(count as u64);
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
