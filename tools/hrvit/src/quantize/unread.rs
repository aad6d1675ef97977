//! Channels that nothing reads. Training leaves some, pruning many, and their weights may be anything: they take part in no scale once they are zero.

use hrvit_format::{BRANCHES, Op, OpKind, Step};
use hrvit_reference::{Folded, folded::OpWeights};

use super::weights::place;

/// Puts 0 in place of all weights and biases of channels that no later operator reads, through linear layers, activations and LayerNorms of stages. The network
/// computes the same logits, bit for bit.
pub fn quieten(folded: &mut Folded) {
    let mut readers = Readers::default();
    let steps: Vec<Step> = folded.network().steps().collect();
    for step in steps.into_iter().rev() {
        let ops: Vec<Op> = folded.network().ops(step).iter().copied().collect();
        Walk { folded, step, ops: &ops }.quieten(&mut readers);
    }
}

/// Per channel: whether something reads it. Empty: all are read.
type Read = Vec<bool>;

/// What later steps read of the tensors between steps.
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
                self.rows(K::Fc1, &hidden);
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

    /// What an embedding reads of the tensor before it.
    fn embedding(&mut self) -> Read {
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

    /// q and v read each other, channel by channel; the sum before Hardswish reads v too.
    fn attention(&mut self) {
        let sum = self.columns(OpKind::ToOut);
        let parallel = self.rows_then_columns(OpKind::ParallelDepthwise, &sum);
        let Some(qkv) = self.find(OpKind::Qkv) else { return };
        let channels = usize::from(self.ops[qkv].cin);
        let alive = self.rows_alive(qkv);
        let mut read = vec![true; 2 * channels];
        for c in 0..channels {
            let by_products = alive[c] && alive[channels + c];
            read[c] = by_products;
            read[channels + c] = by_products || sum.get(c).copied().unwrap_or(true) || parallel.get(c).copied().unwrap_or(true);
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

    /// The input channels that operator `i` reads. Of a depthwise convolution: the channels whose taps are not all zero.
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
        let (op, Some(weights)) = (self.ops[i], self.weights(i)) else { return Read::new() };
        let mut alive: Read = weights.bias.iter().map(|bias| *bias != 0.0).collect();
        weights.weight.iter().enumerate().filter(|(_, weight)| **weight != 0.0).for_each(|(at, _)| alive[place(&op, at).0] = true);
        alive
    }

    /// Zeroes the output channels of operator `i` that are not read.
    fn rows_at(&mut self, i: usize, read: &[bool]) {
        let op = self.ops[i];
        let Some(weights) = self.folded.weights_mut(self.step, i).filter(|_| read.contains(&false)) else { return };
        let is_norm = weights.weight.len() == weights.bias.len() && op.kernel == 0;
        for (at, weight) in weights.weight.iter_mut().enumerate() {
            let row = if is_norm { at } else { place(&op, at).0 };
            if !read[row] {
                *weight = 0.0;
            }
        }
        weights.bias.iter_mut().zip(read).filter(|(_, read)| !**read).for_each(|(bias, _)| *bias = 0.0);
    }

    fn rows(&mut self, kind: OpKind, read: &[bool]) {
        if let Some(i) = self.find(kind) {
            self.rows_at(i, read);
        }
    }

    /// Zeroes what is not read of the operator of `kind`, and says what it still reads itself; nothing where there is no such operator.
    fn rows_then_columns(&mut self, kind: OpKind, read: &[bool]) -> Read {
        self.rows(kind, read);
        self.columns(kind)
    }
}
