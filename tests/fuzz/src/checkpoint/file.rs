//! A `.pth` file written by choices.

use hrvit_reference::Tensor;
use hrvit_tests::pth::{Entry, File, Ops, Writer, zip};

use super::{CheckpointFile, base, pickle, rarely, strange};
use crate::Choices;

/// Dictionaries that weights lie in.
const CONTAINERS: [&[&str]; 6] =
    [&[], &["state_dict"], &["model"], &["state_dict_ema"], &["model", "state_dict"], &["model", "module", "state_dict_ema", "module"]];

/// A file whose weights are the checkpoint's, and whether nothing in it is wrong.
pub fn written(choices: &mut Choices<'_>) -> (Vec<u8>, bool) {
    let mut made = Made { file: File::new(2 + choices.below(4) as u8), pool: Vec::new(), intact: true };
    let writer = made.file.writer;
    let prefix = if rarely(choices, 64) { "module." } else { "" };
    for (name, tensor) in base::checkpoint().iter() {
        let value = made.tensor(choices, tensor);
        made.file.items.push((format!("{prefix}{name}"), value));
    }
    // A file of one stream lists a storage only if a tensor is in it.
    if !made.pool.is_empty() {
        made.pool.resize(CheckpointFile::tensor_bytes(), 0);
        made.file.storages.push((POOL.to_owned(), std::mem::take(&mut made.pool), 4));
    }
    if rarely(choices, 24) {
        made.spoil(choices);
    }
    let mut root = writer.dict(&made.file.items);
    for name in choices.pick(&CONTAINERS).iter().rev() {
        let mut items = vec![((*name).to_owned(), root)];
        if rarely(choices, 64) {
            items.push(("epoch".to_owned(), writer.int(strange(choices))));
        }
        root = writer.dict(&items);
    }
    let pickled = writer.pickle(&root);
    let bytes = if choices.u8().is_multiple_of(2) { archive(&mut made, pickled, choices) } else { made.file.legacy_of(pickled) };
    (bytes, made.intact)
}

/// A file whose pickle is any value.
pub fn of_values(choices: &mut Choices<'_>) -> Vec<u8> {
    let mut file = File::new(2 + choices.below(4) as u8);
    for len in [4, 64, 4096] {
        file.storage(vec![0x3f; len], 4);
    }
    let mut root = pickle::value(choices, file.writer);
    if choices.u8().is_multiple_of(2) {
        let names = ["decode_head.conv_seg.bias", "model", "x"].map(str::to_owned);
        let items: Vec<(String, Ops)> = names.into_iter().map(|name| (name, pickle::value(choices, file.writer))).collect();
        root = [root, file.writer.dict(&items)].concat();
    }
    let pickled = [&[0x80, file.writer.protocol], root.as_slice(), b"."].concat();
    if choices.u8().is_multiple_of(2) { archive(&mut Made { file, pool: Vec::new(), intact: false }, pickled, choices) } else { file.legacy_of(pickled) }
}

/// Key of the storage that several tensors share.
const POOL: &str = "pool";

/// A file under construction.
struct Made {
    file: File,
    /// Bytes of the storage that several tensors share.
    pool: Vec<u8>,
    intact: bool,
}

impl Made {
    /// A tensor, in one of the ways that `torch.save` leaves it, or wrapped in a parameter, or
    /// rarely as it never does.
    fn tensor(&mut self, choices: &mut Choices<'_>, tensor: &Tensor) -> Ops {
        let writer = self.file.writer;
        let shape: Vec<i64> = tensor.shape.iter().map(|&side| side as i64).collect();
        let dense = |gap: i64| -> Vec<i64> { (1..=shape.len()).map(|axis| gap * shape[axis..].iter().product::<i64>()).collect() };
        let f32s = |values: &[f32]| -> Vec<u8> { values.iter().flat_map(|value| value.to_le_bytes()).collect() };
        match choices.u8() {
            0..0xa0 => self.view(writer, "FloatStorage", f32s(&tensor.data), 4, (0, &shape, &dense(1))),
            0xa0..0xb0 => {
                // Behind other values, with gaps between its own.
                let (before, gap) = (choices.below(9), 1 + choices.below(6));
                let spread = tensor.data.iter().flat_map(|&value| std::iter::once(value).chain(std::iter::repeat_n(f32::NAN, gap - 1)));
                let values: Vec<f32> = std::iter::repeat_n(f32::NAN, before).chain(spread).collect();
                self.view(writer, "FloatStorage", f32s(&values), 4, (before as i64, &shape, &dense(gap as i64)))
            }
            0xb0..0xc0 => {
                // Its axes in reverse order.
                let strides: Vec<i64> = (0..shape.len()).map(|axis| shape[..axis].iter().product()).collect();
                let mut values = vec![0.0; tensor.data.len()];
                for (index, &value) in tensor.data.iter().enumerate() {
                    let (mut rest, mut at) = (index as i64, 0);
                    for (&side, &stride) in shape.iter().zip(&strides).rev() {
                        at += rest % side * stride;
                        rest /= side;
                    }
                    values[at as usize] = value;
                }
                self.view(writer, "FloatStorage", f32s(&values), 4, (0, &shape, &strides))
            }
            0xc0..0xd0 => {
                let bytes = tensor.data.iter().flat_map(|value| (value.to_bits() >> 16).to_le_bytes()[..2].to_vec()).collect();
                self.view(writer, "BFloat16Storage", bytes, 2, (0, &shape, &dense(1)))
            }
            0xd0..0xf0 => {
                let at = self.pool.len() as i64 / 4;
                self.pool.extend(f32s(&tensor.data));
                writer.tensor(writer.storage("FloatStorage", POOL, CheckpointFile::tensor_bytes() as i64 / 4), at, &shape, &dense(1))
            }
            0xf0..0xfc => {
                let inner = self.view(writer, "FloatStorage", f32s(&tensor.data), 4, (0, &shape, &dense(1)));
                let hooks = writer.call(writer.class("collections", "OrderedDict"), b")".to_vec());
                writer.call(writer.class("torch._utils", "_rebuild_parameter"), writer.tuple(&[inner, vec![0x88], hooks]))
            }
            _ => {
                self.intact = false;
                let mut numbers = [shape.clone(), dense(1)].concat();
                let at = choices.below(numbers.len() + 1);
                let number = strange(choices);
                let offset = numbers.get_mut(at).map_or(number, |old| {
                    *old = number;
                    0
                });
                let (shape, strides) = numbers.split_at(shape.len());
                self.view(writer, "FloatStorage", f32s(&tensor.data), 4, (offset, shape, strides))
            }
        }
    }

    /// A tensor in a storage of its own.
    fn view(&mut self, writer: Writer, class: &str, bytes: Vec<u8>, size: usize, (offset, shape, strides): (i64, &[i64], &[i64])) -> Ops {
        let len = bytes.len() / size;
        let key = self.file.storage(bytes, size);
        writer.tensor(writer.storage(class, &key, len as i64), offset, shape, strides)
    }

    /// Does what no writer does.
    fn spoil(&mut self, choices: &mut Choices<'_>) {
        self.intact = false;
        let writer = self.file.writer;
        let at = choices.below(self.file.items.len());
        match choices.below(7) {
            0 => self.file.items[at].1 = pickle::value(choices, writer),
            1 => drop(self.file.items.remove(at)),
            2 => {
                let item = self.file.items[at].clone();
                self.file.items.push(item);
            }
            3 => self.file.items.push((choices.pick(&["x", "\n", "model", "module."]).to_owned(), pickle::tensor(choices, writer))),
            4 => {
                let storage = choices.below(self.file.storages.len());
                let len = choices.below(self.file.storages[storage].1.len() + 1);
                self.file.storages[storage].1.truncate(len);
            }
            5 => {
                let storage = choices.below(self.file.storages.len());
                self.file.storages[storage].0 = choices.pick(&["0", "1", "x"]).to_owned();
            }
            _ => {
                let other = choices.below(self.file.items.len());
                self.file.items[at].1 = self.file.items[other].1.clone();
            }
        }
    }
}

/// The file as a zip archive; rarely one that no writer makes.
fn archive(made: &mut Made, pickled: Vec<u8>, choices: &mut Choices<'_>) -> Vec<u8> {
    let mut entries = vec![Entry::new("a/data.pkl", pickled), Entry::new("a/byteorder", b"little".to_vec())];
    entries.extend(made.file.storages.iter().map(|(key, bytes, _)| Entry::new(&format!("a/data/{key}"), bytes.clone())));
    if rarely(choices, 64) {
        entries.iter_mut().for_each(|entry| entry.crc = 0);
    }
    if rarely(choices, 64) {
        let at = choices.below(entries.len());
        entries.rotate_left(at);
    }
    while rarely(choices, 24) {
        made.intact = false;
        let (at, other) = (choices.below(entries.len()), choices.below(entries.len()));
        match choices.below(8) {
            0 => entries[at].method = choices.pick(&[8, 9, 99]),
            1 => entries[at].flags = choices.u16(),
            2 => entries[at].crc = choices.u32(),
            3 => entries[at].header_of = (other < at && entries[other].header_of.is_none()).then_some(other),
            4 => entries[at].name = choices.pick(&["a/data.pkl", "data.pkl", "b/data.pkl", "a/data/0", "", "a/constants.pkl", "a/byteorder", "\n"]).to_owned(),
            5 => entries[at].bytes.truncate(other),
            6 => entries.push(Entry::new("a/version", choices.u32().to_le_bytes().to_vec())),
            _ => {
                entries.remove(at);
                entries.iter_mut().for_each(|entry| entry.header_of = None);
            }
        }
        if entries.is_empty() {
            break;
        }
    }
    zip(&entries)
}
