//! `.safetensors` files.

use std::collections::HashMap;
use std::path::Path;

use hrvit_format::Network;
use safetensors::serialize;
use safetensors::tensor::{Dtype, TensorView};

use super::error::CheckpointError;
use super::header::Part;
use super::tensor::Tensor;
use crate::pth::Source;

/// The values of a tensor, whose shape is the network's.
pub(super) fn load(source: &mut Source<'_>, path: &Path, name: &str, part: Part) -> Result<Tensor, CheckpointError> {
    let damaged = |reason: String| CheckpointError::Damaged { path: path.into(), reason: format!("{name}: {reason}") };
    let Some(element) = part.element() else { return Err(CheckpointError::ElementType { name: name.to_owned(), found: part.dtype }) };
    let expected = part.shape.iter().product::<usize>() as u64 * element.size();
    if part.len != expected {
        return Err(damaged(format!("has {} bytes; expected {expected} for shape {:?} of {}", part.len, part.shape, part.dtype)));
    }
    let bytes = source.read(part.start, part.len).map_err(damaged)?;
    Ok(Tensor { shape: part.shape, data: element.values(&bytes) })
}

/// The bytes of a file with all tensors of a network, which come from `origin`.
pub(super) fn bytes<'a>(network: &Network, origin: &str, tensors: impl Iterator<Item = (&'a str, &'a Tensor)>) -> Result<Vec<u8>, CheckpointError> {
    let damaged = |reason: String| CheckpointError::Damaged { path: origin.into(), reason };
    let bytes: Vec<(&str, &[usize], Vec<u8>)> =
        tensors.map(|(name, tensor)| (name, tensor.shape.as_slice(), tensor.data.iter().flat_map(|value| value.to_le_bytes()).collect())).collect();
    let views = bytes.iter().map(|(name, shape, data)| Ok((*name, TensorView::new(Dtype::F32, shape.to_vec(), data)?)));
    let views = views.collect::<Result<Vec<_>, safetensors::SafeTensorError>>().map_err(|error| damaged(error.to_string()))?;
    let network = serde_json::to_string(network).map_err(|error| damaged(error.to_string()))?;
    let metadata = HashMap::from([
        ("format".to_owned(), "pt".to_owned()),
        ("generator".to_owned(), concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")).to_owned()),
        ("network".to_owned(), network),
        ("origin".to_owned(), origin.to_owned()),
    ]);
    serialize(views, Some(metadata)).map_err(|error| damaged(error.to_string()))
}
