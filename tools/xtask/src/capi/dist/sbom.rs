//! The bill of materials of an archive, in SPDX 2.3, and the licences of what is in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::Archive;
use crate::command;

/// Beginnings of names of files that say under which terms a crate comes.
const TERMS: [&str; 5] = ["license", "licence", "copying", "notice", "unlicense"];

/// A crate: name and version.
type Crate = (String, String);

/// Writes `sbom.spdx.json` and `licences/` into `folder`.
///
/// # Errors
/// If cargo fails, or a crate has no licence.
pub fn write(root: &Path, archive: &Archive, folder: &Path) -> Result<()> {
    let tree = command::succeed(&mut tree_of(root, archive))?;
    let edges = edges(&tree)?;
    let metadata = command::succeed(Command::new("cargo").current_dir(root).args(["metadata", "--locked", "--format-version", "1"]))?;
    let metadata: Value = serde_json::from_str(&metadata).context("cargo metadata prints JSON")?;
    let lock = std::fs::read_to_string(root.join("Cargo.lock")).context("reading Cargo.lock")?;
    let sums = sums(&lock)?;
    let mut packages = Vec::new();
    for (name, version) in edges.keys() {
        let all = metadata["packages"].as_array().context("cargo metadata lists packages")?;
        let found = all.iter().find(|package| package["name"] == name.as_str() && package["version"] == version.as_str());
        let package = found.with_context(|| format!("cargo metadata lists {name} {version}"))?;
        let licence = package["license"].as_str().with_context(|| format!("{name} {version} says no licence"))?;
        let is_ours = package["source"].is_null();
        if !is_ours {
            let manifest = PathBuf::from(package["manifest_path"].as_str().context("a package has a manifest")?);
            terms(manifest.parent().context("a folder")?, &folder.join("licences").join(format!("{name}-{version}")))?;
        }
        packages.push(described(name, version, licence, is_ours, sums.get(&(name.clone(), version.clone()))));
    }
    let document = document(archive.name, packages, &edges);
    std::fs::write(folder.join("sbom.spdx.json"), serde_json::to_string_pretty(&document)? + "\n").context("writing sbom.spdx.json")
}

/// The crates that are linked, by depth.
fn tree_of(root: &Path, archive: &Archive) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root).args(["tree", "--locked", "--package", "hrvit-capi", "--edges", "normal,no-proc-macro", "--prefix", "depth", "--no-dedupe"]);
    cargo.args(["--target", archive.build.target, "--no-default-features", "--features", &archive.build.features.join(",")]);
    cargo
}

/// Every crate of `cargo tree --prefix depth`, and those that it depends on.
fn edges(tree: &str) -> Result<BTreeMap<Crate, BTreeSet<Crate>>> {
    let mut edges: BTreeMap<Crate, BTreeSet<Crate>> = BTreeMap::new();
    let mut above: Vec<Crate> = Vec::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let digits = line.find(|c: char| !c.is_ascii_digit()).context("a line of cargo tree has a name")?;
        let (depth, rest) = line.split_at(digits);
        let depth: usize = depth.parse().context("a line of cargo tree has a depth")?;
        let mut words = rest.split(' ');
        let name = words.next().unwrap_or_default().to_owned();
        let version = words.next().and_then(|word| word.strip_prefix('v')).with_context(|| format!("{line}: no version"))?;
        let this = (name, version.to_owned());
        ensure!(depth <= above.len(), "{line}: deeper than what is above it");
        above.truncate(depth);
        if let Some(parent) = above.last() {
            edges.entry(parent.clone()).or_default().insert(this.clone());
        }
        edges.entry(this.clone()).or_default();
        above.push(this);
    }
    Ok(edges)
}

/// Sums of crates in Cargo.lock.
fn sums(lock: &str) -> Result<BTreeMap<Crate, String>> {
    let lock: toml::Table = lock.parse().context("Cargo.lock is TOML")?;
    let packages = lock["package"].as_array().context("Cargo.lock lists packages")?;
    let text = |package: &toml::Value, key: &str| package.get(key).and_then(toml::Value::as_str).map(str::to_owned);
    Ok(packages.iter().filter_map(|package| Some(((text(package, "name")?, text(package, "version")?), text(package, "checksum")?))).collect())
}

fn id(name: &str, version: &str) -> String {
    format!("SPDXRef-{name}-{version}").replace(['_', '+'], "-")
}

fn described(name: &str, version: &str, licence: &str, is_ours: bool, sum: Option<&String>) -> Value {
    // Crates of old write a slash for OR.
    let licence = licence.replace('/', " OR ").replace("  ", " ");
    let mut package = json!({
        "SPDXID": id(name, version),
        "name": name,
        "versionInfo": version,
        "licenseDeclared": licence,
        "licenseConcluded": licence,
        "copyrightText": "NOASSERTION",
        "filesAnalyzed": false,
        "downloadLocation": if is_ours { "NOASSERTION".to_owned() } else { format!("https://crates.io/api/v1/crates/{name}/{version}/download") },
        "externalRefs": [{ "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": format!("pkg:cargo/{name}@{version}") }],
    });
    if let Some(sum) = sum {
        package["checksums"] = json!([{ "algorithm": "SHA256", "checksumValue": sum }]);
    }
    package
}

/// The document: this archive is `hrvit-capi` with what that depends on, and Rust's own library.
fn document(name: &str, packages: Vec<Value>, edges: &BTreeMap<Crate, BTreeSet<Crate>>) -> Value {
    let version = env!("CARGO_PKG_VERSION");
    let mut relations = vec![json!({ "spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": id("hrvit-capi", version) })];
    for (from, all) in edges {
        relations.extend(
            all.iter().map(|to| json!({ "spdxElementId": id(&from.0, &from.1), "relationshipType": "DEPENDS_ON", "relatedSpdxElement": id(&to.0, &to.1) })),
        );
    }
    json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": format!("hrvit-{version}-{name}"),
        "documentNamespace": format!("https://spdx.org/spdxdocs/hrvit-{version}-{name}"),
        // The same document from the same sources: no clock.
        "creationInfo": { "created": "1970-01-01T00:00:00Z", "creators": [format!("Tool: cargo-xtask-dist-{version}")] },
        "comment": "Rust's core, alloc and std (MIT OR Apache-2.0) are linked in too, of the release that rust-toolchain.toml names.",
        "packages": packages,
        "relationships": relations,
    })
}

/// Copies the terms that a crate comes with.
fn terms(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).with_context(|| format!("making {}", to.display()))?;
    let mut count = 0;
    for entry in std::fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_lowercase();
        if entry.file_type()?.is_file() && TERMS.iter().any(|terms| name.starts_with(terms)) {
            std::fs::copy(entry.path(), to.join(entry.file_name())).with_context(|| format!("copying {}", entry.path().display()))?;
            count += 1;
        }
    }
    ensure!(count > 0, "{}: no file says under which terms it comes", from.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depths_of_a_tree_are_edges() {
        let edges = edges("0a v1.0.0 (/x)\n1b v0.2.0\n2c v3.0.0\n1c v3.0.0\n").unwrap();
        let of = |name: &str| edges.iter().find(|(from, _)| from.0 == name).unwrap().1.iter().map(|to| to.0.as_str()).collect::<Vec<_>>();
        assert_eq!((of("a"), of("b"), of("c")), (vec!["b", "c"], vec!["c"], vec![]));
        assert!(self::edges("2a v1.0.0\n").is_err());
    }

    #[test]
    fn sums_are_those_of_the_lock() {
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nchecksum = \"ab\"\n[[package]]\nname = \"b\"\nversion = \"2.0.0\"\n";
        assert_eq!(sums(lock).unwrap(), BTreeMap::from([(("a".to_owned(), "1.0.0".to_owned()), "ab".to_owned())]));
    }
}
