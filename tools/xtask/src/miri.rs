//! `cargo xtask miri`: the engine under an interpreter that sees reads of uninitialised memory,
//! references that outlive their right, and races.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::command;
use crate::firmware::build::target_folder;
use crate::install::{self, NIGHTLY};

/// Runs the engine's own tests under Miri; with `everything` those too that take half an hour.
///
/// # Errors
/// If the toolchain cannot be installed or Miri finds something.
pub fn run(root: &Path, everything: bool) -> Result<()> {
    install::toolchain(NIGHTLY, &["miri", "rust-src"])?;
    let test = ["test", "--locked", "--package", "hrvit-core", "--test", "engine"];
    let folder = target_folder(root).join("miri");
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    // Miri reads the models that the processor makes here.
    let image = folder.join("tiny.hrvit");
    command::succeed(Command::new("cargo").current_dir(root).args(test).env("HRVIT_TEST_IMAGE", &image))?;
    let mut miri = Command::new("rustup");
    miri.current_dir(root).args(["run", NIGHTLY, "cargo", "miri"]).args(test);
    if everything {
        miri.args(["--", "--include-ignored"]);
    }
    miri.env("HRVIT_TEST_IMAGE", &image).env("MIRIFLAGS", "-Zmiri-disable-isolation");
    // The repository's own toolchain sets these for its children, not for this one.
    for name in ["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN"] {
        miri.env_remove(name);
    }
    print!("{}", command::succeed(&mut miri)?);
    Ok(())
}
