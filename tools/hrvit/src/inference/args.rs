//! The options that say how frames are put through a network.

use std::str::FromStr;

use anyhow::{Result, bail, ensure};
use clap::Args;
use hrvit_format::Size;

use super::{Framing, Inference};

/// Windows that may cover a pixel, per axis and without the one that is flush with the border.
const OVERLAPS: usize = 8;

/// Options of every command that measures.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct SlideArgs {
    /// Do not resize frames: windows of the model's size slide over them, and the mean of their logits decides where they overlap
    #[arg(long)]
    pub slide: bool,
    /// Rows and columns from one window to the next, an eighth of the window to all of it; default: two thirds
    #[arg(long, value_name = "HxW", requires = "slide")]
    pub stride: Option<Stride>,
    /// Run the mirrored frame too; the mean with its logits, mirrored back, decides
    #[arg(long)]
    pub flip: bool,
}

/// The option of commands that do as a device does.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct HaloArg {
    /// Do not resize frames: windows of the model's size, of each only the labels N or more pixels inside are kept, as devices do it that have no room for logits
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
    /// What was asked for, of a network of `size`.
    ///
    /// # Errors
    /// If the stride or the halo does not fit the windows.
    pub fn inference(self, halo: Option<usize>, size: Size) -> Result<Inference> {
        let sides = [usize::from(size.height), usize::from(size.width)];
        let framing = match halo {
            Some(halo) => {
                let most = sides[0].min(sides[1]).saturating_sub(1) / 2;
                ensure!(halo <= most, "--halo {halo}: windows of {size} keep nothing, expected at most {most}");
                Framing::Halo { halo }
            }
            None if self.slide => {
                let [rows, columns] = sides.map(|side| (2 * side).div_ceil(3));
                let Stride(rows, columns) = self.stride.unwrap_or(Stride(rows, columns));
                for (stride, side) in [rows, columns].into_iter().zip(sides) {
                    let least = side.div_ceil(OVERLAPS);
                    ensure!((least..=side).contains(&stride), "--stride {rows}x{columns}: {stride} for windows of {side}, expected {least} to {side}");
                }
                Framing::Slide { stride: (rows, columns) }
            }
            None => Framing::Resized,
        };
        Ok(Inference { framing, flip: self.flip })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { height: 192, width: 256 };

    fn slide(stride: Option<Stride>) -> Result<Inference> {
        SlideArgs { slide: true, stride, flip: false }.inference(None, SIZE)
    }

    #[test]
    fn the_default_stride_is_two_thirds() {
        assert_eq!(slide(None).unwrap().framing, Framing::Slide { stride: (128, 171) });
        assert_eq!(SlideArgs::default().inference(None, SIZE).unwrap(), Inference::default());
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
        let halo = |halo| SlideArgs::default().inference(Some(halo), SIZE);
        assert_eq!(halo(95).unwrap().framing, Framing::Halo { halo: 95 });
        assert!(halo(96).unwrap_err().to_string().contains("at most 95"));
    }
}
