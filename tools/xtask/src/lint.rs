//! Rules about the sources that no compiler knows.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Folders whose code runs the quantised network and therefore computes with integers only.
const INTEGER_ONLY: [&str; 2] = ["crates/hrvit-kernels/src/", "crates/hrvit-core/src/"];
/// A folder beside the repository that nothing in it may depend on; in two pieces, so that this file keeps the rule itself.
const OUTSIDE: &str = concat!("..", "/shared");

/// What the names of folders and files contain that compute in half precision.
const HALF_PRECISION: [&str; 4] = ["f16", "fp16", "f32", "floats"];
/// What stands before an item that only builds with half precision have.
const HALF_ONLY: &str = "#[cfg(feature = \"fp16\")]";

/// No `f32` or `f64` in the code of the int8 path. Comments, strings, the test modules at the end of files and half precision may have them.
pub fn integer_only(root: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let sources = files(root)?.into_iter().filter(|path| path.ends_with(".rs") && is_integer_only(path));
    for path in sources {
        let text = std::fs::read_to_string(root.join(&path)).with_context(|| format!("reading {path}"))?;
        let lines = float_lines(&text);
        found.extend(lines.into_iter().map(|line| format!("{path}:{line}: floating point on the int8 path")));
    }
    Ok(found)
}

/// Whether a file is of the int8 path.
fn is_integer_only(path: &str) -> bool {
    let rest = INTEGER_ONLY.iter().find_map(|folder| path.strip_prefix(folder));
    rest.is_some_and(|rest| !HALF_PRECISION.iter().any(|name| rest.contains(name)))
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
fn files(root: &Path) -> Result<Vec<String>> {
    let output =
        Command::new("git").args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root).output().context("starting git")?;
    ensure!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr).trim_end());
    let names = String::from_utf8(output.stdout).context("file names in UTF-8")?;
    let paths = names.split('\0').filter(|name| !name.is_empty() && root.join(name).is_file());
    Ok(paths.map(str::to_owned).collect())
}

/// Numbers, from 1, of the lines before the first `#[cfg(test)]` whose code mentions `f32` or `f64`.
fn float_lines(text: &str) -> Vec<usize> {
    let code = without_comments_and_strings(text);
    let before_tests = (1..).zip(code.lines().zip(text.lines())).take_while(|(_, (line, _))| line.trim() != "#[cfg(test)]");
    // Indentation of the item at hand that only builds with half precision have.
    let mut half: Option<usize> = None;
    let mut found = Vec::new();
    for (number, (line, whole)) in before_tests {
        let indentation = line.len() - line.trim_start().len();
        if whole.trim() == HALF_ONLY {
            half = Some(indentation);
        } else if let Some(item) = half {
            // An item ends where its line or its block does; another attribute does not end it.
            let ends = indentation <= item && [';', ',', '}', ')'].iter().any(|end| line.trim_end().ends_with(*end)) && !line.trim().is_empty();
            half = (!ends).then_some(item);
        } else if mentions_float(line) {
            found.push(number);
        }
    }
    found
}

/// Whether the line has `f32` or `f64` as a word of its own or as the suffix of a number.
fn mentions_float(line: &str) -> bool {
    let words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.into_iter().any(|word| {
        ["f32", "f64"].into_iter().any(|float| {
            let number = word.strip_suffix(float);
            number.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '_' || c == 'e'))
        })
    })
}

/// The text with comments and the insides of string literals blanked; line ends stay.
fn without_comments_and_strings(text: &str) -> String {
    #[derive(PartialEq)]
    enum State {
        Code,
        Line,
        Block(usize),
        String,
    }
    let mut state = State::Code;
    let mut code = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        let next = characters.peek().copied();
        let mut skip_next = false;
        let keep = match state {
            State::Code => match (c, next) {
                ('/', Some('/')) => {
                    state = State::Line;
                    false
                }
                ('/', Some('*')) => {
                    (state, skip_next) = (State::Block(1), true);
                    false
                }
                ('"', _) => {
                    state = State::String;
                    true
                }
                // A character literal of a quote opens no string.
                ('\'', Some('"')) => {
                    skip_next = true;
                    true
                }
                _ => true,
            },
            State::Line => {
                if c == '\n' {
                    state = State::Code;
                }
                false
            }
            State::Block(depth) => {
                match (c, next) {
                    ('*', Some('/')) => {
                        skip_next = true;
                        state = if depth == 1 { State::Code } else { State::Block(depth - 1) };
                    }
                    ('/', Some('*')) => (state, skip_next) = (State::Block(depth + 1), true),
                    _ => {}
                }
                false
            }
            State::String => {
                match c {
                    '\\' => skip_next = next != Some('\n'),
                    '"' => state = State::Code,
                    _ => {}
                }
                c == '"'
            }
        };
        if c == '\n' {
            code.push('\n');
        } else {
            code.push(if keep { c } else { ' ' });
        }
        if skip_next && characters.next().is_some() {
            code.push(' ');
        }
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_casts_and_literals_are_found() {
        assert_eq!(float_lines("fn a(x: f32) {}\nlet y = x as f64;\nlet z = 1f32 + 2_f64;\n"), [1, 2, 3]);
    }

    #[test]
    fn comments_and_strings_are_not_code() {
        let text = "// f32\n/// f64 of\nlet a = \"f32 // \\\" f64\"; /* f32\nf64 /* f32 */ f32\n*/ let b = 1;\n";
        assert_eq!(float_lines(text), [] as [usize; 0]);
    }

    #[test]
    fn code_after_a_comment_on_the_same_line_is_found() {
        assert_eq!(float_lines("/* note */ let a: f32;\nlet b = '\"'; let c: f64; // \"\n"), [1, 2]);
    }

    #[test]
    fn names_that_contain_the_letters_are_not_floats() {
        assert_eq!(float_lines("let buf32 = f32x4_of; let gf64 = 3;\n"), [] as [usize; 0]);
    }

    #[test]
    fn items_of_half_precision_alone_are_exempt() {
        let text = "#[cfg(feature = \"fp16\")]\nfn a(x: f32) {\n    let y: f32 = x;\n}\nfn b(x: f32) {}\nenum E {\n    #[cfg(feature = \"fp16\")]\n    F(f32),\n    G(f32),\n}\n";
        assert_eq!(float_lines(text), [5, 9]);
        assert!(is_integer_only("crates/hrvit-core/src/arithmetic/int8.rs") && !is_integer_only("crates/hrvit-core/src/arithmetic/fp16.rs"));
        assert!(!is_integer_only("crates/hrvit-kernels/src/gemm_f16/scalar.rs") && !is_integer_only("tools/xtask/src/lint.rs"));
    }

    #[test]
    fn the_test_module_is_exempt() {
        assert_eq!(float_lines("let a = 1;\n#[cfg(test)]\nmod tests { fn f(x: f32) {} }\n"), [] as [usize; 0]);
    }
}
