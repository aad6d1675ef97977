//! Places of the frames and labels of each layout.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

use super::rules::Rules;
use super::{Classified, Labelled};
use crate::failures::gather;
use crate::frames;

/// How a data set's folder is laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Layout {
    /// images/* with labels/*.png; of a classifier labels.csv
    #[default]
    Folder,
    /// As folder, or SPLIT/* with SPLITannot/* or SPLIT_labels/*; labels X.png or X_L.png, by value
    /// or colour
    Camvid,
    /// leftImg8bit/SPLIT/CITY/X_leftImg8bit.png with gtFine/SPLIT/CITY/X_gtFine_labelTrainIds.png,
    /// or _labelIds.png of which 19 classes are made
    Cityscapes,
    /// images/SPLIT/*.jpg with annotations/SPLIT/*.png: 0 is no class, 1 is class 0
    Ade20k,
    /// For classifiers: a folder per class, whose sorted names are the classes
    Imagenet,
}

/// Cityscapes' `trainId` of each of its 34 label values from 0 on.
const CITYSCAPES: [Option<u8>; 34] = {
    let mut table = [None; 34];
    let ids = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33];
    let mut class = 0;
    while class < ids.len() {
        table[ids[class]] = Some(class as u8);
        class += 1;
    }
    table
};

/// The class of a Cityscapes `labelIds` value.
pub fn cityscapes_class(id: u8) -> Option<u8> {
    CITYSCAPES.get(usize::from(id)).copied().flatten()
}

/// The frames of `folder/images`, no two of one name.
///
/// # Errors
/// If there is none, or two have one name.
pub fn images(folder: &Path) -> Result<Vec<PathBuf>> {
    unique(listed(&folder.join("images"))?)
}

/// The frames of a folder that a layout asks for.
fn listed(folder: &Path) -> Result<Vec<PathBuf>> {
    ensure!(folder.is_dir(), "there is no folder {}: --data names the folder that holds it, and --dataset says how a data set is laid out", folder.display());
    frames::list(folder)
}

fn unique(paths: Vec<PathBuf>) -> Result<Vec<PathBuf>> {
    let names: Vec<PathBuf> = paths.iter().map(|path| frames::stem(path).into()).collect();
    frames::check_names(names.iter().map(PathBuf::as_path).zip(paths.iter().map(PathBuf::as_path)))?;
    Ok(paths)
}

/// A frame with the first of `candidates` that is there.
fn pair(name: String, frame: PathBuf, candidates: &[PathBuf], rules: &Arc<Rules>) -> Result<Labelled> {
    let found = candidates.iter().find(|path| path.is_file());
    let expected = || candidates.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" or ");
    ensure!(found.is_some(), "frame {} has no labels: expected {}", frame.display(), expected());
    Ok(Labelled { name, frame, labels: found.cloned().unwrap_or_default(), rules: rules.clone() })
}

/// Every frame of `folder/images` with its labels in `folder/labels`.
///
/// # Errors
/// If there is no frame, one has no labels, or two have the same; names them.
pub fn folder(folder: &Path, rules: &Arc<Rules>) -> Result<Vec<Labelled>> {
    side_by_side(&folder.join("images"), &folder.join("labels"), &[".png"], rules)
}

/// Every frame of one folder with labels of its stem and one of `endings` in another.
///
/// # Errors
/// As [`folder`].
pub fn side_by_side(images: &Path, labels: &Path, endings: &[&str], rules: &Arc<Rules>) -> Result<Vec<Labelled>> {
    let pair = |frame: PathBuf| {
        let name = frames::stem(&frame);
        let candidates: Vec<PathBuf> = endings.iter().map(|ending| labels.join(format!("{name}{ending}"))).collect();
        pair(name, frame, &candidates, rules)
    };
    gather(unique(listed(images)?)?.into_iter().map(pair))
}

/// CamVid's folders for a split; as a folder of images and labels without one.
///
/// # Errors
/// As [`folder`].
pub fn camvid(folder: &Path, split: Option<&str>, rules: &Arc<Rules>) -> Result<Vec<Labelled>> {
    let (images, labels) = camvid_folders(folder, split)?;
    side_by_side(&images, &labels, &[".png", "_L.png"], rules)
}

/// Folders of CamVid's frames and labels.
pub fn camvid_folders(folder: &Path, split: Option<&str>) -> Result<(PathBuf, PathBuf)> {
    let mut candidates = vec![split.map_or(folder.to_path_buf(), |split| folder.join(split))]
        .into_iter()
        .map(|root| (root.join("images"), root.join("labels")))
        .collect::<Vec<_>>();
    if let Some(split) = split {
        candidates.extend(["annot", "_labels"].map(|ending| (folder.join(split), folder.join(format!("{split}{ending}")))));
    } else {
        candidates.push((folder.join("701_StillsRaw_full"), folder.join("LabeledApproved_full")));
    }
    let found = candidates.iter().find(|(images, labels)| images.is_dir() && labels.is_dir());
    let expected = || candidates.iter().map(|(images, labels)| format!("{} with {}", images.display(), labels.display())).collect::<Vec<_>>().join(", or ");
    ensure!(found.is_some(), "{} holds no CamVid: expected {}", folder.display(), expected());
    Ok(found.cloned().unwrap_or_default())
}

/// Folders inside a folder in order of their names, hidden ones left out.
///
/// # Errors
/// If it cannot be read or holds none.
pub fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("reading folder {}", folder.display()))?;
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    found.retain(|path| path.is_dir() && !frames::is_hidden(path));
    ensure!(!found.is_empty(), "folder {} holds no folders", folder.display());
    found.sort();
    Ok(found)
}

/// Frames of Cityscapes, city by city, with the name that frame and labels begin with.
///
/// # Errors
/// If a folder cannot be read or a city has no frame.
pub fn cityscapes_frames(folder: &Path, split: &str) -> Result<Vec<(PathBuf, String)>> {
    const ENDING: &str = "_leftImg8bit";
    let named = |frame: PathBuf| {
        let stem = frames::stem(&frame);
        let name = stem.strip_suffix(ENDING).with_context(|| format!("frame {}: expected a name like X{ENDING}.png", frame.display()))?;
        Ok((frame.clone(), name.to_owned()))
    };
    let mut found = Vec::new();
    for city in folders(&folder.join("leftImg8bit").join(split))? {
        found.extend(gather(unique(frames::list(&city)?)?.into_iter().map(named))?);
    }
    Ok(found)
}

/// Cityscapes: labels as `trainIds` where there are some, else `labelIds` of which the 19 classes
/// are made.
///
/// # Errors
/// As [`folder`].
pub fn cityscapes(folder: &Path, split: &str, train_ids: &Arc<Rules>, ids: &Arc<Rules>) -> Result<Vec<Labelled>> {
    let pair = |(frame, name): (PathBuf, String)| {
        let city = frame.parent().and_then(Path::file_name).unwrap_or_default();
        let labels = folder.join("gtFine").join(split).join(city);
        let at = |ending: &str| labels.join(format!("{name}_gtFine_{ending}.png"));
        let (train, plain) = (at("labelTrainIds"), at("labelIds"));
        let rules = if train.is_file() { train_ids } else { ids };
        pair(name, frame, &[train, plain], rules)
    };
    gather(cityscapes_frames(folder, split)?.into_iter().map(pair))
}

/// Frames in a folder per class: the classes of the folders come from `class`.
///
/// # Errors
/// If a folder cannot be read, has no frame or no class.
pub fn imagenet(folder: &Path, class: impl Fn(usize, &str) -> Result<Option<usize>>) -> Result<Vec<Classified>> {
    let mut found = Vec::new();
    for (number, path) in folders(folder)?.into_iter().enumerate() {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(class) = class(number, &name)? else { continue };
        for frame in unique(frames::list(&path)?)? {
            found.push(Classified { name: format!("{name}/{}", frames::stem(&frame)), frame, class: Some(class) });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cityscapes_has_nineteen_classes_of_thirty_four_values() {
        let classes: Vec<u8> = (0..=255).filter_map(cityscapes_class).collect();
        assert_eq!(classes, (0..19).collect::<Vec<u8>>());
        // Road, traffic light, person, car, train, bicycle; ego vehicle, parking, trailer are none.
        assert_eq!([7, 19, 24, 26, 31, 33].map(cityscapes_class), [0, 6, 11, 13, 16, 18].map(Some));
        assert_eq!([1, 9, 30, 34].map(cityscapes_class), [None; 4]);
    }
}
