//! The tensors of a checkpoint, to be changed.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use hrvit_format::Network;
use hrvit_reference::{Checkpoint, Tensor};

/// Tensors of one network by name. Asking for one that the network has not is a mistake of an edit:
/// it panics and names the tensor.
#[derive(Clone, Debug)]
pub struct Tensors {
    network: Network,
    tensors: BTreeMap<String, Tensor>,
}

impl Tensors {
    /// Tensors of `checkpoint`.
    pub fn of(checkpoint: &Checkpoint) -> Self {
        let tensors = checkpoint.iter().map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect();
        Self { network: checkpoint.network().clone(), tensors }
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// A checkpoint of them.
    ///
    /// # Errors
    /// If a value is not finite; names the tensor.
    pub fn checkpoint(&self, origin: &str) -> Result<Checkpoint> {
        Checkpoint::new(&self.network, self.tensors.clone(), origin.to_owned()).with_context(|| format!("edited checkpoint: {origin}"))
    }

    /// Whether there is a tensor `name`.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// The values of `name`.
    pub fn get(&self, name: &str) -> &[f32] {
        &self.tensor(name).data
    }

    /// The values of `name`, to be changed.
    pub fn get_mut(&mut self, name: &str) -> &mut [f32] {
        match self.tensors.get_mut(name) {
            Some(tensor) => &mut tensor.data,
            None => panic!("{name}: not a tensor of this network"),
        }
    }

    /// The shape of `name`.
    pub fn shape(&self, name: &str) -> &[usize] {
        &self.tensor(name).shape
    }

    fn tensor(&self, name: &str) -> &Tensor {
        self.tensors.get(name).unwrap_or_else(|| panic!("{name}: not a tensor of this network"))
    }

    /// The values of `name` at `row` of its first axis, to be changed.
    pub fn row_mut(&mut self, name: &str, row: usize) -> &mut [f32] {
        let depth: usize = self.shape(name).iter().skip(1).product();
        &mut self.get_mut(name)[row * depth..][..depth]
    }

    /// Changes every value of `name` at `column` of its second axis.
    pub fn change_column(&mut self, name: &str, column: usize, change: impl Fn(f32) -> f32) {
        let (columns, inner) = self.columns(name);
        for row in self.get_mut(name).chunks_exact_mut(columns * inner) {
            row[column * inner..][..inner].iter_mut().for_each(|value| *value = change(*value));
        }
    }

    /// Per row of `name`, the sum of the values at `column` of its second axis.
    pub fn column_sums(&self, name: &str, column: usize) -> Vec<f64> {
        let (columns, inner) = self.columns(name);
        let sum = |row: &[f32]| row[column * inner..][..inner].iter().map(|&value| f64::from(value)).sum();
        self.get(name).chunks_exact(columns * inner).map(sum).collect()
    }

    fn columns(&self, name: &str) -> (usize, usize) {
        let shape = self.shape(name);
        (shape[1], shape[2..].iter().product())
    }

    /// Root mean square of the values of `name`.
    pub fn rms(&self, name: &str) -> f64 {
        let values = self.get(name);
        (values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>() / values.len().max(1) as f64).sqrt()
    }
}
