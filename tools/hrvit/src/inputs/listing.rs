//! From paths and patterns to files, each with the name that its results get.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use hrvit_camera::Format;

use super::{InputArgs, video};
use crate::frames;

/// Extensions of raw frames in a folder that name no layout.
const RAW: [&str; 4] = ["raw", "yuv", "bin", "data"];
/// Endings of the names of a frame's results.
const ENDINGS: [&str; 5] = ["labels.png", "overlay.png", "json", "margin.png", "unsure.png"];
/// Name of results of standard input.
const STDIN: &str = "stdin";

/// One input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path.
    pub path: PathBuf,
    /// Its results' name without ending, below the folder of results.
    pub name: PathBuf,
}

impl Entry {
    /// Whether it is standard input.
    pub fn is_stdin(&self) -> bool {
        self.path.as_os_str() == "-"
    }

    /// Whether ffmpeg has to read it.
    pub fn is_video(&self) -> bool {
        frames::has_extension(&self.path, &video::EXTENSIONS)
    }
}

/// Files collected, folder by folder.
struct Listing<'a> {
    recursive: bool,
    extensions: &'a [&'a str],
    /// Not gone into.
    out: Option<PathBuf>,
    entries: Vec<Entry>,
}

/// The inputs that `args` names, those of a folder or pattern in order of their names.
///
/// # Errors
/// If there is no such file, or a folder or pattern has no frame.
pub fn entries(args: &InputArgs, out: &Path) -> Result<Vec<Entry>> {
    let extensions: Vec<&str> = match args.raw {
        Some(_) => RAW.into_iter().chain(Format::ALL.map(Format::name)).collect(),
        None => frames::EXTENSIONS.to_vec(),
    };
    let mut listing = Listing { recursive: args.recursive, extensions: &extensions, out: out.canonicalize().ok(), entries: Vec::new() };
    for path in &args.paths {
        if path.as_os_str() == "-" {
            listing.entries.push(Entry { path: path.clone(), name: STDIN.into() });
        } else if path.is_dir() {
            listing.folder(path)?;
        } else if path.exists() {
            listing.file(path, None);
        } else {
            listing.pattern(path)?;
        }
    }
    Ok(listing.entries)
}

impl Listing<'_> {
    /// A file; its results lie in the same folders below `root`, or in none.
    fn file(&mut self, path: &Path, root: Option<&Path>) {
        let below = root.and_then(|root| path.parent()?.strip_prefix(root).ok());
        let name = below.unwrap_or(Path::new("")).join(frames::stem(path));
        self.entries.push(Entry { path: path.to_path_buf(), name });
    }

    fn folder(&mut self, folder: &Path) -> Result<()> {
        let before = self.entries.len();
        let mut found = Vec::new();
        self.walk(folder, &mut BTreeSet::new(), &mut found)?;
        found.sort();
        found.iter().for_each(|path| self.file(path, self.recursive.then_some(folder)));
        let hint = if self.recursive { "" } else { " (--recursive looks into its folders)" };
        ensure!(self.entries.len() > before, "folder {} holds no frame: expected files ending in {}{hint}", folder.display(), self.extensions.join(", "));
        Ok(())
    }

    fn walk(&self, folder: &Path, above: &mut BTreeSet<PathBuf>, found: &mut Vec<PathBuf>) -> Result<()> {
        let reading = || format!("reading folder {}", folder.display());
        let real = folder.canonicalize().with_context(reading)?;
        // A link may lead to a folder that it lies in.
        if (self.out.as_ref() == Some(&real) && !above.is_empty()) || !above.insert(real.clone()) {
            return Ok(());
        }
        for entry in std::fs::read_dir(folder).with_context(reading)? {
            let path = entry.with_context(reading)?.path();
            if frames::is_hidden(&path) {
                continue;
            }
            if path.is_dir() {
                if self.recursive {
                    self.walk(&path, above, found)?;
                }
            } else if frames::has_extension(&path, self.extensions) {
                found.push(path);
            }
        }
        above.remove(&real);
        Ok(())
    }

    /// Files of a pattern, as a shell would find them; hidden files take a dot of the pattern's
    /// own.
    fn pattern(&mut self, pattern: &Path) -> Result<()> {
        let shown = pattern.display();
        if pattern.symlink_metadata().is_ok() {
            bail!("{shown} is a link to a file that is not there");
        }
        let text = pattern.to_str().filter(|text| text.contains(['*', '?', '['])).with_context(|| format!("{shown}: there is no such file or folder"))?;
        let options = glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::new() };
        let matches = glob::glob_with(text, options).with_context(|| format!("pattern {shown}"))?;
        let mut paths: Vec<PathBuf> = matches.collect::<Result<_, _>>().with_context(|| format!("pattern {shown}"))?;
        let known = |path: &Path| {
            frames::has_extension(path, self.extensions) || frames::has_extension(path, &["y4m"]) || frames::has_extension(path, &video::EXTENSIONS)
        };
        // An ending that the pattern spells out is meant.
        let open = text.ends_with(['*', '?', ']']);
        let fixed = |part: &Component<'_>| !part.as_os_str().to_string_lossy().contains(['*', '?', '[']);
        // The matches come without a dot for the folder that is worked in.
        let root: PathBuf = pattern.components().take_while(fixed).filter(|part| !matches!(part, Component::CurDir)).collect();
        let is_hidden = |part: Component<'_>| part.as_os_str().to_string_lossy().starts_with('.');
        let hidden_too = pattern.components().skip_while(fixed).any(is_hidden);
        let has_hidden = |path: &Path| path.strip_prefix(&root).unwrap_or(path).components().any(is_hidden);
        paths.retain(|path| !path.is_dir() && (!open || known(path)) && (hidden_too || !has_hidden(path)));
        paths.sort();
        ensure!(!paths.is_empty(), "pattern {shown} matches no frame, and there is no such file");
        paths.iter().for_each(|path| self.file(path, self.recursive.then_some(root.as_path())));
        Ok(())
    }
}

/// Checks that results do not overwrite one another, nor a frame.
///
/// # Errors
/// If they would; names both.
pub fn check(entries: &[Entry], out: &Path) -> Result<()> {
    let leads_out = |entry: &&Entry| !entry.name.components().all(|part| matches!(part, Component::Normal(_)));
    if let Some(entry) = entries.iter().find(leads_out) {
        bail!(
            "results of {} would be named {}, outside of the folder for results: rename the file, or give a path without ..",
            entry.path.display(),
            entry.name.display()
        );
    }
    frames::check_names(entries.iter().map(|entry| (entry.name.as_path(), entry.path.as_path())))?;
    let names: BTreeMap<&Path, &Path> = entries.iter().map(|entry| (entry.name.as_path(), entry.path.as_path())).collect();
    for entry in entries {
        // The frames of a video may lie in a folder of its name.
        if let Some(other) =
            entry.name.ancestors().skip(1).find_map(|above| names.get(above)).filter(|other| !frames::has_extension(other, &frames::EXTENSIONS))
        {
            bail!("results of {} would lie among those of {}: rename one of them", entry.path.display(), other.display());
        }
    }
    let real: BTreeSet<PathBuf> = entries.iter().filter_map(|entry| entry.path.canonicalize().ok()).collect();
    for entry in entries {
        for ending in ENDINGS {
            let result = result(out, &entry.name, ending);
            let taken = result.canonicalize().is_ok_and(|result| real.contains(&result));
            ensure!(!taken, "a result of {} would overwrite the frame {}: name another folder with --out", entry.path.display(), result.display());
        }
    }
    Ok(())
}

/// The file of a result.
pub fn result(out: &Path, name: &Path, ending: &str) -> PathBuf {
    let mut path = out.join(name).into_os_string();
    path.push(".");
    path.push(ending);
    path.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        folder
    }

    fn names(paths: &[PathBuf], recursive: bool) -> Result<Vec<String>> {
        let args = InputArgs { paths: paths.to_vec(), recursive, ..InputArgs::default() };
        let entries = entries(&args, Path::new("/nowhere"))?;
        check(&entries, Path::new("/nowhere"))?;
        Ok(entries.iter().map(|entry| entry.name.display().to_string()).collect())
    }

    #[test]
    fn a_folder_is_taken_alone_or_with_its_folders_and_never_hidden_ones() {
        let folder = folder(&["b.jpg", "a.png", "c.txt", ".d.png", "x/a.png", "x/y/e.webp", ".z/f.png"]);
        let at = || [folder.path().to_path_buf()];
        assert_eq!(names(&at(), false).unwrap(), ["a", "b"]);
        assert_eq!(names(&at(), true).unwrap(), ["a", "b", "x/a", "x/y/e"]);
        assert!(names(&[folder.path().join("x/y"), folder.path().join(".z")], false).is_ok());
    }

    #[test]
    fn patterns_are_what_a_shell_makes_of_them() {
        let folder = folder(&["b.jpg", "a.png", "c.txt", ".d.png", "x/a.png", "y/a.png", "[1].png"]);
        let at = |pattern: &str| [folder.path().join(pattern)];
        assert_eq!(names(&at("?.*"), false).unwrap(), ["a", "b"]);
        assert_eq!(names(&at("*.png"), false).unwrap(), ["[1]", "a"]);
        assert_eq!(names(&at("[1].png"), false).unwrap(), ["[1]"]);
        assert_eq!(names(&at("*/a.png"), true).unwrap(), ["x/a", "y/a"]);
        let error = names(&at("*/a.png"), false).unwrap_err().to_string();
        assert!(error.contains("x/a.png") && error.contains("y/a.png"), "{error}");
        assert!(names(&at("*.gif"), false).unwrap_err().to_string().contains("matches no frame"));
        assert!(names(&at("no.jpg"), false).unwrap_err().to_string().contains("there is no such file"));
    }

    #[test]
    fn results_overwrite_no_frame_and_no_other_result() {
        let folder = folder(&["a.jpg", "a.png", "b.png", "b.labels.png", "v.y4m"]);
        let at = |name: &str| folder.path().join(name);
        let error = names(&[at("a.jpg"), at("a.png")], false).unwrap_err().to_string();
        assert!(error.contains("a.jpg") && error.contains("a.png") && error.contains("same name"), "{error}");
        let all = InputArgs { paths: vec![at("b.png"), at("b.labels.png")], ..InputArgs::default() };
        let found = entries(&all, folder.path()).unwrap();
        assert!(check(&found, folder.path()).unwrap_err().to_string().contains("overwrite the frame"));
        check(&found, &at("out")).unwrap();
        let entry = |path: &str, name: &str| Entry { path: path.into(), name: name.into() };
        assert!(check(&[entry("v.y4m", "v"), entry("v/000000.png", "v/000000")], Path::new("/nowhere")).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn links_lead_to_frames_and_not_in_circles() {
        let folder = folder(&["x/a.png"]);
        std::os::unix::fs::symlink("..", folder.path().join("x/up")).unwrap();
        assert_eq!(names(&[folder.path().join("x")], true).unwrap(), ["a"]);
        std::os::unix::fs::symlink("gone", folder.path().join("b.png")).unwrap();
        assert!(names(&[folder.path().join("b.png")], false).unwrap_err().to_string().contains("link"));
    }
}
