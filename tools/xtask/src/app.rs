//! The example application, a package outside the workspace like a user's. It must build, run and
//! print the classes that it sees.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::command;
use crate::firmware::build::{Plan, target_folder};
use crate::hrvit::{Hrvit, path_text};

/// Its manifest.
const MANIFEST: &str = "examples/app/Cargo.toml";
/// Frames that it is shown.
const FRAMES: usize = 2;

/// Builds and runs it on the bundled model and frames. Returns what its output lacks.
///
/// # Errors
/// If it does not build, or ends with an error.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let image = Hrvit::build(root)?.model(&Plan::default(), "rows")?;
    let folder = root.join("data/val/images");
    let mut frames = std::fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?.collect::<Result<Vec<_>, _>>()?;
    frames.sort_by_key(std::fs::DirEntry::path);
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root).args(["run", "--release", "--locked", "--quiet", "--manifest-path", MANIFEST]);
    cargo.arg("--target-dir").arg(target_folder(root).join("app")).args(["--", path_text(&image)?]);
    let printed = command::succeed(cargo.args(frames.iter().take(FRAMES).map(std::fs::DirEntry::path)))?;
    Ok(complaints(&printed))
}

/// Missing parts of what the application `printed`: a mean margin above 0 for each frame, areas of
/// classes that add up to each frame.
fn complaints(printed: &str) -> Vec<String> {
    let number = |words: &str| words.split_whitespace().next().and_then(|word| word.parse::<f64>().ok());
    let margins = printed.lines().filter_map(|line| number(line.split_once("mean margin ")?.1)).filter(|margin| *margin > 0.0).count();
    let areas: f64 = printed.lines().filter_map(|line| number(line.trim_start().strip_prefix("class ")?.trim_start().split_once(' ')?.1)).sum();
    let mut complaints = Vec::new();
    if margins != FRAMES {
        complaints.push(format!("{MANIFEST}: {margins} frames with a mean margin above 0, expected {FRAMES}:\n{printed}"));
    }
    if (areas - 100.0 * FRAMES as f64).abs() > FRAMES as f64 {
        complaints.push(format!("{MANIFEST}: areas of classes add up to {areas:.1} %, expected {} %:\n{printed}", 100 * FRAMES));
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_and_a_margin_of_every_frame_are_enough() {
        let frame = "a.jpg: mean margin 3.66 logits\n  class  0  40.0 %\n  class 10  60.0 %\n";
        assert!(complaints(&frame.repeat(FRAMES)).is_empty());
        assert_eq!(complaints(frame).len(), 2);
        assert_eq!(complaints(&frame.replace("3.66", "0.00").repeat(FRAMES)).len(), 1);
        assert_eq!(complaints(&frame.replace("60.0", "30.0").repeat(FRAMES)).len(), 1);
    }
}
