//! The C library: built by cargo, then one object that shows the names of the header and no others.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use object::read::archive::ArchiveFile;
use object::{File, Object, ObjectSymbol};

use super::header::HEADER;
use crate::command;
use crate::firmware::build::target_folder;
use crate::hrvit::path_text;

/// Target that a library is built for.
#[derive(Clone, Copy, Debug)]
pub struct Build {
    /// Compiler target.
    pub target: &'static str,
    /// Processor, if it is not the target's own.
    pub cpu: Option<&'static str>,
    /// Profile of the workspace.
    pub profile: &'static str,
    /// Features of `hrvit-capi`.
    pub features: &'static [&'static str],
    /// Prefix of the binary tools' names: `arm-none-eabi-`.
    pub tools: &'static str,
}

/// The emulated Cortex-M55's, with the code for 8 bits alone.
pub const M55: Build = Build { target: "thumbv8m.main-none-eabihf", cpu: Some("cortex-m55"), profile: "firmware", features: &[], tools: "arm-none-eabi-" };

impl Build {
    /// Whether it is for an operating system.
    pub fn is_hosted(&self) -> bool {
        self.features.contains(&"std")
    }

    /// Options that go to the compiler.
    fn flags(&self) -> Vec<String> {
        let cpu = self.cpu.map(|cpu| format!("-Ctarget-cpu={cpu}"));
        // A library without floating-point registers in its interface is for chips that have none,
        // whatever the processor may have.
        let soft = (self.cpu.is_some() && self.target.ends_with("-eabi")).then(|| "-Ctarget-feature=-fpregs".to_owned());
        // As the firmware is built: several turns of a loop in a row cost flash and save no time.
        let small = self.cpu.is_some().then(|| "-Cllvm-args=-unroll-runtime=false".to_owned());
        // Symbols name their generic arguments, as the search for panics reads them.
        cpu.into_iter().chain(soft).chain(small).chain(["-Csymbol-mangling-version=v0".to_owned()]).collect()
    }

    /// Builds the static library as cargo makes it, in a folder of its own.
    ///
    /// # Errors
    /// If it does not build.
    pub fn raw(&self, root: &Path) -> Result<PathBuf> {
        let folder = target_folder(root).join("capi").join(self.cpu.unwrap_or("any"));
        let mut cargo = Command::new("cargo");
        cargo.current_dir(root).env("CARGO_TARGET_DIR", &folder).env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        cargo.args(["rustc", "--locked", "--package", "hrvit-capi", "--lib", "--crate-type", "staticlib", "--no-default-features"]);
        cargo.args(["--profile", self.profile, "--target", self.target, "--features", &self.features.join(",")]);
        cargo.arg("--config").arg(format!("target.{}.rustflags={:?}", self.target, self.flags()));
        command::succeed(&mut cargo)?;
        let profile = if self.profile == "dev" { "debug" } else { self.profile };
        Ok(folder.join(self.target).join(profile).join("libhrvit_capi.a"))
    }
}

/// Writes `libhrvit.a` into `folder`: what the functions of the header need of the library at
/// `raw`, as one object whose other names are its own. Sections stay apart, for `--gc-sections`.
///
/// # Errors
/// If a tool is missing or fails, or the result has other names than the header.
pub fn hide(root: &Path, build: &Build, raw: &Path, folder: &Path) -> Result<PathBuf> {
    let functions = functions(root)?;
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let (object, archive) = (folder.join("hrvit.o"), folder.join("libhrvit.a"));
    let tool = |name: &str| Command::new(format!("{}{name}", build.tools));
    let mut link = tool("ld");
    link.args(["-r", "--gc-sections"]).args(functions.iter().flat_map(|function| ["-u", function]));
    command::succeed(link.arg(raw).arg("-o").arg(&object))?;
    let mut hide = tool("objcopy");
    hide.args(["--wildcard", "--keep-global-symbol=hrvit_*", "--remove-section=.llvmbc*", "--remove-section=.llvmcmd*"]);
    if build.is_hosted() {
        hide.arg("--strip-debug");
    } else {
        // Nothing unwinds on a device.
        hide.args(["--remove-section=.ARM.ex*", "--remove-section=.rel.ARM.ex*", "--strip-unneeded-symbol=rust_eh_personality"]);
    }
    command::succeed(hide.arg(&object))?;
    if archive.exists() {
        std::fs::remove_file(&archive).with_context(|| format!("removing {}", archive.display()))?;
    }
    command::succeed(tool("ar").args(["rcsD", path_text(&archive)?, path_text(&object)?]))?;
    std::fs::remove_file(&object).with_context(|| format!("removing {}", object.display()))?;
    let shown = names_in_archive(&archive)?;
    ensure!(shown == functions, "{} shows {shown:?}, the header declares {functions:?}", archive.display());
    Ok(archive)
}

/// The functions that the header declares.
///
/// # Errors
/// If it cannot be read.
pub fn functions(root: &Path) -> Result<BTreeSet<String>> {
    let text = std::fs::read_to_string(root.join(HEADER)).with_context(|| format!("reading {HEADER}"))?;
    Ok(declared(&text))
}

/// Names before a bracket, outside of comments, types and macros.
fn declared(header: &str) -> BTreeSet<String> {
    let code = header.lines().filter(|line| !line.trim_start().starts_with(['*', '/', '#']) && !line.starts_with("typedef"));
    let word = |text: &str| text.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default().to_owned();
    code.filter_map(|line| Some(word(line.split_once('(')?.0))).filter(|name| name.starts_with("hrvit_")).collect()
}

/// Names that objects of an archive define for others.
fn names_in_archive(path: &Path) -> Result<BTreeSet<String>> {
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let archive = ArchiveFile::parse(&*bytes).with_context(|| format!("{} is no archive", path.display()))?;
    let mut names = BTreeSet::new();
    for member in archive.members() {
        let file = File::parse(member?.data(&*bytes)?).with_context(|| format!("an object of {}", path.display()))?;
        let shown = file.symbols().filter(|symbol| symbol.is_global() && symbol.is_definition());
        names.extend(shown.filter_map(|symbol| symbol.name().ok().map(str::to_owned)));
    }
    Ok(names)
}

/// Differences between the names that a shared library shows and those of the header.
///
/// # Errors
/// If it cannot be read.
pub fn check_shared(root: &Path, path: &Path) -> Result<Vec<String>> {
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let file = File::parse(&*bytes).with_context(|| format!("{} is no library", path.display()))?;
    let shown = file.dynamic_symbols().filter(|symbol| symbol.is_global() && symbol.is_definition());
    let shown: BTreeSet<String> = shown.filter_map(|symbol| symbol.name().ok().map(str::to_owned)).collect();
    let declared = functions(root)?;
    let differ = shown.symmetric_difference(&declared);
    Ok(differ.map(|name| format!("{}: {name} is shown or declared, not both", path.display())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_what_is_declared_outside_of_comments() {
        let header = "/**\n * Calls hrvit_no(1).\n */\nuint32_t hrvit_one(void);\ntypedef int32_t (*hrvit_row_fn)(void *context);\n#define HRVIT_INIT(type) {}\n\
                      const char *hrvit_two(int32_t status);\nhrvit_status hrvit_three(const void *image,\n                         size_t bytes);\n";
        assert_eq!(declared(header), ["hrvit_one", "hrvit_three", "hrvit_two"].map(str::to_owned).into());
    }
}
