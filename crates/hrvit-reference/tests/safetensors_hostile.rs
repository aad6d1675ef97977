//! `.safetensors` files made to do harm: refused in one line of bounded length that names the file
//! or the tensor.

mod small;

use std::path::Path;

use hrvit_format::Head;
use hrvit_reference::{Checkpoint, CheckpointError};

const BIAS: &str = "decode_head.conv_seg.bias";

fn read(bytes: &[u8]) -> Result<Checkpoint, CheckpointError> {
    Checkpoint::read_bytes(Path::new("hostile.safetensors"), bytes, &small::network(Head::Segformer))
}

/// A file with this header and these bytes behind it.
fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

#[track_caller]
fn refused(bytes: &[u8], what: &str) {
    let error = read(bytes).expect_err("a hostile file").to_string();
    assert!(error.contains(what), "{what:?} is not in: {error}");
    assert!(!error.contains(char::is_control) && error.len() < 1000, "{error}");
}

/// Refused, where tensors have these fields and the file `data` bytes.
#[track_caller]
fn refused_fields(fields: &[(&str, &str)], data: usize, what: &str) {
    let fields: Vec<_> = fields.iter().map(|(name, fields)| format!("{name:?}:{{{fields}}}")).collect();
    refused(&file(&format!("{{{}}}", fields.join(",")), &vec![0; data]), what);
}

#[test]
fn what_was_written_is_read_from_bytes() {
    let written = Checkpoint::synthetic(&small::network(Head::Segformer), 1).unwrap();
    let read = read(&written.to_safetensors().unwrap()).unwrap();
    assert!(read.iter().eq(written.iter()));
}

#[test]
fn headers_that_lie_about_their_length() {
    for len in [1, 9, 1 << 31, 1 << 63, u64::MAX - 7, u64::MAX] {
        refused(&[&len.to_le_bytes()[..], b"{}"].concat(), if len == 1 { "EOF" } else { "reaches past its end" });
    }
    refused(b"\x08\0\0", "past the end of the file");
    refused(&file("{} {}", b""), "trailing characters");
    refused(&file("[]", b""), "an object of tensors");
}

#[test]
fn offsets_that_lie() {
    let one = r#""dtype":"F32","shape":[1],"#;
    let at = |offsets: &str| format!("{one}\"data_offsets\":{offsets}");
    refused_fields(&[("x", &at("[0,18446744073709551615]"))], 4, "x: its bytes reach past the end");
    refused_fields(&[("x", &at("[4,0]"))], 4, "x: its bytes end before they begin");
    refused_fields(&[("x", &at("[18446744073709551615,18446744073709551615]"))], 4, "end before they begin");
    refused_fields(&[("x", &at("[0,4]")), ("y", &at("[0,4]"))], 4, "y: its bytes do not follow");
    refused_fields(&[("x", &at("[0,4]")), ("y", &at("[5,9]"))], 9, "y: its bytes do not follow");
    refused_fields(&[("x", &at("[0,4]"))], 5, "its last 1 bytes are of no tensor");
    // In 64 bits what they have together is less than the file.
    let wide = |k: u64| {
        (format!("t{k}"), format!("\"dtype\":\"U8\",\"shape\":[{0}],\"data_offsets\":[{1},{2}]", u64::MAX >> 3, k * (u64::MAX >> 3), (k + 1) * (u64::MAX >> 3)))
    };
    let wide: Vec<_> = (0..8).map(wide).collect();
    refused_fields(&wide.iter().map(|(name, fields)| (name.as_str(), fields.as_str())).collect::<Vec<_>>(), 4, "t0: its bytes reach past the end");
}

#[test]
fn shapes_and_types_that_do_not_fit_their_bytes() {
    let whole = Checkpoint::synthetic(&small::network(Head::Segformer), 1).unwrap().to_safetensors().unwrap();
    let edited = |from: &str, to: &str| {
        let end = 8 + u64::from_le_bytes(*whole.first_chunk().unwrap()) as usize;
        let header = String::from_utf8(whole[8..end].to_vec()).unwrap();
        let at = header.find(BIAS).unwrap();
        assert!(header[at..].contains(from), "{from:?} is to be replaced");
        file(&format!("{}{}", &header[..at], header[at..].replacen(from, to, 1)), &whole[end..])
    };
    refused(&edited("F32", "F16"), "decode_head.conv_seg.bias: has 20 bytes; expected 10");
    refused(&edited("F32", "I64"), "element type I64 is not read");
    refused(&edited("F32", &"F".repeat(5000)), "element type FFFF");
    refused(&edited("F32", r"\u001b[2J"), "element type \\u{1b}[2J is not read");
    refused(&edited("[5]", "[18446744073709551615]"), "expected shape [5]");
    refused(&edited("[5]", "[-5]"), "invalid value");
    refused(&edited("[5]", "[5,1,1,1,1,1,1,1,1]"), "a shape of at most 8 sizes");
    refused(&edited("[5]", &format!("[{}0]", "0,".repeat(100_000))), "a shape of at most 8 sizes");
    refused(&edited(BIAS, "decode_head.conv_seg.weight"), "twice");
}

#[test]
fn deep_and_long_headers() {
    let deep = |what: &str| format!("{{\"x\":{}}}", what.repeat(500_000));
    refused(&file(&deep("["), b""), "hostile.safetensors");
    refused(&file(&deep("{\"a\":"), b""), "hostile.safetensors");
    refused(&file(&format!("{{\"__metadata__\":{}", "[".repeat(500_000)), b""), "hostile.safetensors");
    // More tensors than the network and one MiB pay for.
    let many: Vec<_> = (0..40_000).map(|k| format!(r#""{k}":{{"dtype":"F4","shape":[],"data_offsets":[0,0]}}"#)).collect();
    refused(&file(&format!("{{{}}}", many.join(",")), b""), "takes more than");
}

#[test]
fn names_cannot_break_or_fill_an_error() {
    let whole = Checkpoint::synthetic(&small::network(Head::Segformer), 1).unwrap().to_safetensors().unwrap();
    let end = 8 + u64::from_le_bytes(*whole.first_chunk().unwrap()) as usize;
    let with = |name: &str| {
        let header = String::from_utf8(whole[8..end].to_vec()).unwrap();
        let len = whole.len() - end;
        let extra = format!(r#"{{"{name}":{{"dtype":"F32","shape":[2],"data_offsets":[{len},{}]}},"#, len + 8);
        file(&header.replacen('{', &extra, 1), &[&whole[end..], &[0; 8]].concat())
    };
    refused(&with(r"x\n\u001b[2Jall is well"), "x\\n\\u{1b}[2Jall is well: the network has no such tensor");
    refused(&with(&"n".repeat(100_000)), "nnn..: the network has no such tensor");
}
