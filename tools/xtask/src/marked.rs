//! Pages of which one part is written by a task, the rest by hand.

use std::path::Path;

use anyhow::{Context, Result};

/// Replaces what lies between the two lines `marks` on the page at `path`, relative to the root.
///
/// # Errors
/// If the page cannot be read or written, or has lost its marks.
pub fn write(root: &Path, path: &str, marks: [&str; 2], text: &str) -> Result<()> {
    let page = root.join(path);
    let old = std::fs::read_to_string(&page).with_context(|| format!("reading {path}"))?;
    let new = replace(&old, marks, text).with_context(|| path.to_owned())?;
    std::fs::write(&page, new).with_context(|| format!("writing {path}"))
}

fn replace(page: &str, [begin, end]: [&str; 2], text: &str) -> Result<String> {
    let (before, rest) = page.split_once(begin).with_context(|| format!("no line {begin}"))?;
    let (_, after) = rest.split_once(end).with_context(|| format!("no line {end} after {begin}"))?;
    Ok(format!("{before}{begin}\n{text}\n{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_between_the_marks_is_replaced() {
        let marks = ["<!-- a -->", "<!-- b -->"];
        assert_eq!(replace("x\n<!-- a -->\nold\n<!-- b -->\ny\n", marks, "new").unwrap(), "x\n<!-- a -->\nnew\n<!-- b -->\ny\n");
        assert!(replace("x", marks, "new").unwrap_err().to_string().contains("<!-- a -->"));
    }
}
