//! How a picture becomes the network's input.

use serde::{Deserialize, Serialize};

/// How a picture becomes the network's input. The arithmetic of pixels (`mean`, `deviation`,
/// `order`) is folded into the stem. Its input is always RGB with 8 bits a channel. The program
/// that feeds the engine brings pictures of another shape to the input's size (`fit`).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preprocess {
    /// Taken from red, green and blue (0 to 255) of every pixel.
    pub mean: [f32; 3],
    /// Divisor of the rest, above 0.
    pub deviation: [f32; 3],
    /// Order of colours in which the network was trained.
    pub order: ColourOrder,
    /// How pictures of another shape were fitted in calibration.
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

/// How a picture of another shape is fitted to the input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fit {
    /// Resized in each direction on its own.
    #[default]
    Stretch,
    /// The largest part in its middle that has the input's shape.
    Crop,
    /// All of it, in the middle between bars of the mean colour.
    Letterbox,
    /// Resized, its shape kept, until it just covers the input; windows slide over it.
    KeepRatio,
}

impl Preprocess {
    /// Mean and deviation of ImageNet's pictures, RGB, stretched: what the paper's networks are
    /// trained with.
    pub const IMAGENET: Self = Self { mean: [123.675, 116.28, 103.53], deviation: [58.395, 57.12, 57.375], order: ColourOrder::Rgb, fit: Fit::Stretch };

    /// Whether its numbers can be worked with: finite, deviations above 0.
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
    /// Values per channel of the network as values of red, green and blue, or the other way round.
    pub fn swap<T>(self, [first, second, third]: [T; 3]) -> [T; 3] {
        match self {
            Self::Rgb => [first, second, third],
            Self::Bgr => [third, second, first],
        }
    }
}
