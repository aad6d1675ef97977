//! Calibration frames: found, judged, and handed to the quantiser at the model's size.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use hrvit_format::Size;
use rayon::prelude::*;

use crate::failures::gather;
use crate::fit::{Fitting, Placement};
use crate::frame_checks::{self, Unfit};
use crate::frames;
use crate::likeness::{self, Doubt, Looks};
use crate::quantize::Frames;
use crate::quantize::sample::SplitMix;

/// The frames of a folder.
#[derive(Clone, Debug)]
pub struct CalibrationSet {
    paths: Vec<PathBuf>,
    placements: Vec<Placement>,
    size: Size,
    fitting: Fitting,
    doubts: Vec<Doubt>,
}

impl CalibrationSet {
    /// The frames of `folder`, as [`Self::of`].
    ///
    /// # Errors
    /// If the folder cannot be read, holds no frame, or frames cannot be decoded; names all of
    /// these.
    pub fn open(folder: &Path, size: Size, fitting: Fitting) -> Result<(Self, Vec<Unfit>)> {
        Self::of(frames::list(folder)?, size, fitting)
    }

    /// Frames to be fitted to `size`, and everything that speaks against calibrating with them.
    /// Frames that are equal at that size count once.
    ///
    /// # Errors
    /// If frames cannot be decoded; names all of these.
    pub fn of(paths: Vec<PathBuf>, size: Size, fitting: Fitting) -> Result<(Self, Vec<Unfit>)> {
        let judge = |path: &PathBuf| -> Result<(Vec<Unfit>, (Looks, Placement))> {
            let frame = frames::read(path)?;
            let unfit = frame_checks::check_frame(&path.display().to_string(), &fitting.seen(&frame, size), size);
            let (input, placement) = fitting.input(&frame, size)?;
            let shown = placement.within(&input);
            Ok((unfit, (Looks::of(shown.as_raw(), shown.width() as usize), placement)))
        };
        let (judged, seen): (Vec<Vec<Unfit>>, Vec<_>) = gather(paths.par_iter().map(judge).collect::<Vec<_>>())?.into_iter().unzip();
        let (looks, placements): (Vec<Looks>, Vec<Placement>) = seen.into_iter().unzip();
        let (distinct, doubts) = likeness::compare(&looks, &paths.iter().map(|path| file_name(path)).collect::<Vec<_>>());
        let unfit = frame_checks::check_count(distinct.len()).into_iter().chain(judged.into_iter().flatten()).collect();
        let all = Self { paths, placements, size, fitting, doubts };
        Ok((Self { doubts: all.doubts.clone(), ..all.subset(&distinct) }, unfit))
    }

    /// The frames at these positions. Doubts about the whole set are not said of them again.
    pub fn subset(&self, positions: &[usize]) -> Self {
        let paths = positions.iter().map(|&at| self.paths[at].clone()).collect();
        let placements = positions.iter().map(|&at| self.placements[at]).collect();
        Self { paths, placements, size: self.size, fitting: self.fitting, doubts: Vec::new() }
    }

    /// Reasons why the folder's frames say less than their number suggests.
    pub fn doubts(&self) -> &[Doubt] {
        &self.doubts
    }

    /// For an image's provenance: how many frames calibrated it.
    pub fn provenance(&self) -> String {
        format!("{} calibration frames", self.paths.len())
    }

    /// Names of the frames' files.
    pub fn names(&self) -> Vec<String> {
        self.paths.iter().map(|path| file_name(path)).collect()
    }

    /// `count` of the frames, drawn at random without replacement; which ones depends only on
    /// `seed` and the number of frames.
    ///
    /// # Errors
    /// If there are fewer.
    pub fn draw(&self, count: usize, seed: u64) -> Result<Self> {
        ensure!(count <= self.paths.len(), "a draw of {count} calibration frames: the folder holds {}", self.paths.len());
        let mut random = SplitMix(seed);
        let mut left: Vec<usize> = (0..self.paths.len()).collect();
        let mut drawn: Vec<usize> = (0..count).map(|_| left.swap_remove((random.next_u64() % left.len() as u64) as usize)).collect();
        drawn.sort_unstable();
        Ok(self.subset(&drawn))
    }

    /// Paths of the frames, in order of their names.
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

impl Frames for CalibrationSet {
    fn len(&self) -> usize {
        self.paths.len()
    }

    fn rgb(&self, i: usize) -> Result<Vec<u8>> {
        let path = self.paths.get(i).with_context(|| format!("calibration frame {i} of {}", self.paths.len()))?;
        Ok(self.fitting.input(&frames::read(path)?, self.size)?.0.into_raw())
    }

    fn placement(&self, i: usize) -> Placement {
        self.placements[i]
    }
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;

    /// Frames that differ in one row.
    fn folder(count: usize, paint: impl Fn(u32, u32) -> [u8; 3] + Copy) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for i in 0..count {
            let pixel = |x, y| if (y as usize) / 4 == i && count > 1 { [x as u8; 3] } else { paint(x, y) };
            RgbImage::from_fn(80, 64, |x, y| Rgb(pixel(x, y))).save(folder.path().join(format!("{i}.png"))).unwrap();
        }
        folder
    }

    fn size() -> Size {
        Size::new(32, 64).unwrap()
    }

    #[test]
    fn eight_smooth_frames_are_fit_and_come_at_the_models_size() {
        let folder = folder(8, |x, y| [3 * x as u8, 3 * y as u8, 90]);
        let (set, unfit) = CalibrationSet::open(folder.path(), size(), Fitting::Stretch).unwrap();
        assert_eq!(unfit, []);
        assert_eq!((set.len(), set.rgb(7).unwrap().len()), (8, 32 * 64 * 3));
        assert!(set.rgb(8).is_err());
    }

    #[test]
    fn equal_frames_count_once_and_are_said() {
        let folder = folder(8, |x, y| [3 * x as u8, 3 * y as u8, 90]);
        std::fs::copy(folder.path().join("0.png"), folder.path().join("5b.png")).unwrap();
        std::fs::copy(folder.path().join("1.png"), folder.path().join("2.png")).unwrap();
        let (set, unfit) = CalibrationSet::open(folder.path(), size(), Fitting::Stretch).unwrap();
        assert_eq!(unfit, [Unfit::TooFew(7)]);
        assert_eq!(set.names(), ["0.png", "1.png", "3.png", "4.png", "5.png", "6.png", "7.png"]);
        assert!(matches!(set.doubts(), [Doubt::Equal { frames: 2, of: 9, .. }, ..]), "{:?}", set.doubts());
    }

    #[test]
    fn draws_hold_different_frames_once_each_and_repeat_for_a_seed() {
        let folder = folder(12, |x, y| [3 * x as u8, 3 * y as u8, 90]);
        let (set, _) = CalibrationSet::open(folder.path(), size(), Fitting::Stretch).unwrap();
        let names = |seed| set.draw(8, seed).unwrap().paths;
        assert_eq!(names(3), names(3));
        assert_ne!(names(3), names(4));
        let mut unique = names(3);
        unique.dedup();
        assert_eq!(unique.len(), 8);
        assert!(set.draw(13, 0).is_err());
    }

    #[test]
    fn one_flat_frame_is_named_and_seven_are_too_few() {
        let folder = folder(1, |_, _| [9; 3]);
        let (_, unfit) = CalibrationSet::open(folder.path(), size(), Fitting::Stretch).unwrap();
        assert!(matches!(&unfit[..], [Unfit::TooFew(1), Unfit::Flat { frame, .. }] if frame.ends_with("0.png")), "{unfit:?}");
    }

    #[test]
    fn a_frame_that_cannot_be_decoded_is_always_refused() {
        let folder = folder(8, |x, y| [3 * x as u8, 3 * y as u8, 90]);
        std::fs::write(folder.path().join("9.jpg"), "no picture").unwrap();
        let error = format!("{:#}", CalibrationSet::open(folder.path(), size(), Fitting::Stretch).unwrap_err());
        assert!(error.contains("9.jpg"), "{error}");
    }
}
