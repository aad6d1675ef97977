//! `.pth` files: a zip archive with a pickle that describes the tensors and one entry of raw values per storage.
//!
//! candle's pickle machine decodes the opcodes; nothing in the file is run. Tensors are `torch._utils._rebuild_tensor_v2(storage, offset, size, stride, ..)`,
//! parameters `_rebuild_parameter(tensor, ..)`; a storage is `('storage', torch.FloatStorage, key, device, length)`.

use std::collections::HashMap;
use std::io::{Cursor, Read};
use std::path::Path;

use candle_core::pickle::{Object, Stack};
use half::{bf16, f16};
use zip::ZipArchive;

use super::names::{CONTAINERS, MAX_DEPTH, WRAPPER};
use super::{CheckpointError, Tensor, widen};

/// The most values one tensor may have: more than any tensor of a network that a spec can describe.
const MAX_VALUES: usize = 1 << 28;

pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Vec<(String, Tensor)>, CheckpointError> {
    let damaged = |reason: String| CheckpointError::Damaged { path: path.into(), reason };
    let mut archive = Archive::open(bytes).map_err(damaged)?;
    let root = archive.pickle().map_err(damaged)?;
    let mut found = Vec::new();
    collect(root, "", MAX_DEPTH, &mut found);
    if found.is_empty() {
        return Err(damaged("the pickle holds no tensors, bare or under state_dict, model or state_dict_ema".into()));
    }
    let mut tensors = Vec::with_capacity(found.len());
    for (name, object) in found.into_iter().filter(|(name, _)| !name.ends_with("num_batches_tracked")) {
        let view = View::parse(object).ok_or_else(|| damaged(format!("{name}: the pickle describes no dense tensor here")))?;
        let element = Element::of(&view.storage_type).ok_or_else(|| CheckpointError::ElementType { name: name.clone(), found: view.storage_type.clone() })?;
        let tensor = archive.tensor(&view, element).map_err(|reason| damaged(format!("{name}: {reason}")))?;
        tensors.push((name, tensor));
    }
    Ok(tensors)
}

/// Tensors of a dictionary and of the containers in it, under dotted names. Whatever else a training script saved is left out.
fn collect(object: Object, prefix: &str, depth: usize, found: &mut Vec<(String, Object)>) {
    let Object::Dict(entries) = object else { return };
    for (key, value) in entries {
        let Object::Unicode(key) = key else { continue };
        let name = format!("{prefix}{key}");
        match value {
            Object::Reduce { .. } if is_tensor(&value) => found.push((name, value)),
            Object::Dict(_) if depth > 0 && (key == WRAPPER || CONTAINERS.contains(&key.as_str())) => collect(value, &format!("{name}."), depth - 1, found),
            _ => {}
        }
    }
}

fn is_tensor(object: &Object) -> bool {
    let Object::Reduce { callable, .. } = object else { return false };
    matches!(&**callable, Object::Class { module_name, class_name }
        if (module_name == "torch._utils" && (class_name == "_rebuild_tensor_v2" || class_name == "_rebuild_parameter"))
            || (module_name == "torch._tensor" && class_name == "_rebuild_from_type_v2"))
}

/// A strided view of a storage.
struct View {
    storage: String,
    storage_type: String,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

impl View {
    fn parse(object: Object) -> Option<Self> {
        let (callable, arguments) = object.reduce().ok()?;
        let (_, class) = callable.class().ok()?;
        let mut arguments = arguments.tuple().ok()?.into_iter();
        match class.as_str() {
            "_rebuild_parameter" => return Self::parse(arguments.next()?),
            // (function, type, arguments of the function, state)
            "_rebuild_from_type_v2" => {
                let function = arguments.next()?;
                let inner = arguments.nth(1)?;
                return Self::parse(Object::Reduce { callable: Box::new(function), args: Box::new(inner) });
            }
            "_rebuild_tensor_v2" => {}
            _ => return None,
        }
        let storage = arguments.next()?.persistent_load().ok()?.tuple().ok()?;
        let offset = unsigned(arguments.next()?)?;
        let shape = integers(arguments.next()?)?;
        let strides = integers(arguments.next()?)?;
        let mut storage = storage.into_iter().skip(1);
        let (_, storage_type) = storage.next()?.class().ok()?;
        let storage = storage.next()?.unicode().ok()?;
        (shape.len() == strides.len()).then_some(Self { storage, storage_type, offset, shape, strides })
    }

    fn is_contiguous(&self) -> bool {
        let mut next = 1;
        self.shape.iter().zip(&self.strides).rev().all(|(&side, &stride)| {
            let follows = side == 1 || stride == next;
            next *= side;
            follows
        })
    }

    /// Where row-major element `index` lies in the storage.
    fn position(&self, mut index: usize) -> usize {
        let mut at = self.offset;
        for (&side, &stride) in self.shape.iter().zip(&self.strides).rev() {
            at += index % side * stride;
            index /= side;
        }
        at
    }
}

fn integers(object: Object) -> Option<Vec<usize>> {
    object.tuple().ok()?.into_iter().map(unsigned).collect()
}

fn unsigned(object: Object) -> Option<usize> {
    usize::try_from(object.int_or_long().ok()?).ok()
}

/// Element types that are read.
#[derive(Clone, Copy)]
enum Element {
    F32,
    F16,
    Bf16,
}

impl Element {
    fn of(storage_type: &str) -> Option<Self> {
        Some(match storage_type {
            "FloatStorage" => Self::F32,
            "HalfStorage" => Self::F16,
            "BFloat16Storage" => Self::Bf16,
            _ => return None,
        })
    }
}

struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    /// Folder of the pickle inside the archive, with its slash.
    folder: String,
    /// Storages read so far: several tensors may share one.
    storages: HashMap<String, Vec<u8>>,
}

impl<'a> Archive<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, String> {
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|error| format!("not a whole zip archive: {error}"))?;
        let names = zip.file_names().filter_map(Result::ok);
        let folder = names.filter_map(|name| name.strip_suffix("data.pkl").map(str::to_owned)).min_by_key(String::len);
        let folder = folder.ok_or("a zip archive without data.pkl: not a PyTorch checkpoint")?;
        Ok(Self { zip, folder, storages: HashMap::new() })
    }

    fn pickle(&mut self) -> Result<Object, String> {
        let name = format!("{}data.pkl", self.folder);
        let bytes = self.entry(&name)?;
        let mut stack = Stack::empty();
        stack.read_loop(&mut bytes.as_slice()).map_err(|error| format!("{name}: {error}"))?;
        stack.finalize().map_err(|error| format!("{name}: {error}"))
    }

    /// The bytes of an entry; the archive's CRC of it is checked on the way.
    fn entry(&mut self, name: &str) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let mut entry = self.zip.by_name(name).map_err(|error| format!("{name}: {error}"))?;
        entry.read_to_end(&mut bytes).map_err(|error| format!("{name}: {error}"))?;
        Ok(bytes)
    }

    fn tensor(&mut self, view: &View, element: Element) -> Result<Tensor, String> {
        let count = view.shape.iter().try_fold(1usize, |product, &side| product.checked_mul(side)).filter(|&count| count <= MAX_VALUES);
        let count = count.ok_or_else(|| format!("shape {:?} has too many values", view.shape))?;
        let values = self.storage(view, element)?;
        let last =
            view.shape.iter().zip(&view.strides).try_fold(view.offset, |at, (&side, &stride)| at.checked_add(side.saturating_sub(1).checked_mul(stride)?));
        if count > 0 && last.is_none_or(|last| last >= values.len()) {
            return Err(format!(
                "shape {:?}, strides {:?}, offset {} reach past the {} values of the storage",
                view.shape,
                view.strides,
                view.offset,
                values.len()
            ));
        }
        let data = if count > 0 && view.is_contiguous() {
            values[view.offset..view.offset + count].to_vec()
        } else {
            (0..count).map(|index| values[view.position(index)]).collect()
        };
        Ok(Tensor { shape: view.shape.clone(), data })
    }

    fn storage(&mut self, view: &View, element: Element) -> Result<Vec<f32>, String> {
        if !self.storages.contains_key(&view.storage) {
            let bytes = self.entry(&format!("{}data/{}", self.folder, view.storage))?;
            self.storages.insert(view.storage.clone(), bytes);
        }
        let bytes = &self.storages[&view.storage];
        Ok(match element {
            Element::F32 => widen(bytes, f32::from_le_bytes),
            Element::F16 => widen(bytes, |half| f16::from_le_bytes(half).to_f32()),
            Element::Bf16 => widen(bytes, |half| bf16::from_le_bytes(half).to_f32()),
        })
    }
}
