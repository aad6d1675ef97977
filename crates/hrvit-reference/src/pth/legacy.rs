//! Files of one stream, as PyTorch before 1.6 wrote them. Pickles of a magic number, a protocol,
//! the writer's machine, the object and the storages' keys come first. Every storage follows, as
//! its number of values and the values.

use std::collections::HashMap;

use super::REMEDY;
use super::budget::Budget;
use super::input;
use super::machine;
use super::shown;
use super::source::Source;
use super::value::{Heap, Value};
use super::view::storage_of;

/// The magic number, 0x1950a86a20f9469cfc6c, as a pickle without its protocol.
const MAGIC: [u8; 13] = *b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";
/// The protocol of the files.
const PROTOCOL: i64 = 1001;

/// Whether a file that starts with `head` is one.
pub(super) fn is_magic(head: &[u8]) -> bool {
    match head {
        // From protocol 4 on the number stands in a frame of 8 bytes of length.
        [0x80, _, 0x95, framed @ ..] => framed.get(8..).is_some_and(|rest| rest.starts_with(&MAGIC)),
        [0x80, _, rest @ ..] => rest.starts_with(&MAGIC),
        _ => false,
    }
}

/// Storages of an open file.
pub(super) struct Legacy {
    /// Start and bytes of every storage by its key.
    storages: HashMap<String, (u64, u64)>,
}

impl Legacy {
    /// Reads everything but the storages' values.
    pub(super) fn open(source: &mut Source<'_>, budget: &mut Budget) -> Result<(Self, Heap, Value), String> {
        let mut at = 0;
        let mut next = |source: &mut Source<'_>, budget: &mut Budget| {
            let rest = source.len().saturating_sub(at);
            let mut input = input::open(source, at, rest)?;
            let read = machine::run(&mut input, budget)?;
            at += input.at();
            Ok::<_, String>((read, at))
        };
        next(source, budget)?;
        let ((_, protocol), _) = next(source, budget)?;
        if protocol != Value::Int(PROTOCOL) {
            return Err(format!("not a file of protocol {PROTOCOL} of torch.save: {REMEDY}"));
        }
        let ((about, machine), _) = next(source, budget)?;
        if is_big_endian(&about, machine) {
            return Err(format!("written by a big-endian machine; expected little-endian: {REMEDY} on a little-endian one"));
        }
        let ((heap, root), _) = next(source, budget)?;
        let ((names, keys), at) = next(source, budget)?;
        let sizes = sizes(&heap, budget)?;
        let storages = locate(source, at, &names, keys, &sizes, budget)?;
        Ok((Self { storages }, heap, root))
    }

    /// Start and bytes of a storage's values.
    pub(super) fn storage(&self, key: &str) -> Result<(u64, u64), String> {
        self.storages.get(key).copied().ok_or_else(|| format!("the file has no storage {}: it is damaged, {REMEDY}", shown(key)))
    }
}

fn is_big_endian(heap: &Heap, about: Value) -> bool {
    let Value::Dict(id) = about else { return false };
    heap.dict(id).iter().any(|&(key, value)| heap.text(key) == "little_endian" && value == Value::Bool(false))
}

/// Bytes of an element of every storage that the pickle names.
fn sizes<'a>(heap: &'a Heap, budget: &mut Budget) -> Result<HashMap<&'a str, u64>, String> {
    let mut sizes = HashMap::new();
    for &id in &heap.storages {
        let Ok((key, class, _)) = storage_of(heap, id) else { continue };
        budget.take(64)?;
        if sizes.insert(key, class.size).is_some_and(|before| before != class.size) {
            return Err(format!("storage {} has elements of two sizes: the file is damaged, {REMEDY}", shown(key)));
        }
    }
    Ok(sizes)
}

/// Offsets of the storages: in the order of `keys`, from `at` on.
fn locate(
    source: &mut Source<'_>,
    mut at: u64,
    names: &Heap,
    keys: Value,
    sizes: &HashMap<&str, u64>,
    budget: &mut Budget,
) -> Result<HashMap<String, (u64, u64)>, String> {
    let Value::List(keys) = keys else { return Err(format!("the file does not list its storages: it is damaged, {REMEDY}")) };
    let mut storages = HashMap::new();
    for &key in names.list(keys) {
        let key = if let Value::Text(key) = key { names.text(key) } else { "" };
        let size = sizes.get(key).ok_or_else(|| format!("storage {} is of no tensor: the file is damaged, {REMEDY}", shown(key)))?;
        let len = source.read(at, 8)?;
        let len = len.first_chunk().map_or(u64::MAX, |&len| u64::from_le_bytes(len));
        let end = len.checked_mul(*size).and_then(|bytes| bytes.checked_add(at + 8)).filter(|&end| end <= source.len());
        let end = end.ok_or_else(|| format!("storage {} of {len} values reaches past the end of the file: it is cut or damaged, copy it again", shown(key)))?;
        budget.take(128 + key.len() as u64)?;
        if storages.insert(key.to_owned(), (at + 8, end - at - 8)).is_some() {
            return Err(format!("the file has storage {} twice: it is damaged, {REMEDY}", shown(key)));
        }
        at = end;
    }
    Ok(storages)
}
