//! Data sets: frames with label maps, frames with classes.
//!
//! | module | what |
//! |---|---|
//! | [`args`] | the options that say how a data set is laid out and its labels are read |
//! | [`layout`] | where the frames and labels of each layout lie |
//! | [`rules`] | from values and colours of label files to classes |
//! | [`checks`] | what is found before the work begins |

pub mod args;
pub mod checks;
pub mod layout;
pub mod rules;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};

use crate::failures::gather;
use crate::frames;
use crate::labels::LabelMap;
use crate::palette::Classes;
use rules::Rules;

/// A frame and its labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labelled {
    /// File stem that both have.
    pub name: String,
    /// The frame.
    pub frame: PathBuf,
    /// Its labels.
    pub labels: PathBuf,
    /// How they are read.
    pub rules: Arc<Rules>,
}

impl Labelled {
    /// Its labels as classes.
    ///
    /// # Errors
    /// If the file cannot be read; names it.
    pub fn truth(&self) -> Result<LabelMap> {
        self.rules.read(&self.labels)
    }
}

/// Pairs every frame of `folder/images` with `folder/labels/STEM.png`, in order of their names.
/// Label values are classes.
///
/// # Errors
/// If there is no frame, one has no labels, or two have the same; names them.
pub fn labelled(folder: &Path) -> Result<Vec<Labelled>> {
    layout::folder(folder, &Arc::new(Rules::default()))
}

/// A frame and the class that it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classified {
    /// File stem.
    pub name: String,
    /// The frame.
    pub frame: PathBuf,
    /// Number of its class; none where the folder has no labels.
    pub class: Option<usize>,
}

/// Meaning of a class's name: nothing that is known, no class, or a class.
pub type Named<'n> = &'n dyn Fn(&str) -> Option<Option<usize>>;

/// The frames of `folder/images` in order of their names. A file `folder/labels.csv` gives their
/// classes: lines of a frame's file stem, a comma and the number or the name of its class. `named`
/// gives the class of another name, or `Some(None)` for one whose frames are left out.
///
/// # Errors
/// If there is no frame, a line is none of these, or a frame has no line; names it.
pub fn classified(folder: &Path, classes: &Classes, named: Named<'_>) -> Result<Vec<Classified>> {
    let table = folder.join("labels.csv");
    let labels = if table.exists() {
        let text = std::fs::read_to_string(&table).with_context(|| format!("reading labels {}", table.display()))?;
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let label = |(number, line)| class_of(line, classes, named).with_context(|| format!("labels {}, line {}: {line:?}", table.display(), number + 1));
        let mut labels = BTreeMap::new();
        for (name, class) in lines.map(label).collect::<Result<Vec<_>>>()? {
            ensure!(labels.insert(name.clone(), class).is_none(), "labels {}: two lines for frame \"{name}\"", table.display());
        }
        Some(labels)
    } else {
        None
    };
    let frame = |frame: PathBuf| {
        let name = frames::stem(&frame);
        let label = |labels: &BTreeMap<String, Option<usize>>| {
            labels
                .get(&name)
                .copied()
                .with_context(|| format!("frame {} has no class: expected a line \"{name},CLASS\" in {}", frame.display(), table.display()))
        };
        let class = labels.as_ref().map(label).transpose()?;
        Ok((class != Some(None)).then_some(Classified { name, frame, class: class.flatten() }))
    };
    let set: Vec<Classified> = gather(layout::images(folder)?.into_iter().map(frame))?.into_iter().flatten().collect();
    ensure!(!set.is_empty(), "{} holds no frame of a class that counts", folder.display());
    Ok(set)
}

/// A line of `labels.csv`.
fn class_of(line: &str, classes: &Classes, named: Named<'_>) -> Result<(String, Option<usize>)> {
    let (name, class) = line.rsplit_once(',').context("expected a frame's name, a comma and its class")?;
    let (name, class) = (name.trim(), class.trim());
    if let Some(class) = named(class) {
        return Ok((name.to_owned(), class));
    }
    let number = class.parse().ok().filter(|&number| number < classes.len());
    let number = number.or_else(|| classes.iter().position(|known| known.name == class));
    let number = number.with_context(|| format!("class {class:?} is neither a number below {} nor the name of a class", classes.len()))?;
    Ok((name.to_owned(), Some(number)))
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

    #[test]
    fn frames_are_paired_by_stem_in_order() {
        let folder = folder(&["images/b.jpg", "images/a.png", "labels/a.png", "labels/b.png", "labels/c.png"]);
        let names: Vec<_> = labelled(folder.path()).unwrap().into_iter().map(|pair| pair.name).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn classes_are_numbers_or_names_and_need_not_be_there() {
        let folder = folder(&["images/b.jpg", "images/a,1.png"]);
        let classes = Classes::camvid11();
        let found = || classified(folder.path(), &classes, &|_| None).map(|set| set.into_iter().map(|frame| (frame.name, frame.class)).collect::<Vec<_>>());
        assert_eq!(found().unwrap(), [("a,1".to_owned(), None), ("b".to_owned(), None)]);
        let table = folder.path().join("labels.csv");
        std::fs::write(&table, "b, road\n\na,1,10\n").unwrap();
        let road = classes.iter().position(|class| class.name == "road");
        assert_eq!(found().unwrap(), [("a,1".to_owned(), Some(10)), ("b".to_owned(), road)]);
        std::fs::write(&table, "b,11\n").unwrap();
        let error = format!("{:#}", found().unwrap_err());
        assert!(error.contains("line 1") && error.contains("below 11"), "{error}");
        std::fs::write(&table, "b,0\n").unwrap();
        assert!(format!("{:#}", found().unwrap_err()).contains("a,1,CLASS"));
        std::fs::write(&table, "b,sedan\na,1,unknown\n").unwrap();
        let named = |name: &str| [("sedan", Some(2)), ("unknown", None)].into_iter().find(|(known, _)| *known == name).map(|(_, class)| class);
        let set = classified(folder.path(), &classes, &named).unwrap();
        assert_eq!(set.iter().map(|frame| (frame.name.as_str(), frame.class)).collect::<Vec<_>>(), [("b", Some(2))]);
        let error = classified(folder.path(), &classes, &|_| Some(None)).unwrap_err().to_string();
        assert!(error.contains("no frame of a class"), "{error}");
    }

    #[test]
    fn two_frames_for_one_label_map_are_an_error() {
        let folder = folder(&["images/a.jpg", "images/a.png", "labels/a.png"]);
        let error = labelled(folder.path()).unwrap_err().to_string();
        assert!(error.contains("a.jpg") && error.contains("a.png") && error.contains("same name"), "{error}");
        assert!(classified(folder.path(), &Classes::camvid11(), &|_| None).is_err());
    }

    #[test]
    fn a_frame_without_labels_is_named() {
        let folder = folder(&["images/a.jpg", "labels/b.png"]);
        let error = labelled(folder.path()).unwrap_err().to_string();
        assert!(error.contains("a.jpg") && error.contains("a.png"), "{error}");
    }
}
