//! Progress bars on standard error; invisible where that is no terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over `count` frames.
pub fn frames(count: usize, task: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(count as u64);
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}") {
        bar.set_style(style);
    }
    bar.with_message(task)
}
