//! From which drift on an image is not written.

use std::fmt;

use hrvit_format::Head;
use serde::Serialize;

use super::measure::Decided;
use crate::report::agreement::Pixels;

/// A class counts from this share of float's pixels on.
const LEAST_SHARE: f64 = 5e-4;
/// Pixels that one logit of a segmentor decides, 4x4.
const LOGIT: u64 = 16;
/// And from this many pixels, of four logits.
const LEAST_PIXELS: u64 = 4 * LOGIT;
/// A class of a classifier counts from this many frames on.
const LEAST_FRAMES: u64 = 10;
/// Share of float's decisions for a class that an image must keep.
pub const LEAST_KEPT: f64 = 0.8;
/// An image is refused by few decisions where one at the threshold would look as bad with less than
/// this probability.
const LEVEL: f64 = 0.05;

/// Bars that an image must reach.
#[derive(Clone, Copy, Debug)]
pub struct Gate {
    /// Share of decisions that must be float's.
    pub min_agreement: f64,
}

/// One figure that is below its threshold.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Complaint {
    /// The class; none where it is all decisions.
    pub class: Option<String>,
    /// Their name in the plural.
    pub decisions: &'static str,
    /// Float's.
    pub all: u64,
    /// Share of them that the image makes too.
    pub found: f64,
    /// The value that it must reach.
    pub threshold: f64,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { class, decisions, all, found, threshold } = self;
        let [found, threshold] = [found, threshold].map(|share| 100.0 * share);
        match class {
            None => write!(f, "agreement with float is {found:.2} % of {all} {decisions}, expected {threshold} % or more (--min-agreement)"),
            Some(class) => write!(f, "class \"{class}\" keeps {found:.1} % of float's {all} {decisions}, expected {threshold} % or more"),
        }
    }
}

/// Verdict of the gate.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Verdict {
    /// Why the image is refused; empty where it is not.
    pub refused: Vec<Complaint>,
    /// Figures below their threshold that may be chance.
    pub doubtful: Vec<Complaint>,
}

impl Gate {
    /// Judges decisions for classes of these names.
    pub fn judge(self, decided: &Decided, names: &[String], head: Head) -> Verdict {
        let mut verdict = Verdict::default();
        let decisions = if head == Head::Segformer { "pixels" } else { "frames" };
        let all = (None, decided.all, self.min_agreement);
        let classes = names
            .iter()
            .zip(&decided.classes)
            .filter(|(_, pixels)| counts(pixels, decided, head))
            .map(|(name, &pixels)| (Some(name.clone()), pixels, LEAST_KEPT));
        for (class, pixels, threshold) in std::iter::once(all).chain(classes) {
            let Some(found) = pixels.agreement().filter(|&found| found < threshold) else { continue };
            // A segmentor's pixels are many; those of one class may be few, and a logit decides its
            // pixels together. A frame of a classifier is one draw.
            let together = if head == Head::Segformer { LOGIT } else { 1 };
            let flips = (pixels.all - pixels.same + together / 2) / together;
            let sure = (head == Head::Segformer && class.is_none()) || at_least(flips, pixels.all / together, 1.0 - threshold) < LEVEL;
            let complaint = Complaint { class, decisions, all: pixels.all, found, threshold };
            if sure { verdict.refused.push(complaint) } else { verdict.doubtful.push(complaint) }
        }
        verdict
    }
}

/// Names of the classes that [`Gate::judge`] passes over, as float decides too rarely for them.
pub fn passed_over<'n>(decided: &Decided, names: &'n [String], head: Head) -> Vec<&'n str> {
    let pixels = decided.classes.iter().copied().chain(std::iter::repeat(Pixels::default()));
    names.iter().zip(pixels).filter(|(_, pixels)| !counts(pixels, decided, head)).map(|(name, _)| name.as_str()).collect()
}

/// Whether decisions for a class are enough to judge it by.
fn counts(pixels: &Pixels, decided: &Decided, head: Head) -> bool {
    match head {
        Head::Segformer => pixels.all >= LEAST_PIXELS && pixels.all as f64 >= LEAST_SHARE * decided.all.all as f64,
        Head::Classifier => pixels.all >= LEAST_FRAMES,
    }
}

/// Probability that of `all` draws, each `share` likely, `count` or more come up.
fn at_least(count: u64, all: u64, share: f64) -> f64 {
    if count == 0 || share >= 1.0 {
        return 1.0;
    }
    if share <= 0.0 {
        return 0.0;
    }
    // Logarithm of the binomial coefficient and both powers, from one count to the next.
    let mut log = all as f64 * (1.0 - share).ln();
    let mut sum = 0.0;
    for drawn in 0..all {
        if drawn >= count {
            sum += log.exp();
        }
        log += ((all - drawn) as f64 / (drawn + 1) as f64 * share / (1.0 - share)).ln();
    }
    sum + log.exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATE: Gate = Gate { min_agreement: 0.95 };

    fn judge(head: Head, classes: &[(u64, u64)]) -> Verdict {
        let classes: Vec<Pixels> = classes.iter().map(|&(same, all)| Pixels { same, all }).collect();
        let all = classes.iter().fold(Pixels::default(), |all, &one| all.and(one));
        let names: Vec<String> = (0..classes.len()).map(|class| format!("c{class}")).collect();
        GATE.judge(&Decided { all, clear: Pixels::default(), classes }, &names, head)
    }

    #[test]
    fn binomial_tails_are_those_of_the_definition() {
        assert!((at_least(1, 2, 0.05) - 0.0975).abs() < 1e-12);
        assert!((at_least(2, 2, 0.05) - 0.0025).abs() < 1e-12);
        assert!((at_least(5, 10, 0.2) - 0.032_793_497_6).abs() < 1e-9);
        assert!((at_least(0, 5, 0.3) - 1.0).abs() < 1e-12);
        assert_eq!((at_least(1, 5, 0.0), at_least(3, 5, 1.0)), (0.0, 1.0));
        assert!(at_least(500, 5000, 0.05) < 1e-9 && at_least(250, 5000, 0.05) > 0.4, "long sums do not underflow");
    }

    #[test]
    fn a_segmentor_is_refused_by_agreement_and_by_a_class_that_is_lost() {
        assert_eq!(judge(Head::Segformer, &[(950, 1000), (9500, 10_000)]), Verdict::default());
        let low = judge(Head::Segformer, &[(949, 1000), (9400, 10_000)]);
        assert!(low.refused.len() == 1 && low.refused[0].to_string().contains("94.08 % of 11000 pixels, expected 95 %"), "{low:?}");
        // 40 of 100 pixels: a class of 0.1 %, lost while the agreement is 99.94 %.
        let lost = judge(Head::Segformer, &[(40, 100), (100_000, 100_000)]);
        assert!(lost.refused.len() == 1 && lost.refused[0].to_string().contains("class \"c0\" keeps 40.0 % of float's 100 pixels"), "{lost:?}");
        let many = judge(Head::Segformer, &[(78_000, 100_000), (9_000_000, 9_000_000)]);
        assert_eq!((many.refused.len(), many.doubtful.len()), (1, 0), "{many:?}");
    }

    #[test]
    fn a_class_of_few_logits_that_is_just_below_the_threshold_is_doubtful() {
        let few = judge(Head::Segformer, &[(175, 226), (100_000, 100_000)]);
        assert!(few.refused.is_empty() && few.doubtful.len() == 1, "{few:?}");
        assert_eq!(judge(Head::Segformer, &[(130, 226), (100_000, 100_000)]).refused.len(), 1);
    }

    #[test]
    fn rare_classes_are_not_judged() {
        assert_eq!(judge(Head::Segformer, &[(0, 99), (200_000, 200_000)]), Verdict::default(), "99 of 200,099 are less than 0.05 %");
        assert_eq!(judge(Head::Segformer, &[(0, 63), (10_000, 10_000)]), Verdict::default(), "63 pixels are less than four logits");
        assert_eq!(judge(Head::Segformer, &[(0, 64), (10_000, 10_000)]).refused.len(), 1);
        let classes = [(63, 63), (9_000, 10_000), (0, 0)].map(|(same, all)| Pixels { same, all });
        let decided = Decided { all: Pixels { same: 9_063, all: 10_063 }, clear: Pixels::default(), classes: classes[..2].to_vec() };
        let names = ["a", "b", "c"].map(str::to_owned);
        assert_eq!(passed_over(&decided, &names, Head::Segformer), ["a", "c"]);
    }

    #[test]
    fn one_flip_of_two_frames_is_doubtful_two_are_refused() {
        let one = judge(Head::Classifier, &[(1, 2), (0, 0)]);
        assert!(one.refused.is_empty() && one.doubtful.len() == 1, "{one:?}");
        assert_eq!(judge(Head::Classifier, &[(0, 2), (0, 0)]).refused.len(), 1);
        assert_eq!(judge(Head::Classifier, &[(19, 20)]), Verdict::default(), "95 % of 20");
        assert_eq!(judge(Head::Classifier, &[(17, 20)]).doubtful.len(), 1);
        assert_eq!(judge(Head::Classifier, &[(16, 20)]).refused.len(), 1);
    }

    #[test]
    fn a_class_of_a_classifier_counts_from_ten_frames_on() {
        assert_eq!(judge(Head::Classifier, &[(0, 9), (400, 400)]), Verdict::default());
        let lost = judge(Head::Classifier, &[(5, 10), (400, 400)]);
        assert!(lost.refused.len() == 1 && lost.refused[0].class.as_deref() == Some("c0"), "{lost:?}");
        let perhaps = judge(Head::Classifier, &[(7, 10), (400, 400)]);
        assert!(perhaps.refused.is_empty() && perhaps.doubtful.len() == 1, "{perhaps:?}");
    }
}
