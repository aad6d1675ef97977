//! Results that a caller asks for.

use hrvit_format::Logit;

use crate::heads::labels::{LabelMap, Margins};

/// Writes row `y` of a frame as `[width, 3]` RGB, or returns the caller's own error.
pub type RowSource<'r, F> = dyn FnMut(usize, &mut [u8]) -> Result<(), F> + 'r;

/// Buffers for the results of one forward pass of a segmentor.
///
/// ```
/// use hrvit_core::{Logit, Segmentation};
/// let (mut labels, mut margins) = ([0; 32 * 32], [0; 32 * 32]);
/// let mut logits = [Logit::default(); 8 * 8 * 11];
/// let results = Segmentation::new(&mut labels).margins(&mut margins, 6).logits(&mut logits);
/// ```
#[must_use = "an engine writes it in `segment_into`"]
pub struct Segmentation<'o> {
    pub(crate) map: LabelMap<'o>,
    pub(crate) logits: Option<&'o mut [Logit]>,
}

/// Shifts from which on every margin is 0.
const NO_MARGIN: u8 = 31;

impl<'o> Segmentation<'o> {
    /// Asks for the class index of every pixel, `[height, width]`.
    pub fn new(labels: &'o mut [u8]) -> Self {
        Self { map: LabelMap { labels, margins: None }, logits: None }
    }

    /// Asks also for the margin of every label, `[height, width]`:
    /// `min(255, (largest - second largest) >> shift)` of the exact resized logits. A larger margin
    /// means a surer label.
    ///
    /// [`hrvit_format::LogitFormat::margin_unit`] gives the real value of one unit of a margin.
    /// With integer logits and shift 6 it is one code of the logits. With half-precision logits and
    /// shift 12 it is 1. With one class every margin is 255.
    pub fn margins(self, codes: &'o mut [u8], shift: u8) -> Self {
        let margins = Some(Margins { codes, shift: shift.min(NO_MARGIN) });
        Self { map: LabelMap { margins, ..self.map }, ..self }
    }

    /// Asks also for the logits that the labels are made from, `[height / 4, width / 4, classes]`.
    pub fn logits(self, logits: &'o mut [Logit]) -> Self {
        Self { logits: Some(logits), ..self }
    }
}

/// A class and its logit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Ranked {
    /// Class index.
    pub class: u16,
    /// The logit, in the format that [`hrvit_format::ModelHead::logits_format`] gives.
    pub logit: Logit,
}

/// The best `top.len()` logits by insertion, best first; the lower class first among equals. `key`
/// has the order of the logits' values.
pub(crate) fn rank(logits: &[Logit], key: impl Fn(Logit) -> i16, top: &mut [Ranked]) {
    for (filled, (class, &logit)) in (0u16..).zip(logits).enumerate() {
        let mut entry = Ranked { class, logit };
        for (place, slot) in top.iter_mut().enumerate() {
            if place >= filled {
                *slot = entry;
                break;
            }
            if (key(entry.logit), slot.class) > (key(slot.logit), entry.class) {
                core::mem::swap(slot, &mut entry);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best<const N: usize>(bits: [i16; N]) -> [(u16, i16); 3] {
        let mut top = [Ranked::default(); 3];
        rank(&bits.map(Logit::from_bits), Logit::bits, &mut top);
        top.map(|ranked| (ranked.class, ranked.logit.bits()))
    }

    #[test]
    fn ranks_best_first_and_lowest_class_among_equals() {
        assert_eq!(best([-5, 7, 3, 7, -9, 3]), [(1, 7), (3, 7), (2, 3)]);
    }

    #[test]
    fn equals_keep_their_order_when_a_better_class_displaces_them() {
        assert_eq!(best([3, 3, 7]), [(2, 7), (0, 3), (1, 3)]);
    }
}
