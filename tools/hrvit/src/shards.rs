//! Partial results of an evaluation. One process writes them for its part of the frames. Another
//! joins them to exactly the result of a single process.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::blocks::{self, Shard, Sum};
use crate::inference::Inference;
use crate::saturation::Ends;
use crate::{classification, evaluation};

/// Version of the files.
const VERSION: u32 = 2;

/// Subject, data and manner of an evaluation: the same for all parts of one evaluation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Version of the tool.
    pub tool: String,
    /// Checksum of the model image.
    pub model_crc32: Option<u32>,
    /// Checksum of the checkpoint.
    pub weights_crc32: Option<u32>,
    /// Height and width of the input.
    pub size: [u16; 2],
    /// Networks' view of a frame.
    pub inference: Inference,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Whether the float network was evaluated.
    pub float: bool,
    /// Arithmetic of the image, where one was evaluated.
    pub precision: Option<String>,
    /// Frames of the whole data set.
    pub frames: usize,
    /// Checksum of their names and of how their labels are read.
    pub data_crc32: u32,
    /// Options that change figures.
    pub options: String,
}

/// Sums of the blocks of a part.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sums {
    /// Of label maps.
    Segmentor(Vec<(usize, evaluation::Counts)>),
    /// Of classes.
    Classifier(Vec<(usize, classification::Counts)>),
}

/// Content of a partial result's file. Real numbers are written as their bits.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    hrvit_shard: u32,
    /// Which part, from 1 on, and of how many.
    shard: [usize; 2],
    subject: Subject,
    sums: Sums,
    /// Of the image, where one was evaluated.
    ends: Option<Ends>,
}

/// The sums of all parts.
pub enum Total {
    /// Of label maps.
    Segmentor(evaluation::Counts),
    /// Of classes.
    Classifier(classification::Counts),
}

impl Part {
    /// A part of an evaluation.
    pub fn new(shard: Shard, subject: Subject, sums: Sums, ends: Option<Ends>) -> Self {
        Self { hrvit_shard: VERSION, shard: [shard.number, shard.of], subject, sums, ends }
    }

    fn read(path: &Path) -> Result<Self> {
        let read = || -> Result<Self> {
            let part: Self = serde_json::from_slice(&std::fs::read(path)?).context("expected what hrvit eval --shard writes")?;
            ensure!(part.hrvit_shard == VERSION, "it has version {}, expected {VERSION}", part.hrvit_shard);
            part.check()?;
            Ok(part)
        };
        read().with_context(|| format!("partial result {}", path.display()))
    }

    /// Checks that the sums are those of this part's blocks.
    fn check(&self) -> Result<()> {
        let [number, of] = self.shard;
        ensure!((1..=of).contains(&number), "it is part {number} of {of}");
        let classes = self.subject.classes.len();
        let (blocks, bytes): (Vec<usize>, usize) = match &self.sums {
            Sums::Segmentor(sums) => {
                sums.iter().try_for_each(|(_, counts)| counts.check(classes))?;
                (sums.iter().map(|(block, _)| *block).collect(), evaluation::Counts::bytes(classes))
            }
            Sums::Classifier(sums) => {
                sums.iter().try_for_each(|(_, counts)| counts.check(classes))?;
                (sums.iter().map(|(block, _)| *block).collect(), classification::Counts::bytes(classes))
            }
        };
        let expected = Shard { number, of }.blocks(blocks::count(self.subject.frames, bytes));
        ensure!(blocks == expected, "its blocks are not those of part {number} of {of}: the file was changed, or is from another version");
        Ok(())
    }
}

fn whole<T: Sum>(blocks: Vec<(usize, T)>) -> Result<T> {
    blocks::total(blocks).context("no frame was counted")
}

/// Joins all parts of one evaluation: what was evaluated, its sums, and values at the end of their
/// range.
///
/// # Errors
/// If a file is no partial result, is of another evaluation than the first, comes twice or is
/// missing; names it.
pub fn merge(paths: &[PathBuf]) -> Result<(Subject, Total, Option<Ends>)> {
    let parts: Vec<Part> = paths.iter().map(|path| Part::read(path)).collect::<Result<_>>()?;
    let (first, first_path) = parts.first().zip(paths.first()).context("--merge takes the files of all parts")?;
    let (subject, of) = (first.subject.clone(), first.shard[1]);
    let mut known: Vec<Option<&Path>> = vec![None; of.min(paths.len().max(1) * 4096)];
    for (part, path) in parts.iter().zip(paths) {
        if let Some(what) = difference(&subject, &part.subject) {
            bail!("{} and {} are not of one evaluation: they differ in {what}", first_path.display(), path.display());
        }
        let [number, count] = part.shard;
        ensure!(count == of, "{} is part {number} of {count}, {} one of {of}", path.display(), first_path.display());
        let slot = known.get_mut(number - 1).with_context(|| format!("{} is part {number} of {of}: too many are missing", path.display()))?;
        if let Some(other) = slot.replace(path) {
            bail!("{} and {} are both part {number} of {of}", other.display(), path.display());
        }
    }
    let missing: Vec<String> =
        (1..=of).filter(|number| known.get(number - 1).is_none_or(Option::is_none)).take(20).map(|number| format!("{number}/{of}")).collect();
    ensure!(missing.is_empty(), "parts are missing: {}", missing.join(", "));
    let (mut labels, mut classes, mut ends): (_, _, Option<Ends>) = (Vec::new(), Vec::new(), None);
    for part in parts {
        match (&mut ends, part.ends) {
            (Some(all), Some(more)) => all.merge(&more)?,
            (none, more) => *none = none.take().or(more),
        }
        match part.sums {
            Sums::Segmentor(sums) => labels.extend(sums),
            Sums::Classifier(sums) => classes.extend(sums),
        }
    }
    match (labels.is_empty(), classes.is_empty()) {
        (false, true) => Ok((subject, Total::Segmentor(whole(labels)?), ends)),
        (true, false) => Ok((subject, Total::Classifier(whole(classes)?), ends)),
        _ => bail!("some parts are of a segmentor, some of a classifier"),
    }
}

/// In what two subjects differ first.
fn difference(one: &Subject, other: &Subject) -> Option<&'static str> {
    let differ = [
        (one.model_crc32 != other.model_crc32, "the model image"),
        (one.weights_crc32 != other.weights_crc32, "the checkpoint"),
        (one.frames != other.frames || one.data_crc32 != other.data_crc32, "the data set or how its labels are read"),
        (one.classes != other.classes, "the classes"),
        (one.size != other.size, "the input's size"),
        (one.tool != other.tool, "the version of hrvit"),
        (one != other, "what is evaluated"),
    ];
    differ.into_iter().find(|(differ, _)| *differ).map(|(_, what)| what)
}
