//! Cost of an image on frames that took no part in calibrating it, and whether that is too much.
//!
//! | module | what it holds |
//! |---|---|
//! | [`split`] | which frames are held out |
//! | [`mod@measure`] | decisions and logits of float and image on some frames |
//! | [`gate`] | what is too much |
//! | [`gap`] | whether calibration frames flatter the image |

pub mod gap;
pub mod gate;
pub mod measure;
pub mod split;

use anyhow::Result;
use hrvit_format::Head;
use serde::Serialize;

use crate::{
    calibration::CalibrationSet,
    palette::Classes,
    quantize::{Frames, Progress, sample::spread_frames},
    segmenter::Segmenter,
};
use gap::Gap;
use gate::{Gate, Verdict};
use measure::{Figures, Measured, measure};

/// How many classes that are not judged are named, beside the first.
const NAMED: usize = 11;
/// Calibration frames that the engine runs where none are held out.
const MOST_CALIBRATED: usize = 16;

/// Frames that calibrate, and frames that judge.
#[derive(Clone, Debug)]
pub struct Split {
    /// Frames that calibrate.
    pub calibration: CalibrationSet,
    /// Frames held out; none if the set is too small.
    pub held_out: Option<CalibrationSet>,
    /// Lengths of their blocks.
    blocks: Vec<usize>,
}

impl Split {
    /// Holds blocks of `set` out, if it is large enough.
    pub fn of(set: &CalibrationSet) -> Self {
        let blocks = split::blocks(set.len());
        let is_held = |at: usize| blocks.iter().any(|block| block.contains(&at));
        let (held, rest): (Vec<usize>, Vec<usize>) = (0..set.len()).partition(|&at| is_held(at));
        Self {
            calibration: set.subset(&rest),
            held_out: (!held.is_empty()).then(|| set.subset(&held)),
            blocks: blocks.iter().map(ExactSizeIterator::len).collect(),
        }
    }

    /// For an image's provenance: how many frames did what.
    pub fn provenance(&self) -> String {
        let held = self.held_out.as_ref().map_or_else(String::new, |held| format!(", {} held out", held.len()));
        format!("{}{held}", self.calibration.provenance())
    }
}

/// Facts of an image from its own frames.
#[derive(Clone, Debug, Serialize)]
pub struct HoldOut {
    /// Frames that calibrated.
    pub calibrated: usize,
    /// Names of the frames held out.
    pub held_out: Vec<String>,
    /// On the frames held out; none where there are none.
    pub figures: Option<Figures>,
    /// On as many calibration frames, evenly spread; where none are held out on 16 of them at most.
    pub calibration: Figures,
    /// By how much calibration frames flatter; empty where too few frames are held out to tell.
    pub gaps: Vec<Gap>,
    /// Verdict of the gate: on the frames held out, or on calibration frames if there are none.
    pub verdict: Verdict,
    /// Classes of a segmentor for which float decides on these frames too rarely to judge them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_judged: Vec<String>,
}

/// Runs `float` and the image `engine` on both parts of `split`.
///
/// # Errors
/// If a frame cannot be read.
pub fn examine(split: &Split, contestants: [&dyn Segmenter; 2], classes: &Classes, gate: Gate, progress: &dyn Progress) -> Result<HoldOut> {
    let [float, engine] = contestants;
    let names = measure::names(classes);
    let units = gap::units(&split.blocks);
    let held = split.held_out.as_ref().map(|held| measure(held, &units, [float, engine], None, progress)).transpose()?;
    let count = split.held_out.as_ref().map_or(MOST_CALIBRATED, Frames::len);
    let chosen = spread_frames(split.calibration.len(), count);
    let units = if chosen.len() == units.iter().sum::<usize>() { units } else { vec![1; chosen.len()] };
    let sample = split.calibration.subset(&chosen);
    let calibrated = measure(&sample, &units, [float, engine], held.as_ref().map(|held| held.deviation), progress)?;
    let figures = |of: &Measured| Figures::of(of, &names);
    let judged = held.as_ref().unwrap_or(&calibrated);
    Ok(HoldOut {
        calibrated: split.calibration.len(),
        held_out: split.held_out.iter().flat_map(CalibrationSet::names).collect(),
        verdict: gate.judge(&judged.total().decided, &names, float.head()),
        not_judged: match float.head() {
            Head::Segformer => gate::passed_over(&judged.total().decided, &names, Head::Segformer).into_iter().map(str::to_owned).collect(),
            Head::Classifier => Vec::new(),
        },
        gaps: held.as_ref().map_or_else(Vec::new, |held| gap::gaps(held, &calibrated)),
        calibration: figures(&calibrated),
        figures: held.as_ref().map(figures),
    })
}

impl HoldOut {
    /// For people, one line each.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        match (&self.figures, &self.held_out[..]) {
            (Some(figures), [first, .., last]) => {
                lines.push(format!("hold-out ({} of {} frames, {first} to {last}): {figures}", figures.frames, self.calibrated + figures.frames));
                lines.push(format!("calibration frames ({} of {}): {}", self.calibration.frames, self.calibrated, self.calibration));
            }
            _ => {
                lines.push(format!("hold-out: not measured, it takes {} distinct frames", split::FEWEST));
                lines.push(format!("calibration frames ({} of {}), which flatter: {}", self.calibration.frames, self.calibrated, self.calibration));
            }
        }
        if let Some((first, rest)) = self.not_judged.split_first() {
            let more = if rest.len() > NAMED { format!(" and {} more", rest.len() - NAMED) } else { String::new() };
            let named: Vec<&str> = std::iter::once(first.as_str()).chain(rest.iter().take(NAMED).map(String::as_str)).collect();
            lines.push(format!("not judged, as these frames hardly show them: {}{more}", named.join(", ")));
        }
        lines
    }

    /// Warnings beside the gate's refusals.
    pub fn warnings(&self) -> Vec<String> {
        let few = self.figures.is_none().then(|| {
            format!(
                "{} distinct frames: none is held out, the figures and the gate are those of the frames that calibrated; give {} distinct frames or more",
                self.calibrated,
                split::FEWEST
            )
        });
        let doubts = self.verdict.doubtful.iter().map(|complaint| format!("{complaint}; these frames are too few to tell it from chance"));
        few.into_iter().chain(doubts).chain(self.gaps.iter().filter(|gap| gap.flatters).map(ToString::to_string)).collect()
    }
}
