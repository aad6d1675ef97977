//! `include/hrvit.h`: made from the source of the C API, checked in, and compared.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The crate.
const CRATE: &str = "crates/hrvit-capi";
/// Its header.
pub const HEADER: &str = "crates/hrvit-capi/include/hrvit.h";

/// The header as it must be.
///
/// # Errors
/// If the source cannot be read or has what C cannot say.
fn text(root: &Path) -> Result<String> {
    let folder = root.join(CRATE);
    let config = cbindgen::Config::from_file(folder.join("cbindgen.toml")).map_err(anyhow::Error::msg).context("reading cbindgen.toml")?;
    let bindings = cbindgen::Builder::new().with_config(config).with_crate(&folder).generate().context("making the header")?;
    let mut bytes = Vec::new();
    bindings.write(&mut bytes);
    Ok(in_c(&String::from_utf8(bytes).context("the header in UTF-8")?))
}

/// Without the parts for Rust's documentation alone (the section on safety, the marks of code).
/// Comments of one line stand on one line. Code is indented.
fn in_c(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let (mut in_safety, mut in_code) = (false, false);
    for line in text.lines() {
        let said = line.trim_start().trim_start_matches("* ").trim_end();
        in_safety |= said == "# Safety";
        let ends = line.trim_start() == "*/";
        if in_safety && ends {
            in_safety = false;
            while lines.last().is_some_and(|line| line.trim() == "*") {
                lines.pop();
            }
        }
        in_code ^= said.starts_with("```");
        if in_safety || said.starts_with("```") {
            continue;
        }
        lines.push(if in_code { line.replacen("* ", "*     ", 1) } else { line.trim_end().to_owned() });
        if let [.., begin, one, _] = lines.as_slice()
            && ends
            && begin.trim() == "/**"
        {
            let indent = begin.trim_end_matches("/**");
            let short = format!("{indent}/** {} */", one.trim_start().trim_start_matches("* "));
            if short.len() <= 100 {
                lines.truncate(lines.len() - 3);
                lines.push(short);
            }
        }
    }
    // Constants that belong together stand together; nothing is more than one line apart.
    let is_short = |line: &str| line.starts_with("/** ") && line.ends_with(" */");
    let mut close: Vec<String> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let next = lines.get(at + 1).map_or("", String::as_str);
        let after_constant = close.last().is_some_and(|before| before.starts_with("#define HRVIT_"));
        let more_of_them = is_short(next) && lines.get(at + 2).is_some_and(|line| line.starts_with("#define HRVIT_"));
        let twice = close.last().is_some_and(String::is_empty);
        if !(line.is_empty() && (twice || after_constant && more_of_them)) {
            close.push(line.clone());
        }
    }
    close.join("\n") + "\n"
}

/// Writes the header.
///
/// # Errors
/// If it cannot be made or written.
pub fn write(root: &Path) -> Result<PathBuf> {
    let path = root.join(HEADER);
    std::fs::write(&path, text(root)?).with_context(|| format!("writing {HEADER}"))?;
    Ok(path)
}

/// Differences of the header from the source.
///
/// # Errors
/// If it cannot be made or read.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let made = text(root)?;
    let kept = std::fs::read_to_string(root.join(HEADER)).with_context(|| format!("reading {HEADER}"))?;
    let first = (1..).zip(made.lines().zip(kept.lines())).find(|(_, (made, kept))| made != kept);
    Ok(match first {
        _ if made == kept => Vec::new(),
        Some((number, (made, kept))) => {
            vec![format!("{HEADER}:{number} is not what the source says; `cargo xtask capi --header` writes it anew\n- {kept}\n+ {made}")]
        }
        None => vec![format!("{HEADER} has another length than what the source says; `cargo xtask capi --header` writes it anew")],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_rust_says_is_left_out() {
        let made = "/**\n * Opens.\n *\n * ```c\n * open();\n * ```\n *\n * # Safety\n * Pointers lead somewhere.\n */\nint open(void);\n";
        assert_eq!(in_c(made), "/**\n * Opens.\n *\n *     open();\n */\nint open(void);\n");
    }

    #[test]
    fn short_comments_take_one_line_and_constants_stand_together() {
        let made = "/**\n * One.\n */\n#define HRVIT_ONE 1\n\n/**\n * Two.\n */\n#define HRVIT_TWO 2\n\n\nint open(void);\n";
        assert_eq!(in_c(made), "/** One. */\n#define HRVIT_ONE 1\n/** Two. */\n#define HRVIT_TWO 2\n\nint open(void);\n");
    }
}
