//! Options that say how a data set is laid out and its labels are read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use clap::Args;

use super::layout::{self, Layout};
use super::rules::{LabelMapFile, LabelsBy, Rules};
use super::{Classified, Labelled, checks, classified};
use crate::frames;
use crate::palette::Classes;

/// Place of frames.
#[derive(Args, Clone, Debug, Default)]
pub struct LayoutArgs {
    /// How the data set's folder is laid out
    #[arg(long, value_name = "LAYOUT", value_enum)]
    pub dataset: Option<Layout>,
    /// Which part of it; default: val (ade20k: validation), to calibrate train (ade20k: training),
    /// of the others none
    #[arg(long, value_name = "NAME", requires = "dataset")]
    pub split: Option<String>,
}

/// How labels are read.
#[derive(Args, Clone, Debug, Default)]
pub struct LabelArgs {
    /// Classes of label values (or of class folders and names), a TOML file of lines like 7 = 0,
    /// 8 = "car", "#c00080" = 1, 9 = "ignore". Other values stay, or are left out with the line
    /// rest = "ignore"
    #[arg(long, value_name = "FILE.toml")]
    pub label_map: Option<PathBuf>,
    /// Leave out pixels of this value, as label files hold it; may be repeated
    #[arg(long, value_name = "N")]
    pub ignore: Vec<u8>,
    /// Add to every label value, after --label-map
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    pub label_offset: i16,
    /// Rule for the class of a pixel; colours are the classes' own (--classes-file)
    #[arg(long, value_name = "WHAT", value_enum, default_value_t)]
    pub labels_by: LabelsBy,
}

/// A labelled data set.
#[derive(Args, Clone, Debug, Default)]
pub struct DatasetArgs {
    /// Place of its frames.
    #[command(flatten)]
    pub layout: LayoutArgs,
    /// How its labels are read.
    #[command(flatten)]
    pub labels: LabelArgs,
}

impl LayoutArgs {
    fn split(&self, default: &'static str) -> &str {
        self.split.as_deref().unwrap_or(default)
    }

    /// `folder/SPLIT`, where `default` need not be there.
    fn part(&self, folder: &Path, default: &str) -> PathBuf {
        match &self.split {
            Some(split) => folder.join(split),
            None if folder.join(default).is_dir() => folder.join(default),
            None => folder.to_path_buf(),
        }
    }

    /// Frames to calibrate with; without a layout those of the folder itself.
    ///
    /// # Errors
    /// If there are none.
    pub fn frames(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        match self.dataset {
            None => frames::list(folder),
            Some(Layout::Folder) => layout::images(&self.part(folder, "train")),
            Some(Layout::Camvid) => {
                let split = self.split.as_deref().or_else(|| folder.join("train").is_dir().then_some("train"));
                frames::list(&layout::camvid_folders(folder, split)?.0)
            }
            Some(Layout::Cityscapes) => Ok(layout::cityscapes_frames(folder, self.split("train"))?.into_iter().map(|(frame, _)| frame).collect()),
            Some(Layout::Ade20k) => frames::list(&folder.join("images").join(self.split("training"))),
            Some(Layout::Imagenet) => Ok(layout::imagenet(&self.part(folder, "train"), |_, _| Ok(Some(0)))?.into_iter().map(|frame| frame.frame).collect()),
        }
    }
}

impl LabelArgs {
    /// The rules for labels of these classes, of which `first` is done before anything else.
    fn rules(&self, classes: &Classes, first: impl Fn(u8) -> Option<u8>) -> Result<Arc<Rules>> {
        let mut rules = Rules::new(self.labels_by, classes);
        rules.then(first);
        if let Some(path) = &self.label_map {
            rules.map(&LabelMapFile::read(path, classes)?)?;
        }
        rules.then(|value| u8::try_from(i32::from(value) + i32::from(self.label_offset)).ok());
        self.ignore.iter().for_each(|&value| rules.ignore(value));
        ensure!(classes.len() < 256 || rules.keeps_all(), "a network of 256 classes has a class for every label value: none can be left out or moved");
        Ok(Arc::new(rules))
    }
}

impl DatasetArgs {
    /// Frames with label maps.
    ///
    /// # Errors
    /// If the layout is for classifiers, there is no frame, or one has no labels; names them.
    pub fn labelled(&self, folder: &Path, classes: &Classes) -> Result<Vec<Labelled>> {
        let plain = || self.labels.rules(classes, Some);
        let set = match self.layout.dataset.unwrap_or_default() {
            Layout::Folder => {
                let root = self.layout.split.as_ref().map_or(folder.to_path_buf(), |split| folder.join(split));
                layout::folder(&root, &plain()?)
            }
            Layout::Camvid => layout::camvid(folder, self.layout.split.as_deref().or_else(|| folder.join("val").is_dir().then_some("val")), &plain()?),
            Layout::Cityscapes => layout::cityscapes(folder, self.layout.split("val"), &plain()?, &self.labels.rules(classes, layout::cityscapes_class)?),
            Layout::Ade20k => {
                let (split, rules) = (self.layout.split("validation"), self.labels.rules(classes, |value| value.checked_sub(1))?);
                layout::side_by_side(&folder.join("images").join(split), &folder.join("annotations").join(split), &[".png"], &rules)
            }
            Layout::Imagenet => bail!("--dataset imagenet is for classifiers: a segmentor is judged by label maps"),
        }?;
        if self.layout.dataset != Some(Layout::Cityscapes) {
            checks::unpaired(&set)?.iter().for_each(|one| eprintln!("warning: {one}"));
        }
        Ok(set)
    }

    /// Frames with classes.
    ///
    /// # Errors
    /// If the layout is for segmentors, there is no frame, or one has no class; names it.
    pub fn classified(&self, folder: &Path, classes: &Classes) -> Result<Vec<Classified>> {
        let labels = &self.labels;
        ensure!(
            labels.ignore.is_empty() && labels.label_offset == 0 && labels.labels_by == LabelsBy::Auto,
            "--ignore, --label-offset and --labels-by are for label maps: a classifier takes --label-map"
        );
        let map = labels.label_map.as_deref().map(|path| LabelMapFile::read(path, classes)).transpose()?;
        match self.layout.dataset.unwrap_or_default() {
            Layout::Folder => {
                let root = self.layout.split.as_ref().map_or(folder.to_path_buf(), |split| folder.join(split));
                let rest = |map: &LabelMapFile| map.rest_ignored.then_some(None);
                classified(&root, classes, &|name| map.as_ref().and_then(|map| map.lines.get(name).copied().or_else(|| rest(map))))
            }
            Layout::Imagenet => {
                let root = self.layout.part(folder, "val");
                let count = layout::folders(&root)?.len();
                ensure!(
                    map.is_some() || count == classes.len(),
                    "{} holds {count} class folders, the model has {} classes: --label-map says which folder is which class",
                    root.display(),
                    classes.len()
                );
                let class = |number: usize, name: &str| match &map {
                    None => Ok(Some(number)),
                    Some(map) => match map.lines.get(name) {
                        Some(class) => Ok(*class),
                        None if map.rest_ignored => Ok(None),
                        None => bail!("class folder {name} is not in the label map: add a line {name} = CLASS, or rest = \"ignore\""),
                    },
                };
                let set = layout::imagenet(&root, class)?;
                ensure!(!set.is_empty(), "{} holds no frame of a class", root.display());
                Ok(set)
            }
            other => bail!("{other:?} is a data set for segmentors: a classifier takes --dataset folder or imagenet"),
        }
    }
}
