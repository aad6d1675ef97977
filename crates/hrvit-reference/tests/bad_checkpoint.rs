//! Checkpoints that do not fit their network, of both heads: every error names the tensor or the
//! file, and says what was expected.

use std::collections::BTreeMap;

use hrvit_format::{Head, Network};
use hrvit_reference::{Checkpoint, CheckpointError, Tensor};
use hrvit_tests::specs::tiny;
use tempfile::TempDir;

const HEADS: [Head; 2] = [Head::Segformer, Head::Classifier];

/// A tensor of the head: the last place where a reader looks.
fn head_tensor(network: &Network) -> &'static str {
    match network.head {
        Head::Segformer => "decode_head.conv_seg.weight",
        Head::Classifier => "head.classifier.weight",
    }
}

/// The whole set of tensors of a network, changed by `edit`, as a checkpoint.
fn edited(network: &Network, edit: impl FnOnce(&mut BTreeMap<String, Tensor>)) -> Result<Checkpoint, CheckpointError> {
    let whole = Checkpoint::synthetic(network, 1).unwrap();
    let mut tensors: BTreeMap<String, Tensor> = whole.iter().map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect();
    edit(&mut tensors);
    Checkpoint::new(network, tensors, "edited".to_owned())
}

#[track_caller]
fn error_names(error: CheckpointError, tensor: &str) {
    assert!(error.to_string().starts_with(tensor), "the error does not start with {tensor}: {error}");
}

#[test]
fn a_missing_tensor() {
    for network in HEADS.map(tiny) {
        let name = head_tensor(&network);
        let error = edited(&network, |tensors| drop(tensors.remove(name))).unwrap_err();
        assert!(matches!(&error, CheckpointError::Missing { missing: 1, .. }), "{error}");
        error_names(error, name);
    }
}

#[test]
fn an_extra_tensor() {
    for network in HEADS.map(tiny) {
        let error = edited(&network, |tensors| drop(tensors.insert("projector.weight".to_owned(), Tensor { shape: vec![1], data: vec![0.0] })));
        let error = error.unwrap_err();
        assert!(matches!(&error, CheckpointError::Extra { extra: 1, .. }), "{error}");
        error_names(error, "projector.weight");
    }
}

#[test]
fn a_misshapen_tensor() {
    for network in HEADS.map(tiny) {
        let name = head_tensor(&network);
        // One class more than the network has.
        let error = edited(&network, |tensors| {
            let tensor = tensors.get_mut(name).unwrap();
            let row = tensor.data.len() / tensor.shape[0];
            tensor.shape[0] += 1;
            tensor.data.resize(tensor.data.len() + row, 0.0);
        });
        let error = error.unwrap_err();
        assert!(matches!(&error, CheckpointError::Misshapen { expected, found, .. } if expected[0] == 5 && found[0] == 6), "{error}");
        error_names(error, name);
    }
}

#[test]
fn a_tensor_with_fewer_values_than_its_shape() {
    for network in HEADS.map(tiny) {
        let name = head_tensor(&network);
        error_names(edited(&network, |tensors| tensors.get_mut(name).unwrap().data.truncate(9)).unwrap_err(), name);
    }
}

#[test]
fn a_value_that_is_no_number() {
    for network in HEADS.map(tiny) {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let name = head_tensor(&network);
            let error = edited(&network, |tensors| tensors.get_mut(name).unwrap().data[7] = value).unwrap_err();
            assert!(matches!(&error, CheckpointError::NotFinite { index: 7, .. }), "{error}");
            error_names(error, name);
        }
    }
}

#[test]
fn the_other_heads_checkpoint() {
    for (network, other) in [(tiny(Head::Segformer), tiny(Head::Classifier)), (tiny(Head::Classifier), tiny(Head::Segformer))] {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("other.safetensors");
        std::fs::write(&path, Checkpoint::synthetic(&other, 1).unwrap().to_safetensors().unwrap()).unwrap();
        assert!(Checkpoint::read(&path, &other).is_ok());
        assert!(matches!(Checkpoint::read(&path, &network), Err(CheckpointError::Missing { .. })));
    }
}

#[test]
fn files_that_are_no_checkpoints() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("weights.pth");
    let read = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let error = Checkpoint::read(&path, &tiny(Head::Segformer)).unwrap_err();
        assert!(error.to_string().contains("weights.pth"), "the error does not name the file: {error}");
        error
    };
    assert!(matches!(read(b""), CheckpointError::Empty { .. }));
    // A beginning as of PyTorch before 1.6, and a pickle of something else.
    assert!(matches!(read(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."), CheckpointError::Damaged { .. }));
    assert!(matches!(read(b"\x80\x02}."), CheckpointError::UnknownFormat { .. }));
    assert!(matches!(read(b"<!DOCTYPE html><title>Sign in</title>"), CheckpointError::UnknownFormat { .. }));
    assert!(matches!(read(b"PK\x03\x04 and then nothing of a zip"), CheckpointError::Damaged { .. }));
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(Checkpoint::read(&path, &tiny(Head::Segformer)), Err(CheckpointError::File { .. })));
}
