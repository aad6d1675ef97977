//! Tensors as strided views of storages.

use super::shown;
use super::source::Source;
use super::value::{Heap, Known, Span, StorageClass, Value};
use crate::element::Element;

/// The most axes of a tensor that are read.
pub(crate) const MAX_AXES: usize = 8;
/// A view is read in one piece if it leaves out at most three values for each that it has.
const MAX_SPREAD: u64 = 4;

/// A strided view of a storage.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// Shape, outermost first.
    pub(crate) shape: Vec<usize>,
    class: &'static StorageClass,
    pub(super) strides: Vec<u64>,
    /// Name of the storage.
    pub(super) key: String,
    offset: u64,
    /// Values of the storage, as the pickle says.
    len: u64,
}

impl View {
    /// The view with the arguments `(storage, offset, size, stride, ..)`.
    pub(super) fn parse(heap: &Heap, arguments: Span) -> Result<Self, String> {
        let &[storage, offset, shape, strides, ..] = heap.parts(arguments) else { return Err("the pickle describes no dense tensor here".to_owned()) };
        let Value::Storage(storage) = storage else { return Err("the pickle describes a tensor without a storage".to_owned()) };
        let (key, class, len) = storage_of(heap, storage)?;
        let shape = numbers(heap, shape, "sizes")?.into_iter().map(usize::try_from).collect::<Result<Vec<_>, _>>();
        let shape = shape.map_err(|_| "a size is larger than memory".to_owned())?;
        let strides = numbers(heap, strides, "strides")?;
        if shape.len() != strides.len() {
            return Err(format!("the pickle gives the tensor {} sizes and {} strides; expected as many", shape.len(), strides.len()));
        }
        Ok(Self { key: key.to_owned(), class, offset: number(offset).ok_or("the pickle gives the tensor no offset of 0 or more")?, shape, strides, len })
    }

    /// The elements' type, or the name of one that is not read.
    pub(crate) fn element(&self) -> Result<Element, &'static str> {
        self.class.element.ok_or(self.class.name)
    }

    /// Whether its elements are integers or truth values.
    pub(crate) fn is_integer(&self) -> bool {
        matches!(self.class.name, "LongStorage" | "IntStorage" | "ShortStorage" | "CharStorage" | "ByteStorage" | "BoolStorage")
    }

    /// Number of values and one past the last of them in the storage.
    fn extent(&self) -> Option<(u64, u64)> {
        let sides = || self.shape.iter().map(|&side| side as u64);
        let count = sides().try_fold(1u64, |product, side| product.checked_mul(side))?;
        if count == 0 {
            return Some((0, self.offset));
        }
        let last = sides().zip(&self.strides).try_fold(self.offset, |at, (side, &stride)| at.checked_add((side - 1).checked_mul(stride)?))?;
        Some((count, last.checked_add(1)?))
    }

    /// The values, row-major, from the storage of `bytes` bytes at `start`. As many are allocated
    /// as the shape says: compare it first.
    pub(super) fn read(&self, source: &mut Source<'_>, start: u64, bytes: u64) -> Result<Vec<f32>, String> {
        let element = self.element().map_err(|name| format!("element type {name} is not read"))?;
        let held = bytes / self.class.size;
        if self.len > held {
            return Err(format!("storage {} has {held} values; expected {}: the file is cut or damaged, copy it again", shown(&self.key), self.len));
        }
        let (count, end) = self.extent().filter(|&(_, end)| end <= self.len).ok_or_else(|| {
            format!("shape {:?}, strides {:?}, offset {} reach past the {} values of the storage", self.shape, self.strides, self.offset, self.len)
        })?;
        if count == 0 {
            return Ok(Vec::new());
        }
        let size = self.class.size;
        let width = end - self.offset;
        if width <= count.saturating_mul(MAX_SPREAD) {
            let piece = source.read(start + self.offset * size, width * size)?;
            return Ok(if self.is_contiguous() {
                element.values(&piece)
            } else {
                self.positions(count).map(|at| element.value(&piece[index(at * size)..])).collect()
            });
        }
        self.positions(count).map(|at| Ok(element.value(&source.read(start + (self.offset + at) * size, size)?))).collect()
    }

    fn is_contiguous(&self) -> bool {
        let mut next = 1;
        self.shape.iter().zip(&self.strides).rev().all(|(&side, &stride)| {
            let follows = side == 1 || stride == next;
            next *= side as u64;
            follows
        })
    }

    /// Offset of each value from the first, row-major.
    fn positions(&self, count: u64) -> impl Iterator<Item = u64> {
        (0..count).map(|index| {
            let axes = self.shape.iter().zip(&self.strides).rev();
            axes.fold((index, 0), |(index, at), (&side, &stride)| (index / side as u64, at + index % side as u64 * stride)).1
        })
    }
}

/// Key, class and number of values of a storage: `('storage', class, key, device, number)`, in old
/// files with a view of another storage behind.
pub(super) fn storage_of(heap: &Heap, id: Span) -> Result<(&str, &'static StorageClass, u64), String> {
    match heap.parts(id) {
        [Value::Text(kind), Value::Known(Known::Storage(class)), Value::Text(key), _, len, view @ ..] if heap.text(*kind) == "storage" => {
            if !matches!(view, [] | [Value::Other]) {
                return Err("the storage is part of another, as very old versions of PyTorch saved it: load the file in PyTorch and save it again".to_owned());
            }
            Ok((heap.text(*key), *class, number(*len).ok_or("the pickle gives the storage no length of 0 or more")?))
        }
        [_, Value::Foreign(class), ..] => Err(format!("storages of class {} are not read; save the tensor as one of f32", shown(heap.text(*class)))),
        _ => Err("the pickle describes no storage here".to_owned()),
    }
}

fn numbers(heap: &Heap, value: Value, what: &str) -> Result<Vec<u64>, String> {
    let Value::Tuple(span) = value else { return Err(format!("the pickle gives the tensor no {what}")) };
    let values = heap.parts(span);
    if values.len() > MAX_AXES {
        return Err(format!("the tensor has {} {what}; expected at most {MAX_AXES}", values.len()));
    }
    values.iter().map(|&value| number(value).ok_or_else(|| format!("the {what} of the tensor are not all integers of 0 or more"))).collect()
}

fn number(value: Value) -> Option<u64> {
    if let Value::Int(value) = value { u64::try_from(value).ok() } else { None }
}

/// An index into bytes that are in memory.
fn index(at: u64) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}
