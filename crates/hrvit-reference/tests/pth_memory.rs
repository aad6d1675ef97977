//! Memory that reading a checkpoint takes, measured by the system in a process that does nothing
//! else.
#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use hrvit_format::{Head, Network, Spec};
use hrvit_reference::{Checkpoint, parameters};
use hrvit_tests::pth::{Entry, File, Writer, zip};
use tempfile::TempDir;

/// Names the file and the variant to the process that reads it.
const FILE: &str = "HRVIT_TEST_FILE";
const VARIANT: &str = "HRVIT_TEST_VARIANT";
/// Bytes that the allocator and the standard library keep for themselves, and the description's own
/// MiB.
const SLACK: u64 = 3 << 20;
/// Bytes that the description of each little tensor may take.
const LEAST: u64 = 8 << 10;
const W: Writer = Writer { protocol: 2 };

fn network(variant: &str) -> Network {
    Network { spec: Spec::variant(variant).unwrap(), head: Head::Segformer, classes: 19 }
}

/// Bytes of memory, now (`VmRSS`) or at most so far (`VmHWM`).
fn resident(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    1024 * line.trim_matches(|c: char| !c.is_ascii_digit()).parse::<u64>().unwrap()
}

/// Reads the file that the environment names, and prints what that took.
#[test]
#[ignore = "the other tests run it, in a process of its own"]
fn read_and_measure() {
    let (file, network) = (env::var(FILE).unwrap(), network(&env::var(VARIANT).unwrap()));
    let before = resident("VmRSS:");
    let read = Checkpoint::read(Path::new(&file), &network);
    println!("loaded={} took={}", read.is_ok(), resident("VmHWM:").saturating_sub(before));
}

/// Whether `bytes` load as `variant`, and the bytes of memory that reading them took.
fn measure(bytes: &[u8], variant: &str) -> (bool, u64) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("weights.pth");
    fs::write(&path, bytes).unwrap();
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", "read_and_measure", "--ignored", "--nocapture", "--test-threads", "1"]).env(FILE, &path).env(VARIANT, variant);
    let output = child.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let field = |name: &str| text.split_whitespace().find_map(|word| word.strip_prefix(name)).unwrap_or_else(|| panic!("{text}")).to_owned();
    (field("loaded=") == "true", field("took=").parse().unwrap())
}

#[test]
fn a_checkpoint_of_b1_takes_at_most_three_times_its_file() {
    let checkpoint = Checkpoint::synthetic(&network("b1"), 1).unwrap();
    let file = File::of(&checkpoint, 2);
    let folder = TempDir::new().unwrap();
    let safetensors = folder.path().join("b1.safetensors");
    std::fs::write(&safetensors, checkpoint.to_safetensors().unwrap()).unwrap();
    for bytes in [file.zip(), file.legacy(), fs::read(&safetensors).unwrap()] {
        let (loaded, took) = measure(&bytes, "b1");
        assert!(loaded && took <= 3 * bytes.len() as u64, "{took} bytes for a file of {}", bytes.len());
        assert!(took > bytes.len() as u64 / 2, "{took} bytes: the weights are in memory when it is measured");
    }
}

#[test]
fn hostile_files_take_no_more_than_they_have_and_the_network_needs() {
    let tensors = parameters(&network("nano"));
    let tensors = tensors.iter().map(|parameter| 4 * parameter.count() as u64).sum::<u64>().max(LEAST * tensors.len() as u64);
    let pickled = |ops: &[u8]| File::new(2).zip_of([b"\x80\x02", ops].concat());
    let doubled = [b"K\x01q\0".to_vec(), b"h\0h\0\x86q\0".repeat(300_000), b"}.".to_vec()].concat();
    let wide = |k: usize| (format!("t{k}"), W.tensor(W.storage("FloatStorage", "0", 1), 0, &[16384, 16384], &[0, 0]));
    let mut stride = File::new(2);
    stride.storage(vec![0; 4], 4);
    stride.items = (0..40).map(wide).collect();
    let mut entries = vec![Entry::new("a/data.pkl", stride.pickle()), Entry::new("a/data/0", vec![0; 4 << 20])];
    let body = entries[1].clone();
    entries.extend((1..3000).map(|k| Entry { name: format!("a/data/{k}"), header_of: Some(1), bytes: Vec::new(), ..body.clone() }));
    let key = [W.storage("FloatStorage", &"k".repeat(1 << 20), 1), b"q\x010".to_vec()].concat();
    let keyed: Vec<_> = (0..5_000).map(|k| (format!("t{k}"), W.tensor(b"h\x01".to_vec(), 0, &[1], &[1]))).collect();
    let files = [
        ("doubled in the memo", pickled(&doubled)),
        ("stride 0", stride.zip()),
        ("overlapping entries", zip(&entries)),
        ("nested tuples", pickled(&[b")".to_vec(), vec![0x85; 2_400_000], b".".to_vec()].concat())),
        ("nested dictionaries", pickled(&[[b"}".to_vec(), W.text("model")].concat().repeat(200_000), b".".to_vec()].concat())),
        ("empty lists", pickled(&[vec![b']'; 2_400_000], b".".to_vec()].concat())),
        ("lists of one", pickled(&[b"]Na".repeat(800_000), b".".to_vec()].concat())),
        ("dictionaries of one", pickled(&[b"}\x8c\0Ns".repeat(500_000), b".".to_vec()].concat())),
        ("values", pickled(&[vec![b'N'; 2_400_000], b".".to_vec()].concat())),
        ("memo", pickled(&[b"N".to_vec(), vec![0x94; 2_400_000], b".".to_vec()].concat())),
        ("storages", pickled(&[vec![b')'], b"2Q0".repeat(800_000), b".".to_vec()].concat())),
        ("one dictionary in itself", pickled(&[b"}q\0(", &[W.text("model"), b"h\0".to_vec()].concat().repeat(1000)[..], b"u."].concat())),
        ("one long key", pickled(&[key, W.dict(&keyed), b".".to_vec()].concat())),
        ("a string of 4 GiB", pickled(b"X\xff\xff\xff\xffabc")),
    ];
    for (kind, bytes) in files {
        let (loaded, took) = measure(&bytes, "nano");
        let limit = bytes.len() as u64 + tensors + SLACK;
        assert!(!loaded && took <= limit, "{kind}: {took} bytes for a file of {}; expected at most {limit}", bytes.len());
    }
}
