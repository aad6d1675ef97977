//! `.safetensors` files.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use safetensors::serialize;
use safetensors::tensor::{Dtype, TensorView};

use super::header::Part;
use super::{Checkpoint, CheckpointError, Element, Tensor};
use crate::pth::Source;

/// The values of a tensor, whose shape is the network's.
pub(super) fn load(source: &mut Source<'_>, path: &Path, name: &str, part: Part) -> Result<Tensor, CheckpointError> {
    let damaged = |reason: String| CheckpointError::Damaged { path: path.into(), reason: format!("{name}: {reason}") };
    let element = match part.dtype.as_str() {
        "F32" => Element::F32,
        "F16" => Element::F16,
        "BF16" => Element::Bf16,
        _ => return Err(CheckpointError::ElementType { name: name.to_owned(), found: part.dtype }),
    };
    let expected = part.shape.iter().product::<usize>() as u64 * element.size();
    if part.len != expected {
        return Err(damaged(format!("has {} bytes; expected {expected} for shape {:?} of {}", part.len, part.shape, part.dtype)));
    }
    let bytes = source.read(part.start, part.len).map_err(damaged)?;
    Ok(Tensor { shape: part.shape, data: element.widen(&bytes) })
}

/// The bytes of a file for `path`, which errors name.
pub(super) fn encode(checkpoint: &Checkpoint, path: &Path) -> Result<Vec<u8>, CheckpointError> {
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
    serialize(views, Some(metadata)).map_err(|error| damaged(error.to_string()))
}

pub(super) fn write(checkpoint: &Checkpoint, path: &Path) -> Result<(), CheckpointError> {
    write_whole(path, &encode(checkpoint, path)?).map_err(|source| CheckpointError::File { path: path.into(), source })
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
