//! Logits of a segmentor and the label maps that follow from them.

use anyhow::{Context, Result, ensure};
use hrvit_format::Head;
use hrvit_reference::Map;
use safetensors::tensor::{Dtype, TensorView};

use crate::fit::{Along, Placement};
use crate::labels::{LabelMap, NO_LABEL};

/// Real logits at 1/4 of the input.
#[derive(Clone, Debug, PartialEq)]
pub struct Logits {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Classes.
    pub classes: usize,
    /// `[height, width, classes]`, row by row.
    pub data: Vec<f32>,
}

/// Place of an output pixel between two input pixels.
#[derive(Clone, Copy)]
pub struct Between {
    /// The one before.
    pub low: usize,
    /// The one behind.
    pub high: usize,
    /// Weight of `high`.
    pub fraction: f32,
}

/// For every output position its neighbours, held inside the input (align_corners = false, no
/// antialiasing): of a frame that is all of the input `(at + 1/2) * input / output - 1/2`. None
/// outside of the input.
pub fn positions(along: Along, input: usize, output: usize) -> Vec<Option<Between>> {
    let (start, scale) = along.line(output, input);
    let place = |at: usize| {
        along.cell(at, output, input)?;
        let position = ((at as f32 + 0.5) * scale + start - 0.5).max(0.0);
        let low = (position as usize).min(input - 1);
        Some(Between { low, high: (low + 1).min(input - 1), fraction: position - low as f32 })
    };
    (0..output).map(place).collect()
}

impl Logits {
    /// Logits of `height * width * classes` values.
    ///
    /// # Errors
    /// If the number of values is another, or a size is zero.
    pub fn new(height: usize, width: usize, classes: usize, data: Vec<f32>) -> Result<Self> {
        ensure!(height * width * classes > 0, "logits of {height}x{width} with {classes} classes: expected at least one");
        ensure!(data.len() == height * width * classes, "{} logits: expected {height} rows of {width} with {classes} classes", data.len());
        Ok(Self { height, width, classes, data })
    }

    /// The float network's map of logits.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn of_map(map: Map) -> Result<Self> {
        Self::new(map.rows, map.columns, map.channels, map.data)
    }

    /// Columns in reverse order.
    pub fn mirrored(&self) -> Self {
        let row = |row: &[f32]| row.chunks_exact(self.classes).rev().flatten().copied().collect::<Vec<_>>();
        Self { data: self.data.chunks_exact(self.width * self.classes).flat_map(row).collect(), ..*self }
    }

    /// Resizes bilinearly (align_corners = false) to a frame of `height` x `width`. Takes the class
    /// of the largest logit, the lowest of equal ones, or [`NO_LABEL`] beyond the reach of the
    /// logits. Only two rows of logits are held at a time.
    pub fn labels_at(&self, placement: &Placement, height: usize, width: usize) -> LabelMap {
        let mut data = Vec::with_capacity(height * width);
        self.each_pixel(placement, (height, width), |pixel| {
            data.push(pixel.map_or(NO_LABEL, |(left, right, fraction)| argmax(between(left, right, fraction)) as u8));
        });
        LabelMap { height, width, data }
    }

    /// [`Self::labels_at`], and for every pixel the distance of the two largest logits. It is
    /// infinite for one class, and 0 without a label.
    pub fn labels_and_margins_at(&self, placement: &Placement, height: usize, width: usize) -> (LabelMap, Vec<f32>) {
        let (mut data, mut margins) = (Vec::with_capacity(height * width), Vec::with_capacity(height * width));
        self.each_pixel(placement, (height, width), |pixel| {
            let found = pixel.map(|(left, right, fraction)| (argmax(between(left, right, fraction)) as u8, margin(between(left, right, fraction))));
            let (label, margin) = found.unwrap_or((NO_LABEL, 0.0));
            data.push(label);
            margins.push(margin);
        });
        (LabelMap { height, width, data }, margins)
    }

    /// The logits that a frame reaches into.
    pub fn within(&self, placement: &Placement) -> Self {
        let (rows, columns) = (placement.rows.reach(self.height), placement.columns.reach(self.width));
        let row = |y: usize| &self.data[(y * self.width + columns.start) * self.classes..(y * self.width + columns.end) * self.classes];
        Self { height: rows.len(), width: columns.len(), classes: self.classes, data: rows.clone().flat_map(row).copied().collect() }
    }

    /// Shows every pixel of a frame of `height` x `width`, row by row: the logits to its left and
    /// right, and the weight of the right.
    fn each_pixel(&self, placement: &Placement, (height, width): (usize, usize), mut visit: impl FnMut(Option<(&[f32], &[f32], f32)>)) {
        let row_length = self.width * self.classes;
        let columns = positions(placement.columns, self.width, width);
        let mut row = vec![0f32; row_length];
        for vertical in positions(placement.rows, self.height, height) {
            let Some(vertical) = vertical else {
                columns.iter().for_each(|_| visit(None));
                continue;
            };
            let upper = &self.data[vertical.low * row_length..][..row_length];
            let lower = &self.data[vertical.high * row_length..][..row_length];
            for ((out, &a), &b) in row.iter_mut().zip(upper).zip(lower) {
                *out = a + (b - a) * vertical.fraction;
            }
            let at = |x: usize| &row[x * self.classes..][..self.classes];
            for horizontal in &columns {
                visit(horizontal.map(|found| (at(found.low), at(found.high), found.fraction)));
            }
        }
    }

    /// A safetensors file with one tensor `logits`, float32, as training frameworks lay it out:
    /// `[1, classes, height, width]` of a segmentor, `[1, classes]` of a classifier.
    ///
    /// # Errors
    /// If the tensor cannot be encoded.
    pub fn to_safetensors(&self, head: Head) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(4 * self.data.len());
        for class in 0..self.classes {
            for value in self.data.iter().skip(class).step_by(self.classes) {
                bytes.extend_from_slice(&value.to_le_bytes());
            }
        }
        let shape = match head {
            Head::Segformer => vec![1, self.classes, self.height, self.width],
            Head::Classifier => vec![1, self.classes],
        };
        let view = TensorView::new(Dtype::F32, shape, &bytes).context("logits as a tensor")?;
        safetensors::serialize([("logits", view)], None).context("encoding logits")
    }
}

/// The values at `fraction` of the way from `left` to `right`.
pub fn between<'a>(left: &'a [f32], right: &'a [f32], fraction: f32) -> impl Iterator<Item = f32> + 'a {
    left.iter().zip(right).map(move |(&a, &b)| a + (b - a) * fraction)
}

/// The largest value less the second largest.
pub fn margin(values: impl Iterator<Item = f32>) -> f32 {
    let mut best = [f32::NEG_INFINITY; 2];
    for value in values {
        if value > best[0] {
            best = [value, best[0]];
        } else {
            best[1] = best[1].max(value);
        }
    }
    best[0] - best[1]
}

/// Index of the largest value, the lowest where several are; 0 of none.
pub fn argmax(values: impl Iterator<Item = f32>) -> usize {
    let mut best = (0usize, f32::NEG_INFINITY);
    for (class, value) in values.enumerate() {
        if value > best.1 {
            best = (class, value);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_at_the_same_size_are_the_argmax_and_ties_go_to_the_lowest() {
        let logits = Logits::new(1, 3, 3, vec![1.0, 2.0, 0.0, 5.0, 5.0, 5.0, -3.0, -2.0, -1.0]).unwrap();
        assert_eq!(logits.labels_at(&Placement::WHOLE, 1, 3).data, [1, 0, 2]);
    }

    #[test]
    fn margins_are_of_the_two_largest_whatever_their_order() {
        let logits = Logits::new(1, 4, 3, vec![1.0, 4.0, 2.0, 5.0, 5.0, 5.0, 9.0, -2.0, 8.5, -3.0, -1.0, -2.0]).unwrap();
        let (labels, margins) = logits.labels_and_margins_at(&Placement::WHOLE, 1, 4);
        assert_eq!(labels, logits.labels_at(&Placement::WHOLE, 1, 4));
        assert_eq!(margins, [2.0, 0.0, 0.5, 1.0]);
    }

    #[test]
    fn labels_at_four_times_the_size_change_midway() {
        // Class 1 minus class 0 goes from -1 to 1 between two pixels: 8 output columns, the sign
        // changes at the middle.
        let logits = Logits::new(1, 2, 2, vec![1.0, 0.0, 0.0, 1.0]).unwrap();
        assert_eq!(logits.labels_at(&Placement::WHOLE, 1, 8).data, [0, 0, 0, 0, 1, 1, 1, 1]);
    }

    #[test]
    fn positions_match_half_pixel_centres() {
        let got: Vec<_> = positions(Along::WHOLE, 3, 6).iter().flatten().map(|p| (p.low, p.high, p.fraction)).collect();
        assert_eq!(got, [(0, 1, 0.0), (0, 1, 0.25), (0, 1, 0.75), (1, 2, 0.25), (1, 2, 0.75), (2, 2, 0.25)]);
    }

    #[test]
    fn shrinking_uses_the_two_nearest_pixels_only() {
        let got: Vec<_> = positions(Along::WHOLE, 8, 2).iter().flatten().map(|p| (p.low, p.high, p.fraction)).collect();
        assert_eq!(got, [(1, 2, 0.5), (5, 6, 0.5)]);
    }

    #[test]
    fn safetensors_are_class_by_class() {
        let logits = Logits::new(1, 2, 2, vec![1.0, 2.0, 3.0, 4.0]).unwrap();
        let bytes = logits.to_safetensors(Head::Segformer).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let tensor = file.tensor("logits").unwrap();
        assert_eq!(tensor.shape(), [1, 2, 1, 2]);
        let values: Vec<f32> = tensor.data().chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        assert_eq!(values, [1.0, 3.0, 2.0, 4.0]);
    }

    #[test]
    fn mirroring_reverses_columns_not_classes() {
        let logits = Logits::new(2, 2, 2, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]).unwrap();
        assert_eq!(logits.mirrored().data, [3.0, 4.0, 1.0, 2.0, 7.0, 8.0, 5.0, 6.0]);
    }

    #[test]
    fn another_number_of_values_is_refused() {
        assert!(Logits::new(2, 2, 3, vec![0.0; 11]).is_err());
    }
}
