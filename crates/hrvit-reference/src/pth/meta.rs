//! Data that mmsegmentation saves beside weights: names of the classes and their colours.

use super::budget::Budget;
use super::value::{Heap, Value};
use crate::listed::ClassNames;

/// The most classes whose names are read, and bytes of a name.
const MAX_CLASSES: usize = 1 << 16;
const MAX_NAME: usize = 256;

/// Names and colours under `meta` of the dictionary `root`, or under `dataset_meta` of that; none
/// where they are none that an image could hold.
pub(super) fn class_names(heap: &Heap, root: Value, budget: &mut Budget) -> Option<ClassNames> {
    let meta = entry(heap, root, &["meta"])?;
    let place = entry(heap, meta, &["dataset_meta"]).unwrap_or(meta);
    let names = items(heap, entry(heap, place, &["CLASSES", "classes"])?)?;
    if names.is_empty() || names.len() > MAX_CLASSES {
        return None;
    }
    let name = |&value: &Value| {
        let Value::Text(text) = value else { return None };
        let text = heap.text(text);
        let fits = text.len() <= MAX_NAME && !text.contains(char::is_control);
        (fits && budget.take((text.len() + 2 * size_of::<String>()) as u64).is_ok()).then(|| text.to_owned())
    };
    let names: Vec<String> = names.iter().map(name).collect::<Option<_>>()?;
    let colours = entry(heap, place, &["PALETTE", "palette"]).and_then(|palette| items(heap, palette)).unwrap_or_default();
    let colours: Option<Vec<[u8; 3]>> = colours.iter().map(|&colour| rgb(heap, colour)).collect();
    let colours = colours.filter(|colours| colours.len() == names.len()).unwrap_or_default();
    Some(ClassNames { names, colours })
}

/// The last value of one of these keys.
fn entry(heap: &Heap, dictionary: Value, keys: &[&str]) -> Option<Value> {
    let Value::Dict(id) = dictionary else { return None };
    heap.dict(id).iter().rev().find(|(key, _)| keys.contains(&heap.text(*key))).map(|&(_, value)| value)
}

fn items(heap: &Heap, value: Value) -> Option<&[Value]> {
    match value {
        Value::Tuple(span) => Some(heap.parts(span)),
        Value::List(id) => Some(heap.list(id)),
        _ => None,
    }
}

fn rgb(heap: &Heap, colour: Value) -> Option<[u8; 3]> {
    let channel = |value: &Value| if let Value::Int(value) = value { u8::try_from(*value).ok() } else { None };
    let channels: Vec<u8> = items(heap, colour)?.iter().map(channel).collect::<Option<_>>()?;
    channels.try_into().ok()
}
