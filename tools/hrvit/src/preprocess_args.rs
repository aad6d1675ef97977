//! How the network's pictures were prepared in training, on the command line or in a file.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use hrvit_format::{ColourOrder, Fit, Preprocess};
use serde::Deserialize;

use crate::inference::args::{FitArgs, Resize};

/// Options that say how pictures were prepared in training.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "How pictures were prepared in training (default: as for ImageNet)")]
pub struct PreprocessArgs {
    /// Mean taken from each channel, one number or three, in the order of --order and the unit of
    /// --range
    #[arg(long, value_name = "M,M,M", requires = "std")]
    mean: Option<Triple>,
    /// Divisor of each channel, one number or three
    #[arg(long, value_name = "S,S,S", requires = "mean")]
    std: Option<Triple>,
    /// Order of the colours
    #[arg(long, value_enum)]
    order: Option<Order>,
    /// Largest value of a pixel before the mean is taken: 255, or 1 for ToTensor()
    #[arg(long, value_name = "255|1", requires = "mean")]
    range: Option<Range>,
    /// All of these from a TOML file: mean = [..], std = [..], order = "bgr", range = 1, and
    /// resize = "letterbox"
    #[arg(long, value_name = "FILE.toml", conflicts_with_all = ["mean", "std", "order", "range"])]
    preprocess: Option<PathBuf>,
}

/// Order of the network's channels.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, ValueEnum)]
#[serde(rename_all = "lowercase")]
enum Order {
    /// Red, green, blue (PIL, torchvision)
    Rgb,
    /// Blue, green, red (OpenCV)
    Bgr,
}

/// Three numbers, of which one may stand for all.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Numbers")]
struct Triple([f32; 3]);

#[derive(Deserialize)]
#[serde(untagged)]
enum Numbers {
    One(f32),
    Several(Vec<f32>),
}

impl TryFrom<Numbers> for Triple {
    type Error = String;

    fn try_from(numbers: Numbers) -> Result<Self, String> {
        match numbers {
            Numbers::One(one) => Ok(Self([one; 3])),
            Numbers::Several(all) => all.try_into().map(Self).map_err(|all: Vec<f32>| format!("{} numbers, expected one or three", all.len())),
        }
    }
}

impl FromStr for Triple {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.trim().parse::<f32>().ok().filter(|x| x.is_finite()).ok_or_else(|| format!("{text:?} is no number"));
        let all: Vec<f32> = text.split(',').map(number).collect::<Result<_, _>>()?;
        match all[..] {
            [one] => Ok(Self([one; 3])),
            _ => Numbers::Several(all).try_into(),
        }
    }
}

/// Largest value of a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "f32")]
struct Range(f32);

impl TryFrom<f32> for Range {
    type Error = String;

    fn try_from(range: f32) -> Result<Self, String> {
        if range == 1.0 || range == 255.0 { Ok(Self(range)) } else { Err(format!("range {range}: expected 255 or 1")) }
    }
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse::<f32>().map_err(|_| format!("{text:?}: expected 255 or 1"))?.try_into()
    }
}

/// The file.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Prepared {
    mean: Option<Triple>,
    std: Option<Triple>,
    order: Option<Order>,
    range: Option<Range>,
    resize: Option<Resize>,
}

impl PreprocessArgs {
    /// Whether any of the options was given.
    pub fn is_given(&self) -> bool {
        self.mean.is_some() || self.order.is_some() || self.preprocess.is_some()
    }

    /// How pictures were prepared, and how frames of another shape are fitted where `fit` asks for
    /// it.
    ///
    /// # Errors
    /// As [`Self::preprocess`].
    pub fn fitted(&self, fit: FitArgs) -> Result<Preprocess> {
        let preprocess = self.preprocess()?;
        Ok(Preprocess { fit: fit.fit().unwrap_or(preprocess.fit), ..preprocess })
    }

    /// How pictures were prepared.
    ///
    /// # Errors
    /// If the file cannot be read, or numbers are missing or do not go together.
    pub fn preprocess(&self) -> Result<Preprocess> {
        match &self.preprocess {
            Some(path) => read(path)?.preprocess().with_context(|| format!("preprocessing {}", path.display())),
            None => Prepared { mean: self.mean, std: self.std, order: self.order, range: self.range, resize: None }.preprocess(),
        }
    }
}

fn read(path: &Path) -> Result<Prepared> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading preprocessing {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("preprocessing {}: expected mean, std, order, range and resize", path.display()))
}

impl Prepared {
    fn preprocess(self) -> Result<Preprocess> {
        let order = match self.order {
            Some(Order::Bgr) => ColourOrder::Bgr,
            _ => ColourOrder::Rgb,
        };
        let fit = self.resize.map(Fit::from).unwrap_or_default();
        let (mean, deviation) = match (self.mean, self.std) {
            (Some(Triple(mean)), Some(Triple(deviation))) => (mean, deviation),
            (None, None) if self.range.is_none() => return Ok(Preprocess { order, fit, ..Preprocess::IMAGENET }),
            _ => bail!("mean and std belong together, and a range needs both (mean 0 and std 1 where nothing was done)"),
        };
        let Range(range) = self.range.unwrap_or(Range(255.0));
        let all = || mean.iter().chain(&deviation).copied();
        ensure!(deviation.iter().all(|deviation| *deviation > 0.0), "std {deviation:?}: expected numbers above 0");
        ensure!(
            range == 1.0 || !all().any(|x| x != 0.0 && x.abs() < 1.0),
            "mean {mean:?} and std {deviation:?} are of pixels from 0 to 1: give --range 1 (range = 1)"
        );
        ensure!(
            range == 255.0 || all().all(|x| x.abs() <= 16.0),
            "mean {mean:?} and std {deviation:?} are not of pixels from 0 to 1: give --range 255 (range = 255)"
        );
        let unit = 255.0 / range;
        let [mean, deviation] = [mean, deviation].map(|values| order.swap(values.map(|x| x * unit)));
        let preprocess = Preprocess { mean, deviation, order, fit };
        ensure!(preprocess.is_valid(), "mean {mean:?} and std {deviation:?}: expected finite numbers, and those of std above 0");
        Ok(preprocess)
    }
}

/// `preprocess` in words.
pub fn words(preprocess: &Preprocess) -> String {
    let numbers = |values: [f32; 3]| values.map(|x| x.to_string()).join(" ");
    let order = match preprocess.order {
        ColourOrder::Rgb => "RGB",
        ColourOrder::Bgr => "BGR (the engine takes RGB)",
    };
    let fit = match preprocess.fit {
        Fit::Stretch => "stretched",
        Fit::Crop => "cropped to their middle",
        Fit::Letterbox => "put between bars of the mean colour",
        Fit::KeepRatio => "resized to cover the input, windows sliding over them",
    };
    format!(
        "trained on {order}; mean {} and deviation {} of red, green, blue; frames of another shape are {fit}",
        numbers(preprocess.mean),
        numbers(preprocess.deviation)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Preprocess> {
        toml::from_str::<Prepared>(text)?.preprocess()
    }

    #[test]
    fn means_are_in_the_order_and_unit_that_the_options_say() {
        let bgr = of("mean = [103.53, 116.28, 123.675]\nstd = [57.375, 57.12, 58.395]\norder = \"bgr\"").unwrap();
        assert_eq!(bgr, Preprocess { order: ColourOrder::Bgr, ..Preprocess::IMAGENET });
        assert_eq!(of("order = \"bgr\"").unwrap(), bgr);
        let unit = of("mean = [0.485, 0.456, 0.406]\nstd = [0.229, 0.224, 0.225]\nrange = 1").unwrap();
        assert!(unit.mean.iter().zip(Preprocess::IMAGENET.mean).all(|(a, b)| (a - b).abs() < 1e-4), "{unit:?}");
        assert_eq!(of("mean = 0\nstd = 1").unwrap().deviation, [1.0; 3]);
        assert_eq!(of("mean = 0\nstd = 1\nrange = 1").unwrap().deviation, [255.0; 3]);
        assert_eq!(of("").unwrap(), Preprocess::IMAGENET);
        assert_eq!(of("resize = \"keep-ratio\"").unwrap(), Preprocess { fit: Fit::KeepRatio, ..Preprocess::IMAGENET });
    }

    #[test]
    fn what_would_be_silently_wrong_is_refused() {
        for (text, expected) in [
            ("mean = [0.485, 0.456, 0.406]\nstd = [0.229, 0.224, 0.225]", "--range 1"),
            ("mean = 127.5\nstd = 127.5\nrange = 1", "--range 255"),
            ("mean = 127.5", "belong together"),
            ("range = 1", "belong together"),
            ("mean = 0\nstd = 0", "above 0"),
            ("mean = nan\nstd = 1", "finite"),
            ("mean = 0\nstd = inf", "finite"),
            ("mean = [1, 2]\nstd = 1", "expected one or three"),
            ("mean = 0\nstd = 1\nrange = 2", "expected 255 or 1"),
            ("means = 0", "unknown field"),
        ] {
            let error = format!("{:#}", of(text).unwrap_err());
            assert!(error.contains(expected), "{text}: {error}");
        }
        assert!("1,2,x".parse::<Triple>().is_err() && "1,2".parse::<Triple>().is_err());
        assert_eq!("1, 2, 3".parse::<Triple>().unwrap().0, [1.0, 2.0, 3.0]);
    }
}
