//! Values of a pickle. They are plain numbers: what has parts says where these lie in the [`Heap`],
//! so that a copy costs nothing and dropping never recurses.

use super::budget::Budget;
use crate::element::Element;

/// Consecutive parts in the heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    len: u32,
}

/// A value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Bool(bool),
    Int(i64),
    Text(Span),
    Tuple(Span),
    List(u32),
    Dict(u32),
    /// A class or function that is known.
    Known(Known),
    /// A storage; the parts of its persistent identifier.
    Storage(Span),
    /// A tensor; the arguments of `_rebuild_tensor_v2`.
    Tensor(Span),
    /// A tensor of a kind that is not read.
    OtherTensor,
    /// A class that is not known or an object of it; the name.
    Foreign(Span),
    /// Nothing that describes a tensor: none, a float, bytes, a set, an integer of more than 64
    /// bits.
    Other,
}

/// Classes and functions that are interpreted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    OrderedDict,
    /// `collections.defaultdict(factory)`.
    DefaultDict,
    /// `_rebuild_tensor_v2(storage, offset, size, stride, ..)`.
    Tensor,
    /// `_rebuild_parameter(tensor, ..)`.
    Parameter,
    /// `_rebuild_from_type_v2(function, type, arguments of the function, state)`.
    FromType,
    /// Functions that rebuild other kinds of tensors.
    OtherTensor,
    Storage(&'static StorageClass),
}

impl Known {
    /// The class or function of this name, if it is known.
    pub(super) fn of(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("collections", "defaultdict") => Self::DefaultDict,
            ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor") => Self::Tensor,
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Self::Parameter,
            ("torch._tensor", "_rebuild_from_type_v2") => Self::FromType,
            ("torch._utils", name) if name.starts_with("_rebuild_") => Self::OtherTensor,
            ("torch" | "torch.storage", name) => Self::Storage(StorageClass::of(name)?),
            _ => return None,
        })
    }
}

/// A class of storages.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StorageClass {
    /// Name in module `torch`.
    pub(super) name: &'static str,
    /// Bytes of an element.
    pub(super) size: u64,
    /// Type of an element, if it is one that is read.
    pub(super) element: Option<Element>,
}

impl StorageClass {
    fn of(name: &str) -> Option<&'static Self> {
        const fn class(name: &'static str, size: u64, element: Option<Element>) -> StorageClass {
            StorageClass { name, size, element }
        }
        static CLASSES: [StorageClass; 18] = [
            class("FloatStorage", 4, Some(Element::F32)),
            class("HalfStorage", 2, Some(Element::F16)),
            class("BFloat16Storage", 2, Some(Element::Bf16)),
            class("DoubleStorage", 8, Some(Element::F64)),
            class("LongStorage", 8, None),
            class("IntStorage", 4, None),
            class("ShortStorage", 2, None),
            class("CharStorage", 1, None),
            class("ByteStorage", 1, None),
            class("BoolStorage", 1, None),
            class("ComplexFloatStorage", 8, None),
            class("ComplexDoubleStorage", 16, None),
            class("QInt8Storage", 1, None),
            class("QUInt8Storage", 1, None),
            class("QInt32Storage", 4, None),
            class("QUInt4x2Storage", 1, None),
            class("QUInt2x4Storage", 1, None),
            class("UntypedStorage", 1, None),
        ];
        CLASSES.iter().find(|class| class.name == name)
    }
}

/// Storage of values.
#[derive(Debug, Default)]
pub(super) struct Heap {
    text: Vec<u8>,
    parts: Vec<Value>,
    lists: Vec<Vec<Value>>,
    dicts: Vec<Vec<(Span, Value)>>,
    /// Persistent identifiers of every storage that the pickle names.
    pub(super) storages: Vec<Span>,
}

/// Bytes of a value in a vector that grows by doubling.
pub(super) const GROWN: u64 = 2 * size_of::<Value>() as u64;
const _: () = assert!(size_of::<Value>() == 16 && size_of::<Option<Value>>() == 16);

impl Heap {
    /// A string of UTF-8 that `fill` appends; none if it is something else.
    pub(super) fn new_text(&mut self, len: u64, budget: &mut Budget, fill: impl FnOnce(&mut Vec<u8>) -> Result<(), String>) -> Result<Value, String> {
        budget.take(len.saturating_mul(2))?;
        let start = self.text.len();
        fill(&mut self.text)?;
        if str::from_utf8(&self.text[start..]).is_err() {
            self.text.truncate(start);
            return Ok(Value::Other);
        }
        Ok(Value::Text(span(start, self.text.len() - start)?))
    }

    /// A tuple of these values.
    pub(super) fn new_tuple(&mut self, values: &[Value], budget: &mut Budget) -> Result<Value, String> {
        budget.take(values.len() as u64 * GROWN)?;
        let start = self.parts.len();
        self.parts.extend_from_slice(values);
        Ok(Value::Tuple(span(start, values.len())?))
    }

    pub(super) fn new_list(&mut self, budget: &mut Budget) -> Result<Value, String> {
        let id = index(self.lists.len())?;
        budget.take(2 * size_of::<Vec<Value>>() as u64)?;
        self.lists.push(Vec::new());
        Ok(Value::List(id))
    }

    pub(super) fn new_dict(&mut self, budget: &mut Budget) -> Result<Value, String> {
        let id = index(self.dicts.len())?;
        budget.take(2 * size_of::<Vec<(Span, Value)>>() as u64)?;
        self.dicts.push(Vec::new());
        Ok(Value::Dict(id))
    }

    /// A storage with the persistent identifier `id`.
    pub(super) fn new_storage(&mut self, id: Span, budget: &mut Budget) -> Result<Value, String> {
        budget.take(2 * size_of::<Span>() as u64)?;
        self.storages.push(id);
        Ok(Value::Storage(id))
    }

    /// Appends to the list `id`.
    pub(super) fn append(&mut self, id: u32, values: &[Value], budget: &mut Budget) -> Result<(), String> {
        let Some(list) = self.lists.get_mut(id as usize) else { return Ok(()) };
        budget.take((values.len() + least(list)) as u64 * GROWN)?;
        list.extend_from_slice(values);
        Ok(())
    }

    /// Sets items of the dictionary `id`, keys and values in turn. Items whose keys are no strings
    /// are forgotten.
    pub(super) fn set(&mut self, id: u32, pairs: &[Value], budget: &mut Budget) -> Result<(), String> {
        let Some(dict) = self.dicts.get_mut(id as usize) else { return Ok(()) };
        for &[key, value] in pairs.as_chunks().0 {
            if let Value::Text(key) = key {
                budget.take((1 + least(dict)) as u64 * 2 * size_of::<(Span, Value)>() as u64)?;
                dict.push((key, value));
            }
        }
        Ok(())
    }

    pub(super) fn text(&self, span: Span) -> &str {
        // Bytes that are not UTF-8 are no text.
        str::from_utf8(slice(&self.text, span)).unwrap_or_default()
    }

    pub(super) fn parts(&self, span: Span) -> &[Value] {
        slice(&self.parts, span)
    }

    pub(super) fn list(&self, id: u32) -> &[Value] {
        self.lists.get(id as usize).map_or(&[], Vec::as_slice)
    }

    /// Items of a dictionary in the order in which they were set.
    pub(super) fn dict(&self, id: u32) -> &[(Span, Value)] {
        self.dicts.get(id as usize).map_or(&[], Vec::as_slice)
    }
}

/// Items that a vector's first allocation has room for beside its first.
fn least<T>(vector: &[T]) -> usize {
    if vector.is_empty() { 3 } else { 0 }
}

fn slice<T>(all: &[T], span: Span) -> &[T] {
    all.get(span.start as usize..span.start as usize + span.len as usize).unwrap_or_default()
}

fn span(start: usize, len: usize) -> Result<Span, String> {
    Ok(Span { start: index(start)?, len: index(len)? })
}

fn index(value: usize) -> Result<u32, String> {
    u32::try_from(value).map_err(|_| "the pickle describes more than 2^32 parts: not a checkpoint of torch.save".to_owned())
}
