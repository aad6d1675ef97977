//! Whether labelled frames can be judged at all, found before the work begins.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use rayon::prelude::*;

use super::{Classified, Labelled};
use crate::frames::Extent;
use crate::{failures, frames, progress};

/// How many warnings are spelt out, and how many values of a file.
const SPELT_OUT: usize = 8;

/// Facts of a frame's labels.
struct Seen {
    /// Why none of its pixels counts; none where some do.
    void: Option<String>,
}

/// Reads every frame and label map once; warns of frames of which no pixel counts. `takes` says
/// whether a frame of so many rows and columns can be taken.
///
/// # Errors
/// If a file cannot be read, a frame is not taken, or labels have another aspect than their frame.
/// If no pixel of the whole set is one of so many classes. Lists all such frames.
pub fn labelled<'a>(set: impl IntoIterator<Item = &'a Labelled>, classes: usize, takes: &(dyn Fn(Extent) -> Result<()> + Sync)) -> Result<()> {
    let set: Vec<&Labelled> = set.into_iter().collect();
    let bar = progress::frames(set.len(), "checking files");
    let look = |item: &&Labelled| {
        let seen = look_at(item, classes, takes).with_context(|| format!("frame {}", item.name));
        bar.inc(1);
        seen
    };
    let seen: Vec<Result<Seen>> = set.par_iter().map(look).collect();
    bar.finish_and_clear();
    let void: Vec<String> = failures::gather(seen)?.into_iter().filter_map(|seen| seen.void).collect();
    let mut said: Vec<String> = void.iter().take(SPELT_OUT).cloned().collect();
    if void.len() > SPELT_OUT {
        said.push(format!("and of {} more frames", void.len() - SPELT_OUT));
    }
    if void.len() == set.len() {
        bail!(
            "there is nothing to judge by:\n  {}\n--label-map, --label-offset and --dataset say how label files are to be read (hrvit eval --help)",
            said.join("\n  ")
        );
    }
    said.iter().for_each(|one| eprintln!("warning: {one}"));
    Ok(())
}

fn look_at(item: &Labelled, classes: usize, takes: &(dyn Fn(Extent) -> Result<()> + Sync)) -> Result<Seen> {
    let (width, height) = frames::read(&item.frame)?.dimensions();
    takes((height, width))?;
    let truth = item.rules.examine(&item.labels)?;
    let labels = (truth.labels.height, truth.labels.width);
    ensure!(
        same_aspect((height as usize, width as usize), labels),
        "the frame has {height}x{width} pixels (height x width), its labels {} have {}x{}: another aspect",
        item.labels.display(),
        labels.0,
        labels.1
    );
    let counted = truth.labels.data.iter().any(|&label| usize::from(label) < classes);
    let void = (!counted).then(|| {
        let mut found: Vec<&str> = truth.found.iter().map(|(value, _)| value.as_str()).collect();
        // Numbers in their order, not by frequency.
        found.sort_by_key(|value| value.parse::<u8>().ok());
        let more = if found.len() > SPELT_OUT { format!(" and {} more", found.len() - SPELT_OUT) } else { String::new() };
        format!("no pixel of {} has a class below {classes}; values found: {}{more}", item.name, found[..found.len().min(SPELT_OUT)].join(", "))
    });
    Ok(Seen { void })
}

/// Label files in the folders of this set that are of no frame, one sentence per folder. `X_L.png`
/// is of the frame X.
///
/// # Errors
/// If a folder cannot be read.
pub fn unpaired(set: &[Labelled]) -> Result<Vec<String>> {
    let taken: BTreeSet<&Path> = set.iter().map(|item| item.labels.as_path()).collect();
    let folders: BTreeSet<&Path> = taken.iter().filter_map(|labels| labels.parent()).collect();
    let mut said = Vec::new();
    for folder in folders {
        let files = std::fs::read_dir(folder).with_context(|| format!("reading folder {}", folder.display()))?;
        let mut alone: Vec<PathBuf> = files.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
        let is_alone = |path: &PathBuf| {
            let stem = frames::stem(path);
            let beside = stem.strip_suffix("_L").map(|stem| folder.join(format!("{stem}.png")));
            !taken.contains(path.as_path()) && !beside.is_some_and(|beside| taken.contains(beside.as_path()))
        };
        alone.retain(|path| frames::has_extension(path, &["png"]) && !frames::is_hidden(path) && is_alone(path));
        alone.sort();
        if let [first, rest @ ..] = &alone[..] {
            let name = first.file_name().unwrap_or_default().to_string_lossy();
            let which = if rest.is_empty() { format!("{name} has no frame and does") } else { format!("{name} and {} more have no frame and do", rest.len()) };
            said.push(format!("{}: {which} not count", folder.display()));
        }
    }
    Ok(said)
}

/// Whether there is a scale by which one size becomes the other, each side rounded up or down.
fn same_aspect(frame: (usize, usize), labels: (usize, usize)) -> bool {
    let reach = |frame: usize, labels: usize| [labels as f64 - 1.0, labels as f64 + 1.0].map(|side| side / frame as f64);
    let [[low, high], [least, most]] = [reach(frame.0, labels.0), reach(frame.1, labels.1)];
    low < most && least < high
}

/// Reads every frame of a classifier once.
///
/// # Errors
/// If one cannot be read; lists all such frames.
pub fn classified<'a>(set: impl IntoIterator<Item = &'a Classified>) -> Result<()> {
    let set: Vec<&Classified> = set.into_iter().collect();
    failures::gather(set.par_iter().map(|item| frames::read(&item.frame).map(drop)).collect::<Vec<_>>()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_without_a_frame_are_told() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["images/b.jpg", "labels/b.png", "labels/a.png", "labels/c.png", "labels/b_L.png", "labels/.d.png", "labels/notes.txt"] {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let told = || unpaired(&crate::dataset::labelled(folder.path()).unwrap()).unwrap();
        assert!(matches!(&told()[..], [one] if one.contains("labels: a.png and 1 more have no frame")), "{:?}", told());
        ["a", "c"].iter().for_each(|name| std::fs::write(folder.path().join(format!("images/{name}.png")), "").unwrap());
        assert_eq!(told(), [""; 0]);
    }

    #[test]
    fn an_aspect_is_the_same_up_to_rounding() {
        for (frame, labels, same) in [
            ((360, 480), (360, 480), true),
            ((360, 480), (480, 360), false),
            ((720, 960), (360, 480), true),
            ((721, 961), (360, 480), true),
            ((1080, 1920), (135, 240), true),
            ((360, 480), (360, 470), false),
            ((360, 480), (480, 480), false),
            ((1024, 2048), (512, 512), false),
        ] {
            assert_eq!(same_aspect(frame, labels), same, "{frame:?} and {labels:?}");
        }
    }
}
