//! Rules about the sources that no compiler knows.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::isa::LINUX;
use crate::{command, install};

/// Holds the `clippy.toml` that forbids floating-point types.
const INTEGERS: &str = "tools/xtask/integers";
/// Neither can be allowed again by an attribute in the code.
const FORBIDDEN: [&str; 4] = ["--forbid", "clippy::disallowed_types", "--forbid", "clippy::float_arithmetic"];
/// Builds without half precision that together have the kernels of every instruction set: target,
/// processor, features.
const INTEGER_BUILDS: [(&str, Option<&str>, &str); 4] = [
    ("x86_64-unknown-linux-gnu", None, "hrvit-core/int16x8,hrvit-core/threads"),
    (LINUX, None, "hrvit-core/int16x8,hrvit-core/threads"),
    ("thumbv7em-none-eabihf", None, "hrvit-core/int16x8,hrvit-kernels/every-isa"),
    ("thumbv8m.main-none-eabihf", Some("cortex-m55"), "hrvit-core/int16x8,hrvit-kernels/every-isa"),
];
/// A folder beside the repository that nothing in it may depend on; in two pieces, so that this
/// file keeps the rule itself.
const OUTSIDE: &str = concat!("..", "/shared");

/// No floating-point type or arithmetic in `hrvit-kernels`, `hrvit-core` and `hrvit-camera` built
/// without half precision, as the compiler sees them.
pub fn integer_only(root: &Path) -> Result<Vec<String>> {
    let targets = INTEGER_BUILDS.map(|(target, ..)| target);
    install::targets(root, &targets)?;
    let mut found = Vec::new();
    for (target, processor, features) in INTEGER_BUILDS {
        let mut clippy = Command::new("cargo");
        clippy.current_dir(root).env("CLIPPY_CONF_DIR", root.join(INTEGERS));
        clippy.args([
            "clippy",
            "--locked",
            "--release",
            "--quiet",
            "--keep-going",
            "--no-deps",
            "--package",
            "hrvit-kernels",
            "--package",
            "hrvit-core",
            "--package",
            "hrvit-camera",
        ]);
        clippy.args(["--target", target, "--features", features]);
        if let Some(processor) = processor {
            // These would be taken instead.
            clippy.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
            clippy.arg("--config").arg(format!("target.{target}.rustflags=[\"-Ctarget-cpu={processor}\"]"));
        }
        let output = command::output(clippy.arg("--").args(FORBIDDEN))?;
        if !output.status.success() {
            found.push(format!("the int8 path, built for {target}:\n{}", String::from_utf8_lossy(&output.stderr).trim_end()));
        }
    }
    Ok(found)
}

/// No file refers to a folder outside the repository.
pub fn stands_alone(root: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for path in files(root)? {
        let bytes = std::fs::read(root.join(&path)).with_context(|| format!("reading {path}"))?;
        let Ok(text) = std::str::from_utf8(&bytes) else { continue };
        let lines = (1..).zip(text.lines()).filter(|(_, line)| line.contains(OUTSIDE));
        found.extend(lines.map(|(number, _)| format!("{path}:{number}: refers to {OUTSIDE}, which is not part of the repository")));
    }
    Ok(found)
}

/// Paths of all files that are tracked, or new and not ignored; relative to the root.
pub fn files(root: &Path) -> Result<Vec<String>> {
    let output =
        Command::new("git").args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root).output().context("starting git")?;
    ensure!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr).trim_end());
    let names = String::from_utf8(output.stdout).context("file names in UTF-8")?;
    let paths = names.split('\0').filter(|name| !name.is_empty() && root.join(name).is_file());
    Ok(paths.map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::Stdio;

    use super::*;

    /// Numbers of the lines in which clippy finds what is forbidden.
    fn float_lines(name: &str, source: &str) -> Vec<usize> {
        let root = crate::root().unwrap();
        let out = std::env::temp_dir().join(format!("hrvit-{name}-{}.rmeta", std::process::id()));
        let mut clippy = Command::new("clippy-driver");
        clippy.args(["-", "--edition", "2024", "--crate-type", "lib", "--emit", "metadata", "--error-format", "short", "-o"]).arg(&out);
        clippy.args(FORBIDDEN).env("CLIPPY_CONF_DIR", root.join(INTEGERS)).current_dir(&root);
        let mut child = clippy.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(source.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        // It is not there when an error was found.
        let _ = std::fs::remove_file(out);
        let said = String::from_utf8(output.stderr).unwrap();
        let errors = said.lines().filter(|line| line.contains(": error"));
        let lines: Vec<usize> = errors.map(|line| line.split(':').nth(1).unwrap().parse().unwrap()).collect();
        assert_eq!(output.status.success(), lines.is_empty(), "{said}");
        lines
    }

    #[test]
    fn types_aliases_casts_and_arithmetic_are_found() {
        let source = "pub fn a(_: f32) {}\npub type B = [f64; 2];\npub fn c(x: i32) -> i32 { (x as f64) as i32 }\npub fn d() -> i32 { (1.0 + 2.0) as i32 }\n";
        assert_eq!(float_lines("types", source), [1, 2, 3, 4]);
    }

    #[test]
    fn what_a_macro_makes_is_found() {
        assert_eq!(float_lines("macros", "macro_rules! m {\n($t:ty) => { pub fn z(_: $t) {} } }\nm!(f32);\n"), [3]);
    }

    #[test]
    fn no_attribute_allows_it_again() {
        let source = "#[allow(clippy::disallowed_types, reason = \"none\")]\npub fn a(_: f32) {}\n";
        assert_eq!(float_lines("attribute", source), [1]);
    }

    #[test]
    fn integers_comments_strings_and_names_that_contain_the_letters_are_not_floats() {
        let source = "// f32\npub fn buf32(gf64: i32) -> i32 { gf64 * 3 }\npub const A: &str = \"1f32 + 2f64\";\n";
        assert_eq!(float_lines("integers", source), [] as [usize; 0]);
    }
}
