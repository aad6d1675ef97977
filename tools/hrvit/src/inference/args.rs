//! The options that say how frames are put through a network.

use std::str::FromStr;

use anyhow::{Result, bail, ensure};
use clap::{Args, ValueEnum};
use hrvit_format::{Fit, Preprocess, Size};
use serde::Deserialize;

use super::{Framing, Inference};
use crate::fit::Fitting;

/// Windows that may cover a pixel, per axis and without the one that is flush with the border.
const OVERLAPS: usize = 8;

/// How frames of another shape are brought to the model's input.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Resize {
    /// Resized in each direction on its own
    Stretch,
    /// The largest part in its middle that has the input's shape; pixels outside get no label (255)
    Crop,
    /// All of it, in the middle between bars of the mean colour
    Letterbox,
    /// Resized, its shape kept, until it just covers the input; windows slide over it
    KeepRatio,
}

impl From<Resize> for Fit {
    fn from(resize: Resize) -> Self {
        match resize {
            Resize::Stretch => Self::Stretch,
            Resize::Crop => Self::Crop,
            Resize::Letterbox => Self::Letterbox,
            Resize::KeepRatio => Self::KeepRatio,
        }
    }
}

/// Options for frames of another shape than the model's input.
#[derive(Args, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FitArgs {
    /// How frames of another shape are fitted to the model's input; default: as the model image
    /// records, else stretch
    #[arg(long, value_enum)]
    resize: Option<Resize>,
    /// The same as --resize letterbox
    #[arg(long, conflicts_with = "resize")]
    letterbox: bool,
    /// The same as --resize keep-ratio
    #[arg(long, conflicts_with_all = ["resize", "letterbox"])]
    keep_ratio: bool,
}

impl FitArgs {
    /// The fit that was asked for.
    pub fn fit(self) -> Option<Fit> {
        let named = if self.letterbox {
            Some(Resize::Letterbox)
        } else if self.keep_ratio {
            Some(Resize::KeepRatio)
        } else {
            self.resize
        };
        named.map(Fit::from)
    }

    /// How a device that takes one input a frame is given frames: as was asked for, else as
    /// `preprocess` says.
    ///
    /// # Errors
    /// If windows were asked for.
    pub fn fitting(self, preprocess: &Preprocess) -> Result<Fitting> {
        ensure!(!self.keep_ratio && self.resize != Some(Resize::KeepRatio), "--keep-ratio slides windows, and a device takes one input a frame: --resize crop");
        Ok(Fitting::of(&Preprocess { fit: self.fit().unwrap_or(preprocess.fit), ..*preprocess }))
    }
}

/// Options of every command that measures.
#[derive(Args, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlideArgs {
    /// Frames of another shape.
    #[command(flatten)]
    pub fit: FitArgs,
    /// Windows of the model's size slide over frames, which are not resized unless by --keep-ratio,
    /// and the mean of their logits decides where they overlap
    #[arg(long)]
    pub slide: bool,
    /// Rows and columns from one window to the next, an eighth of the window to all of it; default:
    /// two thirds
    #[arg(long, value_name = "HxW")]
    pub stride: Option<Stride>,
    /// Run the mirrored frame too; the mean with its logits, mirrored back, decides
    #[arg(long)]
    pub flip: bool,
}

/// The option of commands that do as a device does.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct HaloArg {
    /// Windows of the model's size over frames, which only --keep-ratio resizes. A window keeps the
    /// labels that lie N or more pixels inside it, as on devices without room for logits
    #[arg(long, value_name = "N", conflicts_with_all = ["slide", "flip"])]
    pub halo: Option<usize>,
}

/// Rows and columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stride(pub usize, pub usize);

impl FromStr for Stride {
    type Err = anyhow::Error;

    /// `ROWSxCOLUMNS`.
    fn from_str(text: &str) -> Result<Self> {
        let parsed = text.split_once(['x', 'X']).and_then(|(rows, columns)| Some(Self(rows.parse().ok()?, columns.parse().ok()?)));
        let Some(stride) = parsed else { bail!("expected rows and columns, for example 128x171") };
        Ok(stride)
    }
}

impl SlideArgs {
    /// The inference that was asked for, of a network of `size` whose pictures were prepared as
    /// `preprocess` says.
    ///
    /// # Errors
    /// If the stride or the halo does not fit the windows, or options do not go together.
    pub fn inference(self, halo: Option<usize>, size: Size, preprocess: &Preprocess) -> Result<Inference> {
        let sides = [usize::from(size.height), usize::from(size.width)];
        let asked = self.fit.fit();
        let has_windows = self.slide || halo.is_some();
        ensure!(
            !has_windows || matches!(asked, None | Some(Fit::KeepRatio)),
            "--slide and --halo take frames as they are, or with --keep-ratio: leave out --resize and --letterbox"
        );
        let fit = if has_windows { asked.unwrap_or_default() } else { asked.unwrap_or(preprocess.fit) };
        let keep_ratio = fit == Fit::KeepRatio;
        ensure!(
            self.stride.is_none() || self.slide || (keep_ratio && halo.is_none()),
            "--stride is for windows that slide: give --slide or --keep-ratio, and no --halo"
        );
        let framing = match halo {
            Some(halo) => {
                let most = sides[0].min(sides[1]).saturating_sub(1) / 2;
                ensure!(halo <= most, "--halo {halo}: windows of {size} keep nothing, expected at most {most}");
                Framing::Halo { halo, keep_ratio }
            }
            None if self.slide || keep_ratio => {
                let [rows, columns] = sides.map(|side| (2 * side).div_ceil(3));
                let Stride(rows, columns) = self.stride.unwrap_or(Stride(rows, columns));
                for (stride, side) in [rows, columns].into_iter().zip(sides) {
                    let least = side.div_ceil(OVERLAPS);
                    ensure!((least..=side).contains(&stride), "--stride {rows}x{columns}: {stride} for windows of {side}, expected {least} to {side}");
                }
                Framing::Slide { stride: (rows, columns), keep_ratio }
            }
            None => Framing::Resized(Fitting::of(&Preprocess { fit, ..*preprocess })),
        };
        Ok(Inference { framing, flip: self.flip, through: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { height: 192, width: 256 };

    fn slide(stride: Option<Stride>) -> Result<Inference> {
        SlideArgs { slide: true, stride, ..SlideArgs::default() }.inference(None, SIZE, &Preprocess::IMAGENET)
    }

    #[test]
    fn the_default_stride_is_two_thirds() {
        assert_eq!(slide(None).unwrap().framing, Framing::Slide { stride: (128, 171), keep_ratio: false });
        assert_eq!(SlideArgs::default().inference(None, SIZE, &Preprocess::IMAGENET).unwrap(), Inference::default());
    }

    #[test]
    fn strides_are_an_eighth_of_the_window_to_all_of_it() {
        assert_eq!("24x256".parse::<Stride>().unwrap(), Stride(24, 256));
        assert!(["24", "x", "24x", "-1x3", "1x2x3"].iter().all(|text| text.parse::<Stride>().is_err()));
        assert!(slide(Some(Stride(24, 32))).is_ok() && slide(Some(Stride(192, 256))).is_ok());
        for (rows, columns) in [(23, 32), (24, 31), (193, 256), (192, 257)] {
            let error = slide(Some(Stride(rows, columns))).unwrap_err().to_string();
            assert!(error.contains(&format!("--stride {rows}x{columns}")), "{error}");
        }
    }

    #[test]
    fn halos_leave_a_core() {
        let halo = |halo| SlideArgs::default().inference(Some(halo), SIZE, &Preprocess::IMAGENET);
        assert_eq!(halo(95).unwrap().framing, Framing::Halo { halo: 95, keep_ratio: false });
        assert!(halo(96).unwrap_err().to_string().contains("at most 95"));
    }

    #[test]
    fn frames_are_fitted_as_asked_else_as_the_image_says() {
        let of = |resize, slide, halo, fit| {
            let fits = FitArgs { resize, ..FitArgs::default() };
            SlideArgs { fit: fits, slide, ..SlideArgs::default() }.inference(halo, SIZE, &Preprocess { fit, ..Preprocess::IMAGENET })
        };
        let framing = |resize, slide, halo, fit| of(resize, slide, halo, fit).unwrap().framing;
        let bars = Framing::Resized(Fitting::Letterbox { bars: [124, 116, 104] });
        assert_eq!(framing(None, false, None, Fit::Letterbox), bars);
        assert_eq!(framing(Some(Resize::Letterbox), false, None, Fit::Stretch), bars);
        assert_eq!(framing(Some(Resize::Stretch), false, None, Fit::Letterbox), Framing::default());
        let covering = Framing::Slide { stride: (128, 171), keep_ratio: true };
        assert_eq!(framing(None, false, None, Fit::KeepRatio), covering);
        assert_eq!(framing(Some(Resize::KeepRatio), true, None, Fit::Crop), covering);
        assert_eq!(framing(None, true, None, Fit::KeepRatio), Framing::Slide { stride: (128, 171), keep_ratio: false });
        assert_eq!(framing(Some(Resize::KeepRatio), false, Some(3), Fit::Crop), Framing::Halo { halo: 3, keep_ratio: true });
        assert!(of(Some(Resize::Crop), true, None, Fit::Stretch).is_err() && of(Some(Resize::Letterbox), false, Some(3), Fit::Stretch).is_err());
        let stride = SlideArgs { stride: Some(Stride(128, 128)), ..SlideArgs::default() };
        assert!(stride.inference(None, SIZE, &Preprocess::IMAGENET).unwrap_err().to_string().contains("--slide or --keep-ratio"));
    }
}
