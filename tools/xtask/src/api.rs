//! `cargo xtask api`: what the library crates offer, one line per item, under `docs/api`; a change
//! of it is seen where a change is reviewed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use public_api::{Builder, PublicItem};

use crate::firmware::build::target_folder;
use crate::{command, install};

/// The crates whose interface is kept.
const CRATES: [&str; 4] = ["hrvit-kernels", "hrvit-format", "hrvit-core", "hrvit-camera"];
/// The target that docs.rs shows; elsewhere some items are others.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// Folder of the listings.
const FOLDER: &str = "docs/api";
/// Command that brings the listings up to date.
const HELP: &str = "`cargo xtask api` writes it anew";
/// Lines of a difference that are shown.
const SHOWN: usize = 40;

/// Writes the listing of every crate.
///
/// # Errors
/// If a crate has no documentation to read, or a listing cannot be written.
pub fn write(root: &Path) -> Result<()> {
    let folder = root.join(FOLDER);
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    for (path, text) in listings(root)? {
        std::fs::write(root.join(&path), text).with_context(|| format!("writing {path}"))?;
        println!("wrote {path}");
    }
    Ok(())
}

/// Differences of the listings from the crates' items.
///
/// # Errors
/// If a crate has no documentation to read, or a listing cannot be read.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for (path, text) in listings(root)? {
        let file = root.join(&path);
        if !file.is_file() {
            found.push(format!("no {path}: {HELP}"));
            continue;
        }
        let kept = std::fs::read_to_string(&file).with_context(|| format!("reading {path}"))?;
        if kept != text {
            found.push(format!("{path} is not the interface of the crate; {HELP}\n{}", difference(&kept, &text)));
        }
    }
    Ok(found)
}

/// Path of every listing, from the root, and what it must hold.
fn listings(root: &Path) -> Result<Vec<(String, String)>> {
    let folder = document(root)?;
    CRATES.iter().map(|name| Ok((format!("{FOLDER}/{name}.txt"), listing(&folder.join(format!("{}.json", name.replace('-', "_"))))?))).collect()
}

/// Lets rustdoc describe the crates with all their features, and returns the folder with what it
/// wrote.
fn document(root: &Path) -> Result<PathBuf> {
    install::targets(root, &[TARGET])?;
    let folder = target_folder(root).join("api");
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root).args(["doc", "--locked", "--quiet", "--no-deps", "--lib", "--all-features", "--target", TARGET, "--target-dir"]).arg(&folder);
    cargo.args(CRATES.iter().flat_map(|name| ["--package", name]));
    // The pinned compiler has the format, but not as stable; what needs it stays in a folder of its
    // own.
    cargo.env("RUSTC_BOOTSTRAP", "1").env("RUSTDOCFLAGS", "-Z unstable-options --output-format json --cap-lints allow");
    command::succeed(&mut cargo)?;
    Ok(folder.join(TARGET).join("doc"))
}

/// One line per public item of the crate described in `file`, without what derives and the compiler
/// add to every type.
fn listing(file: &Path) -> Result<String> {
    let builder = Builder::from_rustdoc_json(file).omit_blanket_impls(true).omit_auto_trait_impls(true).omit_auto_derived_impls(true);
    let api = builder.build().with_context(|| format!("{}: the toolchain and public-api must be of the same format", file.display()))?;
    Ok(api.items().map(PublicItem::to_string).map(|line| line + "\n").collect())
}

/// Lines that are only in one of two listings.
fn difference(kept: &str, now: &str) -> String {
    let (before, after): (BTreeSet<&str>, BTreeSet<&str>) = (kept.lines().collect(), now.lines().collect());
    let gone = before.difference(&after).map(|line| format!("- {line}"));
    let mut changed: Vec<String> = gone.chain(after.difference(&before).map(|line| format!("+ {line}"))).collect();
    if changed.is_empty() {
        changed.push("the same lines in another order or number".to_owned());
    }
    let more = changed.len().saturating_sub(SHOWN);
    changed.truncate(SHOWN);
    if more > 0 {
        changed.push(format!("and {more} lines more"));
    }
    changed.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_and_what_is_new_are_shown() {
        assert_eq!(difference("pub fn a()\npub fn b()\n", "pub fn b()\npub fn c()\n"), "- pub fn a()\n+ pub fn c()");
    }

    #[test]
    fn another_order_is_named() {
        assert_eq!(difference("a\nb\n", "b\na\n"), "the same lines in another order or number");
    }

    #[test]
    fn a_long_difference_is_cut_and_counted() {
        let now: String = (0..SHOWN + 3).map(|number| format!("{number}\n")).collect();
        let text = difference("", &now);
        assert_eq!((text.lines().count(), text.lines().last()), (SHOWN + 1, Some("and 3 lines more")));
    }
}
