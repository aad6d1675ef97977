//! `cargo xtask dist`: archives of the C library, each tried out from its own files.

mod files;
mod proof;
mod sbom;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, anyhow};
use clap::Args;
use serde::Serialize;

use super::library::{Build, M55, check_shared, hide};
use super::{places, python};
use crate::firmware::build::target_folder;
use crate::tables::{grouped, table as drawn_table};
use crate::{command, install};

/// The oldest C library that shared libraries for Linux run with.
pub const GLIBC: &str = "2.28";

/// How an archive is built and tried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Static and shared, for Linux; linked by zig against an old glibc; the C example is run, on
    /// an emulator where need be.
    Linux,
    /// Static: an application links it with its NDK.
    Android,
    /// Static, without an operating system; the C firmware is linked against it with these options.
    Device(&'static [&'static str]),
}

/// An archive.
#[derive(Clone, Copy, Debug)]
pub struct Archive {
    /// Ending of its name.
    pub name: &'static str,
    /// How it is built.
    pub kind: Kind,
    /// The build.
    pub build: Build,
}

const HOSTED: &[&str] = &["std", "fp16", "int16x8"];

const fn hosted(name: &'static str, kind: Kind, target: &'static str, tools: &'static str) -> Archive {
    Archive { name, kind, build: Build { target, cpu: None, profile: "library", features: HOSTED, tools } }
}

const fn device(name: &'static str, target: &'static str, cpu: Option<&'static str>, machine: &'static [&'static str]) -> Archive {
    Archive { name, kind: Kind::Device(machine), build: Build { target, cpu, ..M55 } }
}

/// Every archive.
const ARCHIVES: [Archive; 8] = [
    hosted("x86_64-linux-gnu", Kind::Linux, "x86_64-unknown-linux-gnu", ""),
    hosted("aarch64-linux-gnu", Kind::Linux, places::AARCH64, "aarch64-linux-gnu-"),
    hosted("aarch64-linux-android", Kind::Android, "aarch64-linux-android", "aarch64-linux-gnu-"),
    device("cortex-m55-eabihf", "thumbv8m.main-none-eabihf", Some("cortex-m55"), &["-mcpu=cortex-m55", "-mfloat-abi=hard"]),
    device("cortex-m33-eabihf", "thumbv8m.main-none-eabihf", Some("cortex-m33"), &["-mcpu=cortex-m33", "-mfloat-abi=hard"]),
    device("cortex-m33-eabi", "thumbv8m.main-none-eabi", Some("cortex-m33"), &["-mcpu=cortex-m33+nofp", "-mfloat-abi=soft"]),
    device("cortex-m4-m7-eabihf", "thumbv7em-none-eabihf", None, &["-mcpu=cortex-m7", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"]),
    device("cortex-m4-m7-eabi", "thumbv7em-none-eabi", None, &["-mcpu=cortex-m4", "-mfloat-abi=soft"]),
];

/// Make archives of the C library (header, library, pkg-config and CMake files, licences, bill of
/// materials) and try each out from its own files
#[derive(Args)]
#[command(after_help = "Examples:
  cargo xtask dist                             # all of them, in target/dist
  cargo xtask dist --only cortex-m55-eabihf
  cargo xtask dist --json                      # archives, bytes and SHA-256 for scripts

Shared libraries run with glibc 2.28 and later: cargo-zigbuild and ziglang come from PyPI, into target/python-venv. Installs compilers and emulators where they are missing.")]
pub struct DistArgs {
    /// One archive instead of all: x86_64-linux-gnu, aarch64-linux-gnu, aarch64-linux-android,
    /// cortex-m55-eabihf, cortex-m33-eabihf, cortex-m33-eabi, cortex-m4-m7-eabihf or
    /// cortex-m4-m7-eabi
    #[arg(long, value_name = "NAME", value_parser = parse_archive)]
    only: Option<Archive>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

fn parse_archive(name: &str) -> Result<Archive> {
    let names = || ARCHIVES.map(|archive| archive.name).join(", ");
    ARCHIVES.into_iter().find(|archive| archive.name == name).ok_or_else(|| anyhow!("no such archive: expected one of {}", names()))
}

/// An archive that was made.
#[derive(Serialize)]
struct Made {
    name: &'static str,
    file: PathBuf,
    bytes: u64,
    sha256: String,
    tried: String,
}

/// Makes the archives; returns what is wrong with them.
///
/// # Errors
/// If something is missing and cannot be installed, does not build, or fails when it is tried out.
pub fn run(root: &Path, args: &DistArgs) -> Result<Vec<String>> {
    let (mut made, mut complaints) = (Vec::new(), Vec::new());
    for archive in args.only.map_or_else(|| ARCHIVES.to_vec(), |only| vec![only]) {
        eprintln!("{}", archive.name);
        prepare(root, &archive)?;
        let folder = target_folder(root).join("dist").join(format!("hrvit-{}-{}", env!("CARGO_PKG_VERSION"), archive.name));
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        let raw = match archive.kind {
            Kind::Linux => {
                let (raw, shared) = zig(root, &archive)?;
                files::shared(&folder, &shared)?;
                complaints.extend(check_shared(root, &shared)?);
                raw
            }
            _ => archive.build.raw(root)?,
        };
        hide(root, &archive.build, &raw, &folder.join("lib"))?;
        files::around(root, &archive, &folder)?;
        sbom::write(root, &archive, &folder)?;
        let (tried, wrong) = proof::of(root, &archive, &folder)?;
        complaints.extend(wrong);
        let (file, bytes, sha256) = files::pack(&folder)?;
        made.push(Made { name: archive.name, file, bytes, sha256, tried });
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&made)?);
    } else {
        let mut rows = drawn_table(&["archive", "bytes", "tried out"]);
        for one in &made {
            rows.add_row([one.name, &grouped(one.bytes), &one.tried]);
        }
        println!("{rows}\n{}", target_folder(root).join("dist").display());
    }
    Ok(complaints)
}

/// Installs what an archive is made and tried out with.
fn prepare(root: &Path, archive: &Archive) -> Result<()> {
    install::targets(root, &[archive.build.target])?;
    let programs: &[(&str, &str)] = match (archive.kind, archive.build.tools) {
        (Kind::Device(_), _) => &[("arm-none-eabi-gcc", "gcc-arm-none-eabi"), ("make", "make"), ("qemu-system-arm", "qemu-system-arm")],
        (_, "") => &[("gcc", "gcc"), ("g++", "g++"), ("pkg-config", "pkg-config"), ("cmake", "cmake"), ("make", "make")],
        _ => &[("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"), ("qemu-aarch64", "qemu-user"), ("pkg-config", "pkg-config")],
    };
    install::programs(programs)?;
    if archive.kind == Kind::Linux {
        python::environment(root, &["cargo-zigbuild", "ziglang"]).map_err(|reason| anyhow!("{reason}"))?;
    }
    Ok(())
}

/// Builds the static and the shared library, the latter linked by zig against an old glibc.
fn zig(root: &Path, archive: &Archive) -> Result<(PathBuf, PathBuf)> {
    let Build { target, profile, features, .. } = archive.build;
    let (folder, programs) = (target_folder(root).join("capi/dist"), python::programs(root));
    let path = std::env::join_paths(std::iter::once(programs).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())))?;
    let mut cargo = Command::new("cargo-zigbuild");
    cargo.current_dir(root).env("PATH", path).env("CARGO_TARGET_DIR", &folder).env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    cargo.args(["rustc", "--locked", "--package", "hrvit-capi", "--lib", "--crate-type", "staticlib,cdylib", "--no-default-features"]);
    cargo.args(["--profile", profile, "--target", &format!("{target}.{GLIBC}"), "--features", &features.join(",")]);
    cargo.args(["--", "-Clink-arg=-Wl,-soname,libhrvit.so.1", "-Clink-arg=-Wl,-z,max-page-size=16384"]);
    command::succeed(&mut cargo)?;
    let built = folder.join(target).join(profile);
    Ok((built.join("libhrvit_capi.a"), built.join("libhrvit_capi.so")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_found_by_its_name_and_all_are_listed() {
        assert_eq!(parse_archive("cortex-m33-eabi").unwrap().build.target, "thumbv8m.main-none-eabi");
        let said = parse_archive("z80").unwrap_err().to_string();
        assert!(ARCHIVES.iter().all(|archive| said.contains(archive.name)), "{said}");
    }
}
