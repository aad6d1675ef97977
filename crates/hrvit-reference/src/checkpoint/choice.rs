//! Which tensors of a file are the network's: what stands in front of their names, whose names they are, and what lies beside them.

use std::collections::{BTreeMap, HashMap, HashSet};

use hrvit_format::Network;

use super::listing::{Listed, Part};
use super::naming::{Naming, Recipe};
use super::selection::{Averaged, Selection};
use super::taken::Taken;
use super::{CheckpointError, closest};
use crate::parameters::{Parameter, parameters};
use crate::pth::shown;

/// What training and compiling put between the parts of a name.
const WRAPPERS: [&str; 4] = ["module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];
/// What training scripts nest weights under, the preferred one first, as timm has them.
const CONTAINERS: [&str; 5] = ["state_dict_ema.", "model_ema.", "state_dict.", "model.", ""];
/// Parts of a prefix that say that its weights are averages.
const AVERAGED: [&str; 4] = ["ema", "averaged", "average", "swa"];
/// The longest name in which a prefix is looked for.
const MAX_NAME: usize = 512;
/// Prefixes that are looked at, those with the most of the network's names first.
const MAX_PREFIXES: usize = 16;
/// Names that a message shows, and characters of each.
const SHOWN: usize = 5;
const BRIEF: usize = 72;

/// The network's tensors in a file.
pub(super) struct Choice<P> {
    /// In the network's order.
    pub(super) tensors: Vec<Chosen<P>>,
    /// What was taken, in words.
    pub(super) taken: Taken,
}

/// One of the network's tensors.
pub(super) struct Chosen<P> {
    /// What it is in the network.
    pub(super) parameter: Parameter,
    /// How it comes from the file's.
    pub(super) recipe: Recipe,
    /// These, under their names.
    pub(super) sources: Vec<(String, P)>,
}

/// Whether a tensor counts the batches that a BatchNorm has seen: no weight.
pub(super) fn is_counter(name: &str) -> bool {
    name.ends_with("num_batches_tracked")
}

/// Whether the first part of a name says that the tensor serves training alone.
fn is_for_training(part: &str) -> bool {
    part.starts_with("aux") || part.starts_with("loss") || part == "criterion" || part == "discriminator"
}

/// A name without [`WRAPPERS`].
fn unwrapped(name: &str) -> String {
    name.split('.').filter(|part| !WRAPPERS.contains(part)).collect::<Vec<_>>().join(".")
}

/// A prefix with which the file has tensors of the network.
struct Fit<'a, P> {
    prefix: String,
    naming: Naming,
    tensors: HashMap<&'a str, &'a Listed<P>>,
    missing: Vec<&'a Parameter>,
    sources: usize,
}

/// Recipes of every tensor, by naming.
type Recipes = Vec<(Naming, Vec<Recipe>)>;

/// Chooses the tensors of `network`; names and shapes are compared, values are not read.
pub(super) fn choose<P: Part>(network: &Network, listed: Vec<Listed<P>>, selection: &Selection) -> Result<Choice<P>, CheckpointError> {
    let expected = parameters(network);
    let recipes: Recipes =
        Naming::of(network.head).iter().map(|&naming| (naming, expected.iter().map(|parameter| naming.recipe(parameter)).collect())).collect();
    let mut ignored = 0;
    let mut tensors = Vec::new();
    for tensor in listed {
        if selection.ignores(&tensor.name) {
            ignored += 1;
        } else if !is_counter(&tensor.name) {
            tensors.push((unwrapped(&tensor.name), tensor));
        }
    }
    let prefixes = match &selection.prefix {
        Some(prefix) => vec![unwrapped(prefix)],
        None => prefixes(&tensors, &recipes),
    };
    let fits = prefixes.iter().flat_map(|prefix| recipes.iter().map(move |(naming, recipes)| (prefix, *naming, recipes)));
    let fits = fits.map(|(prefix, naming, recipes)| fit(&tensors, prefix, naming, &expected, recipes)).collect::<Result<Vec<_>, _>>()?;
    let fit = best(fits, selection, &tensors, network, &expected)?;
    if matches!(fit.naming, Naming::Normalised | Naming::NormalisedBiased) && !selection.convs_without_relu {
        return Err(CheckpointError::ReluHead);
    }
    let recipes = recipes.into_iter().find(|(naming, _)| *naming == fit.naming).map(|(_, recipes)| recipes).unwrap_or_default();
    let used: HashSet<&str> = recipes.iter().flat_map(|recipe| &recipe.sources).map(|source| source.name.as_str()).collect();
    let mut taken = beside(&fit, &used, &tensors, network)?;
    taken.changes.extend(fit.naming.description().map(str::to_owned));
    if ignored > 0 {
        taken.changes.push(format!("{ignored} tensor{} ignored as asked", if ignored == 1 { "" } else { "s" }));
    }
    let mut chosen = Vec::new();
    for (parameter, recipe) in expected.iter().zip(recipes) {
        let mut sources = Vec::new();
        for source in &recipe.sources {
            let Some(tensor) = fit.tensors.get(source.name.as_str()) else { continue };
            if let Some(found) = tensor.part.shape().filter(|found| *found != source.shape) {
                let hint = hint_of_shape(&source.name, found, network, &tensors);
                return Err(CheckpointError::Misshapen { name: source.name.clone(), expected: source.shape.clone(), found: found.to_vec(), hint });
            }
            sources.push((source.name.clone(), tensor.part.clone()));
        }
        chosen.push(Chosen { parameter: parameter.clone(), recipe, sources });
    }
    Ok(Choice { tensors: chosen, taken })
}

/// Everything that stands in front of a name of the network, by how many names it stands in front of.
fn prefixes<P: Part>(tensors: &[(String, Listed<P>)], recipes: &Recipes) -> Vec<String> {
    let known: HashSet<&str> = recipes.iter().flat_map(|(_, recipes)| recipes).flat_map(|recipe| &recipe.sources).map(|source| source.name.as_str()).collect();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for (name, _) in tensors.iter().filter(|(name, _)| name.len() <= MAX_NAME) {
        let starts = std::iter::once(0).chain(name.match_indices('.').map(|(dot, _)| dot + 1));
        starts.filter(|&start| known.contains(&name[start..])).for_each(|start| *counts.entry(&name[..start]).or_default() += 1);
    }
    let mut prefixes: Vec<(usize, &str)> = counts.into_iter().map(|(prefix, count)| (count, prefix)).collect();
    prefixes.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    prefixes.into_iter().take(MAX_PREFIXES).map(|(_, prefix)| prefix.to_owned()).collect()
}

fn fit<'a, P: Part>(
    tensors: &'a [(String, Listed<P>)],
    prefix: &str,
    naming: Naming,
    expected: &'a [Parameter],
    recipes: &[Recipe],
) -> Result<Fit<'a, P>, CheckpointError> {
    let needed: HashSet<&str> = recipes.iter().flat_map(|recipe| &recipe.sources).map(|source| source.name.as_str()).collect();
    let mut found = HashMap::new();
    for (name, tensor) in tensors {
        let Some(bare) = name.strip_prefix(prefix).filter(|bare| needed.contains(bare)) else { continue };
        if found.insert(bare, tensor).is_some() {
            return Err(CheckpointError::Twice { name: shown(bare) });
        }
    }
    let is_whole = |recipe: &Recipe| recipe.sources.iter().all(|source| found.contains_key(source.name.as_str()));
    let missing = expected.iter().zip(recipes).filter(|(_, recipe)| !is_whole(recipe)).map(|(parameter, _)| parameter).collect();
    Ok(Fit { prefix: prefix.to_owned(), naming, missing, sources: found.len(), tensors: found })
}

/// The fit that is taken: a whole one, of averaged or last weights as asked.
fn best<'a, P: Part>(
    mut fits: Vec<Fit<'a, P>>,
    selection: &Selection,
    tensors: &[(String, Listed<P>)],
    network: &Network,
    expected: &[Parameter],
) -> Result<Fit<'a, P>, CheckpointError> {
    if fits.iter().all(|fit| !fit.missing.is_empty()) {
        fits.sort_by_key(|fit| (fit.missing.len(), std::cmp::Reverse(fit.sources)));
        let nearest = fits.into_iter().next();
        let first = nearest.as_ref().and_then(|fit| fit.missing.first().copied()).or(expected.first());
        let (name, shape) = first.map(|first| (first.name.clone(), first.shape.clone())).unwrap_or_default();
        let missing = nearest.as_ref().map_or(expected.len(), |fit| fit.missing.len());
        let hint = hint_of_names(nearest.as_ref(), tensors, network, expected);
        return Err(CheckpointError::Missing { name, expected: shape, missing, total: expected.len(), hint });
    }
    fits.retain(|fit| fit.missing.is_empty());
    // Of two readings of the same tensors the one that uses more of them.
    fits.sort_by_key(|fit| std::cmp::Reverse(fit.sources));
    let mut seen = HashSet::new();
    fits.retain(|fit| seen.insert(fit.prefix.clone()));
    let listed = |fits: &[Fit<'_, P>]| fits.iter().map(|fit| format!("\"{}\"", shown(&fit.prefix))).collect::<Vec<_>>().join(", ");
    let all = listed(&fits);
    let any_averaged = fits.iter().any(|fit| is_averaged(&fit.prefix));
    match selection.averaged {
        Averaged::Preferred if any_averaged => fits.retain(|fit| is_averaged(&fit.prefix)),
        Averaged::Preferred => {}
        Averaged::Required => fits.retain(|fit| is_averaged(&fit.prefix)),
        Averaged::Avoided => fits.retain(|fit| !is_averaged(&fit.prefix)),
    }
    let rank = |fit: &Fit<'_, P>| CONTAINERS.iter().position(|container| *container == fit.prefix).unwrap_or(CONTAINERS.len());
    fits.sort_by_key(rank);
    if let [first, second, ..] = &fits[..]
        && rank(first) == rank(second)
    {
        return Err(CheckpointError::Several { found: listed(&fits) });
    }
    let wanted = if selection.averaged == Averaged::Required { "averaged" } else { "last" };
    fits.into_iter().next().ok_or(CheckpointError::Averaged { wanted, found: all })
}

fn is_averaged(prefix: &str) -> bool {
    prefix.split(['.', '_']).any(|part| AVERAGED.contains(&part))
}

/// What lies beside the weights: it must be no weight, or known to serve training alone.
fn beside<P: Part>(fit: &Fit<'_, P>, used: &HashSet<&str>, tensors: &[(String, Listed<P>)], network: &Network) -> Result<Taken, CheckpointError> {
    let dictionaries: HashSet<usize> = fit.tensors.values().map(|tensor| tensor.dictionary).collect();
    let mut left_out: BTreeMap<String, usize> = BTreeMap::new();
    let mut extra: Vec<(&str, &Listed<P>)> = Vec::new();
    for (name, tensor) in tensors.iter().filter(|(_, tensor)| dictionaries.contains(&tensor.dictionary)) {
        let Some(bare) = name.strip_prefix(&fit.prefix).filter(|bare| !used.contains(bare)) else { continue };
        let first = bare.split('.').next().unwrap_or(bare);
        let is_scalar = tensor.part.shape().is_none_or(|shape| shape.iter().product::<usize>() <= 1);
        if is_for_training(first) || fit.naming.leaves_unused(bare) || !tensor.part.is_real() || (is_scalar && first == bare) {
            *left_out.entry(shown(first)).or_default() += 1;
        } else {
            extra.push((bare, tensor));
        }
    }
    extra.sort_unstable_by_key(|(name, _)| *name);
    if let Some((name, tensor)) = extra.first() {
        let found = tensor.part.shape().unwrap_or_default().to_vec();
        let closest = closest::network(tensors).filter(|(closest, _)| closest != network).map(|(_, text)| format!("; {text}")).unwrap_or_default();
        let hint = format!("check the variant and the head{closest}; what serves training alone can be left out with --ignore '{}*'", shown(group(name)));
        return Err(CheckpointError::Extra { name: shown(name), found, extra: extra.len(), hint });
    }
    let raw = fit.tensors.iter().next().map_or_else(String::new, |(bare, tensor)| tensor.name.strip_suffix(bare).unwrap_or(&fit.prefix).to_owned());
    Ok(Taken { prefix: shown(&raw), averaged: is_averaged(&fit.prefix), changes: Vec::new(), left_out: left_out.into_iter().collect() })
}

/// The end of a name, which tells more than its start.
fn brief(name: &str) -> String {
    match name.char_indices().rev().nth(BRIEF - 1) {
        Some((start, _)) if start > 0 => format!("..{}", shown(&name[start..])),
        _ => shown(name),
    }
}

/// The first part of a name, with its dot.
fn group(name: &str) -> &str {
    name.find('.').map_or(name, |dot| &name[..=dot])
}

/// Why names may be missing.
fn hint_of_names<P: Part>(nearest: Option<&Fit<'_, P>>, tensors: &[(String, Listed<P>)], network: &Network, expected: &[Parameter]) -> String {
    let closest = closest::network(tensors).filter(|(closest, _)| closest != network).map(|(_, text)| text);
    let Some(fit) = nearest.filter(|fit| fit.sources > 0) else {
        let first = |names: Vec<&str>| names.into_iter().take(SHOWN).map(brief).collect::<Vec<_>>().join(", ");
        let found = first(tensors.iter().map(|(_, tensor)| tensor.name.as_str()).collect());
        let wanted = first(expected.iter().map(|parameter| parameter.name.as_str()).collect());
        let closest = closest.map(|text| format!("; {text}")).unwrap_or_default();
        return format!("no name of the file ends in one of the network's: it has {found}, ..; expected {wanted}, ..{closest}");
    };
    let under = if fit.prefix.is_empty() { String::new() } else { format!("under \"{}\": ", shown(&fit.prefix)) };
    let heads = ["decode_head.", "head."].map(|head| fit.missing.iter().filter(|parameter| parameter.name.starts_with(head)).count());
    let only_head = heads.iter().sum::<usize>() == fit.missing.len();
    let advice = match closest {
        Some(text) => text,
        None if only_head => "the file has the backbone alone; its head must be in the same file".to_owned(),
        None => "check the variant, the head and the class count".to_owned(),
    };
    format!("{under}{advice}")
}

/// Why a shape may be another.
fn hint_of_shape<P: Part>(name: &str, found: &[usize], network: &Network, tensors: &[(String, Listed<P>)]) -> Option<String> {
    let decides = ["conv_seg.", "linear_pred.", "head.classifier."].iter().any(|layer| name.contains(layer));
    match closest::network(tensors) {
        Some((closest, text)) if closest != *network => Some(text),
        _ if decides => found.first().map(|classes| format!("the file's head tells {classes} classes apart: --classes {classes}?")),
        _ => None,
    }
}
