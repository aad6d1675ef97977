//! Archives tried out from their own files alone.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use object::{File, Object, ObjectSymbol};

use super::{Archive, GLIBC, Kind};
use crate::capi::{device, programs::labels_crc};
use crate::command;
use crate::firmware::build::{Plan, target_folder};
use crate::hrvit::{Hrvit, path_text};

/// Tries an archive out; returns what was done, and what is wrong.
///
/// # Errors
/// If a program does not build or fails.
pub fn of(root: &Path, archive: &Archive, folder: &Path) -> Result<(String, Vec<String>)> {
    let scratch = target_folder(root).join("dist/proof").join(archive.name);
    std::fs::create_dir_all(&scratch).with_context(|| format!("making {}", scratch.display()))?;
    match archive.kind {
        Kind::Android => android(archive, folder, &scratch),
        Kind::Device(machine) => {
            let linked = device::link_in(root, folder, &scratch, machine)?;
            let mut complaints = device::search(archive.name, &linked)?;
            if machine.contains(&"-mfloat-abi=soft") {
                complaints.extend(float_instructions(archive.name, &linked)?);
            }
            Ok(("C firmware linked with --gc-sections: no way to a panic, no heap".to_owned(), complaints))
        }
        Kind::Linux => linux(root, archive, folder, &scratch),
    }
}

/// Linked into a shared library with pages of 16 KiB, as an NDK does: what that needs of the system
/// must be in Android's libraries.
fn android(archive: &Archive, folder: &Path, scratch: &Path) -> Result<(String, Vec<String>)> {
    let library = scratch.join("libapplication.so");
    let mut link = Command::new(format!("{}ld", archive.build.tools));
    link.args(["-shared", "-z", "max-page-size=16384", "--whole-archive"]).arg(folder.join("lib/libhrvit.a")).arg("-o").arg(&library);
    command::succeed(&mut link)?;
    let bytes = std::fs::read(&library).with_context(|| format!("reading {}", library.display()))?;
    let file = File::parse(&*bytes).with_context(|| format!("{} is no library", library.display()))?;
    let needed: Vec<&str> =
        file.dynamic_symbols().filter(|symbol| symbol.is_undefined() && !symbol.is_weak()).filter_map(|symbol| symbol.name().ok()).collect();
    let (mut level, mut complaints) = (0, Vec::new());
    for name in needed.iter().filter(|name| !name.is_empty()) {
        match bionic(name) {
            Some(since) => level = level.max(since),
            None => complaints.push(format!("{}: needs {name}, which tools/xtask/src/capi/dist/bionic.txt does not list", archive.name)),
        }
    }
    let said = format!("linked with pages of 16 KiB; needs {} names of Android, of API level {level} at most; an APK needs an NDK", needed.len());
    Ok((said, complaints))
}

/// The API level since which Android's libraries have `name`.
fn bionic(name: &str) -> Option<u32> {
    let lines = include_str!("bionic.txt").lines().filter_map(|line| line.split_once(' '));
    lines.filter(|(known, _)| *known == name).find_map(|(_, level)| level.parse().ok())
}

/// The C example by pkg-config, static and shared; by CMake on this machine. All must print one
/// CRC.
fn linux(root: &Path, archive: &Archive, folder: &Path, scratch: &Path) -> Result<(String, Vec<String>)> {
    let mut complaints: Vec<String> = newer_than(&folder.join("lib/libhrvit.so.1"))?;
    let model = Hrvit::build(root)?.model(&Plan::default(), "rows")?;
    let is_here = archive.build.tools.is_empty();
    let mut crcs = Vec::new();
    for (name, package) in [("static", "hrvit-static"), ("shared", "hrvit")] {
        let mut pkg_config = Command::new("pkg-config");
        pkg_config.env("PKG_CONFIG_PATH", folder.join("lib/pkgconfig")).args(["--cflags", "--libs", package]);
        let said = command::succeed(&mut pkg_config)?;
        let words = said.split_whitespace();
        let program = scratch.join(format!("segment-{name}"));
        let mut compiler = Command::new(format!("{}gcc", archive.build.tools));
        compiler.current_dir(root).args(["-std=c99", "-O2", "-Wall", "-Werror", "-Iexamples/c", "examples/c/segment.c"]).args(words).arg("-o").arg(&program);
        command::succeed(compiler.arg("-lm"))?;
        let mut run = if is_here { Command::new(&program) } else { Command::new("qemu-aarch64") };
        if !is_here {
            run.args(["-L", "/usr/aarch64-linux-gnu", "-E"]).arg(format!("LD_LIBRARY_PATH={}", folder.join("lib").display())).arg(&program);
        }
        crcs.push(labels_crc(run.env("LD_LIBRARY_PATH", folder.join("lib")).arg(&model))?.1);
    }
    if is_here {
        crcs.push(cmake(root, folder, scratch, &model)?);
    }
    if crcs.iter().any(|crc| Some(crc) != crcs.first()) {
        complaints.push(format!("{}: label maps differ: {crcs:08x?}", archive.name));
    }
    let by = if is_here { "pkg-config and CMake" } else { "pkg-config, emulated" };
    Ok((format!("C example by {by}: {:08x}; glibc {GLIBC}", crcs.first().copied().unwrap_or_default()), complaints))
}

/// The C++ example by `find_package`.
fn cmake(root: &Path, folder: &Path, scratch: &Path, model: &Path) -> Result<u32> {
    let project = scratch.join("project");
    std::fs::create_dir_all(&project).with_context(|| format!("making {}", project.display()))?;
    let text = format!(
        "cmake_minimum_required(VERSION 3.16)\nproject(segment CXX)\nset(CMAKE_CXX_STANDARD 17)\nfind_package(hrvit {} REQUIRED)\n\
         add_executable(segment {root}/examples/cpp/segment.cpp)\ntarget_include_directories(segment PRIVATE {root}/examples/c)\n\
         target_link_libraries(segment PRIVATE hrvit::hrvit)\nadd_executable(segment-static {root}/examples/cpp/segment.cpp)\n\
         target_include_directories(segment-static PRIVATE {root}/examples/c)\ntarget_link_libraries(segment-static PRIVATE hrvit::static)\n",
        env!("CARGO_PKG_VERSION"),
        root = root.display()
    );
    std::fs::write(project.join("CMakeLists.txt"), text).context("writing CMakeLists.txt")?;
    let build = scratch.join("build");
    let mut cmake = Command::new("cmake");
    command::succeed(cmake.args(["-S", path_text(&project)?, "-B", path_text(&build)?]).arg(format!("-DCMAKE_PREFIX_PATH={}", folder.display())))?;
    command::succeed(Command::new("cmake").args(["--build", path_text(&build)?]))?;
    let shared = labels_crc(Command::new(build.join("segment")).arg(model))?.1;
    let linked = labels_crc(Command::new(build.join("segment-static")).arg(model))?.1;
    if shared != linked {
        bail!("by CMake the shared library makes {shared:08x}, the static one {linked:08x}");
    }
    Ok(shared)
}

/// Versions of glibc that a library needs and that are newer than [`GLIBC`].
fn newer_than(library: &Path) -> Result<Vec<String>> {
    let said = command::succeed(Command::new("readelf").args(["--wide", "--version-info"]).arg(library))?;
    let number = |text: &str| text.split('.').map(|part| part.parse::<u32>().unwrap_or(0)).collect::<Vec<_>>();
    let needed = said.split_whitespace().filter_map(|word| word.strip_prefix("GLIBC_"));
    let newer = needed.filter(|version| number(version) > number(GLIBC));
    Ok(newer.map(|version| format!("{} needs glibc {version}, expected {GLIBC} at most", library.display())).collect())
}

/// The first instruction of a program that needs a floating-point unit: their names alone begin
/// with a v.
fn float_instructions(name: &str, program: &Path) -> Result<Option<String>> {
    let said = command::succeed(Command::new("arm-none-eabi-objdump").args(["--disassemble", "--no-show-raw-insn"]).arg(program))?;
    let found = said.lines().find(|line| line.split('\t').nth(1).is_some_and(|word| word.starts_with('v')));
    Ok(found.map(|line| format!("{name}: `{}` needs a floating-point unit", line.trim())))
}
