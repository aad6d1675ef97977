//! The header of a `.safetensors` file: what is read of it takes no more memory than the file, the
//! network's tensors and one MiB.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::element::Element;
use crate::pth::{Budget, MAX_AXES, Source, shown};

/// Bytes before the header: its length.
const LEN: u64 = 8;
/// Entry that the header has beside tensors.
const METADATA: &str = "__metadata__";

/// A tensor in a file.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(super) shape: Vec<usize>,
    /// Name of the elements' type.
    pub(super) dtype: String,
    /// Its first byte in the file, and how many it has.
    pub(super) start: u64,
    pub(super) len: u64,
}

impl Part {
    /// The type of its elements, if it is one that is read.
    pub(super) fn element(&self) -> Option<Element> {
        Element::of(&self.dtype)
    }
}

/// The tensors of a file under their names in it. Every byte behind the header is of one of them.
pub(super) fn read(source: &mut Source<'_>, budget: &mut Budget) -> Result<Vec<(String, Part)>, String> {
    let len = source.read(0, LEN)?.first_chunk().map_or(u64::MAX, |&len| u64::from_le_bytes(len));
    let whole = source.len();
    let data = len.checked_add(LEN).filter(|&data| data <= whole).ok_or_else(|| format!("its header of {len} bytes reaches past its end"))?;
    budget.take(len)?;
    let text = source.read(LEN, len)?;
    let mut json = serde_json::Deserializer::from_slice(&text);
    let read = Tensors { budget, data }.deserialize(&mut json).and_then(|tensors| json.end().map(|()| tensors));
    let tensors = read.map_err(|error| shown(&error.to_string()))?;
    let mut spans: Vec<_> = tensors.iter().map(|(name, part)| (part.start, part.len, name)).collect();
    spans.sort_unstable();
    let mut at = data;
    for (start, len, name) in spans {
        if start != at {
            return Err(format!("{}: its bytes do not follow those of the tensor before it", shown(name)));
        }
        at = start.checked_add(len).filter(|&end| end <= whole).ok_or_else(|| format!("{}: its bytes reach past the end of the file", shown(name)))?;
    }
    if at == whole { Ok(tensors) } else { Err(format!("its last {} bytes are of no tensor", whole - at)) }
}

/// Reads the object whose fields are tensors.
struct Tensors<'b> {
    budget: &'b mut Budget,
    /// Offset of the tensors' bytes.
    data: u64,
}

impl<'de> DeserializeSeed<'de> for Tensors<'_> {
    type Value = Vec<(String, Part)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Tensors<'_> {
    type Value = Vec<(String, Part)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut tensors = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if name == METADATA {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let Info { dtype: Name(dtype), shape: Axes(shape), data_offsets: (start, end) } = map.next_value()?;
            let least = size_of_val(shape.as_slice()) + dtype.len() + 2 * size_of::<(String, Part)>() + size_of::<(u64, u64, &str)>();
            self.budget.take((2 * name.len() + least) as u64).map_err(M::Error::custom)?;
            let (Some(len), Some(start)) = (end.checked_sub(start), start.checked_add(self.data)) else {
                return Err(M::Error::custom(format_args!("{}: its bytes end before they begin", shown(&name))));
            };
            tensors.push((name, Part { shape, dtype, start, len }));
        }
        Ok(tensors)
    }
}

/// A tensor as the header has it.
#[derive(Deserialize)]
struct Info {
    dtype: Name,
    shape: Axes,
    data_offsets: (u64, u64),
}

/// The name of a type, cut to what an error shows.
struct Name(String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(shown(&String::deserialize(deserializer)?)))
    }
}

/// A shape.
struct Axes(Vec<usize>);

impl<'de> Deserialize<'de> for Axes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Sides)
    }
}

struct Sides;

impl<'de> Visitor<'de> for Sides {
    type Value = Axes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a shape of at most {MAX_AXES} sizes")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut sides: S) -> Result<Axes, S::Error> {
        let mut shape = Vec::new();
        while let Some(side) = sides.next_element()? {
            if shape.len() == MAX_AXES {
                return Err(S::Error::invalid_length(MAX_AXES + 1, &self));
            }
            shape.push(side);
        }
        Ok(Axes(shape))
    }
}
