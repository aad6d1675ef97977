//! A camera's frame from every language: labels as `hrvit run --raw` has them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::places::{AARCH64_ROOT, AARCH64_TOOLS, Host, PROCESSORS, emulated};
use super::programs::{Language, compile, labels_crc};
use super::{Row, python};
use crate::firmware::build::{Plan, target_folder};
use crate::frames;

/// The frame's name in the table.
pub const FRAME: &str = "NV12, 642x478";
/// Columns and rows of the frame: no side is a multiple of the network's.
const SIZE: (usize, usize) = (642, 478);

fn source(language: Language) -> &'static str {
    match language {
        Language::C => "examples/c/camera.c",
        Language::Cpp => "examples/cpp/camera.cpp",
    }
}

/// Runs the frame here and on emulated processors, against the libraries of both; with `in_python`
/// also by the wheel, which is installed then.
///
/// # Errors
/// If a program does not compile or fails.
pub fn rows(root: &Path, host: &Host, aarch64: &Path, in_python: bool) -> Result<Vec<Row>> {
    let image = |layout: &str| host.hrvit.model(&Plan::default(), layout);
    let rows_image = image("rows")?;
    let (raw, expected) = frames::shaded(root, &host.hrvit, &rows_image, SIZE)?;
    let (width, height) = (SIZE.0.to_string(), SIZE.1.to_string());
    let row = |language, place: &str, labels_crc| Row { language, frame: FRAME, place: place.to_owned(), kernels: String::new(), labels_crc };
    let run = |mut program: Command, image: &PathBuf| Ok::<u32, anyhow::Error>(labels_crc(program.arg(image).arg(&raw).args([&width, &height]))?.1);
    let mut all = vec![row("Rust", "the command", expected.0)];
    for language in [Language::C, Language::Cpp] {
        let program = |place: &str| target_folder(root).join("capi").join(place).join(format!("camera-{}", language.name().replace("++", "pp")));
        let here = compile(root, language, "", source(language), &host.archive, &[], program("host"))?;
        all.push(row(language.name(), "this machine", run(Command::new(here), &rows_image)?));
        let there = compile(root, language, AARCH64_TOOLS, source(language), aarch64, &[], program("aarch64"))?;
        for (processor, layout) in PROCESSORS {
            let mut emulator = emulated(processor);
            emulator.args(["-L", AARCH64_ROOT]).arg(&there);
            all.push(row(language.name(), processor, run(emulator, &image(layout)?)?));
        }
    }
    if in_python {
        let mut python = Command::new(python::program(root, "python"));
        python.current_dir(root).arg("examples/python/camera.py");
        all.push(row("Python", "this machine, wheel", run(python, &rows_image).context("the wheel's example")?));
    }
    Ok(all)
}
