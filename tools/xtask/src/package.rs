//! The published crates as crates.io would get them: what their manifests say, and that each
//! compiles from its archive alone.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::command;
use crate::firmware::build::target_folder;

/// Fields that a published manifest has, besides cargo's own demands.
const ASKED: [&str; 7] = ["description", "license", "rust_version", "readme", "keywords", "categories", "metadata"];

/// A crate that is published.
#[derive(Debug, PartialEq, Eq)]
struct Published {
    name: String,
    version: String,
}

/// Packages every member of the workspace that may be published and compiles the archives with all
/// features. Returns what is wrong.
///
/// # Errors
/// If no crate is published, or an archive cannot be made or does not compile.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let described = command::succeed(Command::new("cargo").current_dir(root).args(["metadata", "--locked", "--no-deps", "--format-version", "1"]))?;
    let (published, missing) = read(&serde_json::from_str(&described).context("cargo metadata prints JSON")?)?;
    if !missing.is_empty() {
        return Ok(missing);
    }
    let folder = target_folder(root).join("package");
    let mut package = Command::new("cargo");
    // Not verified by cargo, whose registry folder keeps what an earlier archive of the same
    // version held.
    package.current_dir(root).args(["package", "--locked", "--quiet", "--allow-dirty", "--no-verify"]);
    package.args(published.iter().flat_map(|member| ["--package", &member.name]));
    command::succeed(&mut package)?;
    compile(root, &folder, &published).context("the archives for crates.io")?;
    Ok(Vec::new())
}

/// The published members in what `cargo metadata` printed, and what their manifests lack.
fn read(metadata: &Value) -> Result<(Vec<Published>, Vec<String>)> {
    let (mut published, mut missing) = (Vec::new(), Vec::new());
    for package in metadata["packages"].as_array().context("cargo metadata lists packages")? {
        // `null`: anywhere; a list: these registries only, none with `publish = false`.
        if package["publish"].as_array().is_some_and(Vec::is_empty) {
            continue;
        }
        let text = |key: &str| package[key].as_str().map(str::to_owned).with_context(|| format!("a package has a {key}"));
        let member = Published { name: text("name")?, version: text("version")? };
        let empty = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        missing.extend(ASKED.iter().filter(|key| empty(&package[**key])).map(|key| match *key {
            "metadata" => format!("{} is published and has no [package.metadata.docs.rs] in its manifest", member.name),
            key => format!("{} is published and has no {} in its manifest", member.name, key.replace('_', "-")),
        }));
        published.push(member);
    }
    ensure!(!published.is_empty(), "no member of the workspace is published");
    Ok((published, missing))
}

/// Unpacks the archives and compiles them as one workspace, in which each stands for itself on
/// crates.io.
fn compile(root: &Path, folder: &Path, published: &[Published]) -> Result<()> {
    let unpacked = folder.join("unpacked");
    if unpacked.exists() {
        std::fs::remove_dir_all(&unpacked).with_context(|| format!("emptying {}", unpacked.display()))?;
    }
    std::fs::create_dir_all(&unpacked).with_context(|| format!("making {}", unpacked.display()))?;
    for member in published {
        let archive: PathBuf = folder.join(format!("{}-{}.crate", member.name, member.version));
        // With the time of unpacking: archives have one and the same, from which cargo would
        // conclude that nothing changed.
        command::succeed(Command::new("tar").args(["-xzmf"]).arg(archive).arg("-C").arg(&unpacked))?;
    }
    let write = |name: &str, bytes: &[u8]| std::fs::write(unpacked.join(name), bytes).with_context(|| format!("writing {name}"));
    write("Cargo.toml", workspace(published)?.as_bytes())?;
    write("Cargo.lock", &std::fs::read(root.join("Cargo.lock")).context("reading Cargo.lock")?)?;
    let mut cargo = Command::new("cargo");
    cargo.current_dir(&unpacked).args(["check", "--release", "--quiet", "--workspace", "--all-features", "--target-dir"]).arg(target_folder(root));
    command::succeed(&mut cargo).map(drop)
}

/// The manifest over the unpacked archives.
fn workspace(published: &[Published]) -> Result<String> {
    let mut text = String::from("[workspace]\nresolver = \"3\"\nmembers = [");
    for member in published {
        write!(text, "\"{}-{}\", ", member.name, member.version)?;
    }
    text.push_str("]\n\n[patch.crates-io]\n");
    for member in published {
        writeln!(text, "{} = {{ path = \"{}-{}\" }}", member.name, member.name, member.version)?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn package(name: &str, publish: &Value) -> Value {
        json!({
            "name": name, "version": "1.2.3", "publish": publish, "description": "a", "license": "b", "rust_version": "1.95", "readme": "README.md",
            "keywords": ["c"], "categories": ["d"], "metadata": {"docs": {"rs": {"all-features": true}}},
        })
    }

    #[test]
    fn only_what_may_be_published_is_packaged() {
        let metadata = json!({"packages": [package("a", &Value::Null), package("b", &json!([])), package("c", &json!(["crates-io"]))]});
        let (published, missing) = read(&metadata).unwrap();
        let names: Vec<&str> = published.iter().map(|member| member.name.as_str()).collect();
        assert_eq!((names, missing.len()), (vec!["a", "c"], 0));
        assert!(read(&json!({"packages": [package("b", &json!([]))]})).is_err());
    }

    #[test]
    fn what_a_manifest_lacks_is_named() {
        let mut poor = package("a", &Value::Null);
        (poor["readme"], poor["keywords"], poor["metadata"]) = (Value::Null, json!([]), Value::Null);
        let (_, missing) = read(&json!({"packages": [poor]})).unwrap();
        assert_eq!(missing.len(), 3);
        assert!(missing[0].contains("no readme") && missing[1].contains("no keywords") && missing[2].contains("docs.rs"), "{missing:?}");
    }

    #[test]
    fn archives_stand_for_crates_of_the_registry() {
        let text = workspace(&[Published { name: "a".to_owned(), version: "1.2.3".to_owned() }]).unwrap();
        let manifest: toml::Table = text.parse().unwrap();
        assert_eq!(manifest["patch"]["crates-io"]["a"]["path"].as_str(), Some("a-1.2.3"));
        assert_eq!(manifest["workspace"]["members"][0].as_str(), Some("a-1.2.3"));
    }
}
