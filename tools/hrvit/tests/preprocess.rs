//! How pictures were prepared in training: folded into the stem, recorded in the image, used by
//! what compares with float.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use hrvit_format::{ColourOrder, Fit, Head, Model, Network, Preprocess, Spec};
use hrvit_reference::{Checkpoint, Tensor};
use serde_json::Value;

const IMAGENET: Preprocess = Preprocess::IMAGENET;

fn hrvit(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hrvit")).args(arguments).output().expect("the hrvit binary starts")
}

fn bundled(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The bundled network as it would be had it been trained on pixels
/// `scale * (pixel - mean) / deviation` in BGR, with means of its own.
fn trained_otherwise(folder: &Path) -> PathBuf {
    let network = Network { spec: Spec::variant("nano").unwrap(), head: Head::Segformer, classes: 11 };
    let checkpoint = Checkpoint::read(&bundled("models/nano_camvid11.safetensors"), &network).unwrap();
    let mut tensors: BTreeMap<String, Tensor> = checkpoint.iter().map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect();
    let weight = &mut tensors.get_mut("backbone.stem.conv1.weight").unwrap().data;
    // [out, in, 3, 3]: planes of 9.
    for planes in weight.chunks_mut(27) {
        for (channel, plane) in planes.chunks_mut(9).enumerate() {
            // Deviation 1/2 of 0..1 instead of ImageNet's: what reads a channel grows by as much as
            // the channel shrinks.
            plane.iter_mut().for_each(|w| *w *= 127.5 / IMAGENET.deviation[channel]);
        }
        let (first, rest) = planes.split_at_mut(9);
        first.swap_with_slice(&mut rest[9..]);
    }
    let path = folder.join("otherwise.safetensors");
    std::fs::write(&path, Checkpoint::new(&network, tensors, "otherwise".into()).unwrap().to_safetensors().unwrap()).unwrap();
    path
}

fn text(path: &Path) -> &str {
    path.to_str().expect("paths here are UTF-8")
}

fn quantize(weights: &Path, out: &Path, more: &[&str]) -> Output {
    let calib = bundled("data/calib");
    let common = [
        "quantize",
        "--weights",
        text(weights),
        "--variant",
        "nano",
        "--classes",
        "11",
        "--size",
        "64x96",
        "--calib",
        text(&calib),
        "--out",
        text(out),
        "--json",
    ];
    hrvit(&[&common[..], more].concat())
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("standard output is one JSON document")
}

#[test]
fn a_network_trained_otherwise_is_the_same_network() {
    let folder = tempfile::tempdir().unwrap();
    let weights = trained_otherwise(folder.path());
    let [plain, other, by_file] = ["plain.hrvit", "other.hrvit", "file.hrvit"].map(|name| folder.path().join(name));
    json(&quantize(&bundled("models/nano_camvid11.safetensors"), &plain, &[]));
    // ImageNet's means in BGR and units of 0 to 1, deviations of 1/2.
    let mean = "0.406,0.456,0.485";
    json(&quantize(&weights, &other, &["--mean", mean, "--std", "0.5", "--order", "bgr", "--range", "1"]));
    let prepared = folder.path().join("prepared.toml");
    std::fs::write(&prepared, "mean = [0.406, 0.456, 0.485]\nstd = 0.5\norder = \"bgr\"\nrange = 1\n").unwrap();
    json(&quantize(&weights, &by_file, &["--preprocess", text(&prepared)]));
    let [plain_bytes, other_bytes, file_bytes] = [&plain, &other, &by_file].map(|path| hrvit_format::aligned::AlignedBytes::read(path).unwrap());
    assert_eq!(&other_bytes[..], &file_bytes[..]);
    let [plain_model, other_model] = [&plain_bytes, &other_bytes].map(|bytes| Model::load(bytes).unwrap());
    let recorded = &other_model.meta().preprocess;
    assert_eq!((recorded.order, recorded.fit, recorded.deviation), (ColourOrder::Bgr, Fit::Stretch, [127.5; 3]));
    assert!(recorded.mean.iter().zip(IMAGENET.mean).all(|(a, b)| (a - b).abs() < 1e-3), "{recorded:?}");
    assert_eq!(plain_model.meta().preprocess, IMAGENET);
    // The engine's labels are those of the plain network nearly everywhere, against its own float
    // network.
    let data = bundled("data/val");
    let agreement = |model: &Path, weights: &Path| {
        let found = json(&hrvit(&["eval", "--model", text(model), "--weights", text(weights), "--data", text(&data), "--json"]));
        (found["pixel_agreement"].as_f64().unwrap(), found["float"]["miou"].as_f64().unwrap())
    };
    let (plain_found, other_found) = (agreement(&plain, &bundled("models/nano_camvid11.safetensors")), agreement(&other, &weights));
    assert!((plain_found.0 - other_found.0).abs() < 0.005 && (plain_found.1 - other_found.1).abs() < 1e-4, "{plain_found:?} {other_found:?}");
    let inspected = hrvit(&["inspect", text(&other)]);
    let said = String::from_utf8_lossy(&inspected.stdout);
    assert!(said.contains("BGR") && said.contains("127.5"), "{said}");
}

#[test]
fn numbers_of_another_range_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a.hrvit");
    let refused = quantize(&bundled("models/nano_camvid11.safetensors"), &out, &["--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("--range 1") && !out.exists(), "{said}");
}
