//! The mean of overlapping windows' logits, without ever holding all of it. Windows are kept at
//! 1/4. Rows of the frame are made one by one.
//!
//! Per pixel: every window's logits, resized bilinearly to the window (align_corners = false),
//! summed and divided by the number of windows. With two views their mean is taken. Weights of the
//! resize are multiples of 1/64. Sums are f64, which holds an engine's sums of 16-bit codes
//! exactly: they stay below 2^15 * 64 * 2 * 81^2 < 2^35. The class of the largest mean is the
//! label, the lowest where several are.

use anyhow::{Result, ensure};
use hrvit_kernels::phase;
use rayon::prelude::*;

use crate::fit::Along;
use crate::labels::LabelMap;
use crate::logits::{Between, Logits, argmax, between, margin, positions};

/// Pixels of the frame per pixel of the logits.
const FACTOR: usize = 4;
/// Sum of the weights of both directions of a resize by [`FACTOR`].
const WEIGHTS: f64 = (4 * FACTOR * FACTOR) as f64;

/// One window's logits and where its first pixel lies in the frame.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Row.
    pub y: usize,
    /// Column.
    pub x: usize,
    /// At 1/4 of the window.
    pub logits: Logits,
}

/// Windows that cover a frame, once per view.
#[derive(Clone, Debug)]
pub struct Mosaic {
    height: usize,
    width: usize,
    classes: usize,
    /// Real value of 1 in the pieces.
    unit: f32,
    views: Vec<Vec<Piece>>,
}

/// One row of the frame.
struct Row {
    /// Weighted sums, `[width, classes]`.
    sums: Vec<f64>,
    /// Divisors of every pixel's sums, beside [`WEIGHTS`].
    counts: Vec<u32>,
    /// The same of one view.
    view: (Vec<f64>, Vec<u32>),
    /// A row of a piece, between two rows of its logits.
    mixed: Vec<f64>,
}

impl Mosaic {
    /// A mosaic of `size` (height, width) pixels from one view or two.
    ///
    /// # Errors
    /// If a view leaves a pixel uncovered, a piece lies outside, or pieces differ in classes.
    pub fn new(size: (usize, usize), unit: f32, views: Vec<Vec<Piece>>) -> Result<Self> {
        let (height, width) = size;
        let classes = views.first().and_then(|view| view.first()).map_or(0, |piece| piece.logits.classes);
        ensure!((1..=2).contains(&views.len()), "{} views of a frame: expected one or two", views.len());
        for view in &views {
            let mut covered = vec![false; height * width];
            for Piece { y, x, logits } in view {
                let (rows, columns) = (FACTOR * logits.height, FACTOR * logits.width);
                ensure!(y + rows <= height && x + columns <= width && logits.classes == classes, "a window that does not fit a frame of {height}x{width}");
                covered.chunks_mut(width).skip(*y).take(rows).for_each(|row| row[*x..x + columns].fill(true));
            }
            ensure!(covered.iter().all(|&pixel| pixel), "windows that leave pixels of a frame uncovered");
        }
        Ok(Self { height, width, classes, unit, views })
    }

    /// Logits of every piece, at 1/4, in real numbers.
    pub fn pieces(&self) -> Vec<Logits> {
        let real = |piece: &Piece| Logits { data: piece.logits.data.iter().map(|value| value * self.unit).collect(), ..piece.logits };
        self.views.iter().flatten().map(real).collect()
    }

    /// Class of every pixel.
    pub fn labels(&self) -> LabelMap {
        let data = self.map_rows(1, |row, out: &mut [u8]| {
            for (label, sums) in out.iter_mut().zip(row.sums.chunks_exact(self.classes)) {
                *label = best_two(sums).0 as u8;
            }
        });
        LabelMap { height: self.height, width: self.width, data }
    }

    /// By how much the largest mean logit of every pixel exceeds the second largest, infinite where
    /// there is one class.
    pub fn margins(&self) -> Vec<f32> {
        self.map_rows(1, |row, out: &mut [f32]| {
            for ((margin, sums), &count) in out.iter_mut().zip(row.sums.chunks_exact(self.classes)).zip(&row.counts) {
                let (best, second) = best_two(sums);
                *margin = ((sums[best] - second) * self.share(count)) as f32;
            }
        })
    }

    /// Class of every pixel, and the distance of its two largest logits, after the mean logits are
    /// resized bilinearly (align_corners = false) to another size.
    pub fn labels_and_margins_at(&self, height: usize, width: usize) -> (LabelMap, Vec<f32>) {
        let [rows, columns] = [(self.height, height), (self.width, width)]
            .map(|(own, other)| positions(Along::WHOLE, own, other).into_iter().flatten().collect::<Vec<Between>>());
        let (mut data, mut margins) = (vec![0; height * width], vec![0.0; height * width]);
        let out = data.par_chunks_mut(width.max(1)).zip(margins.par_chunks_mut(width.max(1))).zip(rows);
        out.for_each_init(
            || (Row::new(self), [(); 2].map(|()| vec![0.0; self.width * self.classes])),
            |(row, [upper, lower]), ((labels, margins), vertical)| {
                for (mean, y) in [(&mut *upper, vertical.low), (&mut *lower, vertical.high)] {
                    row.make(self, y);
                    row.mean(self, mean);
                }
                upper.iter_mut().zip(&*lower).for_each(|(upper, lower)| *upper += (lower - *upper) * vertical.fraction);
                let at = |x: usize| &upper[x * self.classes..][..self.classes];
                for ((label, found), &Between { low, high, fraction }) in labels.iter_mut().zip(margins).zip(&columns) {
                    let logits = || between(at(low), at(high), fraction);
                    (*label, *found) = (argmax(logits()) as u8, margin(logits()));
                }
            },
        );
        (LabelMap { height, width, data }, margins)
    }

    /// The mean logits, at the frame's size: as many values as pixels and classes.
    pub fn mean(&self) -> Logits {
        let data = self.map_rows(self.classes, |row, out: &mut [f32]| row.mean(self, out));
        Logits { height: self.height, width: self.width, classes: self.classes, data }
    }

    /// Real value of 1 in the sums of a pixel.
    fn share(&self, count: u32) -> f64 {
        f64::from(self.unit) / (WEIGHTS * f64::from(count))
    }

    /// A map of `per_pixel` values for every pixel, rows in parallel.
    fn map_rows<T: Copy + Default + Send>(&self, per_pixel: usize, write: impl Fn(&Row, &mut [T]) + Sync) -> Vec<T> {
        let mut data = vec![T::default(); self.height * self.width * per_pixel];
        data.par_chunks_mut((self.width * per_pixel).max(1)).enumerate().for_each_init(
            || Row::new(self),
            |row, (y, out)| {
                row.make(self, y);
                write(row, out);
            },
        );
        data
    }
}

impl Row {
    fn new(mosaic: &Mosaic) -> Self {
        let sums = || vec![0.0; mosaic.width * mosaic.classes];
        let counts = || vec![0; mosaic.width];
        Self { sums: sums(), counts: counts(), view: (sums(), counts()), mixed: Vec::new() }
    }

    /// The means of this row, `[width, classes]`.
    fn mean(&self, mosaic: &Mosaic, out: &mut [f32]) {
        for ((out, sums), &count) in out.chunks_exact_mut(mosaic.classes).zip(self.sums.chunks_exact(mosaic.classes)).zip(&self.counts) {
            let share = mosaic.share(count);
            out.iter_mut().zip(sums).for_each(|(mean, sum)| *mean = (sum * share) as f32);
        }
    }

    /// Row `y` of the mosaic.
    fn make(&mut self, mosaic: &Mosaic, y: usize) {
        for (number, view) in mosaic.views.iter().enumerate() {
            let (sums, counts) = if number == 0 { (&mut self.sums, &mut self.counts) } else { (&mut self.view.0, &mut self.view.1) };
            sums.fill(0.0);
            counts.fill(0);
            for piece in view.iter().filter(|piece| (piece.y..piece.y + FACTOR * piece.logits.height).contains(&y)) {
                add(piece, y - piece.y, &mut self.mixed, sums, counts);
            }
        }
        if mosaic.views.len() < 2 {
            return;
        }
        // Windows lie otherwise in the mirrored frame: a / n + b / m is (a m + b n) / (n m).
        let pixels = self.sums.chunks_exact_mut(mosaic.classes).zip(&mut self.counts);
        for ((sums, count), (others, &other)) in pixels.zip(self.view.0.chunks_exact(mosaic.classes).zip(&self.view.1)) {
            let (own, behind) = (f64::from(*count), f64::from(other));
            sums.iter_mut().zip(others).for_each(|(sum, value)| *sum = *sum * behind + value * own);
            *count *= 2 * other;
        }
    }
}

/// Adds row `y` of a piece, resized to its window, to the sums of the frame's row, and counts its
/// pixels.
fn add(piece: &Piece, y: usize, mixed: &mut Vec<f64>, sums: &mut [f64], counts: &mut [u32]) {
    let Logits { height, width, classes, ref data } = piece.logits;
    let row = |at: usize| &data[at * width * classes..][..width * classes];
    let vertical = phase(y, FACTOR, height);
    let (near, far) = (f64::from(vertical.near_weight), f64::from(vertical.far_weight));
    mixed.clear();
    mixed.extend(row(vertical.near).iter().zip(row(vertical.far)).map(|(&a, &b)| f64::from(a) * near + f64::from(b) * far));
    let columns = piece.x..piece.x + FACTOR * width;
    counts[columns.clone()].iter_mut().for_each(|count| *count += 1);
    for (x, sums) in sums[columns.start * classes..columns.end * classes].chunks_exact_mut(classes).enumerate() {
        let horizontal = phase(x, FACTOR, width);
        let (near, far) = (f64::from(horizontal.near_weight), f64::from(horizontal.far_weight));
        let [left, right] = [horizontal.near, horizontal.far].map(|at| &mixed[at * classes..][..classes]);
        for ((sum, a), b) in sums.iter_mut().zip(left).zip(right) {
            *sum += a * near + b * far;
        }
    }
}

/// Index of the largest value, the lowest where several are, and the largest of the others.
fn best_two(values: &[f64]) -> (usize, f64) {
    let (mut best, mut largest, mut second) = (0, f64::NEG_INFINITY, f64::NEG_INFINITY);
    for (at, &value) in values.iter().enumerate() {
        if value > largest {
            (second, best, largest) = (largest, at, value);
        } else {
            second = second.max(value);
        }
    }
    (best, second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::Placement;

    fn piece(y: usize, x: usize, data: &[f32]) -> Piece {
        Piece { y, x, logits: Logits::new(1, 1, data.len(), data.to_vec()).unwrap() }
    }

    #[test]
    fn overlaps_are_means_and_ties_go_to_the_lowest_class() {
        let mosaic = Mosaic::new((4, 6), 0.5, vec![vec![piece(0, 0, &[8.0, 0.0]), piece(0, 2, &[2.0, 10.0])]]).unwrap();
        let mean = mosaic.mean();
        assert_eq!(mean.data[..12], [4.0, 0.0, 4.0, 0.0, 2.5, 2.5, 2.5, 2.5, 1.0, 5.0, 1.0, 5.0]);
        assert_eq!(mosaic.labels().data[..6], [0, 0, 0, 0, 1, 1]);
        assert_eq!(mosaic.margins()[..6], [4.0, 4.0, 0.0, 0.0, 4.0, 4.0]);
        assert_eq!(mosaic.pieces()[1].data, [1.0, 5.0]);
        for (height, width) in [(4, 6), (9, 13), (3, 2)] {
            let resized = mean.labels_and_margins_at(&Placement::WHOLE, height, width);
            assert_eq!(mosaic.labels_and_margins_at(height, width), resized);
        }
    }

    #[test]
    fn views_count_alike_however_many_windows_each_has() {
        let views = vec![vec![piece(0, 0, &[9.0]), piece(0, 0, &[3.0]), piece(0, 0, &[0.0])], vec![piece(0, 0, &[2.0])]];
        let mosaic = Mosaic::new((4, 4), 1.0, views).unwrap();
        assert!(mosaic.mean().data.iter().all(|&mean| mean == 3.0) && mosaic.margins().iter().all(|&margin| margin == f32::INFINITY));
    }

    #[test]
    fn gaps_and_windows_outside_are_refused() {
        let refused = |size, view| Mosaic::new(size, 1.0, vec![view]).unwrap_err().to_string();
        assert!(refused((4, 5), vec![piece(0, 0, &[1.0])]).contains("uncovered"));
        assert!(refused((4, 4), vec![piece(0, 1, &[1.0])]).contains("does not fit"));
        assert!(refused((4, 4), Vec::new()).contains("uncovered"));
    }
}
