//! Statistics of one pass of the float network over the frames: of a step's operators, and of the
//! residual streams of the whole network.

use hrvit_format::{OpKind, Step};
use hrvit_reference::{Folded, Map, Tap, wide};

use super::moments::{Moments, add_sums};
use super::{lanes, ranges::Extent, sample::Sample};

/// Ranges, sums and samples of one operator.
#[derive(Clone, Debug, Default)]
pub struct OpStats {
    /// Per channel of the output.
    pub output: Vec<Extent>,
    /// Of everything that the operator read.
    pub input: Option<Extent>,
    /// Of what its table is looked up by, where the output no longer shows it
    /// ([`OpKind::DesRight`]).
    pub index: Option<Extent>,
    /// Sum of the output per channel, over the frames that bias correction looks at.
    pub sums: Vec<f64>,
    /// Of what the operator read, over the same frames.
    pub read: Moments,
    /// Tokens of the output.
    pub sample: Sample,
}

impl OpStats {
    /// Extent of the whole output.
    pub fn whole(&self) -> Extent {
        self.output.iter().fold(Extent::EMPTY, |all, &extent| all.and(extent))
    }

    /// Takes in the next frame's statistics.
    pub fn append(&mut self, next: &Self) {
        let (fresh, both) = (self.output.is_empty(), |a: Option<Extent>, b: Option<Extent>| a.map_or(b, |a| Some(b.map_or(a, |b| a.and(b)))));
        if fresh {
            self.output.clone_from(&next.output);
        } else {
            self.output.iter_mut().zip(&next.output).for_each(|(a, &b)| *a = a.and(b));
        }
        self.input = both(self.input, next.input);
        self.index = both(self.index, next.index);
        add_sums(&mut self.sums, &next.sums);
        self.read.append(&next.read);
        self.sample.append(&next.sample);
    }
}

/// Sum per channel of a `[tokens, channels]` map.
pub fn channel_sums(map: &Map) -> Vec<f64> {
    let mut sums = vec![0f64; map.channels];
    add_tokens(map, &mut sums);
    sums
}

/// Smallest and largest value per channel.
pub fn channel_extents(map: &Map) -> Vec<Extent> {
    let (mut least, mut most) = (vec![f32::INFINITY; map.channels], vec![f32::NEG_INFINITY; map.channels]);
    widen(map, &mut least, &mut most);
    least.into_iter().zip(most).map(|(min, max)| Extent { min, max }).collect()
}

wide! {
    fn add_tokens ['a] ['a] (map: &'a Map, sums: &'a mut [f64]) -> () {
        for token in map.data.chunks_exact(map.channels) {
            for (sum, &x) in sums.iter_mut().zip(token) {
                *sum += f64::from(x);
            }
        }
    }

    fn widen ['a] ['a] (map: &'a Map, least: &'a mut [f32], most: &'a mut [f32]) -> () {
        for token in map.data.chunks_exact(map.channels) {
            for ((&x, least), most) in token.iter().zip(&mut *least).zip(&mut *most) {
                *least = if x < *least { x } else { *least };
                *most = if x > *most { x } else { *most };
            }
        }
    }
}

fn extent(values: &[f32]) -> Extent {
    let (min, max) = lanes::ends(values);
    Extent { min, max }
}

/// Collects one frame's [`OpStats`] of one step.
pub struct StatsTap<'a> {
    /// The float network.
    pub folded: &'a Folded,
    /// Per operator.
    pub ops: Vec<OpStats>,
    /// Tokens to sample.
    pub tokens: usize,
    /// Whether this frame counts for bias correction.
    pub sums: bool,
    /// Decides which tokens are sampled.
    pub seed: u64,
}

impl Tap for StatsTap<'_> {
    fn op(&mut self, step: Step, op_index: usize, kind: OpKind, input: &Map, output: &mut Map) {
        let Some(stats) = self.ops.get_mut(op_index) else { return };
        stats.output = channel_extents(output);
        stats.input = Some(extent(&input.data));
        if kind == OpKind::DesRight {
            stats.index = Some(extent(&self.folded.run_affine(step, op_index, input).data));
        }
        if self.sums {
            stats.sums = channel_sums(output);
            stats.read.add(&input.data, input.channels);
        }
        stats.sample = Sample::take(&output.data, output.channels, self.tokens, self.seed.wrapping_add(op_index as u64));
    }

    fn residual(&mut self, _: Step, _: &mut Map) {}
}

/// Module and branch of a residual stream.
pub type Stream = (u8, u8);

/// The residual stream that a step writes or reads.
pub fn stream(step: Step) -> Option<Stream> {
    match step {
        Step::Stem => Some((0, 0)),
        Step::PatchEmbed { module, branch }
        | Step::Attention { module, branch, .. }
        | Step::MixCfn { module, branch, .. }
        | Step::StageNorm { module, branch } => Some((module, branch)),
        _ => None,
    }
}
