//! Whether frames are fit to calibrate with: a quantiser fed with blanks or noise makes a bad model
//! without complaint.

use std::fmt;

use hrvit_format::Size;
use image::RgbImage;

/// Fewest frames to calibrate with.
pub const FEWEST_FRAMES: usize = 8;
/// Correlation of neighbouring pixels below which a frame looks like noise.
pub const LEAST_CORRELATION: f64 = 0.3;
/// Standard deviation of the brightness, in 8-bit steps, below which a frame is flat.
pub const LEAST_DEVIATION: f64 = 2.0;

/// Faults of frames.
#[derive(Clone, Debug, PartialEq)]
pub enum Unfit {
    /// Fewer frames than [`FEWEST_FRAMES`].
    TooFew(usize),
    /// A frame has fewer rows and fewer columns than the input.
    Small {
        /// Name of the frame.
        frame: String,
        /// Its rows.
        height: u32,
        /// Its columns.
        width: u32,
        /// The input.
        input: Size,
    },
    /// Neighbouring pixels of a frame have nothing in common.
    Noise {
        /// Name of the frame.
        frame: String,
        /// Their correlation.
        correlation: f64,
    },
    /// A frame is one shade.
    Flat {
        /// Name of the frame.
        frame: String,
        /// Standard deviation of its brightness.
        deviation: f64,
    },
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFew(count) => write!(f, "{count} frames: expected at least {FEWEST_FRAMES}, better 32 or more of different scenes"),
            Self::Small { frame, height, width, input } => {
                write!(f, "{frame} is {height}x{width}, smaller than the input {input} in both directions: use frames of the camera's own size")
            }
            Self::Noise { frame, correlation } => {
                write!(f, "{frame} looks like noise: neighbouring pixels correlate by {correlation:.2}, expected {LEAST_CORRELATION} or more")
            }
            Self::Flat { frame, deviation } => {
                write!(f, "{frame} is flat: its brightness deviates by {deviation:.2}, expected {LEAST_DEVIATION} or more")
            }
        }
    }
}

/// Everything wrong with one frame of a calibration set for `input`.
pub fn check_frame(name: &str, frame: &RgbImage, input: Size) -> Vec<Unfit> {
    let (width, height) = frame.dimensions();
    let mut found = Vec::new();
    if height < u32::from(input.height) && width < u32::from(input.width) {
        found.push(Unfit::Small { frame: name.to_owned(), height, width, input });
    }
    let brightness = brightness(frame);
    let deviation = deviation(&brightness);
    if deviation < LEAST_DEVIATION {
        found.push(Unfit::Flat { frame: name.to_owned(), deviation });
        return found;
    }
    let correlation = neighbour_correlation(&brightness, width as usize);
    if correlation < LEAST_CORRELATION {
        found.push(Unfit::Noise { frame: name.to_owned(), correlation });
    }
    found
}

/// Whether there are enough frames.
pub fn check_count(count: usize) -> Option<Unfit> {
    (count < FEWEST_FRAMES).then_some(Unfit::TooFew(count))
}

/// Mean of red, green and blue per pixel, row by row.
fn brightness(frame: &RgbImage) -> Vec<f64> {
    frame.pixels().map(|pixel| pixel.0.iter().map(|&value| f64::from(value)).sum::<f64>() / 3.0).collect()
}

fn deviation(values: &[f64]) -> f64 {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    (values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / count).sqrt()
}

/// Pearson's correlation over all pairs of pixels side by side or one above the other, each pair
/// counted both ways; 0 without pairs.
fn neighbour_correlation(values: &[f64], width: usize) -> f64 {
    let beside = values.chunks(width.max(1)).flat_map(|row| row.windows(2).map(|pair| (pair[0], pair[1])));
    let below = values.iter().zip(values.iter().skip(width)).map(|(&a, &b)| (a, b));
    let (mut count, mut sum, mut squares, mut products) = (0.0, 0.0, 0.0, 0.0);
    for (a, b) in beside.chain(below) {
        count += 1.0;
        sum += (a + b) / 2.0;
        squares += (a * a + b * b) / 2.0;
        products += a * b;
    }
    if count == 0.0 {
        return 0.0;
    }
    let mean = sum / count;
    let variance = squares / count - mean * mean;
    if variance <= 0.0 { 0.0 } else { (products / count - mean * mean) / variance }
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    fn input() -> Size {
        Size::new(64, 96).unwrap()
    }

    fn gradient(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| Rgb([(255 * x / width) as u8, (255 * y / height) as u8, 100]))
    }

    /// Pixels of a xorshift generator.
    fn noise(width: u32, height: u32) -> RgbImage {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        RgbImage::from_fn(width, height, |_, _| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            Rgb([state as u8, (state >> 16) as u8, (state >> 32) as u8])
        })
    }

    #[test]
    fn a_gradient_of_the_input_size_is_fit() {
        assert_eq!(check_frame("a", &gradient(96, 64), input()), []);
    }

    #[test]
    fn smaller_in_one_direction_is_fit_in_both_is_not() {
        assert_eq!(check_frame("a", &gradient(95, 64), input()), []);
        assert_eq!(check_frame("a", &gradient(96, 63), input()), []);
        assert!(matches!(check_frame("a", &gradient(95, 63), input())[..], [Unfit::Small { height: 63, width: 95, .. }]));
    }

    #[test]
    fn noise_is_found() {
        assert!(matches!(check_frame("a", &noise(96, 64), input())[..], [Unfit::Noise { correlation, .. }] if correlation.abs() < 0.1));
    }

    #[test]
    fn a_chessboard_is_noise() {
        let board = RgbImage::from_fn(96, 64, |x, y| Rgb([if (x + y) % 2 == 0 { 0 } else { 255 }; 3]));
        assert!(matches!(check_frame("a", &board, input())[..], [Unfit::Noise { .. }]));
    }

    #[test]
    fn one_shade_is_flat_and_not_called_noise() {
        assert!(matches!(check_frame("a", &RgbImage::from_pixel(96, 64, Rgb([90; 3])), input())[..], [Unfit::Flat { deviation, .. }] if deviation == 0.0));
    }

    #[test]
    fn deviation_just_below_two_is_flat_just_above_is_not() {
        let halves = |step: u8| RgbImage::from_fn(96, 64, move |x, _| Rgb([if x < 48 { 100 } else { 100 + step }; 3]));
        assert!(matches!(check_frame("a", &halves(3), input())[..], [Unfit::Flat { .. }]));
        assert_eq!(check_frame("a", &halves(5), input()), []);
    }

    #[test]
    fn seven_frames_are_too_few_eight_are_enough() {
        assert_eq!(check_count(7), Some(Unfit::TooFew(7)));
        assert_eq!(check_count(8), None);
    }
}
