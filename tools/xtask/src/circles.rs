//! No files of a package that use each other in a circle: they could only be read together.
//!
//! A file uses another if a path in it leads there, in code, in `use` or in a macro. Files may use
//! the `mod.rs` of the folders that they lie in: that is not counted. Neither are tests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::lint;

/// A module by its names from the root of the package, which is empty.
type Module = Vec<String>;

/// The circles of every package, each a folder `src`.
///
/// # Errors
/// If a file cannot be read or holds no Rust.
pub fn find(root: &Path) -> Result<Vec<String>> {
    let mut packages: BTreeMap<String, BTreeMap<Module, String>> = BTreeMap::new();
    for path in lint::files(root)?.iter().filter(|path| path.ends_with(".rs")) {
        if let Some((package, file)) = path.split_once("/src/") {
            let text = std::fs::read_to_string(root.join(path)).with_context(|| format!("reading {path}"))?;
            packages.entry(package.to_owned()).or_default().insert(module(Path::new(file)), text);
        }
    }
    let mut found = Vec::new();
    for (package, files) in &packages {
        found.extend(circles(&uses(files)?).iter().map(|circle| format!("{package}: a circle of files: {}", circle.join(" -> "))));
    }
    Ok(found)
}

fn module(file: &Path) -> Module {
    let mut names: PathBuf = file.with_extension("");
    if ["mod", "lib", "main"].iter().any(|name| names.ends_with(name)) {
        names.pop();
    }
    names.iter().map(|name| name.to_string_lossy().into_owned()).collect()
}

/// Modules that every file uses, but for itself and those that it lies in.
fn uses(files: &BTreeMap<Module, String>) -> Result<BTreeMap<&Module, BTreeSet<&Module>>> {
    let of = |(module, text): (_, &String)| {
        let tokens: TokenStream = text.parse().map_err(|error| anyhow!("{}: {error}", name(module)))?;
        let mut paths = Vec::new();
        read(&tokens.into_iter().collect::<Vec<_>>(), module, &mut paths);
        let file = |path: &Module| (0..=path.len()).rev().find_map(|len| files.get_key_value(&path[..len])).map(|(file, _)| file);
        Ok((module, paths.iter().filter_map(file).filter(|used| !module.starts_with(used)).collect()))
    };
    files.iter().map(of).collect()
}

/// Finds the paths in `tokens`, a part of module `here`.
fn read(tokens: &[TokenTree], here: &Module, paths: &mut Vec<Module>) {
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at..] {
            // A path that begins with `$crate` is one of the macro's users.
            [TokenTree::Punct(dollar), TokenTree::Ident(_), ..] if dollar.as_char() == '$' => at += 1,
            [TokenTree::Punct(hash), TokenTree::Group(attribute), rest @ ..] if hash.as_char() == '#' && attribute.stream().to_string() == "cfg (test)" => {
                at += 2 + rest
                    .iter()
                    .position(|token| matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace) || is(token, ';'))
                    .unwrap_or(0);
            }
            [TokenTree::Ident(word), TokenTree::Ident(name), TokenTree::Group(body), ..] if word == "mod" => {
                let inner: Module = here.iter().cloned().chain([name.to_string()]).collect();
                read(&body.stream().into_iter().collect::<Vec<_>>(), &inner, paths);
                at += 2;
            }
            [TokenTree::Ident(word), colon, ..] if ["crate", "super", "self"].iter().any(|start| word == start) && is(colon, ':') => {
                at += path(&tokens[at..], here, Vec::new(), paths) - 1;
            }
            [TokenTree::Group(group), ..] => read(&group.stream().into_iter().collect::<Vec<_>>(), here, paths),
            _ => {}
        }
        at += 1;
    }
}

/// Reads the path at the start of `tokens`, which goes on from `path`, with all that a group at its
/// end imports; returns how many tokens it takes.
fn path(tokens: &[TokenTree], here: &Module, mut path: Module, paths: &mut Vec<Module>) -> usize {
    let mut at = 0;
    loop {
        match tokens.get(at) {
            Some(TokenTree::Ident(word)) if word == "crate" => path.clear(),
            Some(TokenTree::Ident(word)) if word == "self" => path = if path.is_empty() { here.clone() } else { path },
            Some(TokenTree::Ident(word)) if word == "super" => {
                path = if at == 0 { here.clone() } else { path };
                path.pop();
            }
            Some(TokenTree::Ident(word)) => path.push(word.to_string()),
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                for part in inner.split(|token| is(token, ',')).filter(|part| !part.is_empty()) {
                    self::path(part, here, path.clone(), paths);
                }
                return at + 1;
            }
            _ => break,
        }
        at += 1;
        match tokens.get(at..at + 2) {
            Some([first, second]) if is(first, ':') && is(second, ':') => at += 2,
            _ => break,
        }
    }
    paths.push(path);
    at
}

fn is(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign)
}

/// The shortest circle of every file that is in one, but for circles within an earlier one.
fn circles(uses: &BTreeMap<&Module, BTreeSet<&Module>>) -> Vec<Vec<String>> {
    let mut found: Vec<Vec<String>> = Vec::new();
    for start in uses.keys() {
        // By breadth: each file is reached in the fewest steps.
        let (mut from, mut next) = (BTreeMap::new(), vec![*start]);
        while let Some(module) = (!next.is_empty()).then(|| next.remove(0)) {
            for used in &uses[module] {
                if !from.contains_key(used) {
                    from.insert(*used, module);
                    next.push(used);
                }
            }
        }
        if from.contains_key(start) {
            let mut circle = vec![name(start)];
            let mut module = from[start];
            while module != *start {
                circle.push(name(module));
                module = from[module];
            }
            circle.push(name(start));
            circle.reverse();
            if !found.iter().any(|other| circle.iter().all(|file| other.contains(file))) {
                found.push(circle);
            }
        }
    }
    found
}

fn name(module: &Module) -> String {
    if module.is_empty() { "lib".to_owned() } else { module.join("/") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
        let files = files.iter().map(|(file, text)| (module(Path::new(file)), (*text).to_owned())).collect();
        circles(&uses(&files).unwrap()).iter().map(|circle| circle.join(" -> ")).collect()
    }

    #[test]
    fn a_circle_is_found_through_imports_code_and_macros() {
        assert_eq!(circles_of(&[("a.rs", "use crate::{b::B, c as d};"), ("b.rs", "fn f() { super::a::g() }"), ("c.rs", "")]), ["a -> b -> a"]);
        assert_eq!(circles_of(&[("a.rs", "call!(crate::b::x);"), ("b/mod.rs", ""), ("b/x.rs", "use super::super::a;")]), ["a -> b/x -> a"]);
        let long = [("a.rs", "use crate::b;"), ("b.rs", "use crate::c;"), ("c.rs", "use crate::a;"), ("d.rs", "use crate::a;")];
        assert_eq!(circles_of(&long), ["a -> b -> c -> a"]);
    }

    #[test]
    fn files_may_use_their_folder_and_tests_whatever_they_like() {
        assert!(circles_of(&[("lib.rs", "mod a; use a::A;"), ("a.rs", "use crate::X; use super::Y;")]).is_empty());
        assert!(circles_of(&[("a.rs", "use crate::b;"), ("b.rs", "#[cfg(test)] mod tests { use crate::a; } #[cfg(test)] use crate::a::A;")]).is_empty());
        assert!(circles_of(&[("a.rs", "use crate::b;"), ("b.rs", "macro_rules! m { () => { $crate::a::A } }")]).is_empty());
        assert!(
            circles_of(&[("a.rs", "use crate::b;"), ("b.rs", "// crate::a\nmod inner { use super::super::c; const A: &str = \"crate::a\"; }"), ("c.rs", "")])
                .is_empty()
        );
    }
}
