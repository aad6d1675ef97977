//! `hrvit report` on the bundled network and frames: the drift harness at the size of continuous
//! integration, and what the page and its bars do.

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

/// A bundled checkpoint quantised with the bundled frames.
struct Model {
    folder: tempfile::TempDir,
    weights: String,
    data: String,
}

static MODEL: LazyLock<Model> = LazyLock::new(|| Model::quantised("nano"));

impl Model {
    fn quantised(variant: &str) -> Self {
        let weights = bundled(&format!("models/{variant}_camvid11.safetensors"));
        let model = Self { folder: tempfile::tempdir().unwrap(), weights, data: bundled("data/val") };
        let (calib, classes) = (bundled("data/calib"), bundled("data/camvid11.toml"));
        let network = ["--variant", variant, "--classes", "11", "--size", "192x256", "--classes-file", &classes];
        let files = ["--weights", &model.weights, "--calib", &calib, "--out", text(&model.image())].map(str::to_owned);
        let output = hrvit(&[&["quantize"], &network[..], &files.each_ref().map(String::as_str)].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        model
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("model.hrvit")
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
#[ignore = "minutes: cargo test --release -p hrvit-tool --test report -- --ignored"]
fn the_bundled_b1_meets_its_bars() {
    let bars = bundled("tests/data/drift_bars.toml");
    let (output, _) = Model::quantised("b1").report("b1.html", &["--bars", &bars, "--bar-set", "b1-bundled"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["subject"]["frames"].as_u64(), Some(8));
    assert!(report["verdicts"].as_array().unwrap().len() > 100);
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
    assert!(refusal(&["--plan", &bundled("docs/images/demo.jpg")]).contains("expected a picture that `hrvit plan --svg`"));
    let bars = bundled("tests/data/drift_bars.toml");
    assert!(refusal(&["--bars", &bars, "--bar-set", "none"]).contains("expected one of: b1, b1-bundled, bundled, full"));
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
    done(&[&["quantize", "--size", "64x64", "--weights", &weights, "--calib", &at("images"), "--allow-drift", "--out", &image], &network[..]].concat());
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

/// A classifier of 300 classes with random weights, its image, and frames that show what float says
/// of them, but for the last.
struct Classifier {
    folder: tempfile::TempDir,
}

static CLASSIFIER: LazyLock<Classifier> = LazyLock::new(|| {
    let classifier = Classifier { folder: tempfile::tempdir().unwrap() };
    std::fs::create_dir(classifier.at("images")).unwrap();
    for i in 0..6u32 {
        let frame = image::RgbImage::from_fn(96, 80, |x, y| image::Rgb([(2 * x + 31 * i) as u8, (3 * y) as u8, ((x * y) >> i) as u8]));
        frame.save(classifier.at(&format!("images/{i}.png"))).unwrap();
    }
    let network = ["--variant", "nano", "--head", "classifier", "--classes", "300"];
    let (weights, image, images) = (classifier.at("nano.safetensors"), classifier.at("nano.hrvit"), classifier.at("images"));
    let done = |arguments: &[&str]| {
        let output = hrvit(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    done(&[&["synth", "--seed", "7", "--out", &weights], &network[..]].concat());
    done(&[&["quantize", "--size", "64x64", "--weights", &weights, "--calib", &images, "--force", "--allow-drift", "--out", &image], &network[..]].concat());
    classifier
});

impl Classifier {
    fn at(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn report(&self, data: &str, more: &[&str]) -> Output {
        let (weights, image, page) = (self.at("nano.safetensors"), self.at("nano.hrvit"), format!("{data}/report.html"));
        let common = ["report", "--model", &image, "--weights", &weights, "--data", data, "--out", &page, "--resamples", "20", "--json"];
        hrvit(&[&common, more].concat())
    }
}

#[test]
fn a_classifier_without_labels_is_reported_by_what_it_puts_first() {
    let image = CLASSIFIER.at("nano.hrvit");
    let output = CLASSIFIER.report(&CLASSIFIER.at(""), &["--draws", &image, "--worst", "2"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["quality"][0]["top1"].is_null() && report["drift"][0]["delta"]["top1_points"].is_null());
    let drift = &report["drift"][0];
    let frames: u64 = drift["agreement"]["margins"].as_array().unwrap().iter().map(|group| group["frames"].as_u64().unwrap()).sum();
    assert_eq!((report["subject"]["frames"].as_u64(), frames), (Some(6), 6));
    // Of the few classes that random weights pick on six frames, which are close to each other.
    assert!(drift["logits_sqnr_db"].as_f64().unwrap() > 15.0, "{drift}");
    // The whole head is measured: its four bottlenecks and the classifier.
    let steps = drift["steps"].as_array().unwrap();
    let head: Vec<_> = steps.iter().filter(|step| step["step"].as_str().unwrap().starts_with("head.")).collect();
    assert!(head.len() == 5 && head.iter().all(|step| step["single_db"].as_f64().unwrap() > 25.0), "{head:?}");
    assert_eq!(drift["draws"]["draws"][0]["logits_sqnr_db"], drift["logits_sqnr_db"]);
    assert_eq!(drift["worst"].as_array().unwrap().len(), 2);
    let page = std::fs::read_to_string(CLASSIFIER.at("report.html")).unwrap();
    assert_eq!(page.matches("src=\"data:image/png").count(), 2);
    assert!(page.contains("no labels") && !page.contains("<script"));
}

#[test]
fn a_classifier_with_labels_has_accuracy_and_bars() {
    let data = tempfile::tempdir_in(CLASSIFIER.folder.path()).unwrap();
    let at = |name: &str| data.path().join(name).display().to_string();
    std::fs::create_dir(at("images")).unwrap();
    let run = |frame: &str| -> Value {
        let (weights, out) = (CLASSIFIER.at("nano.safetensors"), at("out"));
        let network = ["--variant", "nano", "--head", "classifier", "--classes", "300", "--size", "64x64"];
        let output = hrvit(&[&["run", "--float", "--weights", &weights, "--out", &out, "--json", frame], &network[..]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let mut table = String::new();
    for i in 0..4 {
        let frame = at(&format!("images/{i}.png"));
        std::fs::copy(CLASSIFIER.at(&format!("images/{i}.png")), &frame).unwrap();
        let found = run(&frame);
        let best = found[0]["classes"][0]["name"].as_str().unwrap_or_else(|| panic!("{found}")).to_owned();
        // A class by its name; the last frame's is wrong.
        table += &format!(
            "{i}, {}\n",
            if i == 3 && best != "class 0" {
                "0".to_owned()
            } else if i == 3 {
                "1".to_owned()
            } else {
                best
            }
        );
    }
    std::fs::write(at("labels.csv"), table).unwrap();
    let bars = at("bars.toml");
    let rest = "agreement_at_clear_margin_percent = 0\nlogits_sqnr_db = 190\nmacs_8x8_percent = 0\n";
    std::fs::write(&bars, format!("[full]\ndelta_top1_points = 100\nagreement_percent = 0\n{rest}[full.single_db]\nIncrease = 10\n")).unwrap();
    let output = CLASSIFIER.report(&at(""), &["--bars", &bars]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && error.contains("1 of") && error.contains("int8: logits SQNR: found"), "{error}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["quality"][0]["top1"]["value"], 0.75);
    assert!(report["verdicts"].as_array().unwrap().iter().any(|verdict| verdict["what"].as_str().unwrap().contains("top-1 difference")));
}

#[test]
fn windows_are_measured_and_named() {
    let few = ["--frames", "1", "--step-frames", "1"];
    let subject = |name: &str, more: &[&str]| {
        let (output, page) = MODEL.report(name, &[&few, more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        (report["subject"]["inference"].clone(), report["drift"][0]["agreement"]["overall"].as_f64().unwrap(), std::fs::read_to_string(page).unwrap())
    };
    let (inference, agreement, page) = subject("windows.html", &["--slide", "--stride", "180x250", "--flip"]);
    assert_eq!(inference, serde_json::json!({ "mode": "slide", "keep_ratio": false, "stride": [180, 250], "flip": true }));
    assert!(page.contains("in windows of 192x256 every 180x250 pixels, mirrored too") && agreement > 0.97, "{agreement}");
    let (inference, whole, page) = subject("whole.html", &[]);
    assert_eq!(inference, serde_json::json!({ "mode": "resized", "fit": "stretch", "flip": false }));
    assert!(page.contains("at 192x256") && agreement != whole);
    let image = MODEL.image();
    let eval = |more: &[&str]| {
        let output = hrvit(&[&["eval", "--model", text(&image), "--weights", &MODEL.weights, "--data", &MODEL.data, "--json"], more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let halo = eval(&["--halo", "20"]);
    assert_eq!(halo["inference"], serde_json::json!({ "mode": "halo", "halo": 20, "keep_ratio": false, "flip": false }));
    assert!(halo["logits_sqnr_db"].is_null() && halo["pixel_agreement"].as_f64() > Some(0.98) && halo["engine"]["miou"].as_f64() > Some(0.4), "{halo}");
}
