//! Networks of one class: a threshold, folded as a background.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use hrvit_format::{Head, Network, Spec};
use hrvit_reference::{Checkpoint, Tensor};
use serde_json::Value;

fn hrvit(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hrvit")).args(arguments).output().expect("the hrvit binary starts")
}

fn bundled(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("standard output is one JSON document")
}

/// `quantize --json` of a nano with the bundled frames.
fn quantize(weights: &Path, classes: &str, threshold: &str, out: &Path) -> Output {
    let [weights, calib, out] = [weights, &bundled("data/calib"), out].map(|path| path.to_str().expect("paths here are UTF-8").to_owned());
    let network = ["--variant", "nano", "--classes", classes, "--size", "64x96", "--threshold", threshold];
    hrvit(&[&["quantize", "--weights", &weights, "--calib", &calib, "--out", &out, "--json"], &network[..]].concat())
}

/// The bundled network with one class: how far the road's logit is above the mean of the others.
fn road(folder: &Path) -> PathBuf {
    const ROAD: usize = 3;
    let network = |classes| Network { spec: Spec::variant("nano").unwrap(), head: Head::Segformer, classes };
    let eleven = Checkpoint::read(&bundled("models/nano_camvid11.safetensors"), &network(11)).unwrap();
    let mut tensors: BTreeMap<String, Tensor> = eleven.iter().map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect();
    for part in ["weight", "bias"] {
        let tensor = tensors.get_mut(&format!("decode_head.conv_seg.{part}")).unwrap();
        let depth = tensor.data.len() / 11;
        let others = |at: usize| (0..11).filter(|class| *class != ROAD).map(|class| tensor.data[class * depth + at]).sum::<f32>() / 10.0;
        let row: Vec<f32> = (0..depth).map(|at| tensor.data[ROAD * depth + at] - others(at)).collect();
        (tensor.data, tensor.shape[0]) = (row, 1);
    }
    let path = folder.join("road.safetensors");
    std::fs::write(&path, Checkpoint::new(&network(1), tensors, "road".into()).unwrap().to_safetensors().unwrap()).unwrap();
    path
}

#[test]
fn a_binary_segmentor_agrees_with_float_at_any_threshold() {
    let folder = tempfile::tempdir().unwrap();
    let weights = road(folder.path());
    let frame = hrvit_tool::frames::list(&bundled("data/calib")).unwrap().remove(6);
    let mut areas = Vec::new();
    for threshold in ["0.05", "0.95"] {
        let image = folder.path().join(format!("{threshold}.hrvit"));
        let made = json(&quantize(&weights, "1", threshold, &image));
        let figures = &made["hold_out"]["figures"];
        assert!(figures["agreement"].as_f64() > Some(0.98) && figures["logits_sqnr_db"].as_f64() > Some(25.0), "{figures}");
        let inspected = json(&hrvit(&["inspect", image.to_str().unwrap(), "--json"]));
        assert_eq!(inspected["image"]["threshold"].to_string(), threshold);
        let labels = |name: &str, more: &[&str]| {
            let out = folder.path().join(name);
            let arguments = ["run", "--model", image.to_str().unwrap(), frame.to_str().unwrap(), "--out", out.to_str().unwrap()];
            let ran = hrvit(&[&arguments[..], more].concat());
            assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
            let map = std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.to_string_lossy().contains("label")).unwrap();
            hrvit_tool::labels::read(&map).unwrap().data
        };
        let engine = labels(&format!("engine-{threshold}"), &[]);
        let float = labels(&format!("float-{threshold}"), &["--float", "--weights", weights.to_str().unwrap()]);
        let equal = engine.iter().zip(&float).filter(|(a, b)| a == b).count();
        assert!(engine.iter().all(|label| *label < 2) && equal as f64 > 0.97 * float.len() as f64, "{equal} of {}", float.len());
        areas.push(engine.iter().filter(|label| **label == 1).count());
    }
    assert!(areas[0] > areas[1] && areas[1] > 0, "a lower threshold finds more: {areas:?}");
}

#[test]
fn a_threshold_is_refused_where_there_are_more_classes() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a.hrvit");
    let refused = quantize(&bundled("models/nano_camvid11.safetensors"), "11", "0.5", &out);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("--threshold belongs to networks of one class") && !out.exists(), "{said}");
}
