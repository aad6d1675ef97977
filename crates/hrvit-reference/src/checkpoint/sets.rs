//! Which of several sets of the network's tensors is taken: averaged or last weights.

use std::collections::HashSet;

use super::error::CheckpointError;
use super::fit::Fit;
use super::part::Part;
use super::selection::Averaged;
use super::taken::Taken;
use crate::pth::shown;

/// Names that training scripts nest weights under, the preferred one first, as timm has them.
const CONTAINERS: [&str; 5] = ["state_dict_ema.", "model_ema.", "state_dict.", "model.", ""];
/// Parts of a prefix that say that its weights are averages, and those that turn what follows into
/// its contrary.
const AVERAGED: [&str; 4] = ["ema", "averaged", "average", "swa"];
const NOT: [&str; 3] = ["no", "non", "without"];
/// Prefixes that mmengine's averaging hook exchanges: the last weights lie under the first, their
/// averages under the second.
const MMENGINE: [&str; 2] = ["ema_state_dict.", "state_dict."];

/// The set that is taken.
pub(super) struct Best<'a, P> {
    pub(super) fit: Fit<'a, P>,
    /// Prefixes of the other whole sets.
    pub(super) others: Vec<String>,
    /// A remark for the user.
    pub(super) taken: Taken,
}

/// Why there is none.
pub(super) enum NoSet<'a, P> {
    /// No prefix has all tensors; the one that lacks the fewest.
    Whole(Option<Box<Fit<'a, P>>>),
    /// There are some, but not as asked.
    Refused(CheckpointError),
}

fn is_averaged(prefix: &str) -> bool {
    let mut before = String::new();
    for part in prefix.split(['.', '_']).map(str::to_lowercase) {
        if AVERAGED.contains(&part.as_str()) && !NOT.contains(&before.as_str()) {
            return true;
        }
        before = part;
    }
    false
}

/// Prefixes in quotes, for a message.
fn quoted<'a>(prefixes: impl Iterator<Item = &'a str>) -> String {
    prefixes.map(|prefix| format!("\"{}\"", shown(prefix))).collect::<Vec<_>>().join(", ")
}

/// The set that is taken of all that are whole.
pub(super) fn best<P: Part>(mut fits: Vec<Fit<'_, P>>, wanted: Averaged) -> Result<Best<'_, P>, NoSet<'_, P>> {
    // Of two readings of the same tensors the one that uses more of them.
    fits.sort_by_key(|fit| (fit.missing.len(), std::cmp::Reverse(fit.tensors.len())));
    let (mut whole, partial): (Vec<_>, Vec<_>) = fits.into_iter().partition(|fit| fit.missing.is_empty());
    let mut seen = HashSet::new();
    whole.retain(|fit| seen.insert(fit.prefix.clone()));
    if whole.is_empty() {
        return Err(NoSet::Whole(partial.into_iter().next().map(Box::new)));
    }
    let prefixes: Vec<String> = whole.iter().map(|fit| fit.prefix.clone()).collect();
    let swapped = MMENGINE.iter().all(|own| prefixes.iter().any(|prefix| prefix == own));
    let averaged = |prefix: &str| if swapped { prefix == MMENGINE[1] } else { is_averaged(prefix) };
    let any = prefixes.iter().any(|prefix| averaged(prefix));
    match wanted {
        Averaged::Preferred if !any => {}
        Averaged::Preferred | Averaged::Required => whole.retain(|fit| averaged(&fit.prefix)),
        Averaged::Avoided => whole.retain(|fit| !averaged(&fit.prefix)),
    }
    let rank = |fit: &Fit<'_, P>| CONTAINERS.iter().position(|container| *container == fit.prefix).unwrap_or(CONTAINERS.len());
    whole.sort_by_key(rank);
    if let [first, second, ..] = &whole[..]
        && rank(first) == rank(second)
    {
        return Err(NoSet::Refused(CheckpointError::Several { found: quoted(whole.iter().map(|fit| fit.prefix.as_str())) }));
    }
    let named = if wanted == Averaged::Required { "averaged" } else { "last" };
    let all = quoted(prefixes.iter().map(String::as_str));
    let fit = whole.into_iter().next().ok_or(NoSet::Refused(CheckpointError::Averaged { wanted: named, found: all }))?;
    let others: Vec<String> = prefixes.into_iter().filter(|prefix| *prefix != fit.prefix).collect();
    let mut changes = Vec::new();
    if swapped && averaged(&fit.prefix) {
        changes.push("mmengine saves averages in place of the last weights".to_owned());
    }
    if !others.is_empty() {
        changes.push(format!("not those under {}", quoted(others.iter().map(String::as_str))));
    }
    let torn = |other: &&Fit<'_, P>| is_averaged(&other.prefix) && !averaged(&fit.prefix) && other.tensors.len() > other.missing.len();
    if let Some(torn) = partial.iter().find(torn) {
        changes.push(format!("averages under \"{}\" lack {} tensors and are not taken", shown(&torn.prefix), torn.missing.len()));
    }
    let raw = fit.tensors.iter().next().map_or("", |(bare, tensor)| tensor.name.strip_suffix(bare).unwrap_or(&fit.prefix));
    let taken = Taken { prefix: shown(raw), averaged: averaged(&fit.prefix), changes, left_out: Vec::new() };
    Ok(Best { fit, others, taken })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_are_known_by_a_whole_part_of_the_name() {
        for prefix in ["model_ema.", "EMA.", "ema.module.", "swa_model.", "state_dict_ema."] {
            assert!(is_averaged(prefix), "{prefix}");
        }
        for prefix in ["", "model.", "schema.", "model_no_ema.", "non_ema.", "without_ema."] {
            assert!(!is_averaged(prefix), "{prefix}");
        }
    }
}
