//! C and C++ programs against the library.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::command;

/// Warnings that are errors, in both languages.
pub const STRICT: [&str; 5] = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"];

/// A language and the compiler's options for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// C99.
    C,
    /// C++17 without exceptions and RTTI.
    Cpp,
}

impl Language {
    /// For tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::C => "C",
            Self::Cpp => "C++",
        }
    }

    /// The example in it.
    pub fn example(self) -> &'static str {
        match self {
            Self::C => "examples/c/segment.c",
            Self::Cpp => "examples/cpp/segment.cpp",
        }
    }

    /// The compiler whose name begins with `tools`, with the options of the language.
    fn compiler(self, tools: &str) -> Command {
        let (name, options): (_, &[&str]) = match self {
            Self::C => ("gcc", &["-std=c99", "-Wstrict-prototypes", "-Wmissing-prototypes"]),
            Self::Cpp => ("g++", &["-std=c++17", "-fno-exceptions", "-fno-rtti", "-Wold-style-cast"]),
        };
        let mut compiler = Command::new(format!("{tools}{name}"));
        compiler.args(options).args(STRICT);
        compiler
    }
}

/// Compiles `source` with `options` against the header and `library`, an archive or a shared one.
///
/// # Errors
/// If it does not compile without a warning, or not link.
pub fn compile(root: &Path, language: Language, tools: &str, source: &str, library: &Path, options: &[&str], program: PathBuf) -> Result<PathBuf> {
    if let Some(folder) = program.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    let mut compiler = language.compiler(tools);
    compiler.current_dir(root).args(["-O2", "-Icrates/hrvit-capi/include", "-Iexamples/c", source]).args(options);
    compiler.arg(library).args(["-Wl,--gc-sections", "-lpthread", "-lm", "-ldl", "-o"]).arg(&program);
    command::succeed(&mut compiler)?;
    Ok(program)
}

/// Runs a program that prints `labels_crc=` and eight digits; returns what it says, and the number.
///
/// # Errors
/// If it fails, or says none.
pub fn labels_crc(program: &mut Command) -> Result<(String, u32)> {
    let printed = command::succeed(program)?;
    let crc = crc_in(&printed).with_context(|| format!("$ {}\nprinted no labels_crc:\n{printed}", command::line(program)))?;
    Ok((printed, crc))
}

/// The number behind `labels_crc=`.
pub fn crc_in(printed: &str) -> Option<u32> {
    u32::from_str_radix(value(printed, "labels_crc")?, 16).ok()
}

/// Text behind `name=` at the start of a line.
pub fn value<'t>(printed: &'t str, name: &str) -> Option<&'t str> {
    printed.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
}

/// Runs the program that does what is wrong, under AddressSanitizer and Valgrind as asked.
///
/// # Errors
/// If something it did had another end than it must.
pub fn misuse(program: &mut Command) -> Result<()> {
    let printed = command::succeed(program)?;
    ensure!(value(&printed, "complaints") == Some("0"), "$ {}\n{printed}", command::line(program));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crc_is_read_from_the_line_that_names_it() {
        assert_eq!(crc_in("avx2 kernels\nlabels_crc=00bc0f6e\n"), Some(0x00bc_0f6e));
        assert_eq!(crc_in("the labels_crc=1 is not at the start\n"), None);
        assert_eq!(crc_in("labels_crc=none\n"), None);
    }
}
