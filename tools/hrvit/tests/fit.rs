//! Frames of another shape than the model's input: stretched, cropped, put between bars, or resized
//! to cover it with windows sliding over them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use hrvit_format::Fit;
use hrvit_tool::frames;
use hrvit_tool::host_engine::{HostEngine, IsaArg, PackedImage};
use hrvit_tool::labels::{self, LabelMap};
use hrvit_tool::segmenter::Segmenter;
use image::{Rgb, RgbImage, imageops};
use serde_json::Value;

const HEIGHT: u32 = 90;
const WIDTH: u32 = 81;

fn hrvit(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hrvit")).args(arguments).output().expect("the hrvit binary starts")
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("standard output is one JSON document")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("paths here are UTF-8")
}

fn bundled(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn tiny() -> PathBuf {
    bundled("crates/hrvit-core/tests/data/tiny.hrvit")
}

fn engine() -> HostEngine {
    PackedImage::read(&tiny(), IsaArg::default()).unwrap().load().unwrap()
}

fn frame() -> RgbImage {
    RgbImage::from_fn(WIDTH, HEIGHT, |x, y| Rgb([(x * 5 + y) as u8, (y * 3 + x * x / 40) as u8, ((x / 9 + y / 7) % 5 * 50) as u8]))
}

/// Labels that `hrvit run` writes for [`frame`].
fn run(more: &[&str]) -> LabelMap {
    let folder = tempfile::tempdir().unwrap();
    let [path, out] = ["a.png", "out"].map(|name| folder.path().join(name));
    frame().save(&path).unwrap();
    let output = hrvit(&[&["run", "--model", text(&tiny()), text(&path), "--out", text(&out)], more].concat());
    assert!(output.status.success(), "{more:?}: {}", String::from_utf8_lossy(&output.stderr));
    labels::read(&out.join("a.labels.png")).unwrap()
}

/// For every pixel of the frame the place along one direction of the input that its middle lies in,
/// if it does.
fn places(count: u32, place: impl Fn(f64) -> f64, length: u16) -> Vec<Option<usize>> {
    let inside = |at: f64| (at >= 0.0 && at < f64::from(length)).then_some(at as usize);
    (0..count).map(|at| inside(place(f64::from(at) + 0.5))).collect()
}

fn looked_up(found: &LabelMap, rows: &[Option<usize>], columns: &[Option<usize>]) -> Vec<u8> {
    let label = |y: &Option<usize>, x: &Option<usize>| y.zip(*x).map_or(255, |(y, x)| found.data[y * found.width + x]);
    rows.iter().flat_map(|y| columns.iter().map(move |x| label(y, x))).collect()
}

#[test]
fn a_letterbox_is_the_frame_between_bars() {
    let engine = engine();
    let size = engine.size();
    let (height, width) = (u32::from(size.height), u32::from(size.width));
    // The frame is higher than wide, the input is not: the frame takes all of its height.
    let columns = (f64::from(WIDTH) * f64::from(height) / f64::from(HEIGHT)).round() as u32;
    assert!(columns < width, "{size}");
    let x = (width - columns) / 2;
    let mut canvas = RgbImage::from_pixel(width, height, Rgb([124, 116, 104]));
    imageops::replace(&mut canvas, &frames::resize(&frame(), (height, columns)).unwrap(), x.into(), 0);
    let found = engine.labels(&canvas).unwrap();
    let rows = places(HEIGHT, |y| y * f64::from(height) / f64::from(HEIGHT), size.height);
    let columns = places(WIDTH, |at| f64::from(x) + at * f64::from(columns) / f64::from(WIDTH), size.width);
    let expected = looked_up(&found, &rows, &columns);
    assert_eq!(run(&["--letterbox"]).data, expected);
    assert_eq!(run(&["--resize", "letterbox"]).data, expected);
    assert_eq!(run(&["--letterbox", "--device-labels"]), found);
}

#[test]
fn a_crop_leaves_pixels_without_labels() {
    let engine = engine();
    let size = engine.size();
    let rows = (f64::from(WIDTH) * f64::from(size.height) / f64::from(size.width)).round() as u32;
    let y = (HEIGHT - rows) / 2;
    let part = imageops::crop_imm(&frame(), 0, y, WIDTH, rows).to_image();
    let found = engine.labels(&frames::resize(&part, (size.height.into(), size.width.into())).unwrap()).unwrap();
    let of_row = places(HEIGHT, |at| (at - f64::from(y)) * f64::from(size.height) / f64::from(rows), size.height);
    let of_column = places(WIDTH, |at| at * f64::from(size.width) / f64::from(WIDTH), size.width);
    let made = run(&["--resize", "crop"]);
    assert_eq!(made.data, looked_up(&found, &of_row, &of_column));
    assert_eq!(made.data.iter().filter(|label| **label == 255).count() as u32, (HEIGHT - rows) * WIDTH);
}

#[test]
fn windows_slide_over_a_frame_that_covers_them() {
    let engine = engine();
    let size = engine.size();
    // Higher than the input by its shape: columns fit, windows slide down.
    let rows = (f64::from(HEIGHT) * f64::from(size.width) / f64::from(WIDTH)).round() as u32;
    let covering = frames::resize(&frame(), (rows, size.width.into())).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("covering.png");
    covering.save(&path).unwrap();
    for more in [&["--stride", "9999x9999"][..], &["--halo", "2"], &[]] {
        let stride = format!("{}x{}", size.height, size.width);
        let options: Vec<&str> = more.iter().map(|option| if *option == "9999x9999" { stride.as_str() } else { option }).collect();
        let slide: &[&str] = if more.contains(&"--halo") { &[] } else { &["--slide"] };
        let output = hrvit(&[&["run", "--model", text(&tiny()), text(&path), "--out", text(folder.path())], slide, &options].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let found = labels::read(&folder.path().join("covering.labels.png")).unwrap();
        assert_eq!((found.height, found.width), (rows as usize, size.width.into()));
        let place = |count: u32, cells: usize| places(count, |at| at * cells as f64 / f64::from(count), cells as u16);
        let expected = looked_up(&found, &place(HEIGHT, found.height), &place(WIDTH, found.width));
        assert_eq!(run(&[&["--keep-ratio"], &options[..]].concat()).data, expected, "{options:?}");
    }
}

/// A data set of frames and labels, and the same cut to the middle `rows` rows.
fn data_sets(folder: &Path, rows: u32) -> [PathBuf; 2] {
    ["whole", "cut"].map(|name| {
        let root = folder.join(name);
        [root.join("images"), root.join("labels")].iter().for_each(|folder| std::fs::create_dir_all(folder).unwrap());
        for file in std::fs::read_dir(bundled("data/val/images")).unwrap().take(3) {
            let file = file.unwrap().path();
            let stem = frames::stem(&file);
            let (frame, labels) = (frames::read(&file).unwrap(), labels::read(&bundled("data/val/labels").join(format!("{stem}.png"))).unwrap());
            let (height, width) = (frame.height(), frame.width());
            assert_eq!((labels.height as u32, labels.width as u32), (height, width));
            let (y, rows) = if name == "cut" { ((height - rows) / 2, rows) } else { (0, height) };
            imageops::crop_imm(&frame, 0, y, width, rows).to_image().save(root.join(format!("images/{stem}.png"))).unwrap();
            let data = labels.data[(y * width) as usize..((y + rows) * width) as usize].to_vec();
            let map = image::GrayImage::from_raw(width, rows, data).unwrap();
            map.save(root.join(format!("labels/{stem}.png"))).unwrap();
        }
        root
    })
}

#[test]
fn an_image_knows_how_its_frames_were_fitted() {
    let folder = tempfile::tempdir().unwrap();
    let weights = bundled("models/nano_camvid11.safetensors");
    let calib = bundled("data/calib");
    // Bundled frames are 4:3, the input is 3:1.
    let quantize = |name: &str, more: &[&str]| {
        let out = folder.path().join(name);
        let common = ["--variant", "nano", "--classes", "11", "--size", "32x96", "--allow-drift", "--json", "--force"];
        json(&hrvit(&[&["quantize", "--weights", text(&weights), "--calib", text(&calib), "--out", text(&out)], &common[..], more].concat()));
        out
    };
    let file = folder.path().join("preprocess.toml");
    std::fs::write(&file, "resize = \"letterbox\"\n").unwrap();
    let [plain, boxed, by_file, cropped] = [
        quantize("plain.hrvit", &[]),
        quantize("boxed.hrvit", &["--letterbox"]),
        quantize("by-file.hrvit", &["--preprocess", text(&file)]),
        quantize("cropped.hrvit", &["--resize", "crop"]),
    ];
    let fit = |path: &Path| PackedImage::read(path, IsaArg::default()).unwrap().load().unwrap().model().meta().preprocess.fit;
    assert_eq!([&plain, &boxed, &by_file, &cropped].map(|path| fit(path)), [Fit::Stretch, Fit::Letterbox, Fit::Letterbox, Fit::Crop]);
    let said = String::from_utf8(hrvit(&["inspect", text(&boxed)]).stdout).unwrap();
    assert!(said.contains("between bars"), "{said}");

    let rows = |data: &Path| frames::read(&std::fs::read_dir(data).unwrap().next().unwrap().unwrap().path()).unwrap().height();
    let height = rows(&bundled("data/val/images"));
    let [whole, cut] = data_sets(folder.path(), height / 2);
    let eval = |model: &Path, data: &Path, more: &[&str]| {
        json(&hrvit(&[&["eval", "--model", text(model), "--weights", text(&weights), "--data", text(data), "--json"], more].concat()))
    };
    let boxed_alone = eval(&boxed, &whole, &[]);
    assert_eq!(boxed_alone["inference"]["fit"], "letterbox");
    assert_eq!(boxed_alone["float"], eval(&plain, &whole, &["--letterbox"])["float"]);
    assert_ne!(boxed_alone["float"], eval(&boxed, &whole, &["--resize", "stretch"])["float"]);
    // Pixels that a crop leaves out do not count: the same as frames and labels that were cut
    // before.
    let (crop, before) = (eval(&cropped, &whole, &[]), eval(&cropped, &cut, &[]));
    for figure in ["miou", "pixel_accuracy"] {
        let [one, other] = [&crop, &before].map(|result| result["engine"][figure].as_f64().unwrap());
        assert!((one - other).abs() < 1e-3, "{figure}: {one} and {other}");
    }
    let [one, other] = [&crop, &before].map(|result| result["logits_sqnr_db"].as_f64().unwrap());
    assert!((one - other).abs() < 1e-6, "{one} and {other}");
}
