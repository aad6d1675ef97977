//! The classes that decide. Neither argmax nor softmax sees the part that is common to all classes
//! of a pixel. A class that is picked nowhere needs no resolution. The codes of the logits are
//! spent on the distances of the picked classes.

use std::cmp::Ordering;

use hrvit_format::{Head, OpKind, Step};
use hrvit_reference::{Folded, Map, operators::resize::label_map};

/// How the float network's decisions go over some frames.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decisions(Vec<Class>);

/// One class.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Class {
    /// Whether it is picked somewhere.
    picked: bool,
    /// How far its logit is behind the largest one where it comes closest.
    nearest: f32,
    /// The same where it is farthest behind.
    farthest: f32,
}

/// How much farther than the others a class is that is out of the race.
const OUT_OF_REACH: f32 = 4.0;

impl Decisions {
    /// Of one frame's logits: of a segmentor at the frame's size, four times that of its logits.
    pub fn of(logits: &Map, head: Head) -> Self {
        let mut classes = vec![Class { picked: false, nearest: f32::INFINITY, farthest: 0.0 }; logits.channels];
        for token in logits.data.chunks_exact(logits.channels) {
            let largest = token.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            for (class, logit) in classes.iter_mut().zip(token) {
                class.nearest = class.nearest.min(largest - logit);
                class.farthest = class.farthest.max(largest - logit);
            }
        }
        match head {
            Head::Segformer => {
                label_map(logits, 4 * logits.rows, 4 * logits.columns).into_iter().for_each(|class| classes[usize::from(class)].picked = true);
            }
            Head::Classifier => classes.iter_mut().for_each(|class| class.picked = class.nearest == 0.0),
        }
        Self(classes)
    }

    /// Sums of both.
    pub fn and(mut self, other: Self) -> Self {
        if self.0.is_empty() {
            return other;
        }
        for (a, b) in self.0.iter_mut().zip(other.0) {
            *a = Class { picked: a.picked || b.picked, nearest: a.nearest.min(b.nearest), farthest: a.farthest.max(b.farthest) };
        }
        self
    }

    /// The classes that may be picked on other frames, and how far behind the largest logit the
    /// race ends. The others follow, the closest class first. The race ends at a class that never
    /// comes closer than four times the largest distance of the classes before it.
    pub fn race(&self) -> (Vec<usize>, f32) {
        let mut order: Vec<usize> = (0..self.0.len()).collect();
        order.sort_by(|&a, &b| (!self.0[a].picked, self.0[a].nearest).partial_cmp(&(!self.0[b].picked, self.0[b].nearest)).unwrap_or(Ordering::Equal));
        let (mut contenders, mut reach) = (Vec::new(), 0.0f32);
        for class in order {
            let Class { picked, nearest, farthest } = self.0[class];
            // One class alone has no distance.
            if !picked && contenders.len() > 1 && nearest > OUT_OF_REACH * reach {
                break;
            }
            contenders.push(class);
            reach = reach.max(farthest);
        }
        contenders.sort_unstable();
        (contenders, OUT_OF_REACH * reach)
    }

    /// The classes of [`Decisions::race`].
    pub fn contenders(&self) -> Vec<usize> {
        self.race().0
    }
}

/// The step that makes the logits, and the operator within it.
pub fn logits_op(folded: &Folded) -> Option<(Step, usize)> {
    let kinds = [OpKind::HeadClassifier, OpKind::FinalLinear];
    let mut steps = folded.network().steps().filter(|step| matches!(step, Step::Logits | Step::Classify));
    steps.find_map(|step| Some((step, folded.network().ops(step).iter().position(|op| kinds.contains(&op.kind))?)))
}

/// Rewrites the last operator so that its numbers are about what decides. The mean over the
/// contenders is taken off every class's weights and bias: of every pixel's logits one number, the
/// same for all classes. A class that is out of the race (a masked one) gets a constant logit far
/// below. A network of one class, and one of a background and a class, stay as they are.
pub fn rewrite(folded: &mut Folded, decisions: &Decisions) {
    let (contenders, behind) = decisions.race();
    let Some((step, op)) = logits_op(folded).filter(|_| decisions.0.len() > 1 && background(folded).is_none()) else { return };
    let Some(weights) = folded.weights_mut(step, op) else { return };
    let depth = weights.weight.len() / weights.bias.len();
    take_mean(&mut weights.weight, depth, &contenders);
    take_mean(&mut weights.bias, 1, &contenders);
    for class in (0..decisions.0.len()).filter(|class| !contenders.contains(class)) {
        weights.weight[class * depth..][..depth].fill(0.0);
        weights.bias[class] = -behind;
    }
}

/// Of a network of two classes, of which one has the same logit everywhere: that one. The other's
/// logit is judged against it.
pub fn background(folded: &Folded) -> Option<usize> {
    let (step, op) = logits_op(folded)?;
    let weights = folded.weights(step, op).filter(|weights| weights.bias.len() == 2)?;
    let mut rows = weights.weight.chunks_exact(weights.weight.len() / 2);
    rows.position(|row| row.iter().all(|weight| *weight == 0.0))
}

/// Takes the mean over the rows `classes` off every row of `[rows, depth]`.
fn take_mean(values: &mut [f32], depth: usize, classes: &[usize]) {
    for at in 0..depth {
        let mean = classes.iter().map(|class| f64::from(values[class * depth + at])).sum::<f64>() / classes.len() as f64;
        values.iter_mut().skip(at).step_by(depth).for_each(|value| *value = (f64::from(*value) - mean) as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(columns: usize, data: &[f32]) -> Map {
        Map { rows: 1, columns, channels: data.len() / columns, data: data.to_vec() }
    }

    #[test]
    fn picked_classes_are_those_of_every_frame() {
        let first = Decisions::of(&map(2, &[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]), Head::Classifier);
        assert_eq!(first.contenders(), [0, 1, 2], "one class alone has no distance");
        let both = Decisions::default().and(first).and(Decisions::of(&map(2, &[0.0, 0.0, 2.0, 1.0, 0.0, 0.0]), Head::Classifier));
        assert_eq!(both.0.iter().map(|class| class.picked).collect::<Vec<_>>(), [true, false, true]);
    }

    #[test]
    fn a_class_that_wins_only_between_two_tokens_is_picked() {
        let decisions = Decisions::of(&map(2, &[4.0, 3.0, 0.0, 0.0, 3.0, 4.0]), Head::Segformer);
        assert!(decisions.0.iter().all(|class| class.picked));
    }

    #[test]
    fn a_masked_class_is_out_of_the_race_and_a_weak_one_is_not() {
        let decisions = Decisions::of(&map(2, &[2.0, 0.0, -3.0, -1e6, 0.0, 3.0, -2.0, -1e6]), Head::Classifier);
        assert_eq!(decisions.race(), (vec![0, 1, 2], 20.0));
    }

    #[test]
    fn the_mean_over_the_picked_rows_is_taken_off_all() {
        let mut values = [1.0, 10.0, 3.0, 30.0, -1e6, 0.0];
        take_mean(&mut values, 2, &[0, 1]);
        assert_eq!(values, [-1.0, -10.0, 1.0, 10.0, -1e6 - 2.0, -20.0]);
    }
}
