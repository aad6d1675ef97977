//! A `.safetensors` file written by choices.

use super::{base, rarely, strange};
use crate::Choices;

/// Names of types, known and others.
const TYPES: [&str; 10] = ["F32", "F16", "BF16", "F64", "I64", "BOOL", "F4", "F8_E4M3", "X", "\\n"];

/// A tensor of the header as text, and its bytes.
struct Tensor {
    name: String,
    dtype: String,
    shape: String,
    offsets: String,
}

/// A file whose weights are the checkpoint's, and whether nothing in it is wrong.
pub fn written(choices: &mut Choices<'_>) -> (Vec<u8>, bool) {
    let mut intact = true;
    let prefix = if rarely(choices, 64) { "module." } else { "" };
    let (mut tensors, mut data) = (Vec::new(), Vec::new());
    for (name, tensor) in base::checkpoint().iter() {
        let start = data.len();
        let narrow = rarely(choices, 32);
        for value in &tensor.data {
            let bits = value.to_le_bytes();
            data.extend(if narrow { &bits[2..] } else { &bits });
        }
        let dtype = if narrow { "BF16" } else { "F32" }.to_owned();
        tensors.push(Tensor { name: format!("{prefix}{name}"), dtype, shape: format!("{:?}", tensor.shape), offsets: format!("[{start},{}]", data.len()) });
    }
    if rarely(choices, 64) {
        let len = data.len();
        tensors.push(Tensor {
            name: "x.num_batches_tracked".to_owned(),
            dtype: "I64".to_owned(),
            shape: "[]".to_owned(),
            offsets: format!("[{len},{}]", len + 8),
        });
        data.extend([7, 0, 0, 0, 0, 0, 0, 0]);
    }
    let turn = choices.below(tensors.len());
    tensors.rotate_left(turn);
    while rarely(choices, 48) {
        intact = false;
        spoil(&mut tensors, choices);
    }
    let mut fields: Vec<String> = tensors.iter().map(field).collect();
    if rarely(choices, 64) {
        fields.insert(0, choices.pick(&[r#""__metadata__":{"format":"pt"}"#, r#""__metadata__":{}"#]).to_owned());
    }
    if rarely(choices, 24) {
        intact = false;
        fields.push(strange_field(choices));
    }
    let mut header = format!("{{{}}}{}", fields.join(","), " ".repeat(choices.below(8))).into_bytes();
    if rarely(choices, 24) {
        intact = false;
        let at = choices.below(header.len());
        header[at] = choices.u8();
    }
    let mut len = header.len() as u64;
    if rarely(choices, 16) {
        intact = false;
        len = strange(choices) as u64;
    }
    if rarely(choices, 16) {
        intact = false;
        data.resize(choices.below(2 * data.len()), 0);
    }
    ([&len.to_le_bytes(), header.as_slice(), &data].concat(), intact)
}

fn field(Tensor { name, dtype, shape, offsets }: &Tensor) -> String {
    format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}"#)
}

/// Changes a tensor to what does not fit.
fn spoil(tensors: &mut Vec<Tensor>, choices: &mut Choices<'_>) {
    let at = choices.below(tensors.len());
    let Some(tensor) = tensors.get_mut(at) else { return };
    let number = |choices: &mut Choices<'_>| {
        let number = strange(choices);
        choices.pick(&[&number.to_string(), &(number as u64).to_string(), "1e3", "null"]).to_owned()
    };
    match choices.below(6) {
        0 => tensor.dtype = choices.pick(&TYPES).to_owned(),
        1 => tensor.shape = format!("[{}]", (0..choices.below(12)).map(|_| number(choices)).collect::<Vec<_>>().join(",")),
        2 => tensor.offsets = format!("[{},{}]", number(choices), number(choices)),
        3 => tensor.name = choices.pick(&["model.x", "\\u001b[2J", "", "state_dict.", "__metadata__"]).to_owned(),
        4 => {
            let name = tensor.name.clone();
            let other = choices.below(tensors.len());
            tensors[other].name = name;
        }
        _ => drop(tensors.remove(at)),
    }
}

/// A field that is no tensor, small or large.
fn strange_field(choices: &mut Choices<'_>) -> String {
    let times = choices.pick(&[1, 100, 5_000, 100_000]);
    match choices.below(5) {
        0 => format!("\"x\":{}", choices.pick(&["[", "{\"a\":", "["]).repeat(times)),
        1 => format!(r#""x":{{"dtype":"F32","shape":[{}0],"data_offsets":[0,0]}}"#, "0,".repeat(times)),
        2 => (0..times).map(|k| format!(r#""{k}":{{"dtype":"F4","shape":[],"data_offsets":[0,0]}}"#)).collect::<Vec<_>>().join(","),
        3 => format!(r#""{}":1"#, "n".repeat(times)),
        _ => format!(r#""x":{{"dtype":"{}","shape":[],"data_offsets":[0,0],"more":{}1{}}}"#, "F".repeat(times), "[".repeat(times), "]".repeat(times)),
    }
}
