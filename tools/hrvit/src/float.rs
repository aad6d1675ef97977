//! The float reference as a segmenter.

use anyhow::Result;
use hrvit_format::{Head, Size};
use hrvit_reference::{Checkpoint, Frame, Model};
use image::RgbImage;

use crate::logits::Logits;
use crate::segmenter::{Segmenter, check_size};

/// A checkpoint, run in 32-bit floating point exactly as trained.
#[derive(Clone, Debug)]
pub struct Float {
    model: Model,
    size: Size,
}

impl Float {
    /// The network of `checkpoint` for frames of `size`.
    pub fn new(checkpoint: Checkpoint, size: Size) -> Self {
        Self { model: Model::new(checkpoint), size }
    }
}

impl Segmenter for Float {
    fn name(&self) -> &'static str {
        "float"
    }

    fn size(&self) -> Size {
        self.size
    }

    fn classes(&self) -> usize {
        usize::from(self.model.network().classes)
    }

    fn head(&self) -> Head {
        self.model.network().head
    }

    fn logits(&self, frame: &RgbImage) -> Result<Logits> {
        check_size(frame, self.size)?;
        let frame = Frame::new(self.size, frame.as_raw().clone())?;
        Logits::of_map(self.model.forward(&frame, &mut |_, _| {}))
    }
}

#[cfg(test)]
mod tests {
    use hrvit_format::{Network, Spec};

    use super::*;

    fn float(head: Head) -> Float {
        let network = Network { spec: Spec::variant("nano").unwrap(), head, classes: 5 };
        Float::new(Checkpoint::synthetic(&network, 3).unwrap(), Size::new(32, 64).unwrap())
    }

    #[test]
    fn frames_of_another_size_are_refused() {
        let error = float(Head::Segformer).logits(&RgbImage::new(32, 64)).unwrap_err().to_string();
        assert!(error.contains("64x32") && error.contains("32x64"), "{error}");
    }

    #[test]
    fn logits_are_a_quarter_of_the_frame_and_labels_its_size() {
        let float = float(Head::Segformer);
        let frame = RgbImage::from_fn(64, 32, |x, y| image::Rgb([4 * x as u8, 8 * y as u8, 100]));
        let logits = float.logits(&frame).unwrap();
        assert_eq!((logits.height, logits.width, logits.classes), (8, 16, 5));
        let labels = float.labels(&frame).unwrap();
        assert_eq!((labels.height, labels.width), (32, 64));
    }

    #[test]
    fn a_classifier_has_one_row_of_logits_and_no_labels() {
        let float = float(Head::Classifier);
        let logits = float.logits(&RgbImage::new(64, 32)).unwrap();
        assert_eq!((logits.height, logits.width, logits.classes), (1, 1, 5));
        assert!(float.labels(&RgbImage::new(64, 32)).is_err());
    }
}
