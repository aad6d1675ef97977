//! Likely reasons why a file does not fit, and what to do.

use hrvit_format::Network;

use super::closest;
use super::fit::Fit;
use super::part::Part;
use super::selection::Selection;
use crate::listed::Listed;
use crate::parameters::parameters;
use crate::pth::shown;

/// Names that a message shows, and characters of each.
const SHOWN: usize = 5;
const BRIEF: usize = 72;

/// The end of a name, which tells more than its start.
fn brief(name: &str) -> String {
    match name.char_indices().rev().nth(BRIEF - 1) {
        Some((start, _)) if start > 0 => format!("..{}", shown(&name[start..])),
        _ => shown(name),
    }
}

/// Another network that the file is closest to, in words.
fn other<P: Part>(network: &Network, tensors: &[(String, Listed<P>)]) -> Option<String> {
    closest::network(tensors).filter(|(closest, _)| closest != network).map(|(_, text)| text)
}

/// Why names may be missing behind the prefix of `nearest`, or all of them where there is none.
pub(super) fn of_names<P: Part>(nearest: Option<&Fit<'_, P>>, tensors: &[(String, Listed<P>)], network: &Network, selection: &Selection) -> String {
    let closest = other(network, tensors);
    let Some(fit) = nearest else {
        let first = |names: Vec<&str>| names.into_iter().take(SHOWN).map(brief).collect::<Vec<_>>().join(", ");
        let found = first(tensors.iter().map(|(_, tensor)| tensor.name.as_str()).collect());
        let expected = parameters(network);
        let wanted = first(expected.iter().map(|parameter| parameter.name.as_str()).collect());
        let closest = closest.map(|text| format!("; {text}")).unwrap_or_default();
        let what = match &selection.prefix {
            Some(prefix) => format!("no name of the network stands behind --prefix {}", shown(prefix)),
            None => "no name of the file ends in one of the network's".to_owned(),
        };
        return format!("{what}: it has {found}, ..; expected {wanted}, ..{closest}");
    };
    let under = if fit.prefix.is_empty() { String::new() } else { format!("under \"{}\": ", shown(&fit.prefix)) };
    let is_head = |name: &str| name.starts_with("decode_head.") || name.starts_with("head.");
    let has_head = || tensors.iter().any(|(name, _)| is_head(name.strip_prefix(&fit.prefix).unwrap_or(name)));
    let advice = match closest {
        Some(text) => text,
        None if fit.missing.iter().all(|parameter| is_head(&parameter.name)) && !has_head() => {
            "the file has the backbone alone; its head must be in the same file".to_owned()
        }
        None => "check the variant, the head and the class count".to_owned(),
    };
    format!("{under}{advice}")
}

/// Why there may be a tensor too many, and the pattern that leaves it out.
pub(super) fn of_extra<P: Part>(pattern: &str, network: &Network, tensors: &[(String, Listed<P>)]) -> String {
    let closest = other(network, tensors).map(|text| format!("; {text}")).unwrap_or_default();
    format!("check the variant and the head{closest}; what serves training alone can be left out with --ignore-tensor '{}'", shown(pattern))
}

/// Why a shape may be another.
pub(super) fn of_shape<P: Part>(name: &str, found: &[usize], network: &Network, tensors: &[(String, Listed<P>)]) -> Option<String> {
    let decides = ["conv_seg.", "linear_pred.", "head.classifier."].iter().any(|layer| name.contains(layer));
    match closest::network(tensors) {
        Some((closest, text)) if closest != *network => Some(text),
        _ if decides => found.first().map(|classes| format!("the file's head tells {classes} classes apart: --classes {classes}?")),
        _ => None,
    }
}
