//! Tensors of nested dictionaries under dotted names.

use super::Found;
use super::budget::Budget;
use super::value::{Heap, Span, Value};
use super::view::View;

/// Tensors of the dictionary `root` and of the dictionaries in it for whose keys `descends` holds, `depth` deep. Whatever else was saved is left out.
pub(super) fn tensors(heap: &Heap, root: Value, depth: usize, descends: impl Fn(&str) -> bool, budget: &mut Budget) -> Result<Found, String> {
    let mut found = Vec::new();
    let mut open: Vec<(String, &[(Span, Value)])> = Vec::new();
    let mut next = Some((String::new(), root));
    loop {
        if let Some((prefix, Value::Dict(id))) = next.take() {
            open.push((prefix, heap.dict(id)));
        }
        let level = open.len();
        let Some((prefix, items)) = open.last_mut() else { return Ok(found) };
        let Some((&(key, value), rest)) = items.split_first() else {
            open.pop();
            continue;
        };
        *items = rest;
        let key = heap.text(key);
        let view = match value {
            Value::Tensor(arguments) => View::parse(heap, arguments),
            Value::OtherTensor => Err("the pickle describes no dense tensor here: save it as one of f32".to_owned()),
            Value::Dict(id) if level <= depth && descends(key) => {
                // One dictionary may stand in several places: every place is paid for, which bounds the time too.
                budget.take((prefix.len() + key.len() + size_of_val(heap.dict(id))) as u64 + 64)?;
                next = Some((format!("{prefix}{key}."), value));
                continue;
            }
            _ => continue,
        };
        let parts = view.as_ref().map_or(0, |view| view.key.len() + 8 * (view.shape.len() + view.strides.len()));
        budget.take((prefix.len() + key.len() + parts) as u64 + 2 * size_of::<(String, Result<View, String>)>() as u64)?;
        found.push((format!("{prefix}{key}"), view));
    }
}
