//! Reading checkpoints: what training scripts leave, and every way in which a file may not fit.

mod small;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use hrvit_format::{Head, Network};
use hrvit_reference::{Checkpoint, CheckpointError};
use safetensors::tensor::{Dtype, TensorView};
use tempfile::TempDir;

fn synthetic() -> Checkpoint {
    Checkpoint::synthetic(&small::network(Head::Segformer), 1).unwrap()
}

/// Tensors of a file under construction: name, type, shape, bytes.
struct Draft(Vec<(String, Dtype, Vec<usize>, Vec<u8>)>);

impl Draft {
    /// The synthetic checkpoint with every name changed by `rename`.
    fn renamed(rename: impl Fn(&str) -> String) -> Self {
        let bytes = |data: &[f32]| data.iter().flat_map(|v| v.to_le_bytes()).collect();
        Self(synthetic().iter().map(|(name, tensor)| (rename(name), Dtype::F32, tensor.shape.clone(), bytes(&tensor.data))).collect())
    }

    fn plain() -> Self {
        Self::renamed(str::to_owned)
    }

    fn add(mut self, name: &str, dtype: Dtype, shape: &[usize], bytes: Vec<u8>) -> Self {
        self.0.push((name.to_owned(), dtype, shape.to_vec(), bytes));
        self
    }

    fn without(mut self, name: &str) -> Self {
        let before = self.0.len();
        self.0.retain(|tensor| tensor.0 != name);
        assert_eq!(self.0.len() + 1, before, "{name} was in the draft");
        self
    }

    /// Overwrites one value.
    fn with_value(mut self, name: &str, index: usize, value: f32) -> Self {
        let tensor = self.0.iter_mut().find(|tensor| tensor.0 == name).unwrap();
        tensor.3[4 * index..4 * index + 4].copy_from_slice(&value.to_le_bytes());
        self
    }

    fn write(&self, folder: &TempDir) -> PathBuf {
        let views = self.0.iter().map(|(name, dtype, shape, bytes)| (name.clone(), TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
        let path = folder.path().join("draft.safetensors");
        fs::write(&path, safetensors::serialize(views.collect::<Vec<_>>(), None::<HashMap<String, String>>).unwrap()).unwrap();
        path
    }

    fn read(&self) -> Result<Checkpoint, CheckpointError> {
        let folder = TempDir::new().unwrap();
        Checkpoint::read(&self.write(&folder), &small::network(Head::Segformer))
    }
}

fn same_tensors(a: &Checkpoint, b: &Checkpoint) -> bool {
    a.iter().eq(b.iter())
}

#[test]
fn a_training_scripts_pth_is_the_same_weights() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/small.pth");
    let read = Checkpoint::read(&path, &small::network(Head::Segformer)).unwrap();
    let expected = synthetic();
    assert_eq!(read.iter().count(), expected.iter().count());
    for ((name, found), (_, tensor)) in read.iter().zip(expected.iter()) {
        let rounded = |&x: &f32| {
            if name.starts_with("decode_head.") {
                f16::from_f32(x).to_f32()
            } else if name.starts_with("backbone.stem.") {
                bf16::from_f32(x).to_f32()
            } else {
                x
            }
        };
        assert_eq!(found.data, tensor.data.iter().map(rounded).collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn what_is_written_is_read_back_with_its_birth_certificate() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("weights.safetensors");
    let written = synthetic();
    let bytes = written.to_safetensors().unwrap();
    fs::write(&path, &bytes).unwrap();
    assert!(same_tensors(&Checkpoint::read(&path, written.network()).unwrap(), &written));
    assert!(same_tensors(&Checkpoint::read_bytes(&path, &bytes, written.network()).unwrap(), &written));
    let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = metadata.metadata().as_ref().unwrap();
    assert_eq!(metadata["origin"], "synthetic weights, seed 1");
    assert_eq!(&serde_json::from_str::<Network>(&metadata["network"]).unwrap(), written.network());
}

#[test]
fn names_may_be_nested_and_wrapped() {
    for prefix in ["", "module.", "state_dict.", "model.", "state_dict_ema.", "state_dict.module.", "model.module.", "module.state_dict.", "model.state_dict."]
    {
        let read = Draft::renamed(|name| format!("{prefix}{name}")).read().unwrap_or_else(|error| panic!("{prefix}: {error}"));
        assert!(same_tensors(&read, &synthetic()), "{prefix}");
    }
}

#[test]
fn averaged_weights_are_preferred_and_what_lies_beside_them_is_left_out() {
    let mut both = Draft::renamed(|name| format!("state_dict_ema.{name}"));
    both.0.extend(Draft::renamed(|name| format!("state_dict.{name}")).with_value("state_dict.backbone.stem.conv1.bias", 0, 9.0).0);
    let both = both.add("best_accuracy", Dtype::F32, &[1], vec![0; 4]);
    assert!(same_tensors(&both.read().unwrap(), &synthetic()));
}

#[test]
fn counters_of_batch_norms_are_ignored() {
    let draft = Draft::plain().add("backbone.stem.bn1.num_batches_tracked", Dtype::I64, &[], vec![0; 8]);
    assert!(same_tensors(&draft.read().unwrap(), &synthetic()));
}

#[test]
fn a_missing_tensor_is_named_with_its_shape() {
    let error = Draft::plain().without("backbone.stem.conv1.weight").read().unwrap_err();
    assert!(matches!(&error, CheckpointError::Missing { name, expected, missing: 1, .. } if name == "backbone.stem.conv1.weight" && expected == &[4, 3, 3, 3]));
    assert!(error.to_string().starts_with("backbone.stem.conv1.weight: missing; expected shape [4, 3, 3, 3]"), "{error}");
}

#[test]
fn an_extra_tensor_is_named_with_its_shape() {
    let error = Draft::plain().add("projector.conv.weight", Dtype::F32, &[2, 1], vec![0; 8]).read().unwrap_err();
    assert!(matches!(&error, CheckpointError::Extra { name, found, extra: 1, .. } if name == "projector.conv.weight" && found == &[2, 1]), "{error}");
    assert!(error.to_string().contains("--ignore-tensor 'projector.*'"), "{error}");
}

#[test]
fn a_misshapen_tensor_says_both_shapes() {
    let name = "decode_head.conv_seg.bias";
    let error = Draft::plain().without(name).add(name, Dtype::F32, &[1, 5], vec![0; 20]).read().unwrap_err();
    assert!(error.to_string().starts_with("decode_head.conv_seg.bias: expected shape [5], found [1, 5]"), "{error}");
}

#[test]
fn nan_and_infinity_are_found_where_they_are() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let error = Draft::plain().with_value("decode_head.conv_seg.bias", 3, value).read().unwrap_err();
        assert!(matches!(&error, CheckpointError::NotFinite { name, index: 3, .. } if name == "decode_head.conv_seg.bias"), "{error}");
    }
}

#[test]
fn a_negative_variance_is_found_where_it_is() {
    let error = Draft::plain().with_value("backbone.stem.bn2.running_var", 2, -1e-3).read().unwrap_err();
    assert!(matches!(&error, CheckpointError::NegativeVariance { name, index: 2, .. } if name == "backbone.stem.bn2.running_var"), "{error}");
}

#[test]
fn an_element_type_that_is_not_read_is_named() {
    let name = "decode_head.conv_seg.bias";
    let error = Draft::plain().without(name).add(name, Dtype::I64, &[5], vec![0; 40]).read().unwrap_err();
    assert_eq!(error.to_string(), "decode_head.conv_seg.bias: element type I64 is not read; expected f32, f16, bf16 or f64");
}

#[test]
fn a_name_with_and_without_wrapper_is_ambiguous() {
    let error = Draft::plain().add("module.decode_head.conv_seg.bias", Dtype::F32, &[5], vec![0; 20]).read().unwrap_err();
    assert!(matches!(&error, CheckpointError::Twice { name } if name == "decode_head.conv_seg.bias"), "{error}");
}

#[test]
fn another_head_or_class_count_does_not_fit() {
    let folder = TempDir::new().unwrap();
    let path = Draft::plain().write(&folder);
    let more = Network { classes: 6, ..small::network(Head::Segformer) };
    assert!(matches!(Checkpoint::read(&path, &more), Err(CheckpointError::Misshapen { name, .. }) if name.starts_with("decode_head.conv_seg")));
    assert!(matches!(Checkpoint::read(&path, &small::network(Head::Classifier)), Err(CheckpointError::Missing { .. })));
    let invalid = Network { classes: 0, ..more };
    assert!(matches!(Checkpoint::read(&path, &invalid), Err(CheckpointError::Network(_))));
}

#[test]
fn files_of_other_kinds_are_refused() {
    let folder = TempDir::new().unwrap();
    let network = small::network(Head::Segformer);
    let read = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        Checkpoint::read(&path, &network).unwrap_err()
    };
    assert!(matches!(Checkpoint::read(&folder.path().join("nowhere.pth"), &network), Err(CheckpointError::File { .. })));
    assert!(matches!(Checkpoint::read(folder.path(), &network), Err(CheckpointError::File { .. })));
    assert!(matches!(read("empty.pth", b""), CheckpointError::Empty { .. }));
    assert!(matches!(read("legacy.pth", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."), CheckpointError::Damaged { .. }));
    assert!(matches!(read("short.safetensors", b"\x10"), CheckpointError::Damaged { .. }));
    assert!(matches!(read("other.pth", b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), CheckpointError::Damaged { .. }));
}

#[test]
fn a_cut_or_damaged_file_is_an_error() {
    let folder = TempDir::new().unwrap();
    let network = small::network(Head::Segformer);
    let pth = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/small.pth")).unwrap();
    let safe = fs::read(Draft::plain().write(&folder)).unwrap();
    let path = folder.path().join("damaged");
    for whole in [&pth, &safe] {
        for part in 1..8 {
            fs::write(&path, &whole[..whole.len() * part / 8]).unwrap();
            assert!(matches!(Checkpoint::read(&path, &network), Err(CheckpointError::Damaged { .. })), "cut to {part}/8");
        }
    }
    // One bit of a weight: the archive's CRC says so.
    let mut flipped = pth.clone();
    flipped[pth.len() / 2] ^= 0x10;
    fs::write(&path, flipped).unwrap();
    assert!(matches!(Checkpoint::read(&path, &network), Err(CheckpointError::Damaged { .. })));
}
