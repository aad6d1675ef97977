//! Frames that are alike. Equal ones count once. Nearly equal ones and a narrow set give a warning,
//! since they make every figure look better than it is.

use std::{
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
};

/// Cells of a thumbnail's side.
const SIDE: usize = 16;
/// Mean difference of two thumbnails, in 8-bit steps, below which frames are nearly equal.
pub const NEARLY: f64 = 2.0;
/// Least range over a set of the frames' mean brightness, in 8-bit steps.
pub const LEAST_BRIGHTNESS: f64 = 16.0;
/// Least ratio over a set of the frames' contrasts (standard deviations of their brightness).
pub const LEAST_CONTRAST: f64 = 1.25;
/// Fewest frames of which a range is judged.
const FEWEST: usize = 8;

/// Features that tell frames apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Looks {
    /// Hash of every byte.
    hash: u64,
    /// Mean brightness of 16x16 cells.
    thumbnail: Vec<f32>,
    /// Mean of the brightness.
    brightness: f64,
    /// Its standard deviation.
    contrast: f64,
}

impl Looks {
    /// Of `[height, width, 3]` RGB of this width, at the model's size.
    pub fn of(rgb: &[u8], width: usize) -> Self {
        let mut hasher = DefaultHasher::new();
        rgb.hash(&mut hasher);
        let height = rgb.len() / 3 / width.max(1);
        let (mut cells, mut counts) = (vec![0.0f64; SIDE * SIDE], vec![0.0f64; SIDE * SIDE]);
        let (mut sum, mut squares) = (0.0, 0.0);
        for (at, pixel) in rgb.chunks_exact(3).enumerate() {
            let value = pixel.iter().map(|&x| f64::from(x)).sum::<f64>() / 3.0;
            let cell = at / width * SIDE / height * SIDE + at % width * SIDE / width;
            cells[cell] += value;
            counts[cell] += 1.0;
            sum += value;
            squares += value * value;
        }
        let count = (rgb.len() / 3).max(1) as f64;
        let brightness = sum / count;
        Self {
            hash: hasher.finish(),
            thumbnail: cells.iter().zip(counts).map(|(sum, count)| (sum / count.max(1.0)) as f32).collect(),
            brightness,
            contrast: (squares / count - brightness * brightness).max(0.0).sqrt(),
        }
    }

    /// Mean difference of the thumbnails.
    fn distance(&self, other: &Self) -> f64 {
        let sum: f32 = self.thumbnail.iter().zip(&other.thumbnail).map(|(a, b)| (a - b).abs()).sum();
        f64::from(sum) / self.thumbnail.len() as f64
    }
}

/// Reason why a set of frames says less than its number suggests.
#[derive(Clone, Debug, PartialEq)]
pub enum Doubt {
    /// Frames that equal another one, byte for byte at the model's size; they are left out.
    Equal {
        /// How many.
        frames: usize,
        /// Of so many.
        of: usize,
        /// One of them, and which it equals.
        example: [String; 2],
    },
    /// Frames that are nearly another one.
    NearlyEqual {
        /// How many.
        frames: usize,
        /// Of so many.
        of: usize,
        /// One of them, and which it nearly equals.
        example: [String; 2],
        /// By how much these two differ.
        distance: f64,
    },
    /// All frames are about as bright.
    Brightness {
        /// The darkest frame's mean.
        least: f64,
        /// The brightest frame's.
        most: f64,
    },
    /// All frames have about the same contrast.
    Contrast {
        /// The least standard deviation of a frame's brightness.
        least: f64,
        /// The largest.
        most: f64,
    },
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equal { frames, of, example: [one, other] } => {
                write!(f, "{frames} of {of} frames equal another one at the model's size ({one} is {other}) and are left out: give different frames")
            }
            Self::NearlyEqual { frames, of, example: [one, other], distance } => write!(
                f,
                "{frames} of {of} frames are nearly equal to another one ({one} and {other} differ by {distance:.1} of 255, expected {NEARLY} or more): \
                 take frames further apart, of different scenes"
            ),
            Self::Brightness { least, most } => write!(
                f,
                "all frames are about as bright: means of {least:.0} to {most:.0} of 255, expected a range of {LEAST_BRIGHTNESS} or more: \
                 add frames in other light, as the device will see it"
            ),
            Self::Contrast { least, most } => write!(
                f,
                "all frames have about the same contrast: deviations of {least:.1} to {most:.1}, expected a ratio of {LEAST_CONTRAST} or more: \
                 add frames in other light and weather, as the device will see them"
            ),
        }
    }
}

/// Positions of the frames that equal none before them, and everything doubtful about all, of which
/// these are the names.
pub fn compare(looks: &[Looks], names: &[String]) -> (Vec<usize>, Vec<Doubt>) {
    let mut doubts = Vec::new();
    let mut by_hash: Vec<usize> = (0..looks.len()).collect();
    by_hash.sort_by_key(|&at| (looks[at].hash, at));
    let repeats = by_hash.chunk_by(|&a, &b| looks[a].hash == looks[b].hash);
    let mut equal: Vec<(usize, usize)> = repeats.flat_map(|same| same[1..].iter().map(move |&at| (at, same[0]))).collect();
    equal.sort_unstable();
    let example = |one: usize, other: usize| [one, other].map(|at| names[at].clone());
    if let Some(&(at, first)) = equal.first() {
        doubts.push(Doubt::Equal { frames: equal.len(), of: looks.len(), example: example(at, first) });
    }
    let distinct: Vec<usize> = (0..looks.len()).filter(|at| equal.binary_search_by_key(at, |&(at, _)| at).is_err()).collect();
    let near = nearly_equal(looks, &distinct);
    if let Some(&(at, other)) = near.first() {
        let distance = looks[at].distance(&looks[other]);
        doubts.push(Doubt::NearlyEqual { frames: near.len(), of: distinct.len(), example: example(at, other), distance });
    }
    if distinct.len() >= FEWEST {
        let range = |of: fn(&Looks) -> f64| distinct.iter().map(|&at| of(&looks[at])).fold((f64::MAX, f64::MIN), |(a, b), x| (a.min(x), b.max(x)));
        let (least, most) = range(|looks| looks.brightness);
        if most - least < LEAST_BRIGHTNESS {
            doubts.push(Doubt::Brightness { least, most });
        }
        let (least, most) = range(|looks| looks.contrast);
        if most < LEAST_CONTRAST * least {
            doubts.push(Doubt::Contrast { least, most });
        }
    }
    (distinct, doubts)
}

/// Of `chosen`, the frames that are nearly equal to one before them, each with it.
fn nearly_equal(looks: &[Looks], chosen: &[usize]) -> Vec<(usize, usize)> {
    // Means differ by no more than thumbnails do: only neighbours in brightness are compared.
    let mean = |at: usize| looks[at].thumbnail.iter().map(|&x| f64::from(x)).sum::<f64>() / (SIDE * SIDE) as f64;
    let mut by_mean: Vec<(f64, usize)> = chosen.iter().map(|&at| (mean(at), at)).collect();
    by_mean.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (from, &(dark, one)) in by_mean.iter().enumerate() {
        for &(_, other) in by_mean[from + 1..].iter().take_while(|(bright, _)| bright - dark < NEARLY + 1e-3) {
            if looks[one].distance(&looks[other]) < NEARLY {
                found.push((one.max(other), one.min(other)));
            }
        }
    }
    found.sort_unstable();
    found.dedup_by_key(|pair| pair.0);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: usize = 64;

    /// A slope of this contrast about this brightness, with a mark at this cell.
    fn frame(brightness: f64, contrast: f64, mark: usize) -> Looks {
        let pixel = |at: usize| {
            let value = brightness + contrast * ((at % WIDTH) as f64 - 31.5) / 32.0;
            let in_mark = at % WIDTH / 4 == mark % 16 && at / WIDTH / 4 == mark / 16;
            [if in_mark { 255 } else { value.round().clamp(0.0, 255.0) as u8 }; 3]
        };
        Looks::of(&(0..WIDTH * WIDTH).flat_map(pixel).collect::<Vec<_>>(), WIDTH)
    }

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|at| format!("{at}.png")).collect()
    }

    /// Frames that are all different.
    fn varied(count: usize) -> Vec<Looks> {
        (0..count).map(|at| frame(60.0 + 12.0 * at as f64, 20.0 + 5.0 * at as f64, at)).collect()
    }

    #[test]
    fn different_frames_raise_no_doubt() {
        let looks = varied(10);
        assert_eq!(compare(&looks, &names(10)), ((0..10).collect(), vec![]));
        assert_eq!(compare(&[], &[]), (vec![], vec![]));
    }

    #[test]
    fn equal_frames_count_once_the_first_stays() {
        let mut looks = varied(8);
        looks.insert(3, looks[1].clone());
        looks.push(looks[1].clone());
        let (distinct, doubts) = compare(&looks, &names(10));
        assert_eq!(distinct, [0, 1, 2, 4, 5, 6, 7, 8]);
        let [doubt] = &doubts[..] else { panic!("{doubts:?}") };
        assert!(doubt.to_string().starts_with("2 of 10 frames equal another one at the model's size (3.png is 1.png)"), "{doubt}");
    }

    #[test]
    fn nearly_equal_frames_are_named_and_stay() {
        let mut looks = varied(8);
        looks.push(frame(61.0, 20.0, 0));
        let (distinct, doubts) = compare(&looks, &names(9));
        assert_eq!(distinct.len(), 9);
        assert!(matches!(&doubts[..], [Doubt::NearlyEqual { frames: 1, of: 9, example, .. }] if *example == ["8.png", "0.png"]), "{doubts:?}");
        assert!(doubts[0].to_string().contains("expected 2 or more"), "{}", doubts[0]);
        // A second mark of one cell of 256 is within the threshold, a brightness of 3 is not.
        assert!(frame(60.0, 20.0, 0).distance(&frame(60.0, 20.0, 9)) < NEARLY);
        assert!(frame(60.0, 20.0, 0).distance(&frame(63.0, 20.0, 0)) > NEARLY);
    }

    #[test]
    fn a_narrow_range_is_named_with_its_ends() {
        let dull: Vec<Looks> = (0..8).map(|at| frame(60.0 + 2.2 * at as f64, 30.0, 0)).collect();
        let (_, doubts) = compare(&dull, &names(8));
        assert!(matches!(doubts[..], [Doubt::Brightness { .. }, Doubt::Contrast { .. }]), "{doubts:?}");
        assert!(doubts[0].to_string().contains("means of 61 to 76 of 255"), "{}", doubts[0]);
        let (_, few) = compare(&dull[..7], &names(7));
        assert_eq!(few, [], "seven frames say nothing of a range");
    }
}
