//! `hrvit report` on the bundled network and frames: the drift harness at the size of continuous integration, and what the page and its bars do.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use serde_json::Value;

fn hrvit(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hrvit")).args(arguments).output().expect("the hrvit binary starts")
}

/// A path in the repository.
fn bundled(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path).display().to_string()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are UTF-8")
}

/// The bundled checkpoint quantised with the bundled frames.
struct Model {
    folder: tempfile::TempDir,
    weights: String,
    data: String,
}

static MODEL: LazyLock<Model> = LazyLock::new(|| {
    let model = Model { folder: tempfile::tempdir().unwrap(), weights: bundled("models/nano_camvid11.safetensors"), data: bundled("data/val") };
    let (calib, classes) = (bundled("data/calib"), bundled("data/camvid11.toml"));
    let network = ["--variant", "nano", "--classes", "11", "--size", "192x256", "--classes-file", &classes];
    let files = ["--weights", &model.weights, "--calib", &calib, "--out", text(&model.image())].map(str::to_owned);
    let output = hrvit(&[&["quantize"], &network[..], &files.each_ref().map(String::as_str)].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    model
});

impl Model {
    fn image(&self) -> PathBuf {
        self.folder.path().join("nano.hrvit")
    }

    fn report(&self, name: &str, more: &[&str]) -> (Output, PathBuf) {
        let page = self.folder.path().join(name);
        let image = self.image();
        let common = ["report", "--model", text(&image), "--weights", &self.weights, "--data", &self.data, "--out", text(&page), "--json"];
        (hrvit(&[&common, more].concat()), page)
    }
}

#[test]
fn the_bundled_network_meets_its_bars() {
    let bars = bundled("tests/data/drift_bars.toml");
    let (output, page) = MODEL.report("bundled.html", &["--bars", &bars, "--bar-set", "bundled"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((report["subject"]["frames"].as_u64(), report["quality"][1]["precision"].as_str()), (Some(8), Some("int8")));
    let drift = &report["drift"][0];
    let pixels: u64 = drift["agreement"]["flips"].as_array().unwrap().iter().flat_map(|row| row.as_array().unwrap()).map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(pixels, 8 * 360 * 480);
    assert_eq!(drift["steps"].as_array().unwrap().last().unwrap()["step"], "head.logits");
    assert!(report["verdicts"].as_array().unwrap().len() > 100);
    // One file: nothing is fetched, nothing runs.
    let page = std::fs::read_to_string(page).unwrap();
    assert!(!page.contains("<script") && !page.contains("<link"), "the page stands alone");
    let addresses = page.split("src=\"").skip(1).map(|rest| &rest[..10]);
    assert!(addresses.clone().count() == 4 * 5 && addresses.into_iter().all(|address| address == "data:image"));
}

#[test]
fn bars_that_are_not_met_fail_and_name_metric_and_step() {
    let bars = MODEL.folder.path().join("strict.toml");
    let overall = "delta_miou_points = 100\nagreement_percent = 100.0\nagreement_at_clear_margin_percent = 0\nlogits_sqnr_db = 0\nmacs_8x8_percent = 0\n";
    std::fs::write(&bars, format!("[full]\n{overall}[full.entire_db]\nLogits = 190.0\n")).unwrap();
    let (output, page) = MODEL.report("strict.html", &["--bars", text(&bars), "--frames", "2", "--worst", "0", "--resamples", "10"]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && error.contains("int8: pixel agreement: found") && error.contains("head.logits (Logits), entire SQNR"), "{error}");
    assert!(!error.contains("MACs") && !error.contains("mIoU"), "bars that are met are not named: {error}");
    assert!(page.is_file(), "the page says what is wrong");
}

#[test]
fn an_image_drawn_against_itself_has_no_deviation() {
    let image = MODEL.image();
    let (output, _) = MODEL.report("draws.html", &["--frames", "2", "--worst", "0", "--resamples", "10", "--draws", text(&image), text(&image)]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let (drift, draws) = (&report["drift"][0], &report["drift"][0]["draws"]);
    assert_eq!(draws["agreement"]["deviation"], 0.0);
    assert_eq!(draws["draws"][1]["agreement"], drift["agreement"]["overall"]);
    assert_eq!(draws["draws"][0]["logits_sqnr_db"], drift["logits_sqnr_db"]);
}

#[test]
fn what_does_not_fit_is_refused_before_the_work_starts() {
    let refusal = |more: &[&str]| {
        let (output, page) = MODEL.report("refused.html", more);
        assert!(!output.status.success() && !page.exists(), "{more:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(refusal(&["--frames", "9"]).contains("holds 8 frames"));
    assert!(refusal(&["--plan", "plan.pdf"]).contains("expected a file ending in .svg"));
    let bars = bundled("tests/data/drift_bars.toml");
    assert!(refusal(&["--bars", &bars, "--bar-set", "none"]).contains("expected one of: bundled, full"));
    let calib = bundled("data/calib");
    assert!(refusal(&["--calib", &calib, "--calib-frames", "16"]).contains("holds 16 frames"));
}

#[test]
fn draws_of_a_calibration_folder_are_made_measured_and_repeat_for_a_seed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (weights, image) = (at("nano.safetensors"), at("nano.hrvit"));
    for part in ["images", "labels"] {
        std::fs::create_dir(at(part)).unwrap();
    }
    for i in 0..9u32 {
        let frame = image::RgbImage::from_fn(96, 80, |x, y| image::Rgb([2 * x as u8, 3 * y as u8, 20 * i as u8]));
        frame.save(at(&format!("images/{i}.png"))).unwrap();
        image::GrayImage::from_fn(96, 80, |x, _| image::Luma([(x / 24) as u8])).save(at(&format!("labels/{i}.png"))).unwrap();
    }
    let network = ["--variant", "nano", "--classes", "4"];
    let done = |arguments: &[&str]| {
        let output = hrvit(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    done(&[&["synth", "--seed", "7", "--out", &weights], &network[..]].concat());
    done(&[&["quantize", "--size", "64x64", "--weights", &weights, "--calib", &at("images"), "--out", &image], &network[..]].concat());
    let files = ["report", "--model", &image, "--weights", &weights, "--data", &at(""), "--calib", &at("images"), "--out", &at("report.html")];
    let draws = |seed: &str| -> Value {
        let report = done(&[&files[..], &["--frames", "3", "--calib-draws", "2", "--resamples", "20", "--worst", "1", "--seed", seed, "--json"]].concat());
        serde_json::from_slice::<Value>(&report).unwrap()["drift"][0]["draws"].clone()
    };
    let first = draws("1");
    assert!(first["origin"].as_str().unwrap().contains("2 images, each calibrated with 6 of 9 frames"), "{first}");
    assert_eq!(first["draws"].as_array().unwrap().len(), 2);
    assert_ne!(first["draws"][0]["logits_sqnr_db"], first["draws"][1]["logits_sqnr_db"]);
    assert_eq!(first, draws("1"));
}
