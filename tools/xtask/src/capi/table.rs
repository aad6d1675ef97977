//! One frame from every language on every processor.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use comfy_table::Table;

use super::library::{Build, hide};
use super::places::{AARCH64, AARCH64_ROOT, AARCH64_TOOLS, Host, PROCESSORS, emulated};
use super::programs::{Language, compile, labels_crc};
use super::{Row, camera, device, jni, python, stack};
use crate::firmware::build::{Plan, Precision, target_folder};
use crate::isa::LINUX;
use crate::parity;

/// The golden frame's name in the table.
const GOLDEN: &str = "golden";
/// Kernels of this machine, if it has them, and how they read weights.
const KERNELS_HERE: [(&str, &str); 4] = [("scalar", "rows"), ("avx2", "k4"), ("avx_vnni", "k4"), ("avx512", "k4")];

/// A program under Valgrind, for which an error is a failure.
pub fn valgrind(program: &Path) -> Command {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--quiet", "--error-exitcode=99", "--leak-check=full"]).arg(program);
    valgrind
}

/// Results of the frames.
#[derive(Default)]
pub struct Seen {
    /// Programs that ran them.
    pub rows: Vec<Row>,
    /// Faults.
    pub complaints: Vec<String>,
    /// Languages that this machine does not have, with the reason.
    pub skipped: Vec<String>,
}

/// Runs the golden frame of the nano network, and one of a camera, everywhere.
///
/// # Errors
/// If something does not build, or a program fails.
pub fn rows(root: &Path, host: &Host, under_valgrind: bool) -> Result<Seen> {
    let model = |layout: &str| host.hrvit.model(&Plan::default(), layout);
    let (folder, rows_model) = (target_folder(root).join("capi"), model("rows")?);
    let mut rows = Vec::new();
    let mut add = |language: &'static str, place: &str, kernels: String, labels_crc: u32| {
        eprintln!("{language} on {place}: {labels_crc:08x}");
        rows.push(Row { language, frame: GOLDEN, place: place.to_owned(), kernels, labels_crc });
    };
    let (kernels, crc) = parity::golden_result(&host.hrvit, &mut Command::new(parity::golden(root, None)?), "host", &rows_model)?;
    add("Rust", "x86-64", kernels, crc);
    let rust = parity::golden(root, Some(LINUX))?;
    for (processor, layout) in PROCESSORS {
        let (kernels, crc) = parity::golden_result(&host.hrvit, emulated(processor).arg(&rust), processor, &model(layout)?)?;
        add("Rust", processor, kernels, crc);
    }

    let here = if cfg!(target_arch = "x86_64") { "x86-64" } else { "host" };
    for language in [Language::C, Language::Cpp] {
        let rpath = format!("-Wl,-rpath,{}", target_folder(root).join("release").display());
        for (library, options, linked) in [(&host.archive, vec![], "static"), (&host.shared, vec![rpath.as_str()], "shared")] {
            let program = folder.join("host").join(format!("segment-{}-{linked}", language.name().replace("++", "pp")));
            let program = compile(root, language, "", language.example(), library, &options, program)?;
            let (printed, crc) = labels_crc(Command::new(&program).arg(&rows_model))?;
            let (_, of_two) = labels_crc(Command::new(&program).arg(&rows_model).arg("2"))?;
            add(language.name(), &format!("{here}, {linked}"), kernels_in(&printed), crc);
            add(language.name(), &format!("{here}, {linked}, 2 workers"), kernels_in(&printed), of_two);
            if under_valgrind && linked == "static" {
                let (_, crc) = labels_crc(valgrind(&program).arg(&rows_model))?;
                add(language.name(), &format!("{here}, Valgrind"), kernels_in(&printed), crc);
            }
        }
    }

    let (mut skipped, mut in_python) = (Vec::new(), true);
    match jni::kit() {
        Err(reason) => skipped.push(reason),
        Ok(kit) => {
            let (printed, crc) = jni::run(root, &kit, &host.archive, &rows_model)?;
            add("Java", &format!("{here}, JNI"), kernels_in(&printed), crc);
        }
    }
    match python::run(root, &target_folder(root).join("release/hrvit"), &rows_model)? {
        Err(reason) => {
            skipped.push(reason);
            in_python = false;
        }
        Ok((printed, crc)) => add("Python", &format!("{here}, wheel"), kernels_in(&printed), crc),
    }

    let mut complaints = Vec::new();
    let program = compile(root, Language::C, "", stack::SOURCE, &host.archive, &[], folder.join("host/stack"))?;
    for precision in [Precision::Int8, Precision::Int16x8, Precision::Fp16] {
        for (kernels, layout) in KERNELS_HERE {
            let model = host.hrvit.model(&Plan { precision, ..Plan::default() }, layout)?;
            complaints.extend(stack::measure(here, &mut Command::new(&program), &model, Some(kernels))?);
        }
    }

    // The kernels on 8 bits alone: this frame needs no others.
    let build = Build { target: AARCH64, cpu: None, profile: "release", features: &["std"], tools: AARCH64_TOOLS };
    let archive = hide(root, &build, &build.raw(root)?, &folder.join("aarch64"))?;
    for language in [Language::C, Language::Cpp] {
        let program = folder.join("aarch64").join(format!("segment-{}", language.name().replace("++", "pp")));
        let program = compile(root, language, AARCH64_TOOLS, language.example(), &archive, &[], program)?;
        for (processor, layout) in PROCESSORS {
            let (printed, crc) = labels_crc(emulated(processor).args(["-L", AARCH64_ROOT]).arg(&program).arg(model(layout)?))?;
            add(language.name(), processor, kernels_in(&printed), crc);
        }
    }
    let program = compile(root, Language::C, AARCH64_TOOLS, stack::SOURCE, &archive, &[], folder.join("aarch64/stack"))?;
    for (processor, layout) in PROCESSORS {
        complaints.extend(stack::measure(processor, emulated(processor).args(["-L", AARCH64_ROOT]).arg(&program), &model(layout)?, None)?);
    }
    let (crc, of_device) = device::run(root, &folder.join("m55"), &rows_model)?;
    add("C", "Cortex-M55, no operating system", "mve".to_owned(), crc);
    rows.extend(camera::rows(root, host, &archive, in_python)?);
    complaints.extend(of_device);
    Ok(Seen { rows, complaints, skipped })
}

/// The instruction set in what an example printed.
fn kernels_in(printed: &str) -> String {
    printed.lines().find_map(|line| Some(line.split_once(" kernels,")?.0.to_owned())).unwrap_or_default()
}

/// The table.
pub fn drawn(rows: &[Row]) -> Table {
    let mut table = crate::tables::table(&["frame", "from", "on", "kernels", "CRC of the labels"]);
    for Row { language, frame, place, kernels, labels_crc } in rows {
        table.add_row([*frame, language, place.as_str(), kernels.as_str(), &format!("{labels_crc:08x}")]);
    }
    table
}

/// Rows that are not as the first one of their frame.
pub fn differences(rows: &[Row]) -> Vec<String> {
    if rows.is_empty() {
        return vec!["no program ran".to_owned()];
    }
    let name = |row: &Row| format!("{} on {}", row.language, row.place);
    let differ = rows.iter().filter_map(|row| {
        let first = rows.iter().find(|first| first.frame == row.frame).filter(|first| first.labels_crc != row.labels_crc)?;
        Some(format!("{} has the labels {:08x}, {} has {:08x}", name(row), row.labels_crc, name(first), first.labels_crc))
    });
    differ.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_with_another_crc_is_named() {
        let of = |frame, place: &str, labels_crc| Row { language: "C", frame, place: place.to_owned(), kernels: String::new(), labels_crc };
        let row = |place, labels_crc| of(GOLDEN, place, labels_crc);
        assert_eq!(differences(&[row("here", 1), row("there", 1), of("another", "here", 2)]), [] as [String; 0]);
        assert_eq!(differences(&[row("here", 1), row("there", 2)]), ["C on there has the labels 00000002, C on here has 00000001"]);
        assert_eq!(differences(&[]).len(), 1);
    }
}
