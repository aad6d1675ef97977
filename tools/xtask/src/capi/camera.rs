//! A camera's frame from C and C++: labels as `hrvit run --raw` has them.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::programs::{Language, compile, labels_crc};
use super::table::Host;
use crate::firmware::build::{Plan, target_folder};
use crate::frames;

/// Columns and rows of the frame: no side is a multiple of the network's.
const SIZE: (usize, usize) = (642, 478);

/// Runs the examples; returns whose labels are others.
///
/// # Errors
/// If one does not compile or fails.
pub fn check(root: &Path, host: &Host) -> Result<Vec<String>> {
    let image = host.hrvit.model(&Plan::default(), "rows")?;
    let (raw, expected) = frames::shaded(root, &host.hrvit, &image, SIZE)?;
    let (width, height) = (SIZE.0.to_string(), SIZE.1.to_string());
    let mut complaints = Vec::new();
    for (language, source) in [(Language::C, "examples/c/camera.c"), (Language::Cpp, "examples/cpp/camera.cpp")] {
        let program = target_folder(root).join("capi/host").join(format!("camera-{}", language.name().replace("++", "pp")));
        let program = compile(root, language, "", source, &host.archive, &[], program)?;
        let (_, found) = labels_crc(Command::new(program).arg(&image).arg(&raw).args([&width, &height]))?;
        println!("{}: labels of a camera's frame {found:08x}, of the command {expected}", language.name());
        if found != expected.0 {
            complaints.push(format!("{}: a camera's frame has the labels {found:08x}, expected {expected}", language.name()));
        }
    }
    Ok(complaints)
}
