//! Which network a file's tensors would fit.

use std::collections::HashMap;

use hrvit_format::{Head, Network, Spec, VARIANTS};

use super::part::Part;
use crate::listed::Listed;
use crate::parameters::parameters;

/// Part of a network's shapes that a file must have for it to be named.
const LEAST: f64 = 0.6;
/// The layers that decide, as all code names them.
const LAST: [&str; 4] = ["conv_seg.weight", "linear_pred.weight", "classifier.weight", "fc.weight"];

/// The built-in network whose shapes, in any order and under any names, the tensors have most of;
/// none where they have too few.
pub(super) fn network<P: Part>(tensors: &[(String, Listed<P>)]) -> Option<(Network, String)> {
    let tensors = || tensors.iter().map(|(_, tensor)| tensor);
    let mut found: HashMap<&[usize], usize> = HashMap::new();
    tensors().filter_map(|tensor| tensor.part.shape()).for_each(|shape| *found.entry(shape).or_default() += 1);
    let decides = |tensor: &&Listed<P>| LAST.iter().any(|last| tensor.name.ends_with(last)) && !tensor.name.split('.').any(|part| part.starts_with("aux"));
    let last = tensors().find(decides);
    let classes = last.and_then(|tensor| tensor.part.shape()?.first().copied()).and_then(|classes| u16::try_from(classes).ok()).unwrap_or(1000);
    let candidates = VARIANTS.iter().flat_map(|name| [Head::Segformer, Head::Classifier].map(|head| (*name, head)));
    let score = |(name, head): (&'static str, Head)| {
        let network = Network { spec: Spec::variant(name)?, head, classes };
        network.validate().ok()?;
        let mut left = found.clone();
        let all = parameters(&network);
        let taken =
            all.iter().filter(|parameter| left.get_mut(parameter.shape.as_slice()).is_some_and(|count| std::mem::replace(count, count.saturating_sub(1)) > 0));
        let share = taken.count() as f64 / all.len() as f64;
        Some((share, name, network))
    };
    let (share, name, network) = candidates.filter_map(score).max_by(|a, b| a.0.total_cmp(&b.0))?;
    let head = if network.head == Head::Segformer { "segformer" } else { "classifier" };
    let text = format!("--variant {name} --head {head} --classes {}", network.classes);
    (share >= LEAST).then(|| (network, format!("by its shapes the file is closest to {text}: it has {:.0} % of that network's", 100.0 * share)))
}
