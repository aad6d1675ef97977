//! Edits that keep every decision.

use hrvit_format::Head;
use hrvit_tests::rng::Rng;

use super::{Case, Kind, pick, pick_several};

/// Edits by `kind`; says what was done, or that there is no site. `unpicked` are the classes that the network never picks.
pub fn edit(case: &mut Case, kind: Kind, rng: &mut Rng, unpicked: &[usize]) -> Option<String> {
    let bias = match case.edited.network().head {
        Head::Segformer => "decode_head.conv_seg.bias",
        Head::Classifier => "head.classifier.bias",
    };
    let bias = case.edited.get_mut(bias);
    let note = match kind {
        Kind::Offset => {
            let constant = 10f64.powf(rng.real(2.0, 4.0)) as f32 * pick(&[-1.0, 1.0], rng);
            bias.iter_mut().for_each(|value| *value += constant);
            format!("{constant:.1} on all logits")
        }
        Kind::Masked if !unpicked.is_empty() => {
            let count = rng.int(1, unpicked.len() as i64) as usize;
            let low = pick(&[-1e4, -1e6], rng);
            let classes: Vec<usize> = pick_several(unpicked.len(), count, rng).into_iter().map(|at| unpicked[at]).collect();
            classes.iter().for_each(|&class| bias[class] = low);
            format!("bias {low:e} of classes {classes:?}")
        }
        _ => return None,
    };
    case.bits = false;
    Some(note)
}
