//! `.pth` files that load: every protocol, both forms, every kind of view, and whatever else a
//! training script saves beside its weights.

mod small;

use std::path::Path;

use half::{bf16, f16};
use hrvit_format::Head;
use hrvit_reference::{Checkpoint, CheckpointError};
use hrvit_tests::pth::{Entry, File, Ops, Writer, bytes, zip};

const BIAS: &str = "decode_head.conv_seg.bias";
const WEIGHT: &str = "decode_head.conv_seg.weight";

fn synthetic() -> Checkpoint {
    Checkpoint::synthetic(&small::network(Head::Segformer), 1).unwrap()
}

fn read(bytes: &[u8]) -> Result<Checkpoint, CheckpointError> {
    Checkpoint::read_bytes(Path::new("weights.pth"), bytes, &small::network(Head::Segformer))
}

/// The file loads in both forms, to the same weights as the synthetic ones.
#[track_caller]
fn loads(file: &File) {
    let expected = synthetic();
    for (form, bytes) in [("zip", file.zip()), ("legacy", file.legacy())] {
        let found = read(&bytes).unwrap_or_else(|error| panic!("{form}, protocol {}: {error}", file.writer.protocol));
        assert!(found.iter().eq(expected.iter()), "{form}, protocol {}", file.writer.protocol);
    }
}

/// The file is refused in both forms with an error that says `what`.
#[track_caller]
fn refused(file: &File, what: &str) {
    for bytes in [file.zip(), file.legacy()] {
        let error = read(&bytes).unwrap_err().to_string();
        assert!(error.contains(what) && error.lines().count() == 1, "{error}");
    }
}

/// The synthetic checkpoint without its last bias, and that.
fn without_bias(protocol: u8) -> (File, Vec<f32>) {
    let mut file = File::of(&synthetic(), protocol);
    file.remove(BIAS);
    (file, synthetic().get(BIAS).unwrap().data.clone())
}

#[test]
fn every_protocol_in_both_forms() {
    for protocol in 2..=5 {
        loads(&File::of(&synthetic(), protocol));
    }
}

#[test]
fn the_same_from_a_file() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("weights.pth");
    for bytes in [File::of(&synthetic(), 2).zip(), File::of(&synthetic(), 4).legacy()] {
        std::fs::write(&path, bytes).unwrap();
        let found = Checkpoint::read(&path, &small::network(Head::Segformer)).unwrap();
        assert!(found.iter().eq(synthetic().iter()));
        assert_eq!(found.origin(), path.display().to_string());
    }
}

#[test]
fn halves_are_widened() {
    for (class, size) in [("HalfStorage", 2), ("BFloat16Storage", 2)] {
        let (mut file, bias) = without_bias(2);
        let narrow = |&value: &f32| if class == "HalfStorage" { f16::from_f32(value).to_le_bytes() } else { bf16::from_f32(value).to_le_bytes() };
        let key = file.storage(bias.iter().flat_map(narrow).collect(), size);
        let w = file.writer;
        file.items.push((BIAS.to_owned(), w.tensor(w.storage(class, &key, 5), 0, &[5], &[1])));
        let widened: Vec<f32> =
            bias.iter().map(|&value| if class == "HalfStorage" { f16::from_f32(value).to_f32() } else { bf16::from_f32(value).to_f32() }).collect();
        for bytes in [file.zip(), file.legacy()] {
            assert_eq!(read(&bytes).unwrap().get(BIAS).unwrap().data, widened, "{class}");
        }
    }
}

#[test]
fn views_of_one_storage() {
    let mut file = File::new(3);
    let checkpoint = synthetic();
    let all: Vec<f32> = checkpoint.iter().flat_map(|(_, tensor)| tensor.data.clone()).collect();
    let key = file.storage(bytes(&all), 4);
    let (w, mut at) = (file.writer, 0);
    for (name, tensor) in checkpoint.iter() {
        let shape: Vec<i64> = tensor.shape.iter().map(|&side| side as i64).collect();
        let strides: Vec<i64> = (1..=shape.len()).map(|axis| shape[axis..].iter().product()).collect();
        file.items.push((name.to_owned(), w.tensor(w.storage("FloatStorage", &key, all.len() as i64), at, &shape, &strides)));
        at += tensor.data.len() as i64;
    }
    loads(&file);
}

#[test]
fn transposed_spread_and_padded_views() {
    let checkpoint = synthetic();
    let weight = checkpoint.get(WEIGHT).unwrap();
    let (rows, columns) = (weight.shape[0], weight.shape[1]);
    let (rows_i, columns_i) = (rows as i64, columns as i64);
    // The transposed matrix, and one value in nine of a wider one: the first is read whole, the
    // second value by value.
    let transposed: Vec<f32> = (0..columns).flat_map(|column| (0..rows).map(move |row| (row, column))).map(|(r, c)| weight.data[r * columns + c]).collect();
    let spread: Vec<f32> = std::iter::repeat_n(7.0, 4).chain(weight.data.iter().flat_map(|&value| [value, 0., 0., 0., 0., 0., 0., 0., 0.])).collect();
    for (data, offset, strides) in [(transposed, 0, [1, rows_i, 9, 9]), (spread, 4, [9 * columns_i, 9, 1, 5])] {
        let mut file = File::of(&checkpoint, 2);
        file.remove(WEIGHT);
        file.push_view(WEIGHT, &data, offset, &[rows_i, columns_i, 1, 1], &strides);
        loads(&file);
    }
}

#[test]
fn stride_0_is_read_where_the_expanded_shape_is_the_networks() {
    let (mut file, _) = without_bias(2);
    file.push_view(BIAS, &[0.5], 0, &[5], &[0]);
    assert_eq!(read(&file.zip()).unwrap().get(BIAS).unwrap().data, [0.5; 5]);
    let (mut file, _) = without_bias(2);
    file.push_view(BIAS, &[0.5], 0, &[1 << 40], &[0]);
    refused(&file, "decode_head.conv_seg.bias: expected shape [5], found [1099511627776]");
}

#[test]
fn parameters_and_subclasses_of_tensors() {
    let (mut file, bias) = without_bias(4);
    file.push(BIAS, &[5], &bias);
    let w = file.writer;
    let plain = file.items.pop().unwrap().1;
    let parameter = w.call(w.class("torch._utils", "_rebuild_parameter"), w.tuple(&[plain.clone(), vec![0x88], vec![b'N']]));
    let mut a = file.clone();
    a.items.push((BIAS.to_owned(), parameter));
    loads(&a);
    // function, type, arguments of the function, state
    let key = file.storages.last().unwrap().0.clone();
    let arguments = w.tuple(&[w.storage("FloatStorage", &key, 5), w.int(0), w.numbers(&[5]), w.numbers(&[1])]);
    let all = w.tuple(&[w.class("torch._utils", "_rebuild_tensor_v2"), w.class("my.project", "Tensor"), arguments, b"}".to_vec()]);
    file.items.push((BIAS.to_owned(), w.call(w.class("torch._tensor", "_rebuild_from_type_v2"), all)));
    loads(&file);
}

#[test]
fn whatever_lies_beside_the_weights_is_passed_over() {
    for protocol in [2, 4] {
        let mut file = File::of(&synthetic(), protocol);
        let w = file.writer;
        let mut beside = Vec::new();
        for (name, class, size) in [("best_iou", "DoubleStorage", 8), ("epoch", "LongStorage", 8), ("rng_state", "ByteStorage", 1), ("mask", "BoolStorage", 1)]
        {
            let key = file.storage(vec![1; size], size);
            beside.push((name.to_owned(), w.tensor(w.storage(class, &key, 1), 0, &[], &[])));
        }
        let weights = w.call(w.class("collections", "OrderedDict"), b")".to_vec());
        let items: Vec<Vec<u8>> = file.items.iter().flat_map(|(name, value)| [w.text(name), value.clone()]).collect();
        // The dictionary's own attributes: BUILD.
        let weights = [&weights[..], b"(", &items.concat(), b"u", &w.dict(&[("_metadata".to_owned(), b"}".to_vec())]), b"b"].concat();
        let object =
            [w.class("argparse", "Namespace"), b")\x81".to_vec(), w.dict(&[("lr".to_owned(), b"G?\xb9\x99\x99\x99\x99\x99\x9a".to_vec())]), b"b".to_vec()];
        let others: [(&str, &[u8]); 16] = [
            ("args", &object.concat()),
            ("called", &w.call(w.class("os", "system"), w.tuple(&[w.text("exit 7")]))),
            ("old", b"(cos\nsystem\nX\x01\0\0\0xo"),
            ("older", b"(X\x01\0\0\0xios\nsystem\n"),
            ("large", b"\x8a\x09\x01\x02\x03\x04\x05\x06\x07\x08\x09"),
            ("larger", b"\x8b\x0a\0\0\0\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a"),
            ("list", b"](K\x01NG\0\0\0\0\0\0\0\0e"),
            ("set", b"\x8f(K\x01K\x02\x90"),
            ("frozen", b"(K\x01K\x02\x91"),
            ("bytes", b"C\x03abc"),
            ("more", b"B\x03\0\0\0abc"),
            ("most", b"\x8e\x03\0\0\0\0\0\0\0abc"),
            ("array", b"\x96\x03\0\0\0\0\0\0\0abc"),
            ("dictionary", b"(X\x01\0\0\0kK\x01d2\x86"),
            ("listed", b"(K\x01K\x02lN0"),
            ("popped", b"K\x01(K\x021"),
        ];
        beside.extend(others.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())));
        beside.push(("state_dict".to_owned(), weights));
        file.items = beside;
        loads(&file);
    }
}

/// Training keeps more descriptions than values beside the weights of a network of little tensors:
/// averages, the optimiser's state, the module itself.
#[test]
fn states_of_an_optimiser_of_many_little_tensors() {
    for protocol in [2, 4] {
        let mut file = File::of(&synthetic(), protocol);
        let w = file.writer;
        let weights = w.dict(&file.items);
        let (mut averages, mut moments) = (Vec::new(), Vec::new());
        for (name, tensor) in synthetic().iter() {
            let before = file.items.len();
            (0..3).for_each(|_| file.push(name, &tensor.shape, &tensor.data));
            let state: Vec<Ops> = file.items.drain(before..).map(|(_, value)| memoised(&value)).collect();
            moments.push((name.to_owned(), w.dict(&["step", "exp_avg", "exp_avg_sq"].map(str::to_owned).into_iter().zip(state.clone()).collect::<Vec<_>>())));
            averages.push((name.to_owned(), [&state[0][..], b"0", &state[1]].concat()));
        }
        file.items = vec![("optimizer".to_owned(), w.dict(&moments)), ("averaged".to_owned(), w.dict(&averages)), ("state_dict".to_owned(), weights)];
        loads(&file);
    }
}

/// The same value, each of whose tuples, calls and storages the writer may name again.
fn memoised(value: &[u8]) -> Ops {
    [value, &[0x94; 8]].concat()
}

#[test]
fn dictionaries_with_a_default() {
    let file = File::of(&synthetic(), 2);
    let w = file.writer;
    let with_default = |items: &[(String, Ops)]| {
        let empty = w.call(w.class("collections", "defaultdict"), w.tuple(&[w.class("__builtin__", "list")]));
        [&empty[..], &w.dict(items)[1..]].concat()
    };
    let root = with_default(&[("epoch".to_owned(), w.int(3)), ("state_dict".to_owned(), with_default(&file.items))]);
    for bytes in [file.zip_of(w.pickle(&root)), file.legacy_of(w.pickle(&root))] {
        assert!(read(&bytes).unwrap().iter().eq(synthetic().iter()));
    }
}

#[test]
fn bytes_behind_the_archive() {
    let archive = File::of(&synthetic(), 2).zip();
    let comment = [&archive[..archive.len() - 2], b"\x0a\0made by me"].concat();
    for bytes in [[&archive[..], &[0; 10]].concat(), [&archive[..], &[0x50; 4096]].concat(), comment.clone(), [&comment[..], b"\n"].concat()] {
        assert!(read(&bytes).unwrap().iter().eq(synthetic().iter()));
    }
}

#[test]
#[cfg(unix)]
fn pipes_are_read_once_and_up_to_a_limit() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let through = |bytes: Vec<u8>| {
        let to = path.clone();
        let writer = std::thread::spawn(move || std::fs::write(to, bytes));
        let read = Checkpoint::read(&path, &small::network(Head::Segformer));
        (read, writer.join().unwrap())
    };
    let file = File::of(&synthetic(), 2);
    let safetensors = folder.path().join("weights.safetensors");
    std::fs::write(&safetensors, synthetic().to_safetensors().unwrap()).unwrap();
    for bytes in [file.zip(), file.legacy(), std::fs::read(&safetensors).unwrap()] {
        let (read, written) = through(bytes);
        assert!(read.unwrap().iter().eq(synthetic().iter()));
        written.unwrap();
    }
    assert!(matches!(through(Vec::new()).0, Err(CheckpointError::Empty { .. })));
    let (read, written) = through(vec![0; 64 << 20]);
    let error = read.unwrap_err().to_string();
    assert!(error.contains("pipe: not a regular file, and more than") && written.is_err(), "{error}");
}

#[test]
fn a_memo_that_begins_at_1() {
    let (mut file, bias) = without_bias(2);
    file.push(BIAS, &[5], &bias);
    let (name, value) = file.items.pop().unwrap();
    file.items.push((name, [&value, b"q\x010h\x01".as_slice()].concat()));
    loads(&file);
}

#[test]
fn a_type_that_is_not_read_is_named_only_for_a_weight() {
    let (mut file, _) = without_bias(2);
    let w = file.writer;
    let key = file.storage(vec![0; 40], 8);
    file.items.push((BIAS.to_owned(), w.tensor(w.storage("LongStorage", &key, 5), 0, &[5], &[1])));
    refused(&file, "decode_head.conv_seg.bias: element type LongStorage is not read; expected f32, f16, bf16 or f64");
    let mut beside = File::of(&synthetic(), 2);
    let key = beside.storage(vec![0; 8], 8);
    beside.items.push(("counter".to_owned(), w.tensor(w.storage("LongStorage", &key, 1), 0, &[], &[])));
    loads(&beside);
}

#[test]
fn doubles_become_the_nearest_f32() {
    let (mut file, bias) = without_bias(2);
    let key = file.storage(bias.iter().flat_map(|&value| f64::from(value).to_le_bytes()).collect(), 8);
    let w = file.writer;
    file.items.push((BIAS.to_owned(), w.tensor(w.storage("DoubleStorage", &key, 5), 0, &[5], &[1])));
    loads(&file);
}

#[test]
fn files_without_a_state_dict_say_what_they_are() {
    let w = Writer { protocol: 2 };
    let file = File::new(2);
    let object = [w.class("mine.models", "HRViT"), b")\x81}b".to_vec()].concat();
    let error = read(&file.zip_of(w.pickle(&object))).unwrap_err().to_string();
    assert!(error.contains("an object of mine.models.HRViT") && error.contains("state_dict()"), "{error}");
    let error = read(&zip(&[Entry::new("a/data.pkl", w.pickle(&object)), Entry::new("a/constants.pkl", Vec::new())])).unwrap_err().to_string();
    assert!(error.contains("TorchScript") && error.contains("state_dict()"), "{error}");
    let inside = w.dict(&[("epoch".to_owned(), w.int(3)), ("model".to_owned(), object)]);
    let error = read(&file.zip_of(w.pickle(&inside))).unwrap_err().to_string();
    assert!(error.contains("model is an object of mine.models.HRViT") && error.contains("state_dict()"), "{error}");
    let error = read(&file.legacy_of(w.pickle(b"}"))).unwrap_err().to_string();
    assert!(error.contains("no tensors") && error.contains("state_dict()"), "{error}");
}

#[test]
fn other_kinds_of_tensors_say_that_they_are_not_read() {
    let (mut file, _) = without_bias(2);
    let w = file.writer;
    file.items.push((BIAS.to_owned(), w.call(w.class("torch._utils", "_rebuild_sparse_tensor"), b")".to_vec())));
    refused(&file, "decode_head.conv_seg.bias: the pickle describes no dense tensor here");
}

#[test]
fn the_other_byte_order_is_named() {
    let file = File::of(&synthetic(), 2);
    let error = read(&zip(&[Entry::new("a/data.pkl", file.pickle()), Entry::new("a/byteorder", b"big".to_vec())])).unwrap_err().to_string();
    assert!(error.contains("big-endian"), "{error}");
    let big = String::from("little_endian");
    let mut legacy = file.legacy();
    let at = legacy.windows(big.len()).position(|part| part == big.as_bytes()).unwrap() + big.len();
    assert_eq!(legacy[at], 0x88);
    legacy[at] = 0x89;
    assert!(read(&legacy).unwrap_err().to_string().contains("big-endian"));
}

#[test]
fn a_directory_of_64_bits() {
    let archive = File::of(&synthetic(), 2).zip();
    let (body, end) = archive.split_at(archive.len() - 22);
    let number = |at: usize, len: usize| end[at..at + len].iter().rev().fold(0u64, |number, &byte| number << 8 | u64::from(byte));
    let record = [b"PK\x06\x06".to_vec(), vec![44, 0, 0, 0, 0, 0, 0, 0, 45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
    let numbers: Vec<u8> = [number(8, 2), number(10, 2), number(12, 4), number(16, 4)].iter().flat_map(|number| number.to_le_bytes()).collect();
    let locator = [b"PK\x06\x07\0\0\0\0".to_vec(), (body.len() as u64).to_le_bytes().to_vec(), vec![1, 0, 0, 0]].concat();
    let last = [b"PK\x05\x06\0\0\0\0".to_vec(), vec![0xff; 12], vec![0; 2]].concat();
    let found = read(&[body, &record, &numbers, &locator, &last].concat()).unwrap();
    assert!(found.iter().eq(synthetic().iter()));
}

#[test]
fn checksums_that_torch_save_left_out() {
    let mut file = File::of(&synthetic(), 2);
    let entry = |name: &str, bytes: Vec<u8>| Entry { crc: 0, ..Entry::new(name, bytes) };
    let mut entries = vec![entry("a/data.pkl", file.pickle())];
    entries.extend(file.storages.drain(..).map(|(key, bytes, _)| entry(&format!("a/data/{key}"), bytes)));
    assert!(read(&zip(&entries)).unwrap().iter().eq(synthetic().iter()));
}
