//! Tensors of a file that stand behind one prefix.

use std::collections::{HashMap, HashSet};

use super::naming::{Naming, Recipe};
use super::part::Part;
use crate::listed::Listed;
use crate::parameters::Parameter;

/// A prefix, with the tensors of the network that stand behind it.
pub(super) struct Fit<'a, P> {
    pub(super) prefix: String,
    pub(super) naming: Naming,
    /// Recipes of every tensor by that naming.
    pub(super) recipes: &'a [Recipe],
    pub(super) tensors: HashMap<&'a str, &'a Listed<P>>,
    /// Tensors that the file lacks.
    pub(super) missing: Vec<&'a Parameter>,
    /// A name that stands there twice.
    pub(super) twice: Option<&'a str>,
}

/// The tensors behind `prefix` that `recipes` ask for.
pub(super) fn fit<'a, P: Part>(tensors: &'a [(String, Listed<P>)], prefix: &str, naming: Naming, recipes: &'a [Recipe]) -> Fit<'a, P> {
    let needed: HashSet<&str> = recipes.iter().flat_map(|recipe| &recipe.sources).map(|source| source.name.as_str()).collect();
    let longest = needed.iter().map(|name| name.len()).max().unwrap_or(0);
    let (mut found, mut twice) = (HashMap::new(), None);
    for (name, tensor) in tensors {
        let Some(bare) = name.strip_prefix(prefix).filter(|bare| bare.len() <= longest && needed.contains(bare)) else { continue };
        if found.insert(bare, tensor).is_some() {
            twice = Some(bare);
        }
    }
    let missing = recipes.iter().flat_map(|recipe| &recipe.sources).filter(|source| !found.contains_key(source.name.as_str())).collect();
    Fit { prefix: prefix.to_owned(), naming, recipes, missing, twice, tensors: found }
}
