//! Values of a pickle, nested by choices.

use hrvit_tests::pth::{Ops, Writer};

use super::{rarely, strange};
use crate::Choices;

/// How deep values nest by choices; more by [`repeated`].
const DEPTH: usize = 6;
/// The longest value.
const LONGEST: usize = 1 << 18;

/// Names that a checkpoint's pickle may have, and others.
const WORDS: [&str; 12] = [
    "",
    "state_dict",
    "model",
    "state_dict_ema",
    "module",
    "storage",
    "0",
    "cpu",
    "decode_head.conv_seg.bias",
    "x\n\u{1b}[2J",
    "\u{e9}",
    "num_batches_tracked",
];

/// Classes and functions that a reader may know, and others.
const GLOBALS: [(&str, &str); 12] = [
    ("torch._utils", "_rebuild_tensor_v2"),
    ("collections", "OrderedDict"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch._tensor", "_rebuild_from_type_v2"),
    ("torch", "FloatStorage"),
    ("torch", "HalfStorage"),
    ("torch", "ComplexDoubleStorage"),
    ("torch.storage", "UntypedStorage"),
    ("torch", "device"),
    ("torch._utils", "_rebuild_sparse_tensor"),
    ("os", "system"),
    ("argparse", "Namespace"),
];

/// Operations that leave one value, for the most part.
pub fn value(choices: &mut Choices<'_>, writer: Writer) -> Ops {
    nested(choices, writer, DEPTH)
}

fn nested(choices: &mut Choices<'_>, writer: Writer, depth: usize) -> Ops {
    let inner = |choices: &mut Choices<'_>| nested(choices, writer, depth.saturating_sub(1));
    let ops = match choices.below(if depth == 0 { 12 } else { 32 }) {
        0 => choices.pick(&[b"N", b"\x88", b"\x89", b"]", b"}", b")", b"\x8f"]).to_vec(),
        1 => writer.int(strange(choices)),
        2 => counted(choices, &[(0x8a, 1), (0x8b, 4)]),
        3 => counted(choices, &[(b'X', 4), (0x8c, 1), (0x8d, 8), (b'U', 1), (b'T', 4), (b'B', 4), (b'C', 1), (0x8e, 8), (0x96, 8)]),
        4 | 5 => writer.text(choices.pick(&WORDS)),
        6 | 7 => global(choices, writer),
        8 => [b"G", choices.u64().to_be_bytes().as_slice()].concat(),
        9 => (0..choices.below(8)).map(|_| choices.u8()).collect(),
        10 => storage(choices, writer),
        11 => vec![b'h', choices.u8()],
        12..=19 => {
            let (before, after) = choices.pick(&[("(", "t"), ("(", "l"), ("(", "d"), ("](", "e"), ("}(", "u"), ("](", "a"), ("(", "o"), ("(", "1N")]);
            let values: Vec<u8> = (0..choices.below(6)).flat_map(|_| inner(choices)).collect();
            [before.as_bytes(), &values, after.as_bytes()].concat()
        }
        20 => [b"]", inner(choices).as_slice(), b"a"].concat(),
        21 => [b"}", writer.text(choices.pick(&WORDS)).as_slice(), &inner(choices), b"s"].concat(),
        22 | 23 => tensor(choices, writer),
        24 => [inner(choices).as_slice(), b"Q"].concat(),
        25 => [&global(choices, writer), inner(choices).as_slice(), b"R"].concat(),
        26 => [inner(choices).as_slice(), &inner(choices), choices.pick(&[b"b", b"\x81", b"\x93", b"R", b"\x86", b"0"])].concat(),
        27 => [inner(choices).as_slice(), &inner(choices), &inner(choices), choices.pick(&[b"\x92", b"\x87"])].concat(),
        28 => [inner(choices).as_slice(), &[b'q', choices.u8()]].concat(),
        29 => [inner(choices).as_slice(), b"r", &choices.u32().to_le_bytes()].concat(),
        30 => [&[0x95], strange(choices).to_le_bytes().as_slice(), &inner(choices)].concat(),
        _ => repeated(choices, inner),
    };
    if ops.len() <= LONGEST { ops } else { b"N".to_vec() }
}

/// One value many times: doubled in the memo, nested, side by side.
fn repeated(choices: &mut Choices<'_>, inner: impl Fn(&mut Choices<'_>) -> Ops) -> Ops {
    let value = inner(choices);
    let (step, after) = choices.pick(&[
        (&b"q\0h\0\x86"[..], &b""[..]),
        (b"\x85", b""),
        (b"\x94", b""),
        (b"2", b""),
        (b"(", b""),
        (b"]", b"a"),
        (b"}X\x05\0\0\0model", b"s"),
        (b"2Q0", b""),
        (b"]Na0", b""),
        (b"ctorch\nFloatStorage\n0", b""),
    ]);
    let times = choices.pick(&[2, 40, 1000, 60_000]);
    [value, step.repeat(times), after.repeat(times)].concat()
}

/// One of the operations that are followed by a length and bytes; the length may be another.
fn counted(choices: &mut Choices<'_>, operations: &[(u8, usize)]) -> Ops {
    let (operation, width) = choices.pick(operations);
    let bytes: Vec<u8> = (0..choices.below(12)).map(|_| choices.u8()).collect();
    let len = if rarely(choices, 32) { strange(choices) } else { bytes.len() as i64 };
    [&[operation], &len.to_le_bytes()[..width], &bytes].concat()
}

fn global(choices: &mut Choices<'_>, writer: Writer) -> Ops {
    let (module, name) = choices.pick(&GLOBALS);
    writer.class(module, name)
}

fn storage(choices: &mut Choices<'_>, writer: Writer) -> Ops {
    let class = choices.pick(&["FloatStorage", "HalfStorage", "BFloat16Storage", "LongStorage", "ComplexDoubleStorage", "NoStorage"]);
    writer.storage(class, choices.pick(&["0", "1", "2", "../../x", ""]), strange(choices))
}

/// A tensor as no file should have it.
pub fn tensor(choices: &mut Choices<'_>, writer: Writer) -> Ops {
    let numbers = |choices: &mut Choices<'_>| -> Vec<i64> { (0..choices.below(10)).map(|_| strange(choices)).collect() };
    let (shape, strides) = (numbers(choices), numbers(choices));
    writer.tensor(storage(choices, writer), strange(choices), &shape, &strides)
}
