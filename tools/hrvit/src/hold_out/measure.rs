//! Decisions and logits of float and of an image on some frames.

use std::{collections::BTreeMap, fmt};

use anyhow::{Context, Result, ensure};
use hrvit_format::Head;
use image::RgbImage;
use rayon::prelude::*;
use serde::Serialize;

use crate::{
    fit::Placement,
    logits::{Logits, argmax},
    palette::Classes,
    quantize::{Frames, Progress, sample::spread_frames},
    report::{
        agreement::{CLEAR_MARGIN, Pixels},
        steps::logits_deviation,
    },
    segmenter::Segmenter,
    sqnr::Sqnr,
};

/// Frames over which the deviation of logits is taken, as in a report.
const DEVIATION_FRAMES: usize = 16;
/// Frames that are counted at once: what of them is in memory together.
const AT_ONCE: usize = 16;
/// Rows and columns of an input that one logit stands for.
const PIXELS: usize = 4;

/// Decisions (pixels of a segmentor at the input's size, frames of a classifier), and those of them
/// on which the image makes float's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decided {
    /// All.
    pub all: Pixels,
    /// Pixels at which float's two largest logits are at least [`CLEAR_MARGIN`] apart.
    pub clear: Pixels,
    /// By float's class.
    pub classes: Vec<Pixels>,
}

impl Decided {
    /// Counts one frame; a decision is clear from `least` on.
    pub fn add(&mut self, float: &Decision, other: &Decision, least: f32, classes: usize) {
        self.classes.resize(classes, Pixels::default());
        for ((&class, &found), &margin) in float.classes.iter().zip(&other.classes).zip(&float.margins) {
            let same = class == found;
            self.all.count(same);
            self.classes[class].count(same);
            if margin >= least {
                self.clear.count(same);
            }
        }
    }

    /// Adds what another has counted.
    pub fn merge(&mut self, other: &Self) {
        self.all = self.all.and(other.all);
        self.clear = self.clear.and(other.clear);
        self.classes.resize(self.classes.len().max(other.classes.len()), Pixels::default());
        self.classes.iter_mut().zip(&other.classes).for_each(|(all, more)| *all = all.and(*more));
    }
}

/// Decisions of a network on one frame.
#[derive(Clone, Debug)]
pub struct Decision {
    classes: Vec<usize>,
    margins: Vec<f32>,
}

impl Decision {
    /// The class of every pixel of the input that these logits are of, or of the frame. A single
    /// class is present (1) or not (0), by the sign of its logit.
    pub fn of(logits: &Logits, head: Head) -> Self {
        let signed;
        let logits = if logits.classes == 1 {
            signed = Logits { classes: 2, data: logits.data.iter().flat_map(|&x| [0.0, x]).collect(), ..*logits };
            &signed
        } else {
            logits
        };
        if head == Head::Classifier {
            let best = argmax(logits.data.iter().copied());
            let others = logits.data.iter().enumerate().filter(|(class, _)| *class != best).map(|(_, &x)| x);
            return Self { classes: vec![best], margins: vec![logits.data[best] - others.fold(f32::NEG_INFINITY, f32::max)] };
        }
        let (labels, margins) = logits.labels_and_margins_at(&Placement::WHOLE, PIXELS * logits.height, PIXELS * logits.width);
        Self { classes: labels.data.into_iter().map(usize::from).collect(), margins }
    }
}

/// Names of the decisions.
pub fn names(classes: &Classes) -> Vec<String> {
    let names: Vec<String> = classes.iter().map(|class| class.name.clone()).collect();
    match &names[..] {
        [only] => vec![format!("not {only}"), only.clone()],
        _ => names,
    }
}

/// Counts on some frames.
#[derive(Clone, Debug, Default)]
pub struct Unit {
    /// Decisions.
    pub decided: Decided,
    /// Signal to noise of the logits.
    pub sqnr: Sqnr,
}

impl Unit {
    fn merge(&mut self, other: &Self) {
        self.decided.merge(&other.decided);
        self.sqnr.merge(&other.sqnr);
    }
}

/// Everything counted on a set of frames.
#[derive(Clone, Debug)]
pub struct Measured {
    /// In order.
    pub units: Vec<Unit>,
    /// Frames in all of them.
    pub frames: usize,
    /// Standard deviation of the float logits, the unit of margins.
    pub deviation: f64,
}

impl Measured {
    /// All units together.
    pub fn total(&self) -> Unit {
        let mut total = Unit::default();
        self.units.iter().for_each(|unit| total.merge(unit));
        total
    }
}

/// Runs float and an image over `frames`, cut into `units` of so many frames. Margins are in units
/// of `deviation`, or of the float logits' own on these frames.
///
/// # Errors
/// If there is no frame, or one cannot be read.
pub fn measure(
    frames: &dyn Frames,
    units: &[usize],
    [float, engine]: [&dyn Segmenter; 2],
    deviation: Option<f64>,
    progress: &dyn Progress,
) -> Result<Measured> {
    ensure!(!frames.is_empty() && units.iter().sum::<usize>() == frames.len(), "units of {units:?} frames: {} are measured", frames.len());
    ensure!(float.size() == engine.size() && float.classes() == engine.classes(), "float network and image differ in size or number of classes");
    let (size, head, classes) = (float.size(), float.head(), float.classes().max(2));
    progress.begin("float and image side by side", frames.len());
    let read = |at: usize| RgbImage::from_raw(size.width.into(), size.height.into(), frames.rgb(at)?).context("a frame of another size");
    let mut known: BTreeMap<usize, Logits> = BTreeMap::new();
    let deviation = match deviation {
        Some(deviation) => deviation,
        None => {
            let chosen = spread_frames(frames.len(), DEVIATION_FRAMES);
            let logits: Vec<Logits> = chosen.par_iter().map(|&at| Ok(float.logits(&read(at)?)?.within(&frames.placement(at)))).collect::<Result<_>>()?;
            let deviation = logits_deviation(&logits);
            known.extend(chosen.into_iter().zip(logits));
            deviation
        }
    };
    let least = (CLEAR_MARGIN * deviation) as f32;
    let count = |at: usize| -> Result<Unit> {
        let frame = read(at)?;
        let seen = |logits: Logits| logits.within(&frames.placement(at));
        let exact = known.get(&at).map_or_else(|| float.logits(&frame).map(seen), |logits| Ok(logits.clone()))?;
        let found = seen(engine.logits(&frame)?);
        let mut unit = Unit::default();
        unit.sqnr.add(&exact, &found)?;
        unit.decided.add(&Decision::of(&exact, head), &Decision::of(&found, head), least, classes);
        progress.advance(1);
        Ok(unit)
    };
    let mut measured = Measured { units: vec![Unit::default(); units.len()], frames: frames.len(), deviation };
    let unit_of: Vec<usize> = units.iter().enumerate().flat_map(|(unit, &length)| std::iter::repeat_n(unit, length)).collect();
    for chunk in (0..frames.len()).collect::<Vec<_>>().chunks(AT_ONCE) {
        let counted: Vec<Unit> = chunk.par_iter().map(|&at| count(at)).collect::<Result<_>>()?;
        chunk.iter().zip(&counted).for_each(|(&at, one)| measured.units[unit_of[at]].merge(one));
    }
    Ok(measured)
}

/// Results of an image on some frames, against float. Shares are between 0 and 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Frames.
    pub frames: usize,
    /// Share of decisions (pixels at the input's size, frames of a classifier) that are float's.
    pub agreement: f64,
    /// Share of those where float is clear; none where it never is.
    pub agreement_at_clear_margin: Option<f64>,
    /// Share of decisions where float is clear.
    pub clear: f64,
    /// Signal to quantisation noise of the logits in dB; none without a signal or without noise.
    pub logits_sqnr_db: Option<f64>,
    /// Of every class that float decides for.
    pub classes: Vec<ClassFigures>,
}

/// Fate of float's decisions for one class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassFigures {
    /// The class.
    pub name: String,
    /// Share of all decisions.
    pub share: f64,
    /// Share of them that the image makes too.
    pub kept: f64,
}

impl Figures {
    /// Of all that was measured, for classes of these names.
    pub fn of(measured: &Measured, names: &[String]) -> Self {
        let Unit { decided, sqnr } = measured.total();
        let share = |part: u64| part as f64 / decided.all.all.max(1) as f64;
        let class = |(name, pixels): (&String, &Pixels)| Some(ClassFigures { name: name.clone(), share: share(pixels.all), kept: pixels.agreement()? });
        Self {
            frames: measured.frames,
            agreement: decided.all.agreement().unwrap_or(0.0),
            agreement_at_clear_margin: decided.clear.agreement(),
            clear: share(decided.clear.all),
            logits_sqnr_db: sqnr.db().filter(|db| db.is_finite()),
            classes: names.iter().zip(&decided.classes).filter_map(class).collect(),
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clear = self.agreement_at_clear_margin.map_or_else(|| "-".to_owned(), |share| format!("{:.3}", 100.0 * share));
        let db = self.logits_sqnr_db.map_or_else(|| "-".to_owned(), |db| format!("{db:.1}"));
        write!(f, "agreement {:.2} %, where float is clear {clear} % (of {:.1} %), logits SQNR {db} dB", 100.0 * self.agreement, 100.0 * self.clear)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(logits: &Logits, head: Head) -> (Vec<usize>, Vec<f32>) {
        let decision = Decision::of(logits, head);
        (decision.classes, decision.margins)
    }

    #[test]
    fn a_classifier_decides_among_more_classes_than_a_byte_holds() {
        let mut data = vec![0.0; 300];
        (data[299], data[3]) = (5.0, 4.5);
        assert_eq!(decision(&Logits::new(1, 1, 300, data).unwrap(), Head::Classifier), (vec![299], vec![0.5]));
    }

    #[test]
    fn a_single_class_is_there_or_not() {
        for (logit, class, margin) in [(-2.0, 0, 2.0), (0.5, 1, 0.5), (0.0, 0, 0.0)] {
            assert_eq!(decision(&Logits::new(1, 1, 1, vec![logit]).unwrap(), Head::Segformer), (vec![class; 16], vec![margin; 16]));
        }
        let only = Classes::numbered(1);
        assert_eq!(names(&only), ["not class 0", "class 0"]);
    }

    #[test]
    fn decisions_are_counted_by_floats_class_and_margin() {
        let decision = |classes: &[usize]| Decision { classes: classes.to_vec(), margins: vec![1.0, 0.1, 2.0, 0.5] };
        let mut decided = Decided::default();
        decided.add(&decision(&[0, 0, 1, 1]), &decision(&[0, 1, 1, 0]), 0.5, 3);
        let pixels = |same, all| Pixels { same, all };
        assert_eq!((decided.all, decided.clear), (pixels(2, 4), pixels(2, 3)));
        assert_eq!(decided.classes, [pixels(1, 2), pixels(1, 2), pixels(0, 0)]);
        let mut twice = decided.clone();
        twice.merge(&decided);
        assert_eq!((twice.all, twice.classes[1]), (pixels(4, 8), pixels(2, 4)));
    }
}
