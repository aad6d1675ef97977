//! Edits that keep every decision.

use hrvit_format::Head;
use hrvit_tests::rng::Rng;

use super::{Case, Kind, pick, pick_several};

/// Bias of drawn classes in the unedited network, if it would pick them: out of reach, but not far.
const OUT_OF_REACH: f32 = -100.0;

/// The tensor with one constant per class.
pub fn last_bias(head: Head) -> &'static str {
    match head {
        Head::Segformer => "decode_head.conv_seg.bias",
        Head::Classifier => "head.classifier.bias",
    }
}

/// Edits by `kind`; says what was done, or that there is no site. `unpicked` are the classes that
/// the network never picks.
pub fn edit(case: &mut Case, kind: Kind, rng: &mut Rng, unpicked: &[usize]) -> Option<String> {
    let bias = last_bias(case.edited.network().head);
    let note = match kind {
        Kind::Offset => {
            let constant = 10f64.powf(rng.real(2.0, 4.0)) as f32 * pick(&[-1.0, 1.0], rng);
            case.edited.get_mut(bias).iter_mut().for_each(|value| *value += constant);
            format!("{constant:.1} on all logits")
        }
        Kind::Masked => mask(case, bias, unpicked, rng)?,
        _ => return None,
    };
    case.bits = false;
    Some(note)
}

/// Puts classes that are never picked far below the others. If every class is picked, drawn classes
/// are out of reach in the unedited network already.
fn mask(case: &mut Case, bias: &str, unpicked: &[usize], rng: &mut Rng) -> Option<String> {
    let all = usize::from(case.edited.network().classes);
    let candidates: Vec<usize> = if unpicked.is_empty() { (0..all).collect() } else { unpicked.to_vec() };
    // Two classes are left to decide between.
    let most = candidates.len().min(all.saturating_sub(2));
    // If one class is picked everywhere, signal to noise counts the others too: a masked class then
    // has no figure.
    if most == 0 || all - unpicked.len() < 2 {
        return None;
    }
    let (count, low) = (rng.int(1, most as i64) as usize, pick(&[-1e4, -1e6], rng));
    let classes: Vec<usize> = pick_several(candidates.len(), count, rng).into_iter().map(|at| candidates[at]).collect();
    if unpicked.is_empty() {
        classes.iter().for_each(|&class| case.base.get_mut(bias)[class] = OUT_OF_REACH);
        case.rebased = true;
    }
    classes.iter().for_each(|&class| case.edited.get_mut(bias)[class] = low);
    Some(format!("bias {low:e} of classes {classes:?}"))
}
