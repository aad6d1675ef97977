//! The example application, a package outside the workspace as a user of these crates would have it: it must build, run and say what it sees.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::command;
use crate::firmware::build::target_folder;

/// Its manifest.
const MANIFEST: &str = "examples/app/Cargo.toml";
/// The names of the classes that the bundled model tells apart.
const CLASSES: &str = "data/camvid11.toml";

/// Builds and runs it. Returns what its output lacks.
///
/// # Errors
/// If it does not build, or ends with an error.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(root.join(CLASSES)).with_context(|| format!("reading {CLASSES}"))?;
    let table: toml::Table = text.parse().with_context(|| format!("reading {CLASSES}"))?;
    let classes = names(&table);
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root).args(["run", "--release", "--locked", "--quiet", "--manifest-path", MANIFEST]);
    let printed = command::succeed(cargo.arg("--target-dir").arg(target_folder(root).join("app")))?;
    Ok(complaints(&printed, &classes))
}

/// The name of every class, in whichever list of tables the file has them.
fn names(table: &toml::Table) -> Vec<String> {
    let lists = table.values().filter_map(toml::Value::as_array).flatten();
    lists.filter_map(|class| class.get("name")?.as_str().map(str::to_owned)).collect()
}

/// What the application `printed` without: the area of a class in percent, and a margin with its number.
fn complaints(printed: &str, classes: &[String]) -> Vec<String> {
    let percent = |line: &str| line.split('%').next().is_some_and(|before| line.contains('%') && before.trim_end().ends_with(|c: char| c.is_ascii_digit()));
    let area = printed.lines().any(|line| percent(line) && classes.iter().any(|class| line.contains(class.as_str())));
    let margin = printed.lines().any(|line| {
        let after = line.to_lowercase().split_once("margin").map(|(_, after)| after.to_owned());
        after.is_some_and(|after| after.contains(|c: char| c.is_ascii_digit()))
    });
    let lacks = [(area, "line with a class and its area in percent"), (margin, "line with the word margin and a number after it")];
    lacks.iter().filter(|(there, _)| !there).map(|(_, what)| format!("{MANIFEST}: the application printed no {what}:\n{}", printed.trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lacks(printed: &str) -> usize {
        complaints(printed, &["road".to_owned(), "sky".to_owned()]).len()
    }

    #[test]
    fn areas_and_a_margin_are_enough() {
        assert_eq!(lacks("road 41.5 %\nsky 20.0%\nsmallest margin 0.25\n"), 0);
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(lacks(""), 2);
        assert_eq!(lacks("road 41.5 %\nmargin\n"), 1);
        assert_eq!(lacks("tree 41.5 %\nmargin 3\n"), 1);
        assert_eq!(lacks("road %\nmargin 3\n"), 1);
    }

    #[test]
    fn the_classes_of_the_bundled_model_have_names() {
        let text = std::fs::read_to_string(crate::root().unwrap().join(CLASSES)).unwrap();
        assert_eq!(names(&text.parse().unwrap()).len(), 11);
    }
}
