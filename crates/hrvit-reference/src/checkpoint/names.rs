//! From the names in a file to bare ones.

use std::collections::BTreeMap;

use super::CheckpointError;
use crate::pth::shown;

/// What a training script may nest its weights under, the preferred one first: of averaged and plain weights, the averaged ones.
const CONTAINERS: [&str; 3] = ["state_dict_ema", "state_dict", "model"];
/// What data-parallel training puts in front of every name.
const WRAPPER: &str = "module";
/// How deep containers may nest.
pub(super) const MAX_DEPTH: usize = 4;

/// Whether a dictionary under this name may hold weights.
pub(super) fn is_container(name: &str) -> bool {
    name == WRAPPER || CONTAINERS.contains(&name)
}

/// Whether a tensor counts the batches that a BatchNorm has seen: no weight.
pub(super) fn is_counter(name: &str) -> bool {
    name.ends_with("num_batches_tracked")
}

/// Takes containers and wrappers off every name, outermost first. Once one name is in a container, tensors beside that container are left out.
pub(super) fn strip<T>(mut tensors: Vec<(String, T)>) -> Result<BTreeMap<String, T>, CheckpointError> {
    tensors.retain(|(name, _)| !is_counter(name));
    for _ in 0..MAX_DEPTH {
        let container = CONTAINERS.iter().find(|container| tensors.iter().any(|(name, _)| inside(name, container).is_some()));
        if let Some(container) = container {
            tensors = tensors.into_iter().filter_map(|(name, tensor)| Some((inside(&name, container)?.to_owned(), tensor))).collect();
        }
        for (name, _) in &mut tensors {
            if let Some(bare) = inside(name, WRAPPER) {
                *name = bare.to_owned();
            }
        }
    }
    let mut bare = BTreeMap::new();
    for (name, tensor) in tensors {
        if bare.insert(name.clone(), tensor).is_some() {
            return Err(CheckpointError::Twice { name: shown(&name) });
        }
    }
    Ok(bare)
}

/// The rest of `name` if it lies in `container`.
fn inside<'a>(name: &'a str, container: &str) -> Option<&'a str> {
    name.strip_prefix(container)?.strip_prefix('.')
}
