//! The binary as scripts use it: exit status, JSON keys, files, refusals.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn hrvit(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hrvit")).args(arguments).output().expect("the hrvit binary starts")
}

fn json(arguments: &[&str]) -> Value {
    let output = hrvit(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("standard output is one JSON document")
}

/// Standard error of a command that must fail.
fn refusal(arguments: &[&str]) -> String {
    let output = hrvit(arguments);
    assert!(!output.status.success(), "{arguments:?} succeeded");
    String::from_utf8(output.stderr).expect("messages are UTF-8")
}

/// A path in the repository.
fn bundled(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path).display().to_string()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are UTF-8")
}

/// Writes nano weights for four classes and returns their path.
fn synthetic(folder: &Path) -> PathBuf {
    let path = folder.join("nano.safetensors");
    json(&["synth", "--variant", "nano", "--classes", "4", "--seed", "7", "--out", text(&path), "--json"]);
    path
}

/// A folder of smooth frames of 96x80.
fn smooth_frames(folder: &Path, count: usize) -> PathBuf {
    let frames = folder.join("frames");
    std::fs::create_dir_all(&frames).unwrap();
    for i in 0..count {
        let frame = image::RgbImage::from_fn(96, 80, |x, y| image::Rgb([2 * x as u8, 3 * y as u8, 20 * i as u8]));
        frame.save(frames.join(format!("{i}.png"))).unwrap();
    }
    frames
}

#[test]
fn inspect_json_has_the_keys_that_scripts_read() {
    let report = json(&["inspect", "--variant", "b1", "--head", "segformer", "--classes", "19", "--size", "512x512", "--json"]);
    assert_eq!(report["params"], 8_149_451);
    assert_eq!(report["macs_as_written"].as_u64().map(|macs| macs / 1_000_000), Some(15_015));
    assert_eq!(report["macs_folded"].as_u64().map(|macs| macs / 1_000_000), Some(10_720));
}

#[test]
fn an_emitted_spec_is_the_variant() {
    let folder = tempfile::tempdir().unwrap();
    let spec = folder.path().join("b3.toml");
    std::fs::write(&spec, hrvit(&["inspect", "--variant", "b3", "--emit-spec"]).stdout).unwrap();
    let rest = ["--classes", "19", "--size", "64x64", "--json"];
    let by_file = json(&[&["inspect", "--spec", text(&spec)], &rest[..]].concat());
    assert_eq!(by_file, json(&[&["inspect", "--variant", "b3"], &rest[..]].concat()));
}

#[test]
fn run_float_writes_labels_of_the_frames_size_overlay_json_and_logits() {
    let folder = tempfile::tempdir().unwrap();
    let (weights, frames) = (synthetic(folder.path()), smooth_frames(folder.path(), 1));
    let (out, logits) = (folder.path().join("out"), folder.path().join("logits.safetensors"));
    let network = ["--variant", "nano", "--classes", "4", "--size", "64x96"];
    let files = ["--weights", text(&weights), "--out", text(&out), "--logits", text(&logits), text(&frames)];
    json(&[&["run", "--float", "--json"], &network[..], &files[..]].concat());
    let labels = hrvit_tool::labels::read(&out.join("0.labels.png")).unwrap();
    assert_eq!((labels.height, labels.width), (80, 96));
    assert!(labels.data.iter().all(|&label| label < 4));
    assert!(out.join("0.overlay.png").is_file() && out.join("0.json").is_file());
    let bytes = std::fs::read(&logits).unwrap();
    assert_eq!(safetensors::SafeTensors::deserialize(&bytes).unwrap().tensor("logits").unwrap().shape(), [1, 4, 16, 24]);
}

#[test]
fn run_float_takes_a_frame_of_a_valid_size_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let weights = synthetic(folder.path());
    let frame = folder.path().join("a.png");
    image::RgbImage::from_fn(64, 32, |x, y| image::Rgb([4 * x as u8, 8 * y as u8, 0])).save(&frame).unwrap();
    let (own, given) = (folder.path().join("own.safetensors"), folder.path().join("given.safetensors"));
    let common = ["run", "--float", "--variant", "nano", "--classes", "4", "--weights", text(&weights), "--out", text(folder.path()), text(&frame)];
    json(&[&common[..], &["--json", "--logits", text(&own)]].concat());
    json(&[&common[..], &["--json", "--logits", text(&given), "--size", "32x64"]].concat());
    assert_eq!(std::fs::read(own).unwrap(), std::fs::read(given).unwrap());
}

#[test]
fn eval_float_only_finds_the_bundled_checkpoint_trained() {
    let (weights, data) = (bundled("models/nano_camvid11.safetensors"), bundled("data/val"));
    let network = ["--variant", "nano", "--classes", "11", "--size", "192x256"];
    let report = json(&[&["eval", "--float-only", "--json", "--weights", &weights, "--data", &data], &network[..]].concat());
    assert_eq!(report["frames"], 8);
    let miou = report["float"]["miou"].as_f64().unwrap();
    assert!(miou > 0.5, "mIoU {miou}");
    assert_eq!(report["float"]["classes"][8]["name"], "car");
}

/// Arguments of `quantize` for four-class nano.
fn quantize<'a>(weights: &'a Path, calib: &'a Path, size: &'a str, out: &'a Path) -> Vec<&'a str> {
    vec!["quantize", "--variant", "nano", "--classes", "4", "--size", size, "--weights", text(weights), "--calib", text(calib), "--out", text(out)]
}

#[test]
fn quantize_refuses_what_cannot_make_a_good_model_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (weights, few, out) = (synthetic(folder.path()), smooth_frames(folder.path(), 7), folder.path().join("m.hrvit"));
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    assert!(refusal(&quantize(&weights, &few, "64x64", &out)).contains("7 frames: expected at least 8"));
    assert!(refusal(&quantize(&weights, &few, "96x128", &out)).contains("smaller than the input"));
    assert!(refusal(&quantize(&weights, &few, "64x65", &out)).contains("multiples of 32"));
    assert!(refusal(&[quantize(&weights, &empty, "64x64", &out), vec!["--force"]].concat()).contains("holds no frame"));
    assert!(!out.exists());
}

#[test]
fn quantize_refuses_weights_that_are_not_finite_even_when_forced() {
    let folder = tempfile::tempdir().unwrap();
    let (weights, frames, out) = (synthetic(folder.path()), smooth_frames(folder.path(), 8), folder.path().join("m.hrvit"));
    let mut bytes = std::fs::read(&weights).unwrap();
    let last = bytes.len() - 4;
    bytes[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&weights, bytes).unwrap();
    let said = refusal(&[quantize(&weights, &frames, "64x64", &out), vec!["--force"]].concat());
    assert!(said.contains("NaN") && said.contains("finite"), "{said}");
    assert!(!out.exists());
}

#[test]
fn eval_without_a_model_says_what_to_give() {
    assert!(refusal(&["eval", "--data", &bundled("data/val")]).contains("--model"));
}

#[test]
fn a_checkpoint_is_no_model_image() {
    assert!(refusal(&["inspect", &bundled("models/nano_camvid11.safetensors")]).contains("not a model image"));
}

#[test]
fn a_summary_is_one_screen() {
    let screen = |arguments: &[&str]| String::from_utf8(hrvit(arguments).stdout).unwrap();
    let image = bundled("crates/hrvit-core/tests/data/tiny.hrvit");
    for network in [&["inspect", "--variant", "b3", "--head", "segformer", "--classes", "150", "--size", "512x512"][..], &["inspect", &image]] {
        let (whole, summary) = (screen(network), screen(&[network, &["--summary"]].concat()));
        assert!(summary.lines().count() <= 40, "{} lines:\n{summary}", summary.lines().count());
        assert_eq!(whole.lines().last(), summary.lines().last());
        assert!(whole.lines().count() > 2 * summary.lines().count() && summary.contains("stage 4"), "{summary}");
    }
    let json = json(&["inspect", &image, "--summary", "--json"]);
    assert!(json["stages"].as_array().unwrap().iter().all(|stage| stage["operators"].as_array().unwrap().is_empty() && stage["params"].is_u64()));
}

#[test]
fn an_image_runs_at_another_size() {
    let folder = tempfile::tempdir().unwrap();
    let image = bundled("crates/hrvit-core/tests/data/tiny.hrvit");
    let frame = bundled("data/val/images/0016E5_07975.jpg");
    let out = folder.path().join("out");
    let rows = |more: &[&str]| {
        json(&[&["run", "--model", &image, &frame, "--device-labels", "--json", "--out", text(&out)][..], more].concat());
        let map = image::open(out.join("0016E5_07975.labels.png")).unwrap();
        (map.height(), map.width())
    };
    assert_eq!((rows(&[]), rows(&["--size", "64x96"])), ((32, 32), (64, 96)));
    let error = refusal(&["run", "--model", &image, &frame, "--size", "64x97", "--out", text(&out)]);
    assert!(error.contains("64x97"), "{error}");
}

#[test]
fn pictures_of_another_network_are_no_part_of_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let image = bundled("crates/hrvit-core/tests/data/tiny.hrvit");
    let plan = folder.path().join("plan.svg");
    json(&["plan", "--variant", "nano", "--classes", "11", "--size", "192x256", "--svg", text(&plan), "--json"]);
    let report = ["report", "--model", &image, "--weights", "none.pth", "--data", &bundled("data/val"), "--out", text(&plan)];
    let error = refusal(&[&report[..], &["--plan", text(&plan)]].concat());
    assert!(error.contains("plan.svg is of another network: 192x256"), "{error}");
    let error = refusal(&[&report[..], &["--profile", text(&plan)]].concat());
    assert!(error.contains("plan.svg: expected a picture that `hrvit profile --svg`"), "{error}");
}

#[test]
fn eval_says_how_many_values_are_at_the_end_of_their_range() {
    let folder = tempfile::tempdir().unwrap();
    let dim = folder.path().join("dim");
    std::fs::create_dir(&dim).unwrap();
    for file in std::fs::read_dir(bundled("data/calib")).unwrap() {
        let file = file.unwrap();
        let mut frame = image::open(file.path()).unwrap().to_rgb8();
        frame.iter_mut().for_each(|value| *value /= 12);
        frame.save(dim.join(file.file_name()).with_extension("png")).unwrap();
    }
    let (weights, data) = (bundled("models/nano_camvid11.safetensors"), bundled("data/val"));
    let eval = |calib: &str, name: &str| {
        let image = folder.path().join(name);
        let options = ["--variant", "nano", "--classes", "11", "--size", "32x64", "--force", "--allow-drift", "--json"];
        json(&[&["quantize", "--weights", &weights, "--calib", calib, "--out", text(&image)][..], &options].concat());
        let output = hrvit(&["eval", "--model", text(&image), "--data", &data, "--json"]);
        let found: Value = serde_json::from_slice(&output.stdout).expect("standard output is one JSON document");
        (found["saturation"]["worst_share"].as_f64().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (usual, quiet) = eval(&bundled("data/calib"), "usual.hrvit");
    assert!(usual < 1e-3 && !quiet.contains("end of their range"), "{usual}: {quiet}");
    let (much, warned) = eval(text(&dim), "dim.hrvit");
    assert!(much > 1e-3 && warned.contains("at the end of their range: these frames are not like those that calibrated"), "{much}: {warned}");
}

#[test]
fn merging_takes_no_options_that_do_nothing() {
    for option in [
        &["--slide"][..],
        &["--flip"],
        &["--letterbox"],
        &["--ignore", "3"],
        &["--dataset", "ade20k"],
        &["--classes-file", "c.toml"],
        &["--isa", "scalar"],
        &["--out", "x"],
        &["--prefix", "p"],
        &["--head", "classifier"],
    ] {
        assert!(refusal(&[&["eval", "--merge", "part.json"], option].concat()).contains("cannot be used with"), "{option:?}");
    }
}

#[test]
fn a_repacked_model_computes_the_same_and_bench_says_where_the_time_goes() {
    let folder = tempfile::tempdir().unwrap();
    let (weights, calib) = (synthetic(folder.path()), smooth_frames(folder.path(), 1));
    let (model, packed) = (folder.path().join("nano.hrvit"), folder.path().join("k8.hrvit"));
    json(&[&quantize(&weights, &calib, "64x96", &model)[..], &["--force", "--allow-drift", "--json"]].concat());
    let report = json(&["pack", "--model", text(&model), "--layout", "k8", "--out", text(&packed), "--json"]);
    assert_eq!((&report["from"], &report["to"]), (&"rows".into(), &"k8".into()));
    let golden = |path: &Path| json(&["inspect", text(path), "--json"])["image"]["golden"].clone();
    assert_eq!(golden(&packed), golden(&model));

    let bench = json(&["bench", "--model", text(&packed), "--frames", "1", "--warm-up", "0", "--threads", "2", "--isa", "scalar", "--json"]);
    assert_eq!(bench["isa"], "scalar");
    assert_eq!(bench["threads"], 2);
    let steps = bench["steps"].as_array().unwrap();
    let macs: u64 = steps.iter().map(|step| step["macs"].as_u64().unwrap()).sum();
    assert_eq!(bench["macs"].as_u64(), Some(macs));
    assert!(steps.iter().all(|step| step["ms"].as_f64() > Some(0.0)), "a step without time: {steps:?}");
    assert!(bench["peak"].is_null() && bench["share_of_peak"].is_null() && steps.iter().all(|step| step["share_of_peak"].is_null()), "plain code has a peak");
    let fastest = json(&["bench", "--model", text(&model), "--frames", "1", "--warm-up", "0", "--json"]);
    let kernels = hrvit_core::Kernels::new(fastest["isa"].as_str().unwrap().parse().unwrap()).unwrap();
    assert_eq!(fastest["peak"].is_object(), !kernels.peaks().is_empty());
    assert_eq!(fastest["share_of_peak"].is_number(), fastest["peak"].is_object());
    assert!(refusal(&["bench", "--model", text(&model), "--isa", "sse9"]).contains("avx2"), "the error does not list what there is");
}

/// A profile of two steps, as firmware writes it.
const PROFILE: &str = "\
hrvit run: machine=qemu-m7 unit=instructions clock_hz=0 network=nano size=192x256 steps=2 frames=1 arena=216960 weights=mapped probe=9
hrvit step: id=0 kind=Stem name=\"stem\" ticks=3000000 macs=6000000 crc=0000beef
hrvit step: id=1 kind=MixCfn name=\"m1.branch.0.0.ffn\" ticks=1000000 macs=500000 crc=12345678
hrvit total: ticks=4100000 macs=6500000 stack=0 labels_crc=deadbeef
";

#[test]
fn profile_of_a_decoded_log_has_times_trace_picture_and_comparison() {
    let folder = tempfile::tempdir().unwrap();
    let (log, old) = (folder.path().join("log.txt"), folder.path().join("old.json"));
    std::fs::write(&log, PROFILE.replace("ticks=3000000", "ticks=2000000")).unwrap();
    let before = json(&["profile", "--decoded", "--log", text(&log), "--json"]);
    assert_eq!(before["profile"]["kinds"][0]["macs_per_tick"], 3.0);
    std::fs::write(&old, before.to_string()).unwrap();
    std::fs::write(&log, PROFILE).unwrap();
    let (svg, trace) = (folder.path().join("a.svg"), folder.path().join("a.json"));
    let files = ["--svg", text(&svg), "--trace", text(&trace), "--against", text(&old), "--clock", "1e6"];
    let report = json(&[&["profile", "--decoded", "--log", text(&log), "--json"], &files[..]].concat());
    assert_eq!(report["profile"]["frame"]["ms"], 4100.0);
    assert_eq!((&report["changes"][0]["old"], &report["changes"][0]["new"]), (&Value::from(2_000_000.0), &Value::from(3_000_000.0)));
    let trace: Value = serde_json::from_slice(&std::fs::read(trace).unwrap()).unwrap();
    assert_eq!(trace["traceEvents"][2]["name"], "m1.branch.0.0.ffn");
    assert!(std::fs::read_to_string(svg).unwrap().starts_with("<svg"));
}

#[test]
fn profile_fails_where_the_device_did() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log.txt");
    let said = |lines: &str| {
        std::fs::write(&log, lines).unwrap();
        refusal(&["profile", "--decoded", "--log", text(&log)])
    };
    let differs = said("hrvit selftest: FAIL id=3 name=\"m1.norm.0\" expected=00000001 found=00000002\nhrvit error: code=10 a step differs");
    assert!(differs.contains("code 10"), "{differs}");
    assert!(said("hrvit selftest: FAIL id=3 name=\"m1.norm.0\" expected=00000001 found=00000002").contains("m1.norm.0"));
    let (whole, _) = PROFILE.split_once("hrvit total").unwrap();
    assert!(said(whole).contains("after 2 of 2 steps"));
    // The program gave up after its steps: its own words are the error.
    assert!(said(&format!("{whole}hrvit error: code=9 stopped")).contains("code 9: stopped"));
    let longer = said(&PROFILE.replace("ticks=1000000", "ticks=4294967000"));
    assert!(longer.contains("ticks=4297967000 together, more than ticks=4100000") && longer.contains("measure again"), "{longer}");
    let mixed = said(&format!("{PROFILE}{PROFILE}"));
    assert!(mixed.contains("line 5 of the log: `hrvit run` comes twice"), "{mixed}");
    assert!(refusal(&["profile", "--elf", text(&log), "--log", text(&log)]).contains("not an ELF file"));
}

#[test]
fn a_golden_frame_of_your_own_and_frames_behind_the_image_are_fitted_to_the_input() {
    let folder = tempfile::tempdir().unwrap();
    let (weights, frames) = (synthetic(folder.path()), smooth_frames(folder.path(), 6));
    let (golden, image, clip) = (folder.path().join("golden.png"), folder.path().join("m.hrvit"), folder.path().join("m.clip.hrvit"));
    image::RgbImage::from_fn(64, 64, |x, y| image::Rgb([y as u8, x as u8, 77])).save(&golden).unwrap();
    let network = ["--variant", "nano", "--classes", "4", "--size", "64x64", "--weights", text(&weights)];
    let options = ["quantize", "--calib", text(&frames), "--golden", text(&golden), "--out", text(&image), "--force", "--allow-drift", "--json"];
    json(&[&options[..], &network[..]].concat());
    let loaded = hrvit_format::ModelBuf::read(&image).unwrap();
    let own: Vec<u8> = image::RgbImage::from_fn(64, 64, |x, y| image::Rgb([y as u8, x as u8, 77])).into_raw();
    assert_eq!(loaded.model().golden().unwrap().frame, own);
    let report = json(&["pack-clip", "--model", text(&image), text(&golden), text(&frames), "--most", "3", "--out", text(&clip), "--json"]);
    assert_eq!(report["frames"].as_array().unwrap().len(), 3);
    let packed = hrvit_format::ModelBuf::read(&clip).unwrap();
    assert_eq!(packed.model().golden().unwrap().frame, own, "the image is the same");
    let bytes = hrvit_format::aligned::AlignedBytes::read(&clip).unwrap();
    let found = hrvit_format::clip::Clip::behind_image(&bytes).unwrap().unwrap();
    assert_eq!((found.size().to_string(), found.frames().count(), found.frames().next()), ("64x64".to_owned(), 3, Some(&own[..])));
    assert!(refusal(&["pack-clip", "--model", text(&image), text(&golden), "--keep-ratio", "--out", text(&clip)]).contains("one input a frame"));
    assert!(
        refusal(&[&["quantize", "--golden", text(&golden), "--no-golden", "--calib", text(&frames), "--out", text(&image)], &network[..]].concat())
            .contains("--no-golden")
    );
}
