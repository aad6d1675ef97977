//! The C firmware. It is built for the emulated Cortex-M55 without any Rust source of its own,
//! searched for calls of a panic or a heap, and run.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::library::{Build, M55, hide};
use super::programs::{crc_in, value};
use crate::firmware::elf::Elf;
use crate::firmware::panics::ways;
use crate::firmware::sizes::Sizes;
use crate::machines::machine;
use crate::tables::grouped;
use crate::{command, qemu};

/// Folder of the sources and the Makefile.
const FOLDER: &str = "examples/c-firmware";

/// The most bytes of stack that opening an engine, and a frame, may take through the C interface.
const STACK_BOUND: u64 = 10 << 10;

/// Beginnings of names that only a heap has.
const HEAP: [&str; 10] = ["malloc", "free", "calloc", "realloc", "_malloc", "_free", "_sbrk", "sbrk", "__rust_alloc", "__rg_"];

/// Builds the firmware against a library in `folder`/lib; returns the linked program.
///
/// # Errors
/// If it does not compile or link.
fn link(root: &Path, folder: &Path) -> Result<PathBuf> {
    let include = folder.join("include");
    std::fs::create_dir_all(&include).with_context(|| format!("making {}", include.display()))?;
    let header = include.join("hrvit.h");
    std::fs::copy(root.join(super::header::HEADER), &header).with_context(|| format!("writing {}", header.display()))?;
    link_in(root, folder, folder, &[])
}

/// Builds the firmware against an archive's files, into the folder `build`, with the compiler's
/// options `flags` for the processor.
///
/// # Errors
/// If it does not compile or link.
pub fn link_in(root: &Path, folder: &Path, build: &Path, flags: &[&str]) -> Result<PathBuf> {
    let mut make = Command::new("make");
    make.current_dir(root.join(FOLDER)).arg("--always-make").arg("--silent");
    make.arg(format!("HRVIT={}", folder.display())).arg(format!("BUILD={}", build.display()));
    if !flags.is_empty() {
        make.arg(format!("MACHINE={}", flags.join(" ")));
    }
    command::succeed(&mut make)?;
    Ok(build.join("segment.elf"))
}

/// Ways from the library to a panic, or to a heap, in a linked program; prints its memory.
///
/// # Errors
/// If the ELF cannot be read.
pub fn search(name: &str, program: &Path) -> Result<Vec<String>> {
    let elf = Elf::read(program)?;
    let sizes = Sizes::of(&elf);
    let ways = ways(&elf);
    println!(
        "{name}: {} bytes of code and constants, {} of them the library's; {} of RAM; {} ways to a panic",
        grouped(sizes.text),
        grouped(sizes.runtime()),
        grouped(sizes.data + sizes.bss),
        ways.len()
    );
    let mut complaints: Vec<String> = ways.iter().map(|way| format!("{name}: {} reaches {}", way.from, way.through.join(" -> "))).collect();
    let heap = elf.symbols.iter().filter(|symbol| HEAP.iter().any(|heap| symbol.name == *heap || (heap.ends_with('_') && symbol.name.starts_with(heap))));
    complaints.extend(heap.map(|symbol| format!("{name}: {} is linked in, which only a heap needs", symbol.name)));
    Ok(complaints)
}

/// The label map's CRC from the C firmware on the emulated machine, and what is wrong with the
/// program.
///
/// # Errors
/// If it does not build, run or say the CRC.
pub fn run(root: &Path, folder: &Path, model: &Path) -> Result<(u32, Vec<String>)> {
    let build: Build = M55;
    hide(root, &build, &build.raw(root)?, &folder.join("lib"))?;
    let elf = link(root, folder)?;
    let mut complaints = search("C on Cortex-M55", &elf)?;
    let machine = machine("m55").context("the machine m55")?;
    let ended = qemu::emulate(root, machine, &elf, &[(machine.image_at, model)], false)?;
    let printed = std::fs::read_to_string(&ended.log).with_context(|| format!("reading {}", ended.log.display()))?;
    if ended.code != 0 {
        complaints.push(format!("C on Cortex-M55 ended with code {}: {}", ended.code, printed.trim_end()));
    }
    for what in ["open_stack", "stack"] {
        match value(&printed, what).and_then(|number| number.parse::<u64>().ok()) {
            Some(bytes) if bytes <= STACK_BOUND && bytes > 0 => println!("C on Cortex-M55: {what} of {} bytes", grouped(bytes)),
            found => complaints.push(format!("C on Cortex-M55: {what} is {found:?}, expected 1 to {STACK_BOUND}")),
        }
    }
    let crc = crc_in(&printed).with_context(|| format!("C on Cortex-M55 printed no labels_crc:\n{printed}"))?;
    Ok((crc, complaints))
}
