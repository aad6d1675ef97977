//! Windows over frames larger than the model, beside definitions written from scratch: plain Rust,
//! which always runs, and numpy, where python3 has it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use hrvit_core::NoObserver;
use hrvit_format::{Head, LogitFormat, Network, Size, Spec};
use hrvit_reference::Checkpoint;
use hrvit_tool::float::Float;
use hrvit_tool::host_engine::{HostEngine, IsaArg, PackedImage};
use hrvit_tool::inference::{Framing, Inference};
use hrvit_tool::logits::Logits;
use hrvit_tool::segmenter::{Segmenter, Wanted};
use image::RgbImage;

const HEIGHT: usize = 75;
const WIDTH: usize = 150;

fn frame() -> RgbImage {
    RgbImage::from_fn(WIDTH as u32, HEIGHT as u32, |x, y| image::Rgb([(x * 5 + y) as u8, (y * 3 + x * x / 40) as u8, ((x / 9 + y / 7) % 5 * 50) as u8]))
}

fn float() -> Float {
    let network = Network { spec: Spec::variant("nano").unwrap(), head: Head::Segformer, classes: 5 };
    Float::new(Checkpoint::synthetic(&network, 3).unwrap(), Size::new(32, 64).unwrap())
}

fn engine() -> HostEngine {
    PackedImage::read(Path::new(&tiny()), IsaArg::default()).unwrap().load().unwrap()
}

fn slide(stride: (usize, usize), flip: bool) -> Inference {
    Inference { framing: Framing::Slide { stride, keep_ratio: false }, flip, through: None }
}

/// Starts of windows along a side, as mmsegmentation counts them.
fn starts(side: usize, window: usize, stride: usize) -> Vec<usize> {
    let grids = (side.max(window) - window).div_ceil(stride) + 1;
    (0..grids).map(|i| (i * stride + window).min(side).max(window) - window).collect()
}

fn window(frame: &RgbImage, y: usize, x: usize, size: Size) -> RgbImage {
    RgbImage::from_fn(size.width.into(), size.height.into(), |column, row| *frame.get_pixel(x as u32 + column, y as u32 + row))
}

/// Neighbours of place `at` of a side of `length` resized by 4, and eighths of the far one.
fn neighbours(at: usize, length: usize) -> (usize, usize, i64) {
    let eighths = (2 * at as i64 - 3).max(0);
    let near = (eighths / 8) as usize;
    (near.min(length - 1), (near + 1).min(length - 1), eighths % 8)
}

/// 64 times the sum of all windows' resized logits for every pixel and class, and the number of
/// windows. `logits` gives `[rows, columns, classes]` of a window.
fn naive(frame: &RgbImage, size: Size, stride: (usize, usize), classes: usize, logits: &dyn Fn(&RgbImage) -> Vec<f64>) -> (Vec<f64>, Vec<f64>) {
    let (height, width) = (frame.height() as usize, frame.width() as usize);
    let (window_height, window_width) = (usize::from(size.height), usize::from(size.width));
    let (mut sums, mut counts) = (vec![0.0; height * width * classes], vec![0.0; height * width]);
    for y0 in starts(height, window_height, stride.0) {
        for x0 in starts(width, window_width, stride.1) {
            let own = logits(&window(frame, y0, x0, size));
            let (rows, columns) = (window_height / 4, window_width / 4);
            for y in 0..window_height {
                for x in 0..window_width {
                    let (top, bottom, down) = neighbours(y, rows);
                    let (left, right, across) = neighbours(x, columns);
                    let at = (y0 + y) * width + x0 + x;
                    counts[at] += 1.0;
                    for class in 0..classes {
                        let value = |row: usize, column: usize| own[(row * columns + column) * classes + class];
                        let [down, across] = [down, across].map(|weight| weight as f64);
                        sums[at * classes + class] += (8.0 - down) * ((8.0 - across) * value(top, left) + across * value(top, right))
                            + down * ((8.0 - across) * value(bottom, left) + across * value(bottom, right));
                    }
                }
            }
        }
    }
    (sums, counts)
}

/// Mean logits of every pixel, with the mirrored frame's where `flip`; scaled by `unit`.
fn naive_mean(frame: &RgbImage, size: Size, stride: (usize, usize), flip: bool, classes: usize, logits: &dyn Fn(&RgbImage) -> Vec<f64>) -> Vec<f64> {
    let mean = |frame: &RgbImage| {
        let (sums, counts) = naive(frame, size, stride, classes, logits);
        sums.iter().enumerate().map(|(at, sum)| sum / 64.0 / counts[at / classes]).collect::<Vec<f64>>()
    };
    let own = mean(frame);
    if !flip {
        return own;
    }
    let mirrored = RgbImage::from_fn(frame.width(), frame.height(), |x, y| *frame.get_pixel(frame.width() - 1 - x, y));
    let (other, width) = (mean(&mirrored), frame.width() as usize);
    let back = |at: usize| {
        let (pixel, class) = (at / classes, at % classes);
        (pixel / width * width + width - 1 - pixel % width) * classes + class
    };
    (0..own.len()).map(|at| (own[at] + other[back(at)]) / 2.0).collect()
}

fn all(segmenter: &dyn Segmenter, inference: Inference) -> (Vec<u8>, Logits) {
    let frame = frame();
    let made = inference.segment(segmenter, &frame, Wanted { logits: true, margins: None }).unwrap();
    assert_eq!((made.labels.height, made.labels.width), (HEIGHT, WIDTH));
    (made.labels.data, made.logits.unwrap())
}

#[test]
fn float_windows_average_as_defined() {
    let float = float();
    let raw = |window: &RgbImage| float.logits(window).unwrap().data.iter().map(|&value| f64::from(value)).collect();
    for (stride, flip) in [((32, 64), false), ((22, 43), false), ((22, 43), true), ((8, 30), true)] {
        let (labels, mean) = all(&float, slide(stride, flip));
        let expected = naive_mean(&frame(), float.size(), stride, flip, 5, &raw);
        let largest = mean.data.iter().zip(&expected).map(|(&found, expected)| (f64::from(found) - expected).abs()).fold(0.0, f64::max);
        assert!(largest < 1e-5, "{stride:?} {flip}: {largest}");
        let clear = labels.iter().zip(expected.chunks(5)).filter(|(label, values)| {
            let mut others = values.iter().enumerate().filter(|(class, _)| *class != usize::from(**label));
            others.any(|(_, value)| *value > values[usize::from(**label)] + 1e-9)
        });
        assert_eq!(clear.count(), 0, "labels are the largest means");
    }
}

/// Codes of a window, and what one stands for.
fn codes(engine: &HostEngine, window: &RgbImage) -> (Vec<i16>, f32) {
    let LogitFormat::S16 { scale } = engine.model().logits_format() else { panic!("an integer image") };
    (engine.raw_logits(window.as_raw(), &NoObserver).unwrap().iter().map(|logit| logit.bits()).collect(), scale)
}

#[test]
fn engine_labels_are_decided_in_integers() {
    let engine = engine();
    let (size, frame) = (engine.size(), frame());
    let classes = engine.classes();
    let stride = (usize::from(size.height) * 2 / 3, usize::from(size.width) * 2 / 3);
    let raw = |window: &RgbImage| codes(&engine, window).0.iter().map(|&code| f64::from(code)).collect();
    // Sums of codes times integers: f64 holds them all.
    let (sums, counts) = naive(&frame, size, stride, classes, &raw);
    let integers: Vec<i64> = sums.iter().map(|&sum| sum as i64).collect();
    assert!(integers.iter().zip(&sums).all(|(&integer, &sum)| integer as f64 == sum) && counts.iter().any(|&count| count > 1.0));
    let expected: Vec<u8> = integers.chunks(classes).map(|values| (0..classes).rev().max_by_key(|&class| values[class]).unwrap() as u8).collect();
    let (labels, mean) = all(&engine, slide(stride, false));
    assert_eq!(labels, expected);
    let unit = f64::from(codes(&engine, &window(&frame, 0, 0, size)).1);
    for (at, &found) in mean.data.iter().enumerate() {
        let exact = sums[at] / 64.0 / counts[at / classes] * unit;
        assert!((f64::from(found) - exact).abs() <= 1e-6 * exact.abs(), "{at}: {found}, expected {exact}");
    }
}

#[test]
fn one_window_is_the_frame() {
    let engine = engine();
    let (size, frame) = (engine.size(), frame());
    let one = window(&frame, 9, 11, size);
    let plain = engine.labels(&one).unwrap();
    let side = |side: u16| usize::from(side);
    for framing in [Framing::Slide { stride: (side(size.height), side(size.width)), keep_ratio: false }, Framing::Halo { halo: 3, keep_ratio: false }] {
        let made = Inference { framing, flip: false, through: None }.segment(&engine, &one, Wanted::default()).unwrap();
        assert_eq!(made.labels, plain, "{framing:?}");
    }
}

#[test]
fn a_mirrored_frame_gives_mirrored_results_with_flip() {
    let (engine, frame) = (engine(), frame());
    let mirrored = RgbImage::from_fn(frame.width(), frame.height(), |x, y| *frame.get_pixel(frame.width() - 1 - x, y));
    let rows = |labels: &[u8], back: bool| -> Vec<u8> {
        labels.chunks(WIDTH).flat_map(|row| if back { row.iter().rev().copied().collect() } else { row.to_vec() }).collect()
    };
    let size = engine.size();
    let stride = (usize::from(size.height) - 5, usize::from(size.width) - 5);
    for flip in [true, false] {
        let labels = |frame: &RgbImage| slide(stride, flip).segment(&engine, frame, Wanted::default()).unwrap().labels.data;
        assert_eq!(rows(&labels(&mirrored), true) == rows(&labels(&frame), false), flip);
    }
}

#[test]
fn flip_alone_is_the_mean_of_both_views() {
    let (engine, float, frame) = (engine(), float(), frame());
    let flip = Inference { framing: Framing::default(), flip: true, through: None };
    for segmenter in [&engine as &dyn Segmenter, &float] {
        let input = flip.input(&frame, segmenter.size()).unwrap().picture;
        let turned = RgbImage::from_fn(input.width(), input.height(), |x, y| *input.get_pixel(input.width() - 1 - x, y));
        let (own, back) = (segmenter.logits(&input).unwrap(), segmenter.logits(&turned).unwrap());
        let made = flip.segment(segmenter, &input, Wanted { logits: true, margins: None }).unwrap();
        let mean = made.logits.unwrap();
        for (at, &value) in mean.data.iter().enumerate() {
            let (pixel, class) = (at / own.classes, at % own.classes);
            let other = pixel / own.width * own.width + own.width - 1 - pixel % own.width;
            let expected = (f64::from(own.data[at]) + f64::from(back.data[other * own.classes + class])) / 2.0;
            assert!((f64::from(value) - expected).abs() <= 1e-6 * expected.abs().max(1.0));
        }
        assert_eq!(mean, flip.logits(segmenter, &input).unwrap());
        let raw = |window: &RgbImage| segmenter.countable(window).unwrap().0.data.iter().map(|&value| f64::from(value)).collect();
        let (height, width) = (usize::from(segmenter.size().height), usize::from(segmenter.size().width));
        let exact = naive_mean(&input, segmenter.size(), (height, width), true, own.classes, &raw);
        let labels = exact.chunks(own.classes).map(|values| (0..own.classes).rev().max_by(|&a, &b| values[a].total_cmp(&values[b])).unwrap() as u8);
        assert_eq!(made.labels.data, labels.collect::<Vec<_>>());
    }
}

#[test]
fn halo_labels_are_those_of_the_window_that_owns_a_pixel() {
    let (engine, frame) = (engine(), frame());
    let (size, halo) = (engine.size(), 5);
    let made = Inference { framing: Framing::Halo { halo, keep_ratio: false }, flip: false, through: None }
        .segment(&engine, &frame, Wanted::default())
        .unwrap()
        .labels;
    // Along a side: where the window starts that owns each place.
    let owners = |side: usize, window: usize| -> Vec<usize> {
        let starts = starts(side, window, window - 2 * halo);
        let step = window - 2 * halo;
        (0..side).map(|at| starts[(0..starts.len()).rev().find(|&i| i == 0 || at >= i * step + halo).unwrap()]).collect()
    };
    let (rows, columns) = (owners(HEIGHT, size.height.into()), owners(WIDTH, size.width.into()));
    let mut windows = std::collections::BTreeMap::new();
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            let start = (rows[y], columns[x]);
            let own: &Vec<u8> = windows.entry(start).or_insert_with(|| engine.segment(window(&frame, start.0, start.1, size).as_raw(), &NoObserver).unwrap());
            assert_eq!(made.data[y * WIDTH + x], own[(y - start.0) * usize::from(size.width) + x - start.1], "{y} {x}");
        }
    }
    assert!(windows.len() > 4);
}

#[test]
fn frames_smaller_than_a_window_are_refused() {
    let (engine, small) = (engine(), RgbImage::new(200, 20));
    for framing in [Framing::Slide { stride: (16, 16), keep_ratio: false }, Framing::Halo { halo: 2, keep_ratio: false }] {
        let inference = Inference { framing, flip: false, through: None };
        let error = format!("{:#}", inference.segment(&engine, &small, Wanted::default()).unwrap_err());
        assert!(error.contains("20x200") && error.contains("20 pixels is shorter") && error.contains("enlarge"), "{error}");
        assert!(inference.sample(&small, engine.size()).is_err());
        let other = format!("{:#}", inference.predict(&engine, &inference.input(&frame(), engine.size()).unwrap(), (HEIGHT, WIDTH + 1), false).unwrap_err());
        assert!(other.contains("75x150") && other.contains("75x151"), "{other}");
    }
}

fn hrvit(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hrvit")).args(arguments).output().expect("the hrvit binary starts")
}

fn refusal(arguments: &[&str]) -> String {
    let output = hrvit(arguments);
    assert!(!output.status.success(), "{arguments:?} succeeded");
    String::from_utf8(output.stderr).expect("messages are UTF-8")
}

fn tiny() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/hrvit-core/tests/data/tiny.hrvit").display().to_string()
}

#[test]
fn options_without_effect_are_refused() {
    let (tiny, run) = (tiny(), |more: &[&str]| refusal(&[&["run", "--model", "m.hrvit", "frame.png"], more].concat()));
    for (options, named) in [
        (&["--halo", "4", "--logits", "l.safetensors"][..], "--logits"),
        (&["--halo", "4", "--slide"], "--slide"),
        (&["--halo", "4", "--flip"], "--flip"),
        (&["--halo", "4", "--margin"], "--margin"),
        (&["--slide", "--smooth"], "--smooth"),
        (&["--slide", "--device-labels"], "--device-labels"),
        (&["--halo", "4", "--smooth"], "--smooth"),
        (&["--flip", "--margin"], "--margin"),
        (&["--slide", "--stride", "8"], "128x171"),
    ] {
        let said = run(options);
        assert!(said.contains(named) && !said.contains("m.hrvit"), "{options:?}: {said}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    frame().save(&path).unwrap();
    let (path, out) = (path.to_str().unwrap(), folder.path().to_str().unwrap());
    let windows = |more: &[&str]| refusal(&[&["run", "--model", &tiny, "--out", out, path], more].concat());
    assert!(windows(&["--slide", "--stride", "1x1"]).contains("--stride 1x1"));
    assert!(windows(&["--halo", "9999"]).contains("--halo 9999"));
    assert!(windows(&["--stride", "8x8"]).contains("--slide or --keep-ratio"));
    assert!(windows(&["--slide", "--letterbox"]).contains("--keep-ratio"));
    let sizeless = ["run", "--float", "--variant", "nano", "--classes", "4", "--weights", "none.pth", "--out", out, path, "--slide"];
    assert!(refusal(&sizeless).contains("--size HxW is missing"));
}

#[test]
fn run_writes_labels_and_logits_of_the_frames_size() {
    let folder = tempfile::tempdir().unwrap();
    let [path, out, logits] = ["a.png", "out", "logits.safetensors"].map(|name| folder.path().join(name));
    frame().save(&path).unwrap();
    let common = ["run", "--model", &tiny(), path.to_str().unwrap(), "--out", out.to_str().unwrap()].map(str::to_owned);
    let run = |more: &[&str]| {
        let ran = hrvit(&[&common.each_ref().map(String::as_str)[..], more].concat());
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        hrvit_tool::labels::read(&out.join("a.labels.png")).unwrap().data
    };
    let (engine, frame) = (engine(), frame());
    let side = |side: u16| usize::from(side) - 8;
    let (size, stride) = (engine.size(), (side(engine.size().height), side(engine.size().width)));
    let (labels, mean) = all(&engine, slide(stride, true));
    let text = format!("{}x{}", stride.0, stride.1);
    assert_eq!(run(&["--slide", "--stride", &text, "--flip", "--logits", logits.to_str().unwrap()]), labels);
    let bytes = std::fs::read(&logits).unwrap();
    assert_eq!(bytes, mean.to_safetensors(Head::Segformer).unwrap());
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.tensor("logits").unwrap().shape(), [1, engine.classes(), HEIGHT, WIDTH]);
    let halo = Inference { framing: Framing::Halo { halo: 6, keep_ratio: false }, flip: false, through: None };
    assert_eq!(run(&["--halo", "6"]), halo.segment(&engine, &frame, Wanted::default()).unwrap().labels.data);
    let flip = Inference { framing: Framing::default(), flip: true, through: None };
    let resized = flip.segment(&engine, &flip.input(&frame, size).unwrap().picture, Wanted::default()).unwrap().labels;
    assert_eq!(run(&["--flip", "--device-labels"]), resized.data);
}

/// The definition in numpy: windows' logits from a file in the order of the grid, the mean into
/// another.
const NUMPY: &str = "
import sys, numpy as np
H, W, h, w, sh, sw, C = map(int, sys.argv[3:])
windows = np.fromfile(sys.argv[1], '<f4').reshape(-1, h // 4, w // 4, C)
def weights(n):  # [4 n, n], align_corners=False
    src = np.clip((np.arange(4 * n) + 0.5) / 4 - 0.5, 0, n - 1)
    return np.maximum(0, 1 - np.abs(src[:, None] - np.arange(n)))
rows, columns = weights(h // 4), weights(w // 4)
preds, count, it = np.zeros((H, W, C)), np.zeros((H, W, 1)), iter(windows)
for i in range(max(H - h + sh - 1, 0) // sh + 1):
    for j in range(max(W - w + sw - 1, 0) // sw + 1):
        y2, x2 = min(i * sh + h, H), min(j * sw + w, W)
        y1, x1 = max(y2 - h, 0), max(x2 - w, 0)
        preds[y1:y2, x1:x2] += np.einsum('yi,xj,ijc->yxc', rows, columns, next(it).astype('f8'))
        count[y1:y2, x1:x2] += 1
assert next(it, None) is None and (count > 0).all()
(preds / count).astype('<f4').tofile(sys.argv[2])
";

#[test]
fn float_windows_average_as_numpy_has_it() {
    let probe = Command::new("python3").args(["-c", "import numpy"]).output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        // Not `eprintln`, which a passing test keeps to itself.
        writeln!(std::io::stderr(), "\nfloat_windows_average_as_numpy_has_it: SKIPPED, python3 has no numpy here").unwrap();
        return;
    }
    let (float, frame, stride) = (float(), frame(), (22, 43));
    let size = float.size();
    let folder = tempfile::tempdir().unwrap();
    let [script, windows, mean]: [PathBuf; 3] = ["slide.py", "windows.f32", "mean.f32"].map(|name| folder.path().join(name));
    let mut bytes = Vec::new();
    for y in starts(HEIGHT, size.height.into(), stride.0) {
        for x in starts(WIDTH, size.width.into(), stride.1) {
            bytes.extend(float.logits(&window(&frame, y, x, size)).unwrap().data.iter().flat_map(|value| value.to_le_bytes()));
        }
    }
    std::fs::write(&script, NUMPY).unwrap();
    std::fs::write(&windows, bytes).unwrap();
    let numbers = [HEIGHT, WIDTH, size.height.into(), size.width.into(), stride.0, stride.1, 5].map(|number| number.to_string());
    let ran = Command::new("python3").args([&script, &windows, &mean]).args(numbers).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let expected: Vec<f32> = std::fs::read(&mean).unwrap().chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
    let found = all(&float, slide(stride, false)).1.data;
    assert_eq!(found.len(), expected.len());
    let largest = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(largest < 1e-5, "{largest}");
}
