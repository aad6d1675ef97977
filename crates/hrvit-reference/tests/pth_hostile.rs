//! `.pth` files made to do harm: refused in one line that names the file or the tensor, in bounded
//! time and memory, with nothing run.

mod small;

use std::path::Path;
use std::time::{Duration, Instant};

use hrvit_format::Head;
use hrvit_reference::{Checkpoint, CheckpointError};
use hrvit_tests::pth::{Entry, File, Ops, Writer, zip};

const BIAS: &str = "decode_head.conv_seg.bias";
/// Time that no file here may take: each is refused in a fraction of it.
const LIMIT: Duration = Duration::from_secs(20);
const W: Writer = Writer { protocol: 2 };

fn synthetic() -> Checkpoint {
    Checkpoint::synthetic(&small::network(Head::Segformer), 1).unwrap()
}

fn read(bytes: &[u8]) -> Result<Checkpoint, CheckpointError> {
    let start = Instant::now();
    let read = Checkpoint::read_bytes(Path::new("hostile.pth"), bytes, &small::network(Head::Segformer));
    assert!(start.elapsed() < LIMIT, "took {:?}", start.elapsed());
    read
}

/// The file is refused with one line that says all of `what`.
#[track_caller]
fn refused(bytes: &[u8], what: &[&str]) {
    let error = read(bytes).unwrap_err().to_string();
    assert!(what.iter().all(|what| error.contains(what)), "{error}");
    assert!(error.lines().count() == 1 && error.len() < 600, "{error}");
}

/// The same for a pickle, in a zip archive and in one stream.
#[track_caller]
fn refused_pickle(root: &[u8], what: &[&str]) {
    let file = File::new(2);
    let pickle = [b"\x80\x02", root].concat();
    refused(&file.zip_of(pickle.clone()), what);
    refused(&file.legacy_of(pickle), what);
}

/// The same for the synthetic checkpoint whose last bias is another value, with another storage
/// beside.
#[track_caller]
fn refused_bias(make: impl Fn(&mut File) -> Ops, what: &[&str]) {
    let mut file = File::of(&synthetic(), 2);
    file.remove(BIAS);
    let value = make(&mut file);
    file.items.push((BIAS.to_owned(), value));
    refused(&file.zip(), what);
    refused(&file.legacy(), what);
}

fn five(file: &mut File) -> Ops {
    let key = file.storage(vec![0; 20], 4);
    W.storage("FloatStorage", &key, 5)
}

#[test]
fn values_doubled_in_the_memo_cost_nothing() {
    for doublings in [40, 100_000] {
        let mut ops = b"K\x01q\0".to_vec();
        (0..doublings).for_each(|_| ops.extend(b"h\0h\0\x86q\0"));
        ops.extend(b"}.");
        let what = if doublings == 40 { "no tensors" } else { "takes more than" };
        refused_pickle(&ops, &["hostile.pth", what]);
    }
}

#[test]
fn tensors_of_stride_0_are_compared_before_they_are_widened() {
    let wide = |key: &str| W.tensor(W.storage("FloatStorage", key, 1), 0, &[16384, 16384], &[0, 0]);
    let mut alone = File::new(2);
    let key = alone.storage(vec![0; 4], 4);
    alone.items = (0..40).map(|k| (format!("t{k}"), wide(&key))).collect();
    refused(&alone.zip(), &["missing"]);
    let mut named = File::of(&synthetic(), 2);
    named.items.iter_mut().for_each(|item| item.1 = wide("0"));
    refused(&named.zip(), &["expected shape", "[16384, 16384]"]);
}

#[test]
fn overlapping_entries_are_refused() {
    let mut entries = vec![Entry::new("a/data.pkl", File::of(&synthetic(), 2).pickle()), Entry::new("a/data/0", vec![0; 1 << 20])];
    let body = entries[1].clone();
    entries.extend((1..3000).map(|k| Entry { name: format!("a/data/{k}"), header_of: Some(1), bytes: Vec::new(), ..body.clone() }));
    refused(&zip(&entries), &["shares bytes with another entry"]);
    // Bodies that overlap by one byte: the directory says more of the first than it has.
    let mut archive = zip(&[Entry::new("a/data.pkl", vec![1; 40]), Entry::new("a/data/0", vec![2; 40])]);
    let directory = archive.windows(4).position(|part| part == b"PK\x01\x02").unwrap();
    for field in [20, 24] {
        archive[directory + field] += 1;
    }
    refused(&archive, &["a/data.pkl", "shares bytes with another entry"]);
}

#[test]
fn repeated_entries_are_refused() {
    let pickle = Entry::new("a/data.pkl", File::of(&synthetic(), 2).pickle());
    refused(&zip(&[pickle.clone(), Entry::new("a/data/0", vec![0; 8]), Entry::new("a/data/0", vec![1; 8])]), &["a/data/0", "twice"]);
    refused(&zip(&[pickle.clone(), pickle]), &["a/data.pkl", "twice"]);
}

#[test]
fn entries_that_are_packed_or_encrypted_are_named() {
    let pickle = Entry::new("a/data.pkl", File::of(&synthetic(), 2).pickle());
    refused(&zip(&[Entry { method: 8, ..pickle.clone() }]), &["a/data.pkl", "deflate", "zip -0"]);
    refused(&zip(&[Entry { method: 99, ..pickle.clone() }]), &["a/data.pkl", "method 99"]);
    refused(&zip(&[Entry { flags: 1, ..pickle }]), &["a/data.pkl", "encrypted"]);
}

#[test]
fn nesting_does_not_recurse() {
    const DEEP: usize = 1_000_000;
    let tuples = [b")".to_vec(), vec![0x85; 3 * DEEP], b".".to_vec()].concat();
    refused_pickle(&tuples, &["takes more than"]);
    let marks = [vec![b'('; DEEP], b".".to_vec()].concat();
    refused_pickle(&marks, &["nests more than"]);
    let dicts = [[b"}".to_vec(), W.text("model")].concat().repeat(DEEP), b"}".to_vec(), vec![b's'; DEEP], b".".to_vec()].concat();
    refused_pickle(&dicts, &["takes more than"]);
    // Values that the budget allows are dropped without recursion, too.
    refused_pickle(&[b")".to_vec(), vec![0x85; 30_000], b".".to_vec()].concat(), &["no tensors"]);
    let lists = [vec![b']'; 5_000], vec![b'a'; 4_999], b".".to_vec()].concat();
    refused_pickle(&lists, &["no tensors"]);
}

#[test]
fn dictionaries_that_hold_themselves() {
    for root in ["}q\0", "]q\0"] {
        let ops = [root.as_bytes(), &W.text("model"), b"h\0s."].concat();
        refused_pickle(&ops, &["no tensors"]);
    }
    refused_pickle(b"]q\0h\0a.", &["no tensors"]);
    // One dictionary a thousand times in itself, four deep: a million million places.
    let items = [W.text("model"), b"h\0".to_vec()].concat().repeat(1000);
    refused_pickle(&[b"}q\0(", &items[..], b"u."].concat(), &["takes more than"]);
}

#[test]
fn a_storage_is_not_widened_once_a_tensor() {
    let checkpoint = synthetic();
    let mut file = File::new(2);
    let key = file.storage(vec![0; 64 << 20], 4);
    let len = (64 << 20) / 4;
    for (name, tensor) in checkpoint.iter() {
        let shape: Vec<i64> = tensor.shape.iter().map(|&side| side as i64).collect();
        let strides: Vec<i64> = (1..=shape.len()).map(|axis| shape[axis..].iter().product()).collect();
        file.items.push((name.to_owned(), W.tensor(W.storage("FloatStorage", &key, len), 0, &shape, &strides)));
    }
    let start = Instant::now();
    assert!(read(&file.zip()).is_ok());
    assert!(start.elapsed() < LIMIT);
    file.items = (0..20_000).map(|k| (format!("t{k}"), W.tensor(W.storage("FloatStorage", &key, len), 0, &[1], &[1]))).collect();
    refused(&file.zip(), &["missing"]);
}

#[test]
fn a_long_key_of_many_tensors_is_paid_for_each_time() {
    let key = "k".repeat(4096);
    let storage = [W.storage("FloatStorage", &key, 1), b"q\x010".to_vec()].concat();
    let tensor = W.tensor(b"h\x01".to_vec(), 0, &[1], &[1]);
    let items: Vec<_> = (0..5_000).map(|k| (format!("t{k}"), tensor.clone())).collect();
    refused_pickle(&[storage, W.dict(&items), b".".to_vec()].concat(), &["takes more than"]);
}

#[test]
fn integers_of_more_than_8_bytes_are_no_numbers() {
    let long = [b"\x8a\xff".to_vec(), vec![1; 255]].concat();
    refused_pickle(&[&long[..], b"."].concat(), &["no tensors"]);
    refused_bias(
        |file| {
            let storage = five(file);
            let arguments = W.tuple(&[storage, long.clone(), W.numbers(&[5]), W.numbers(&[1])]);
            W.call(W.class("torch._utils", "_rebuild_tensor_v2"), arguments)
        },
        &[BIAS, "no offset"],
    );
    refused_pickle(b"\x8b\xff\xff\xff\xff\x01.", &["asks for 4294967295 bytes"]);
}

#[test]
fn strings_and_bytes_longer_than_the_file() {
    for op in [b"X\xff\xff\xff\xffabc".as_slice(), b"T\xff\xff\xff\x7fabc", b"B\xff\xff\xff\xffabc", b"\x8c\xffabc", b"C\xffabc"] {
        refused_pickle(op, &["asks for", "cut or damaged"]);
    }
    for op in [0x8d, 0x8e, 0x95, 0x96] {
        refused_pickle(&[&[op], [0xff; 8].as_slice(), b"abc"].concat(), &["asks for 18446744073709551615 bytes"]);
    }
    refused_pickle(&[b"c", "x".repeat(100_000).as_bytes()].concat(), &["a name of more than 1024 bytes"]);
}

#[test]
fn negative_and_enormous_numbers_of_a_tensor() {
    let view = |offset, shape: &'static [i64], strides: &'static [i64]| move |file: &mut File| W.tensor(five(file), offset, shape, strides);
    refused_bias(view(0, &[-5], &[1]), &[BIAS, "sizes", "0 or more"]);
    refused_bias(view(4, &[5], &[-1]), &[BIAS, "strides", "0 or more"]);
    refused_bias(view(-1, &[5], &[1]), &[BIAS, "no offset of 0 or more"]);
    refused_bias(view(1, &[5], &[1]), &[BIAS, "reach past the 5 values of the storage"]);
    refused_bias(view(i64::MAX, &[5], &[1]), &[BIAS, "reach past"]);
    refused_bias(view(0, &[5], &[i64::MAX]), &[BIAS, "reach past"]);
    refused_bias(view(0, &[5], &[1, 1]), &[BIAS, "1 sizes and 2 strides"]);
    refused_bias(view(0, &[1, 1, 1, 1, 1, 1, 1, 1, 5], &[1; 9]), &[BIAS, "at most 8"]);
    refused_bias(view(0, &[i64::MAX, i64::MAX, i64::MAX], &[1, 1, 1]), &[BIAS, "expected shape [5]"]);
    refused_bias(view(0, &[0, i64::MAX], &[1, 1]), &[BIAS, "expected shape [5]"]);
}

#[test]
fn storages_shorter_than_the_pickle_says() {
    let short = |len: i64| {
        move |file: &mut File| {
            let key = file.storage(vec![0; 16], 4);
            W.tensor(W.storage("FloatStorage", &key, len), 0, &[5], &[1])
        }
    };
    refused_bias(short(5), &[BIAS, "has 4 values; expected 5"]);
    refused_bias(short(4), &[BIAS, "reach past the 4 values"]);
    refused_bias(short(-4), &["hostile.pth"]);
    refused_bias(short(i64::MAX), &[BIAS, "has 4 values"]);
}

#[test]
fn storages_that_are_not_there() {
    let mut file = File::of(&synthetic(), 2);
    file.items.iter_mut().for_each(|item| item.1 = W.tensor(W.storage("FloatStorage", "../../etc/passwd", 5), 0, &[5], &[1]));
    file.items.retain(|item| item.0 == BIAS);
    let mut whole = File::of(&synthetic(), 2);
    whole.remove(BIAS);
    whole.items.extend(file.items);
    refused(&whole.zip(), &[BIAS, "no entry a/data/../../etc/passwd"]);
    refused(&whole.legacy(), &[BIAS, "no storage ../../etc/passwd"]);
}

#[test]
fn unknown_operations_are_named_with_what_to_do() {
    for op in [0x00, b'P', b'I', b'V', 0x82, 0x97, 0xff] {
        refused_pickle(&[op], &["hostile.pth", &format!("pickle operation {op:#04x}"), "at byte 2", "save its state_dict() again with torch.save"]);
    }
    refused(&File::new(2).zip_of(b"\x80\x06}.".to_vec()), &["pickle protocol 6 is not read"]);
}

#[test]
fn operations_that_take_what_is_not_there() {
    for ops in
        ["R", "0", "1", "t", "l", "d", "e", "u", "a", "s", "b", "o", "Q", "2", "q\0", "\u{1}", "K\u{1}R", "K\u{1}(R", "}(K\u{1}s", "(s", "]a", "(u", "(e", "."]
    {
        assert!(read(&File::new(2).zip_of([b"\x80\x02", ops.as_bytes()].concat())).is_err(), "{ops:?}");
    }
    refused_pickle(b"h\x07.", &["names value 7"]);
    refused_pickle(b"}r\xff\xff\xff\xff.", &["stores value 4294967295"]);
    refused_pickle(b"", &["where 0 are left"]);
}

#[test]
fn a_call_of_os_system_is_never_made() {
    let folder = tempfile::TempDir::new().unwrap();
    let trace = folder.path().join("trace");
    let command = W.text(&format!("touch '{}'", trace.display()));
    let call = W.call(W.class("os", "system"), W.tuple(std::slice::from_ref(&command)));
    refused_pickle(&[&call[..], b"."].concat(), &["an object of os.system"]);
    let stacked = [Writer { protocol: 4 }.class("os", "system"), W.tuple(&[command]), b"R.".to_vec()].concat();
    refused_pickle(&stacked, &["an object of os.system"]);
    refused_bias(|_| call.clone(), &[BIAS, "missing"]);
    assert!(!trace.exists());
}

#[test]
fn names_cannot_break_or_fill_an_error() {
    let mut file = File::of(&synthetic(), 2);
    file.push("x\n\u{1b}[2Jall is well", &[2], &[0.0; 2]);
    refused(&file.zip(), &["x\\n\\u{1b}[2Jall is well", "no such tensor"]);
    let mut file = File::of(&synthetic(), 2);
    file.push(&"n".repeat(4000), &[2], &[0.0; 2]);
    refused(&file.zip(), &["nnn..: the network has no such tensor"]);
    let class = Writer { protocol: 4 }.class(&"m".repeat(200), "a\nb");
    refused_pickle(&[&class[..], b")\x81."].concat(), &["an object of mmm", ".."]);
}

#[test]
fn directories_that_lie() {
    let archive = File::of(&synthetic(), 2).zip();
    let end = archive.len() - 22;
    let directory = archive.windows(4).position(|part| part == b"PK\x01\x02").unwrap();
    let places = [
        (end + 8, 4),
        (end + 10, 2),
        (end + 12, 4),
        (end + 16, 4),
        (end + 4, 4),
        (directory + 20, 8),
        (directory + 28, 2),
        (directory + 30, 2),
        (directory + 42, 4),
    ];
    for (at, len) in places {
        for value in [0xff, 0x7f, 0x01] {
            let mut lying = archive.clone();
            lying[at..at + len].fill(value);
            assert!(read(&lying).is_err(), "{} bytes at {at} are {value}", len);
        }
    }
    for counts in [[u64::MAX; 3], [1 << 63, 1 << 62, 0], [1 << 40, 1 << 40, 1 << 30], [1, u64::MAX, 1]] {
        let record = [b"PK\x06\x06".to_vec(), vec![44, 0, 0, 0, 0, 0, 0, 0, 45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0], vec![1; 8]].concat();
        let numbers: Vec<u8> = counts.iter().flat_map(|count| count.to_le_bytes()).collect();
        let locator = [b"PK\x06\x07\0\0\0\0".to_vec(), (end as u64).to_le_bytes().to_vec(), vec![1, 0, 0, 0]].concat();
        let last = [b"PK\x05\x06\0\0\0\0".to_vec(), vec![0xff; 12], vec![0; 2]].concat();
        refused(&[&archive[..end], &record, &numbers, &locator, &last].concat(), &["cut or damaged"]);
    }
}

#[test]
fn legacy_storages_that_lie() {
    let file = File::of(&synthetic(), 2);
    let whole = file.legacy();
    let first = whole.len() - file.storages.iter().map(|storage| 8 + storage.1.len()).sum::<usize>();
    for len in [u64::MAX, 1 << 62, 1 << 61, 1 << 40] {
        let mut lying = whole.clone();
        lying[first..first + 8].copy_from_slice(&len.to_le_bytes());
        refused(&lying, &["storage 0", "past the end of the file"]);
    }
    let mut twice = file.clone();
    twice.storages[1].0 = "0".to_owned();
    refused(&twice.legacy(), &["twice"]);
    let mut stray = file;
    stray.storages[1].0 = "stray".to_owned();
    refused(&stray.legacy(), &["storage stray", "of no tensor"]);
}
