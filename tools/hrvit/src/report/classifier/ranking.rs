//! Which classes a classifier puts first.

/// How many of the best classes count as found.
pub const TOP: usize = 5;

/// Ranking of one frame by one precision.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranking {
    /// The best classes, best first; equal ones in order of their numbers. At most [`TOP`].
    pub best: Vec<usize>,
    /// By how much the best logit exceeds the second best; infinite where there is one class.
    pub margin: f64,
}

impl Ranking {
    /// Of one frame's logits.
    pub fn of(logits: &[f32]) -> Self {
        let mut order: Vec<usize> = (0..logits.len()).collect();
        order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
        let margin = match order[..] {
            [first, second, ..] => f64::from(logits[first]) - f64::from(logits[second]),
            _ => f64::INFINITY,
        };
        order.truncate(TOP);
        Self { best: order, margin }
    }

    /// The best class.
    pub fn first(&self) -> Option<usize> {
        self.best.first().copied()
    }

    /// Whether `class` is the best one.
    pub fn is_first(&self, class: usize) -> bool {
        self.first() == Some(class)
    }

    /// Whether `class` is among the best [`TOP`].
    pub fn has(&self, class: usize) -> bool {
        self.best.contains(&class)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_logits_rank_by_number_and_have_no_margin() {
        let ranking = Ranking::of(&[1.0, 3.0, 3.0, -1.0]);
        assert_eq!((ranking.best.as_slice(), ranking.margin), (&[1, 2, 0, 3][..], 0.0));
        assert!(ranking.is_first(1) && !ranking.is_first(2) && ranking.has(2));
    }

    #[test]
    fn only_the_best_five_count_as_found_and_classes_go_beyond_a_byte() {
        let logits: Vec<f32> = (0..1000).map(|class| class as f32).collect();
        let ranking = Ranking::of(&logits);
        assert_eq!((ranking.best.as_slice(), ranking.margin), (&[999, 998, 997, 996, 995][..], 1.0));
        assert!(!ranking.has(994));
    }

    #[test]
    fn a_single_class_is_always_clear() {
        assert_eq!(Ranking::of(&[0.0]).margin, f64::INFINITY);
    }
}
