//! Which tensors of a file are the network's: what stands in front of their names, whose names they
//! are, and what lies beside them.

use std::collections::{BTreeMap, HashMap, HashSet};

use hrvit_format::Network;

use super::error::CheckpointError;
use super::fit::{Fit, fit};
use super::hints;
use super::naming::{Naming, Recipe};
use super::part::Part;
use super::selection::{self, Selection};
use super::sets::{self, Best, NoSet};
use super::taken::Taken;
use crate::listed::Listed;
use crate::parameters::{Parameter, parameters};
use crate::pth::shown;

/// Parts that training and compiling put into a name.
const WRAPPERS: [&str; 4] = ["module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];
/// First parts of the network's own names.
const ROOTS: [&str; 5] = ["backbone", "decode_head", "stem", "features", "head"];
/// The longest name that is looked into.
const MAX_NAME: usize = 512;
/// Prefixes that are looked at, those with the most of the network's names first.
const MAX_PREFIXES: usize = 16;
/// Groups of names that are left out and told apart.
const MAX_GROUPS: usize = 64;

/// The network's tensors in a file.
pub(super) struct Choice<P> {
    /// In the network's order.
    pub(super) tensors: Vec<Chosen<P>>,
    /// The selection, in words.
    pub(super) taken: Taken,
}

/// One of the network's tensors.
pub(super) struct Chosen<P> {
    /// Its parameter in the network.
    pub(super) parameter: Parameter,
    /// How it comes from the file's.
    pub(super) recipe: Recipe,
    /// These, under their names.
    pub(super) sources: Vec<(String, P)>,
}

/// Whether a tensor counts the batches that a BatchNorm has seen: no weight.
fn is_counter(name: &str) -> bool {
    name.ends_with("num_batches_tracked")
}

/// Whether the first part of a name says that the tensor serves training alone.
fn is_for_training(part: &str) -> bool {
    part.starts_with("aux") || part.starts_with("loss") || part == "criterion" || part == "discriminator"
}

/// A name without [`WRAPPERS`].
fn unwrapped(name: &str) -> String {
    let mut bare = String::with_capacity(name.len());
    if name.len() > MAX_NAME {
        bare.push_str(name);
        return bare;
    }
    // The dot behind a prefix stays.
    for part in name.split_inclusive('.').filter(|part| !WRAPPERS.contains(&part.trim_end_matches('.'))) {
        bare.push_str(part);
    }
    bare
}

/// Recipes of every tensor, by naming.
type Recipes = Vec<(Naming, Vec<Recipe>)>;

/// Chooses the tensors of `network`; names and shapes are compared, values are not read.
pub(super) fn choose<P: Part>(network: &Network, listed: Vec<Listed<P>>, selection: &Selection) -> Result<Choice<P>, CheckpointError> {
    let expected = parameters(network);
    let recipes: Recipes =
        Naming::of(network.head).iter().map(|&naming| (naming, expected.iter().map(|parameter| naming.recipe(parameter)).collect())).collect();
    if let Some(pattern) = selection.ignore.iter().find(|pattern| !listed.iter().any(|tensor| selection::matches(pattern, &tensor.name))) {
        return Err(CheckpointError::NoEffect { option: format!("--ignore-tensor '{}'", shown(pattern)), reason: "the file has no such tensor" });
    }
    let before = listed.len();
    let kept: Vec<Listed<P>> = listed.into_iter().filter(|tensor| !selection.ignores(&tensor.name)).collect();
    let ignored = before - kept.len();
    let tensors: Vec<(String, Listed<P>)> =
        kept.into_iter().filter(|tensor| !is_counter(&tensor.name)).map(|tensor| (unwrapped(&tensor.name), tensor)).collect();
    let prefixes = match &selection.prefix {
        Some(prefix) if prefix.is_empty() || prefix.ends_with('.') => vec![unwrapped(prefix)],
        Some(prefix) => vec![unwrapped(&format!("{prefix}."))],
        None => prefixes(&tensors, &recipes),
    };
    let fits = prefixes.iter().flat_map(|prefix| recipes.iter().map(move |(naming, recipes)| (prefix, *naming, recipes)));
    let fits: Vec<Fit<'_, P>> = fits.map(|(prefix, naming, recipes)| fit(&tensors, prefix, naming, recipes)).collect();
    let Best { fit, others, mut taken } = sets::best(fits, selection.averaged).map_err(|none| match none {
        NoSet::Whole(nearest) => missing(nearest.as_deref(), &tensors, network, selection),
        NoSet::Refused(error) => error,
    })?;
    if let Some(name) = fit.twice {
        return Err(CheckpointError::Twice { name: shown(name) });
    }
    let folds = matches!(fit.naming, Naming::Normalised | Naming::NormalisedBiased);
    if folds && !selection.convs_without_relu {
        return Err(CheckpointError::ReluHead);
    }
    if selection.convs_without_relu && !folds {
        return Err(CheckpointError::NoEffect { option: "--convs-without-relu".into(), reason: "the file has no BatchNorms behind decode_head.convs" });
    }
    taken.left_out = beside(&fit, &others, &tensors, network)?;
    taken.changes.extend(fit.naming.description().map(str::to_owned));
    if ignored > 0 {
        taken.changes.push(format!("{ignored} tensor{} ignored as asked", if ignored == 1 { "" } else { "s" }));
    }
    let mut chosen = Vec::new();
    for (parameter, recipe) in expected.iter().zip(fit.recipes) {
        let mut sources = Vec::new();
        for source in &recipe.sources {
            let Some(tensor) = fit.tensors.get(source.name.as_str()) else { continue };
            if let Some(found) = tensor.part.shape().filter(|found| *found != source.shape) {
                let hint = hints::of_shape(&source.name, found, network, &tensors);
                return Err(CheckpointError::Misshapen { name: source.name.clone(), expected: source.shape.clone(), found: found.to_vec(), hint });
            }
            sources.push((source.name.clone(), tensor.part.clone()));
        }
        chosen.push(Chosen { parameter: parameter.clone(), recipe: recipe.clone(), sources });
    }
    Ok(Choice { tensors: chosen, taken })
}

/// Everything that stands in front of a name of the network, by how many names it stands in front
/// of.
fn prefixes<P: Part>(tensors: &[(String, Listed<P>)], recipes: &Recipes) -> Vec<String> {
    let known: HashSet<&str> = recipes.iter().flat_map(|(_, recipes)| recipes).flat_map(|recipe| &recipe.sources).map(|source| source.name.as_str()).collect();
    let longest = known.iter().map(|name| name.len()).max().unwrap_or(0);
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for (name, _) in tensors.iter().filter(|(name, _)| name.len() <= MAX_NAME) {
        let starts = std::iter::once(0).chain(name.match_indices('.').map(|(dot, _)| dot + 1)).filter(|start| name.len() - start <= longest);
        starts.filter(|&start| known.contains(&name[start..])).for_each(|start| *counts.entry(&name[..start]).or_default() += 1);
    }
    let mut prefixes: Vec<(usize, &str)> = counts.into_iter().map(|(prefix, count)| (count, prefix)).collect();
    prefixes.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    prefixes.into_iter().take(MAX_PREFIXES).map(|(_, prefix)| prefix.to_owned()).collect()
}

/// That no prefix has all tensors; `nearest` lacks the fewest.
fn missing<P: Part>(nearest: Option<&Fit<'_, P>>, tensors: &[(String, Listed<P>)], network: &Network, selection: &Selection) -> CheckpointError {
    let expected = parameters(network);
    let nearest = nearest.filter(|fit| !fit.tensors.is_empty());
    if let Some(name) = nearest.and_then(|fit| fit.twice) {
        return CheckpointError::Twice { name: shown(name) };
    }
    let first = nearest.and_then(|fit| fit.missing.first().copied()).or(expected.first());
    let (name, shape) = first.map(|first| (first.name.clone(), first.shape.clone())).unwrap_or_default();
    let missing = nearest.map_or(expected.len(), |fit| fit.missing.len());
    let hint = hints::of_names(nearest, tensors, network, selection);
    CheckpointError::Missing { name, expected: shape, missing, total: expected.len(), hint }
}

/// Groups of tensors beside the weights in their dictionaries. Each is no weight behind its prefix,
/// or known to serve training alone.
fn beside<P: Part>(fit: &Fit<'_, P>, others: &[String], tensors: &[(String, Listed<P>)], network: &Network) -> Result<Vec<(String, usize)>, CheckpointError> {
    let dictionaries: HashSet<usize> = fit.tensors.values().map(|tensor| tensor.dictionary).collect();
    let mut left_out: BTreeMap<String, usize> = BTreeMap::new();
    let mut extra: Vec<(&str, &Listed<P>)> = Vec::new();
    for (name, tensor) in tensors.iter().filter(|(_, tensor)| dictionaries.contains(&tensor.dictionary)) {
        // Of another whole set, which was told already.
        let is_of_other = |other: &String| name.starts_with(other.as_str()) && (other.len() > fit.prefix.len() || !name.starts_with(&fit.prefix));
        let inside = name.strip_prefix(&fit.prefix);
        if others.iter().any(is_of_other) || inside.is_some_and(|bare| fit.tensors.contains_key(bare)) {
            continue;
        }
        let bare = inside.unwrap_or(name);
        let first = bare.split('.').next().unwrap_or(bare);
        let is_single = tensor.part.shape().is_some_and(|shape| shape.iter().all(|&side| side == 1));
        let is_no_weight = is_for_training(first) || fit.naming.leaves_unused(bare) || tensor.part.is_integer() || (is_single && first == bare);
        if inside.is_none() || is_no_weight {
            let group = if left_out.len() < MAX_GROUPS { shown(first) } else { "..".to_owned() };
            *left_out.entry(group).or_default() += 1;
        } else {
            extra.push((bare, tensor));
        }
    }
    extra.sort_unstable_by_key(|(name, _)| *name);
    let Some((name, tensor)) = extra.first() else { return Ok(left_out.into_iter().collect()) };
    let found = tensor.part.shape().unwrap_or_default().to_vec();
    let first = name.split('.').next().unwrap_or(name);
    // A pattern for a group of the network's own names would take the network with it.
    let pattern = match tensor.name.strip_suffix(name) {
        Some(before) if !ROOTS.contains(&first) && first.len() < name.len() => format!("{before}{first}.*"),
        _ => tensor.name.clone(),
    };
    let hint = hints::of_extra(&pattern, network, tensors);
    Err(CheckpointError::Extra { name: shown(name), found, extra: extra.len(), hint })
}
