//! `.safetensors` files.

use std::collections::HashMap;
use std::path::Path;

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

/// The bytes of a file with all tensors.
pub(super) fn bytes(checkpoint: &Checkpoint) -> Result<Vec<u8>, CheckpointError> {
    let damaged = |reason: String| CheckpointError::Damaged { path: checkpoint.origin().into(), reason };
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
