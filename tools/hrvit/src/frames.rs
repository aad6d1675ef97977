//! Camera frames on the host: decoding, listing folders, resizing to the model's input.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use fast_image_resize as fir;
use image::RgbImage;

use crate::decoding::{self, MaxPixels};

/// Rows and columns of a picture.
pub type Extent = (u32, u32);

/// File extensions that are frames.
pub const EXTENSIONS: [&str; 11] = ["jpg", "jpeg", "png", "webp", "bmp", "tif", "tiff", "ppm", "pgm", "pbm", "pnm"];

/// Decodes one frame to 8-bit RGB, upright.
///
/// # Errors
/// If the file cannot be read, is no whole picture, or has more pixels than [`MaxPixels`] allows;
/// names it.
pub fn read(path: &Path) -> Result<RgbImage> {
    let bytes = std::fs::read(path).with_context(|| format!("reading frame {}", path.display()))?;
    decoding::rgb(&bytes, MaxPixels::of_process()).with_context(|| format!("decoding frame {}", path.display()))
}

/// The frames of a folder, in order of their names. Not recursive; other files are passed over, and
/// those whose name begins with a dot.
///
/// # Errors
/// If the folder cannot be read or holds no frame.
pub fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("reading folder {}", folder.display()))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("reading folder {}", folder.display()))?.path();
        if has_extension(&path, &EXTENSIONS) && !is_hidden(&path) {
            paths.push(path);
        }
    }
    ensure!(!paths.is_empty(), "folder {} holds no frame: expected files ending in {}", folder.display(), EXTENSIONS.join(", "));
    paths.sort();
    Ok(paths)
}

/// Whether a file or folder is hidden: its name begins with a dot.
pub fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// Checks that no two frames have one name, which would pair both with the same labels or results.
///
/// # Errors
/// If two have; names both.
pub fn check_names<'a>(names: impl Iterator<Item = (&'a Path, &'a Path)>) -> Result<()> {
    let mut known: BTreeMap<&Path, &Path> = BTreeMap::new();
    for (name, path) in names {
        if let Some(other) = known.insert(name, path) {
            bail!("{} and {} have the same name, {}: rename one of them", other.display(), path.display(), name.display());
        }
    }
    Ok(())
}

/// Whether the path ends in one of `extensions`, in either case.
pub fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension().is_some_and(|found| extensions.iter().any(|known| found.eq_ignore_ascii_case(known)))
}

/// The file's name without folder and extension.
pub fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Resizes to so many rows and columns, bilinear with antialiasing. The filter is a triangle of
/// half width `max(1, input / output)` pixels. Each direction is rounded to 8 bits. A frame that
/// has the size already is copied.
///
/// # Errors
/// If the frame has no pixels.
pub fn resize(frame: &RgbImage, (height, width): Extent) -> Result<RgbImage> {
    if frame.dimensions() == (width, height) {
        return Ok(frame.clone());
    }
    let source = fir::images::ImageRef::new(frame.width(), frame.height(), frame.as_raw(), fir::PixelType::U8x3).context("frame without pixels")?;
    let mut target = fir::images::Image::new(width, height, fir::PixelType::U8x3);
    let options = fir::ResizeOptions::new().resize_alg(fir::ResizeAlg::Convolution(fir::FilterType::Bilinear));
    fir::Resizer::new().resize(&source, &mut target, &options).with_context(|| format!("resizing a frame of {:?} pixels", frame.dimensions()))?;
    RgbImage::from_raw(width, height, target.into_vec()).context("resized frame of another size than asked for")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The triangle filter in f64, both directions at once.
    fn triangle(frame: &RgbImage, width: u32, height: u32) -> Vec<f64> {
        let weights = |input: u32, output: u32, at: u32| {
            let scale = f64::from(input) / f64::from(output);
            let (half, centre) = (scale.max(1.0), (f64::from(at) + 0.5) * scale);
            let raw: Vec<f64> = (0..input).map(|i| (1.0 - ((f64::from(i) + 0.5 - centre) / half).abs()).max(0.0)).collect();
            let sum: f64 = raw.iter().sum();
            raw.into_iter().map(move |w| w / sum).collect::<Vec<_>>()
        };
        let mut out = Vec::new();
        for y in 0..height {
            let rows = weights(frame.height(), height, y);
            for x in 0..width {
                let columns = weights(frame.width(), width, x);
                for channel in 0..3 {
                    let mut sum = 0.0;
                    for (yy, wy) in (0..).zip(&rows) {
                        for (xx, wx) in (0..).zip(&columns) {
                            sum += wy * wx * f64::from(frame.get_pixel(xx, yy).0[channel]);
                        }
                    }
                    out.push(sum);
                }
            }
        }
        out
    }

    fn pattern(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| image::Rgb([(x * 37 + y * 11) as u8, (x * y) as u8, if (x + y) % 3 == 0 { 255 } else { 0 }]))
    }

    #[test]
    fn resize_is_the_triangle_filter_shrinking_and_growing() {
        for (width, height) in [(96, 80), (77, 65), (33, 31), (20, 131)] {
            let frame = pattern(width, height);
            let resized = resize(&frame, (32, 64)).unwrap();
            let exact = triangle(&frame, 64, 32);
            for (i, (&got, want)) in resized.as_raw().iter().zip(exact).enumerate() {
                // Each of the two directions rounds once.
                assert!((f64::from(got) - want).abs() <= 1.1, "{width}x{height} at {i}: {got}, expected {want:.2}");
            }
        }
    }

    #[test]
    fn resize_to_the_same_size_changes_nothing() {
        let frame = pattern(64, 32);
        assert_eq!(resize(&frame, (32, 64)).unwrap(), frame);
    }

    #[test]
    fn list_of_an_empty_folder_says_what_it_expected() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("notes.txt"), "x").unwrap();
        let error = list(folder.path()).unwrap_err().to_string();
        assert!(error.contains("no frame") && error.contains("jpg"), "{error}");
    }

    #[test]
    fn list_of_a_missing_folder_names_it() {
        let error = list(Path::new("/no/such/folder")).unwrap_err().to_string();
        assert!(error.contains("/no/such/folder"), "{error}");
    }

    #[test]
    fn list_sorts_and_takes_upper_case_extensions() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.JPG", "a.png", "c.jpeg", "d.txt", ".e.png", "._b.JPG"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        let names: Vec<_> = list(folder.path()).unwrap().iter().map(|path| stem(path)).collect();
        assert_eq!(names, ["a", "b", "c"]);
    }

    #[test]
    fn read_of_a_file_that_is_no_image_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("broken.jpg");
        std::fs::write(&path, "not a picture").unwrap();
        assert!(format!("{:#}", read(&path).unwrap_err()).contains("broken.jpg"));
    }
}
