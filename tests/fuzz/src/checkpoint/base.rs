//! The network, its weights, and valid files of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use hrvit_format::{Head, Network};
use hrvit_reference::{Checkpoint, Parameter, Tensor, parameters};
use hrvit_tests::pth::{Entry, File, zip};
use hrvit_tests::specs;

static NETWORK: LazyLock<Network> = LazyLock::new(|| {
    let spec = specs::spec(2, [8; 4], &[&[1], &[0, 0], &[0; 3], &[0; 4]], 4, [1; 4], [1; 4], 1);
    Network { spec, head: Head::Segformer, classes: 2 }
});

static CHECKPOINT: LazyLock<Checkpoint> = LazyLock::new(|| {
    let tensors: BTreeMap<_, _> = parameters(&NETWORK).into_iter().map(|parameter| (parameter.name.clone(), tensor(&parameter))).collect();
    Checkpoint::new(&NETWORK, tensors, "weights for fuzzing".to_owned()).unwrap_or_else(|error| panic!("{error}"))
});

static FILES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let of = |protocol| File::of(&CHECKPOINT, protocol);
    let unchecked = |protocol| {
        let file = of(protocol);
        let mut entries = vec![Entry { crc: 0, ..Entry::new("a/data.pkl", file.pickle()) }];
        entries.extend(file.storages.iter().map(|(key, bytes, _)| Entry { crc: 0, ..Entry::new(&format!("a/data/{key}"), bytes.clone()) }));
        zip(&entries)
    };
    let safetensors = CHECKPOINT.to_safetensors().unwrap_or_else(|error| panic!("{error}"));
    let again = Checkpoint::read_bytes(Path::new("base.safetensors"), &safetensors, &NETWORK).unwrap_or_else(|error| panic!("{error}"));
    assert!(again.iter().eq(CHECKPOINT.iter()), "other values after writing and reading");
    vec![unchecked(2), of(2).zip(), of(4).zip(), unchecked(5), of(2).legacy(), of(4).legacy(), safetensors]
});

/// The smallest network in which every kind of tensor occurs.
pub fn network() -> &'static Network {
    &NETWORK
}

/// Its weights. Elements of 16 bits hold them exactly.
pub fn checkpoint() -> &'static Checkpoint {
    &CHECKPOINT
}

static TENSOR_BYTES: LazyLock<usize> = LazyLock::new(|| CHECKPOINT.iter().map(|(_, tensor)| size_of_val(tensor.data.as_slice())).sum());

/// Bytes of the weights.
pub fn tensor_bytes() -> usize {
    *TENSOR_BYTES
}

/// How many weights there are.
pub fn tensors() -> usize {
    CHECKPOINT.iter().count()
}

/// Valid files of the weights, of every form.
pub fn files() -> &'static [Vec<u8>] {
    &FILES
}

fn tensor(parameter: &Parameter) -> Tensor {
    let least = if parameter.name.ends_with("running_var") { 1.0 } else { -8.0 };
    let value = |at: usize| (least + (at * 7 % 17) as f32) / 8.0;
    Tensor { shape: parameter.shape.clone(), data: (0..parameter.count()).map(|at| value(at + parameter.name.len())).collect() }
}
