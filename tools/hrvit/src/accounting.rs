//! Cost of a network, grouped for people: the rows of [`hrvit_reference::accounting`] summed per
//! stage and kind of operator.

use hrvit_format::{Network, OpKind, Size, Step};
use hrvit_reference::accounting::{Item, Row, rows};
use serde::Serialize;

/// Cost of one or more operators.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// Learnt values in a checkpoint.
    pub params: u64,
    /// Multiply-accumulates of one frame as trained.
    pub macs_as_written: u64,
    /// Multiply-accumulates of one frame after the exact rewrites.
    pub macs_folded: u64,
    /// Bytes of the operators' whole outputs in int8 formats, had they been stored (the engine
    /// streams most of them by rows).
    pub activation_bytes: u64,
}

impl Cost {
    fn add(&mut self, row: &Row) {
        self.params += row.params;
        self.macs_as_written += row.macs_as_written;
        self.macs_folded += row.macs_folded;
        self.activation_bytes += row.activation_bytes;
    }
}

/// All operators of one kind in one stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OperatorCost {
    /// Name of the kind.
    pub operator: String,
    /// How many there are.
    pub count: u64,
    /// Their sum.
    #[serde(flatten)]
    pub cost: Cost,
}

/// The stem, a fusion, a stage of transformer blocks or the head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StageCost {
    /// `stem`, `fusion N` and `stage N` (N from 1, as in the paper's table), `head`.
    pub stage: String,
    /// Sum over its operators.
    #[serde(flatten)]
    pub cost: Cost,
    /// Per kind of operator, in order of first use.
    pub operators: Vec<OperatorCost>,
}

/// Sum over a network.
pub fn total(stages: &[StageCost]) -> Cost {
    stages.iter().fold(Cost::default(), |sum, stage| Cost {
        params: sum.params + stage.cost.params,
        macs_as_written: sum.macs_as_written + stage.cost.macs_as_written,
        macs_folded: sum.macs_folded + stage.cost.macs_folded,
        activation_bytes: sum.activation_bytes + stage.cost.activation_bytes,
    })
}

/// Every stage of `network` on frames of `size`, in order.
pub fn stages(network: &Network, size: Size) -> Vec<StageCost> {
    let mut stages: Vec<StageCost> = Vec::new();
    for row in rows(network, size) {
        let name = stage_name(row.step);
        if stages.last().is_none_or(|last| last.stage != name) {
            stages.push(StageCost { stage: name, cost: Cost::default(), operators: Vec::new() });
        }
        let Some(stage) = stages.last_mut() else { continue };
        stage.cost.add(&row);
        let operator = operator_name(row.item);
        let position = stage.operators.iter().position(|known| known.operator == operator).unwrap_or_else(|| {
            stage.operators.push(OperatorCost { operator, count: 0, cost: Cost::default() });
            stage.operators.len() - 1
        });
        let known = &mut stage.operators[position];
        known.count += 1;
        known.cost.add(&row);
    }
    stages
}

fn stage_name(step: Step) -> String {
    match step {
        Step::Stem => "stem".to_owned(),
        Step::Fusion { module, .. } => format!("fusion {}", module + 1),
        Step::PatchEmbed { module, .. } | Step::Attention { module, .. } | Step::MixCfn { module, .. } | Step::StageNorm { module, .. } => {
            format!("stage {}", module + 1)
        }
        Step::Logits | Step::LabelMap | Step::Increase { .. } | Step::Classify => "head".to_owned(),
    }
}

fn operator_name(item: Item) -> String {
    match item {
        Item::Op { kind, .. } => words(kind),
        Item::FusionConv => "fusion conv (folded away)".to_owned(),
    }
}

/// `OpKind::FfnDepthwise3` as `ffn depthwise3`.
pub fn words(kind: OpKind) -> String {
    let mut name = String::new();
    for letter in format!("{kind:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push(' ');
        }
        name.extend(letter.to_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use hrvit_format::{Head, Spec};

    use super::*;

    fn network(variant: &str, head: Head, classes: u16) -> Network {
        Network { spec: Spec::variant(variant).unwrap(), head, classes }
    }

    #[test]
    fn b1_segmentor_costs_what_is_published() {
        let stages = stages(&network("b1", Head::Segformer, 19), Size::new(512, 512).unwrap());
        let total = total(&stages);
        assert_eq!(total.params, 8_149_451);
        assert_eq!((total.macs_as_written / 1_000_000, total.macs_folded / 1_000_000), (15_015, 10_720));
    }

    #[test]
    fn stages_come_in_order_and_sum_their_operators() {
        let stages = stages(&network("nano", Head::Classifier, 10), Size::new(64, 64).unwrap());
        let names: Vec<_> = stages.iter().map(|stage| stage.stage.as_str()).collect();
        assert_eq!(names[..4], ["stem", "stage 1", "fusion 2", "stage 2"]);
        assert_eq!(names.last(), Some(&"head"));
        for stage in &stages {
            let sum: u64 = stage.operators.iter().map(|operator| operator.cost.macs_as_written).sum();
            assert_eq!(sum, stage.cost.macs_as_written, "{}", stage.stage);
        }
    }

    #[test]
    fn kinds_are_spelt_in_words() {
        assert_eq!([OpKind::Qkv, OpKind::FfnDepthwise3, OpKind::StemConv1].map(words), ["qkv", "ffn depthwise3", "stem conv1"]);
    }
}
