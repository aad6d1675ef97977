//! Places that the library runs at.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::library::{Build, hide};
use crate::command;
use crate::firmware::build::target_folder;
use crate::hrvit::Hrvit;

/// The compiler target of C programs on 64-bit ARM.
pub const AARCH64: &str = "aarch64-unknown-linux-gnu";
/// Prefix of its tools' names.
pub const AARCH64_TOOLS: &str = "aarch64-linux-gnu-";
/// Debian's folder of its libraries.
pub const AARCH64_ROOT: &str = "/usr/aarch64-linux-gnu";
/// Emulated processors, and how their kernels read weights.
pub const PROCESSORS: [(&str, &str); 3] = [("cortex-a53", "rows"), ("cortex-a76", "k4"), ("max", "k8")];

/// The library for this machine, and the command that makes model images.
pub struct Host {
    /// The command.
    pub hrvit: Hrvit,
    /// The shared library.
    pub shared: PathBuf,
    /// The static library, with no names but the header's.
    pub archive: PathBuf,
}

impl Host {
    /// Builds both together, so that they share what they are made of.
    ///
    /// # Errors
    /// If they do not build.
    pub fn build(root: &Path) -> Result<Self> {
        let mut cargo = Command::new("cargo");
        cargo.current_dir(root).args(["build", "--release", "--locked", "--package", "hrvit-tool", "--package", "hrvit-capi"]);
        command::succeed(cargo.args(["--features", "hrvit-capi/fp16,hrvit-capi/int16x8"]))?;
        let built = target_folder(root).join("release");
        let build = Build { target: "", cpu: None, profile: "release", features: &["std"], tools: "" };
        let archive = hide(root, &build, &built.join("libhrvit_capi.a"), &target_folder(root).join("capi/host"))?;
        Ok(Self { hrvit: Hrvit::build(root)?, shared: built.join("libhrvit_capi.so"), archive })
    }
}

/// A processor of QEMU for programs of Linux.
pub fn emulated(processor: &str) -> Command {
    let mut emulator = Command::new("qemu-aarch64");
    emulator.args(["-cpu", processor]);
    emulator
}
