//! Tensors of nested dictionaries under dotted names.

use super::budget::Budget;
use super::value::{Heap, Span, Value};
use super::view::View;
use crate::listed::Listed;

/// How deep dictionaries may nest.
const MAX_DEPTH: usize = 8;

/// Tensors in a file: names as in it, and the view or what is wrong with it.
pub(super) type Views = Vec<Listed<Result<View, String>>>;

/// A dictionary that is being looked through.
struct Open<'a> {
    /// Prefix of its keys.
    prefix: String,
    dictionary: usize,
    /// Items that are left.
    items: &'a [(Span, Value)],
}

/// Tensors of the dictionary `root` and of all dictionaries in it, [`MAX_DEPTH`] deep. Everything
/// else that was saved is left out.
pub(super) fn tensors(heap: &Heap, root: Value, budget: &mut Budget) -> Result<Views, String> {
    let mut found = Vec::new();
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut dictionaries = 0;
    let mut next = Some((String::new(), root));
    loop {
        if let Some((prefix, Value::Dict(id))) = next.take() {
            open.push(Open { prefix, dictionary: dictionaries, items: heap.dict(id) });
            dictionaries += 1;
        }
        let level = open.len();
        let Some(Open { prefix, dictionary, items }) = open.last_mut() else { return Ok(found) };
        let Some((&(key, value), rest)) = items.split_first() else {
            open.pop();
            continue;
        };
        *items = rest;
        let key = heap.text(key);
        let view = match value {
            Value::Tensor(arguments) => View::parse(heap, arguments),
            Value::OtherTensor => Err("the pickle describes no dense tensor here: save it as one of f32".to_owned()),
            Value::Dict(id) if level <= MAX_DEPTH => {
                // One dictionary may stand in several places: every place is paid for, which bounds
                // the time too.
                budget.take((prefix.len() + key.len() + size_of_val(heap.dict(id))) as u64 + 64)?;
                next = Some((format!("{prefix}{key}."), value));
                continue;
            }
            _ => continue,
        };
        let parts = view.as_ref().map_or(0, |view| view.key.len() + 8 * (view.shape.len() + view.strides.len()));
        // The name is kept as it is and without wrappers.
        budget.take((2 * (prefix.len() + key.len()) + parts) as u64 + 2 * size_of::<Listed<Result<View, String>>>() as u64)?;
        found.push(Listed { dictionary: *dictionary, name: format!("{prefix}{key}"), part: view });
    }
}
