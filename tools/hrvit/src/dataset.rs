//! A folder of labelled frames.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use crate::frames;

/// A frame and its labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labelled {
    /// File stem that both have.
    pub name: String,
    /// The frame.
    pub frame: PathBuf,
    /// Its labels.
    pub labels: PathBuf,
}

/// Pairs every frame of `folder/images` with `folder/labels/STEM.png`, in order of their names.
///
/// # Errors
/// If there is no frame, or one has no labels; names it.
pub fn labelled(folder: &Path) -> Result<Vec<Labelled>> {
    let pair = |frame: PathBuf| {
        let name = frames::stem(&frame);
        let labels = folder.join("labels").join(format!("{name}.png"));
        ensure!(labels.is_file(), "frame {} has no labels: expected {}", frame.display(), labels.display());
        Ok(Labelled { name, frame, labels })
    };
    frames::list(&folder.join("images"))?.into_iter().map(pair).collect()
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
    fn a_frame_without_labels_is_named() {
        let folder = folder(&["images/a.jpg", "labels/b.png"]);
        let error = labelled(folder.path()).unwrap_err().to_string();
        assert!(error.contains("a.jpg") && error.contains("a.png"), "{error}");
    }
}
