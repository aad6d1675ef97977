//! How a picture becomes the network's input.

use serde::{Deserialize, Serialize};

/// How a picture becomes the network's input. The arithmetic of pixels (`mean`, `deviation`,
/// `order`) is folded into the stem, whose input is always RGB with 8 bits a channel. The program
/// that calls the engine brings pictures of another shape to the input's size (`fit`).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preprocess {
    /// Mean of red, green and blue, subtracted from every pixel (0 to 255).
    pub mean: [f32; 3],
    /// Deviation of red, green and blue: divides the difference, above 0.
    pub deviation: [f32; 3],
    /// Order of colours in training.
    pub order: ColourOrder,
    /// How calibration fitted pictures of another shape.
    pub fit: Fit,
}

/// Order of a network's three input channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ColourOrder {
    /// Red, green, blue.
    #[default]
    Rgb,
    /// Blue, green, red, as OpenCV reads pictures.
    Bgr,
}

/// How to fit a picture of another shape to the input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fit {
    /// Resize each axis by its own factor.
    #[default]
    Stretch,
    /// Take the largest part of the input's shape from the middle.
    Crop,
    /// Show all of the picture in the middle, between bars of the mean colour.
    Letterbox,
    /// Resize the picture, keeping its shape, until it just covers the input. Windows slide over
    /// it.
    KeepRatio,
}

impl Preprocess {
    /// Mean and deviation of ImageNet's pictures, RGB, stretched. The paper's networks are trained
    /// with them.
    pub const IMAGENET: Self = Self { mean: [123.675, 116.28, 103.53], deviation: [58.395, 57.12, 57.375], order: ColourOrder::Rgb, fit: Fit::Stretch };

    /// Whether all numbers are finite and deviations are above 0.
    pub fn is_valid(&self) -> bool {
        self.mean.iter().all(|mean| mean.is_finite()) && self.deviation.iter().all(|deviation| deviation.is_normal() && *deviation > 0.0)
    }
}

impl Default for Preprocess {
    fn default() -> Self {
        Self::IMAGENET
    }
}

impl ColourOrder {
    /// Converts values per input channel to values of red, green and blue, or back.
    pub fn swap<T>(self, [first, second, third]: [T; 3]) -> [T; 3] {
        match self {
            Self::Rgb => [first, second, third],
            Self::Bgr => [third, second, first],
        }
    }
}
