//! `hrvit quantize` judges its own image: frames held out, the gate, frames that are alike.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn hrvit(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hrvit")).args(arguments).output().expect("the hrvit binary starts")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are UTF-8")
}

/// A path in the repository.
fn bundled(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path).display().to_string()
}

/// `quantize` of the bundled network for small frames.
fn quantize(calib: &str, out: &Path, more: &[&str]) -> Output {
    let (weights, classes) = (bundled("models/nano_camvid11.safetensors"), bundled("data/camvid11.toml"));
    let network = ["--variant", "nano", "--classes", "11", "--size", "64x96", "--classes-file", &classes];
    hrvit(&[&["quantize", "--weights", &weights, "--calib", calib, "--out", text(out)], &network[..], more].concat())
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("messages are UTF-8")
}

/// The JSON document of a command that succeeds.
fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", said(output));
    serde_json::from_slice(&output.stdout).expect("standard output is one JSON document")
}

fn provenance(image: &Path) -> String {
    json(&hrvit(&["inspect", text(image), "--json"]))["image"]["provenance"].as_str().unwrap().to_owned()
}

/// A folder of the bundled calibration frames for which `keep` holds, by position, shrunk to
/// 96x128.
fn frames(folder: &Path, keep: impl Fn(usize) -> bool) -> PathBuf {
    let frames = folder.join("frames");
    std::fs::create_dir(&frames).unwrap();
    let paths = hrvit_tool::frames::list(Path::new(&bundled("data/calib"))).unwrap();
    for (at, path) in paths.iter().enumerate().filter(|(at, _)| keep(*at)) {
        let frame = hrvit_tool::frames::resize(&hrvit_tool::frames::read(path).unwrap(), (96, 128)).unwrap();
        frame.save(frames.join(format!("{at:02}.png"))).unwrap();
    }
    frames
}

/// Turns the pictures at `positions` into negatives.
fn invert(frames: &Path, positions: &[usize]) {
    for at in positions {
        let path = frames.join(format!("{at:02}.png"));
        let mut frame = hrvit_tool::frames::read(&path).unwrap();
        frame.iter_mut().for_each(|value| *value = 255 - *value);
        frame.save(path).unwrap();
    }
}

#[test]
fn a_fifth_of_the_frames_judges_and_takes_no_part_in_the_image() {
    let folder = tempfile::tempdir().unwrap();
    let (calib, out) = (frames(folder.path(), |_| true), folder.path().join("a.hrvit"));
    let report = json(&quantize(text(&calib), &out, &["--json"]));
    let hold_out = &report["hold_out"];
    assert_eq!((&report["written"], &hold_out["calibrated"], &hold_out["figures"]["frames"]), (&true.into(), &13.into(), &3.into()));
    assert_eq!(hold_out["held_out"], serde_json::json!(["06.png", "07.png", "08.png"]));
    let agreement = hold_out["figures"]["agreement"].as_f64().unwrap();
    assert!(agreement > 0.95 && hold_out["figures"]["agreement_at_clear_margin"].as_f64() > Some(agreement), "{hold_out}");
    assert!(hold_out["figures"]["logits_sqnr_db"].as_f64() > Some(20.0) && hold_out["verdict"]["refused"] == serde_json::json!([]), "{hold_out}");
    assert_eq!(hold_out["calibration"]["frames"], 3);
    assert!(provenance(&out).contains("; 13 calibration frames, 3 held out"), "{}", provenance(&out));

    // Other pictures in their place: another judgement of the same bytes.
    let again = folder.path().join("b.hrvit");
    invert(&calib, &[6, 7, 8]);
    let other = json(&quantize(text(&calib), &again, &["--json", "--allow-drift"]));
    assert_ne!(other["hold_out"]["figures"], hold_out["figures"]);
    assert!(std::fs::read(&out).unwrap() == std::fs::read(&again).unwrap(), "frames held out change the image");
}

#[test]
fn an_image_that_drifts_too_far_is_not_written_unless_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let (calib, out) = (frames(folder.path(), |_| true), folder.path().join("a.hrvit"));
    let picture = folder.path().join("a.svg");
    let auto = ["--precision", "auto", "--with", "fp16", "--max-drift", "100", "--pareto", text(&picture)];
    let output = quantize(text(&calib), &out, &[&["--min-agreement", "1", "--json"], &auto[..]].concat());
    let error = said(&output);
    assert!(!output.status.success() && error.contains("a.hrvit is not written"), "{error}");
    assert!(error.contains("agreement with float is") && error.contains("expected 100 % or more (--min-agreement)"), "{error}");
    for advice in ["--calib", "hrvit report", "--precision auto", "int16x8", "--allow-drift"] {
        assert!(error.contains(advice), "{advice}: {error}");
    }
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["written"], &report["hold_out"]["verdict"]["refused"][0]["threshold"]), (&false.into(), &1.0.into()));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left but the frames");

    let allowed = quantize(text(&calib), &out, &["--min-agreement", "1", "--allow-drift"]);
    assert!(allowed.status.success() && out.is_file(), "{}", said(&allowed));
    assert!(said(&allowed).contains("warning: on the frames held out the image drifts too far from float"), "{}", said(&allowed));
    let table = String::from_utf8(allowed.stdout).unwrap();
    assert!(table.contains("hold-out (3 of 16 frames, 06.png to 08.png): agreement"), "{table}");
    assert!(said(&quantize(text(&calib), &out, &["--min-agreement", "95"])).contains("between 0 and 1"));
}

#[test]
fn fewer_than_ten_frames_judge_by_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let (calib, out) = (frames(folder.path(), |at| at < 8), folder.path().join("a.hrvit"));
    let output = quantize(text(&calib), &out, &[]);
    let (table, warned) = (String::from_utf8(output.stdout.clone()).unwrap(), said(&output));
    assert!(output.status.success() && table.contains("hold-out: not measured, it takes 10 distinct frames"), "{table}{warned}");
    assert!(warned.contains("8 distinct frames: none is held out"), "{warned}");
    assert!(provenance(&out).ends_with("; 8 calibration frames"), "{}", provenance(&out));
    std::fs::remove_file(&out).unwrap();
    let refused = quantize(text(&calib), &out, &["--min-agreement", "1"]);
    assert!(!refused.status.success() && said(&refused).contains("on the calibration frames the image drifts too far") && !out.exists());
}

#[test]
fn frames_that_are_alike_are_said_and_equal_ones_count_once() {
    let folder = tempfile::tempdir().unwrap();
    let (calib, out) = (frames(folder.path(), |at| at < 8), folder.path().join("a.hrvit"));
    std::fs::copy(calib.join("03.png"), calib.join("10.png")).unwrap();
    let mut nearly = hrvit_tool::frames::read(&calib.join("05.png")).unwrap();
    nearly.put_pixel(0, 0, image::Rgb([255; 3]));
    nearly.put_pixel(1, 1, image::Rgb([255, 0, 255]));
    nearly.save(calib.join("11.png")).unwrap();
    let output = quantize(text(&calib), &out, &["--json"]);
    let warned = said(&output);
    assert!(warned.contains("1 of 10 frames equal another one at the model's size (10.png is 03.png) and are left out"), "{warned}");
    assert!(warned.contains("1 of 9 frames are nearly equal to another one (11.png and 05.png differ by"), "{warned}");
    assert_eq!(json(&output)["hold_out"]["calibrated"], 9);
}

#[test]
fn half_precision_is_judged_where_it_has_frames() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a.hrvit");
    let report = json(&quantize(&bundled("data/calib"), &out, &["--precision", "fp16", "--json"]));
    assert!(report["hold_out"]["figures"]["agreement"].as_f64() > Some(0.995), "{report}");
    assert!(provenance(&out).contains("half precision, ranges of 13 calibration frames, 3 held out"), "{}", provenance(&out));
    let weights = bundled("models/nano_camvid11.safetensors");
    let without = ["quantize", "--weights", &weights, "--variant", "nano", "--classes", "11", "--size", "64x96", "--precision", "fp16"];
    let output = hrvit(&[&without[..], &["--out", text(&out)]].concat());
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("hold-out: not measured"), "{}", said(&output));
}

/// Writes random nano weights for four classes, sets the values of tensors where `edit` says so,
/// and returns their path.
fn weights(folder: &Path, edit: impl Fn(&str) -> Option<f32>) -> PathBuf {
    let path = folder.join("nano.safetensors");
    json(&hrvit(&["synth", "--variant", "nano", "--classes", "4", "--seed", "7", "--out", text(&path), "--json"]));
    let mut bytes = std::fs::read(&path).unwrap();
    let start = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: serde_json::Map<String, Value> = serde_json::from_slice(&bytes[8..start]).unwrap();
    for (name, value) in header.iter().filter_map(|(name, tensor)| Some((tensor, edit(name)?))) {
        assert_eq!(name["dtype"], "F32");
        let [from, to] = [0, 1].map(|at| start + name["data_offsets"][at].as_u64().unwrap() as usize);
        bytes[from..to].chunks_exact_mut(4).for_each(|place| place.copy_from_slice(&value.to_le_bytes()));
    }
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Constants that cancel between the terms of a stream, far beyond what integers and half precision
/// hold.
fn constants_that_cancel(name: &str) -> Option<f32> {
    match name.strip_prefix("backbone.features.3.branches.1.0.")? {
        "attn.attn_bn.bias" => Some(1e20),
        "des.proj_left.bias" => Some(-1e20),
        _ => None,
    }
}

#[test]
fn a_part_that_fits_no_precision_is_named_with_the_reason_of_each() {
    let folder = tempfile::tempdir().unwrap();
    let (weights, calib) = (weights(folder.path(), constants_that_cancel), frames(folder.path(), |at| at < 8));
    let out = folder.path().join("a.hrvit");
    let quantize = |more: &[&str]| {
        let common = ["quantize", "--weights", text(&weights), "--variant", "nano", "--classes", "4", "--size", "64x64", "--calib", text(&calib)];
        hrvit(&[&common[..], &["--out", text(&out), "--allow-drift", "--json"], more].concat())
    };
    let int8 = quantize(&[]);
    assert!(!int8.status.success() && said(&int8).contains("error: m2.branch.1.0.attn: ") && !out.exists(), "{}", said(&int8));
    for more in [&["--precision", "auto", "--max-drift", "100"][..], &["--precision", "auto", "--with", "int16x8"]] {
        let refused = quantize(more);
        assert!(!refused.status.success() && said(&refused).contains(" fits no precision on offer: int8:") && !out.exists(), "{}", said(&refused));
    }
}

#[test]
fn half_precision_says_which_weights_it_loses() {
    let folder = tempfile::tempdir().unwrap();
    let tiny = |name: &str| (name == "backbone.features.3.branches.1.0.ffn.fc2.weight").then_some(2e-8);
    let (weights, out) = (weights(folder.path(), tiny), folder.path().join("a.hrvit"));
    let network = ["--variant", "nano", "--classes", "4", "--size", "64x64", "--precision", "fp16"];
    let output = hrvit(&[&["quantize", "--weights", text(&weights), "--out", text(&out)], &network[..]].concat());
    let warned = said(&output);
    assert!(output.status.success() && warned.contains("underflow of half precision: m2.branch.1.0.ffn"), "{warned}");
    assert_eq!(warned.lines().filter(|line| line.starts_with("warning")).count(), 1, "{warned}");
}

#[test]
fn eval_and_report_warn_of_another_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let (calib, image) = (frames(folder.path(), |at| at < 8), folder.path().join("a.hrvit"));
    assert!(quantize(text(&calib), &image, &[]).status.success());
    let (own, data) = (bundled("models/nano_camvid11.safetensors"), bundled("data/val"));
    let mut bytes = std::fs::read(&own).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    let other = folder.path().join("other.safetensors");
    std::fs::write(&other, bytes).unwrap();
    let warning = "other.safetensors is not the checkpoint that the image was made from";
    for (weights, warns) in [(text(&other), true), (own.as_str(), false)] {
        let eval = hrvit(&["eval", "--model", text(&image), "--weights", weights, "--data", &data]);
        assert!(eval.status.success() && said(&eval).contains(warning) == warns, "{}", said(&eval));
        let page = folder.path().join("r.html");
        let report =
            hrvit(&["report", "--model", text(&image), "--weights", weights, "--data", &data, "--frames", "2", "--resamples", "5", "--out", text(&page)]);
        assert!(report.status.success() && said(&report).contains(warning) == warns, "{}", said(&report));
    }
}
