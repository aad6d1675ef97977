//! `.safetensors` files.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};

use super::{Checkpoint, CheckpointError, Element, Tensor};

/// The tensors of a file under their names in it.
pub(super) fn open<'a>(path: &Path, bytes: &'a [u8]) -> Result<Vec<(String, Part<'a>)>, CheckpointError> {
    let damaged = |error| CheckpointError::Damaged { path: path.into(), reason: format!("not a whole .safetensors file: {error}") };
    let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
    let part = |view: TensorView<'a>| Part { shape: view.shape().to_vec(), dtype: view.dtype(), bytes: view.data() };
    Ok(file.tensors().into_iter().map(|(name, view)| (name, part(view))).collect())
}

/// A tensor in a file.
pub(super) struct Part<'a> {
    pub(super) shape: Vec<usize>,
    dtype: Dtype,
    bytes: &'a [u8],
}

/// The values of a tensor.
pub(super) fn load(name: &str, part: Part<'_>) -> Result<Tensor, CheckpointError> {
    let element = match part.dtype {
        Dtype::F32 => Element::F32,
        Dtype::F16 => Element::F16,
        Dtype::BF16 => Element::Bf16,
        other => return Err(CheckpointError::ElementType { name: name.to_owned(), found: format!("{other:?}") }),
    };
    Ok(Tensor { shape: part.shape, data: element.widen(part.bytes) })
}

pub(super) fn write(checkpoint: &Checkpoint, path: &Path) -> Result<(), CheckpointError> {
    let damaged = |reason: String| CheckpointError::Damaged { path: path.into(), reason };
    let bytes: Vec<(&str, &[usize], Vec<u8>)> =
        checkpoint.iter().map(|(name, tensor)| (name, tensor.shape.as_slice(), tensor.data.iter().flat_map(|value| value.to_le_bytes()).collect())).collect();
    let views = bytes.iter().map(|(name, shape, data)| Ok((*name, TensorView::new(Dtype::F32, shape.to_vec(), data)?)));
    let views = views.collect::<Result<Vec<_>, safetensors::SafeTensorError>>().map_err(|error| damaged(error.to_string()))?;
    let network = serde_json::to_string(checkpoint.network()).map_err(|error| damaged(error.to_string()))?;
    let metadata = HashMap::from([
        ("format".to_owned(), "pt".to_owned()),
        ("generator".to_owned(), concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")).to_owned()),
        ("network".to_owned(), network),
        ("origin".to_owned(), checkpoint.origin().to_owned()),
    ]);
    let file = serialize(views, Some(metadata)).map_err(|error| damaged(error.to_string()))?;
    write_whole(path, &file).map_err(|source| CheckpointError::File { path: path.into(), source })
}

/// Writes beside `path` and renames, so that `path` is never half a file.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut name = OsString::from(path);
    name.push(format!(".{}.part", std::process::id()));
    let part = PathBuf::from(name);
    let written = fs::File::create(&part).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part, path)
    });
    if written.is_err() {
        // The first error is the one to report; a part that was never created cannot be removed either.
        let _ = fs::remove_file(&part);
    }
    written
}
