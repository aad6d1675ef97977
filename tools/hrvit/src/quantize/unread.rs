//! Channels that nothing reads. Training leaves some, pruning many, and their weights may be
//! anything: they take part in no scale once they are zero.

use hrvit_format::{BRANCHES, Op, OpKind, Step};
use hrvit_reference::{Checkpoint, Folded, OpWeights};

use super::weights::place;

/// Puts 0 in place of all weights and biases of channels that no later operator reads, through
/// linear layers, activations and LayerNorms of stages. The network computes the same logits, bit
/// for bit.
pub fn quieten(folded: &mut Folded) {
    let mut readers = Readers::default();
    let steps: Vec<Step> = folded.network().steps().collect();
    for step in steps.into_iter().rev() {
        let ops: Vec<Op> = folded.network().ops(step).iter().copied().collect();
        Walk { folded, step, ops: &ops }.quieten(&mut readers);
    }
}

/// The folded network of `checkpoint`, without what nothing reads.
pub fn quiet(checkpoint: &Checkpoint) -> Folded {
    let mut folded = Folded::new(checkpoint);
    quieten(&mut folded);
    folded
}

/// Per output channel of `op`: whether a weight or its bias is not zero.
pub fn alive(op: &Op, weights: &OpWeights) -> Vec<bool> {
    let mut alive: Vec<bool> = weights.bias.iter().map(|bias| *bias != 0.0).collect();
    weights.weight.iter().enumerate().filter(|(_, weight)| **weight != 0.0).for_each(|(at, _)| alive[place(op, at).0] = true);
    alive
}

/// Per channel: whether something reads it. Empty: all are read.
type Read = Vec<bool>;

/// Channels of the tensors between steps that later steps read.
#[derive(Default)]
struct Readers {
    fused: [Read; BRANCHES],
    norm: [Read; BRANCHES],
    increase: Read,
}

impl Readers {
    /// One more reader of a stage norm.
    fn also(&mut self, branch: u8, read: &Read) {
        let all = &mut self.norm[usize::from(branch)];
        all.resize(read.len(), false);
        all.iter_mut().zip(read).for_each(|(all, read)| *all |= read);
    }
}

/// One step, from its last operator to its first.
struct Walk<'a> {
    folded: &'a mut Folded,
    step: Step,
    ops: &'a [Op],
}

impl Walk<'_> {
    fn quieten(&mut self, readers: &mut Readers) {
        use OpKind as K;
        match self.step {
            Step::Stem => {
                let embed = self.embedding();
                let conv2 = self.rows_then_columns(K::StemConv2, &embed);
                self.rows(K::StemConv1, &conv2);
            }
            Step::PatchEmbed { branch, .. } => readers.fused[usize::from(branch)] = self.embedding(),
            Step::Fusion { branch, .. } => self.fusion(&std::mem::take(&mut readers.fused[usize::from(branch)]), readers),
            Step::Attention { .. } => self.attention(),
            Step::MixCfn { .. } => {
                let read = self.columns(K::Fc2);
                let half = self.find(K::FfnDepthwise3).map_or(0, |i| usize::from(self.ops[i].cout));
                let (first, second) = read.split_at(half.min(read.len()));
                let mut hidden = self.rows_then_columns(K::FfnDepthwise3, first);
                hidden.extend(self.rows_then_columns(K::FfnDepthwise5, second));
                let convolved = self.find(K::FfnDepthwise3).or(self.find(K::FfnDepthwise5)).is_some();
                self.rows(K::Fc1, if convolved { &hidden } else { &read });
            }
            Step::StageNorm { branch, .. } => self.rows(K::StageNorm, &std::mem::take(&mut readers.norm[usize::from(branch)])),
            Step::Logits => {
                let read = self.columns(K::HeadClassifier);
                for i in self.all(K::HeadPointwise) {
                    self.rows_at(i, &read);
                    readers.also(self.ops[i].source, &self.columns_at(i));
                }
            }
            Step::LabelMap => {}
            Step::Increase { branch } => {
                let sum = std::mem::take(&mut readers.increase);
                let conv3 = self.rows_then_columns(K::IncreaseConv3, &sum);
                let shortcut = self.rows_then_columns(K::IncreaseShortcut, &sum);
                let conv2 = self.rows_then_columns(K::IncreaseConv2, &conv3);
                let conv1 = self.rows_then_columns(K::IncreaseConv1, &conv2);
                readers.increase = self.rows_then_columns(K::IncreaseDownsample, &sum);
                [shortcut, conv1].iter().for_each(|read| readers.also(branch, read));
            }
            Step::Classify => {
                let features = self.columns(K::FinalLinear);
                readers.increase = self.rows_then_columns(K::FinalConv, &features);
            }
        }
    }

    /// Channels of the tensor before it that an embedding reads.
    fn embedding(&mut self) -> Read {
        if self.find(OpKind::EmbedDense).is_some() {
            return self.columns(OpKind::EmbedDense);
        }
        let pointwise = self.columns(OpKind::EmbedDepthwise);
        self.rows_then_columns(OpKind::EmbedPointwise, &pointwise)
    }

    /// The terms of a fusion, each a chain of operators of one source.
    fn fusion(&mut self, sum: &Read, readers: &mut Readers) {
        for source in 0..BRANCHES as u8 {
            let mut read = sum.clone();
            let mut is_term = false;
            for i in (0..self.ops.len()).rev().filter(|&i| self.ops[i].source == source).collect::<Vec<_>>() {
                match self.ops[i].kind {
                    OpKind::FusionPointwise | OpKind::FusionDepthwise => {
                        self.rows_at(i, &read);
                        read = self.columns_at(i);
                        is_term = true;
                    }
                    OpKind::FusionIdentity => is_term = true,
                    _ => {}
                }
            }
            if is_term {
                let channels = self.ops.iter().find(|op| op.source == source).map_or(0, |op| op.cin.into());
                readers.also(source, &if read.is_empty() { vec![true; channels] } else { read });
            }
        }
    }

    /// q and v read each other, channel by channel, or q and keys of their own; the sum before
    /// Hardswish reads v too.
    fn attention(&mut self) {
        let sum = self.columns(OpKind::ToOut);
        let parallel = self.rows_then_columns(OpKind::ParallelDepthwise, &sum);
        let has_path = self.find(OpKind::ParallelDepthwise).is_some();
        let Some(qkv) = self.find(OpKind::Qkv) else { return };
        let channels = usize::from(self.ops[qkv].cin);
        let alive = self.rows_alive(qkv);
        let own_keys = usize::from(self.ops[qkv].cout) == 3 * channels;
        let mut read = vec![true; self.ops[qkv].cout.into()];
        for c in 0..channels {
            let by_products = alive[c] && alive[channels + c];
            read[c] = by_products;
            let by_sum = sum.get(c).copied().unwrap_or(true) || parallel.get(c).copied().unwrap_or(has_path);
            read[channels + c] = by_products || (by_sum && !own_keys);
            if own_keys {
                read[2 * channels + c] = by_sum;
            }
        }
        self.rows_at(qkv, &read);
        if !self.columns(OpKind::DesLeft).contains(&true)
            && let Some(right) = self.find(OpKind::DesRight)
        {
            self.rows_at(right, &vec![false; self.ops[right].cout.into()]);
        }
    }

    fn find(&self, kind: OpKind) -> Option<usize> {
        self.ops.iter().position(|op| op.kind == kind)
    }

    fn all(&self, kind: OpKind) -> Vec<usize> {
        (0..self.ops.len()).filter(|&i| self.ops[i].kind == kind).collect()
    }

    fn weights(&self, i: usize) -> Option<&OpWeights> {
        self.folded.weights(self.step, i)
    }

    /// The input channels that operator `i` reads. Of a depthwise convolution: the channels whose
    /// taps are not all zero.
    fn columns_at(&self, i: usize) -> Read {
        let (op, Some(weights)) = (self.ops[i], self.weights(i)) else { return Read::new() };
        let mut read = vec![false; op.cin.into()];
        weights.weight.iter().enumerate().filter(|(_, weight)| **weight != 0.0).for_each(|(at, _)| read[place(&op, at).1] = true);
        read
    }

    fn columns(&self, kind: OpKind) -> Read {
        self.find(kind).map(|i| self.columns_at(i)).unwrap_or_default()
    }

    /// The output channels of operator `i` that are not zero.
    fn rows_alive(&self, i: usize) -> Read {
        self.weights(i).map(|weights| alive(&self.ops[i], weights)).unwrap_or_default()
    }

    /// Zeroes the output channels of operator `i` that are not read.
    fn rows_at(&mut self, i: usize, read: &[bool]) {
        let op = self.ops[i];
        let Some(weights) = self.folded.weights_mut(self.step, i).filter(|_| read.contains(&false)) else { return };
        weights.weight.iter_mut().enumerate().filter(|(at, _)| !read[place(&op, *at).0]).for_each(|(_, weight)| *weight = 0.0);
        weights.bias.iter_mut().zip(read).filter(|(_, read)| !**read).for_each(|(bias, _)| *bias = 0.0);
    }

    fn rows(&mut self, kind: OpKind, read: &[bool]) {
        if let Some(i) = self.find(kind) {
            self.rows_at(i, read);
        }
    }

    /// Zeroes what is not read of the operator of `kind`, and says what it still reads itself;
    /// nothing where there is no such operator.
    fn rows_then_columns(&mut self, kind: OpKind, read: &[bool]) -> Read {
        self.rows(kind, read);
        self.columns(kind)
    }
}

#[cfg(test)]
mod tests {
    use hrvit_format::{Head, Network, Size, Spec};
    use hrvit_reference::{Frame, NoTap};

    use super::*;

    fn folded(head: Head) -> Folded {
        let spec = Spec::variant("nano").unwrap();
        Folded::new(&Checkpoint::synthetic(&Network { spec, head, classes: 7 }, 3).unwrap())
    }

    fn logits(folded: &Folded) -> Vec<u32> {
        let size = Size::new(32, 64).unwrap();
        let rgb = (0..3 * 32 * 64).map(|i| (i * 37 % 251) as u8).collect();
        folded.forward(Frame::new(size, rgb).unwrap(), &mut NoTap).data.iter().map(|x| x.to_bits()).collect()
    }

    /// Zeroes what reads channel `c` of the operator of `kind` in the last step that has one, and
    /// says what then must be zero.
    fn unread(folded: &mut Folded, (writer, reader): (OpKind, OpKind), c: usize) -> Option<(Step, usize)> {
        let steps: Vec<Step> = folded.network().steps().collect();
        let find = |folded: &Folded, kind| {
            let at = |step: &Step| folded.network().ops(*step).iter().rposition(|op| op.kind == kind).map(|i| (*step, i));
            steps.iter().rev().find_map(at)
        };
        let (written, read) = (find(folded, writer)?, find(folded, reader)?);
        let op = *folded.network().ops(read.0).get(read.1)?;
        let weights = folded.weights_mut(read.0, read.1)?;
        weights.weight.iter_mut().enumerate().filter(|(at, _)| place(&op, *at).1 == c).for_each(|(_, weight)| *weight = 0.0);
        Some(written)
    }

    #[test]
    fn what_nothing_reads_is_zero_and_the_logits_are_the_same_bits() {
        use OpKind as K;
        let pairs = [
            (Head::Segformer, K::StemConv1, K::StemConv2),
            (Head::Segformer, K::EmbedPointwise, K::EmbedDepthwise),
            (Head::Segformer, K::FusionPointwise, K::EmbedPointwise),
            (Head::Segformer, K::ParallelDepthwise, K::ToOut),
            (Head::Segformer, K::FfnDepthwise3, K::Fc2),
            (Head::Segformer, K::Fc1, K::FfnDepthwise3),
            (Head::Segformer, K::StageNorm, K::HeadPointwise),
            (Head::Segformer, K::HeadPointwise, K::HeadClassifier),
            (Head::Classifier, K::IncreaseConv1, K::IncreaseConv2),
            (Head::Classifier, K::IncreaseConv2, K::IncreaseConv3),
            (Head::Classifier, K::FinalConv, K::FinalLinear),
            (Head::Classifier, K::IncreaseShortcut, K::FinalConv),
        ];
        for (head, writer, reader) in pairs {
            let mut folded = folded(head);
            let (step, op) = unread(&mut folded, (writer, reader), 2).unwrap_or_else(|| panic!("no {writer} before a {reader}"));
            let (before, mut weights) = (logits(&folded), folded.weights(step, op).unwrap().clone());
            quieten(&mut folded);
            assert_eq!(logits(&folded), before, "{writer}");
            // All of channel 2 is zero, and nothing else.
            let shape = *folded.network().ops(step).get(op).unwrap();
            weights.weight.iter_mut().enumerate().filter(|(at, _)| place(&shape, *at).0 == 2).for_each(|(_, weight)| *weight = 0.0);
            weights.bias[2] = 0.0;
            assert_eq!(*folded.weights(step, op).unwrap(), weights, "{writer}");
        }
    }

    #[test]
    fn a_network_whose_channels_are_all_read_stays_as_it_is() {
        for head in [Head::Segformer, Head::Classifier] {
            let mut folded = folded(head);
            let before: Vec<OpWeights> = folded.iter().map(|(_, _, weights)| weights.clone()).collect();
            quieten(&mut folded);
            assert!(folded.iter().zip(before).all(|((_, _, weights), before)| *weights == before));
        }
    }

    #[test]
    fn q_and_v_that_meet_nothing_are_silent() {
        let mut folded = folded(Head::Segformer);
        let step = Step::Attention { module: 1, branch: 1, block: 0 };
        let ops: Vec<Op> = folded.network().ops(step).iter().copied().collect();
        let at = |kind| ops.iter().position(|op| op.kind == kind).unwrap();
        let (qkv, to_out) = (at(OpKind::Qkv), at(OpKind::ToOut));
        let channels = usize::from(ops[qkv].cin);
        // v of channel 0 is zero: its q says nothing. q of channel 1 is zero and nothing reads its
        // sum: nor does v.
        let zero = |weights: &mut OpWeights, row: usize| {
            weights.weight[row * channels..][..channels].fill(0.0);
            weights.bias[row] = 0.0;
        };
        let weights = folded.weights_mut(step, qkv).unwrap();
        [channels, 1].into_iter().for_each(|row| zero(weights, row));
        let weights = folded.weights_mut(step, to_out).unwrap();
        weights.weight.iter_mut().skip(1).step_by(channels).for_each(|weight| *weight = 0.0);
        let before = logits(&folded);
        quieten(&mut folded);
        assert_eq!(logits(&folded), before);
        let bias = &folded.weights(step, qkv).unwrap().bias;
        assert_eq!([0, 1, channels, channels + 1].map(|row| bias[row]), [0.0; 4]);
    }
}
