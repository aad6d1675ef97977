//! Stem, fusions and stages.

use hrvit_format::{Preprocess, Spec};

use super::block::block;
use super::{NamedTap, Scope};
use crate::map::{Frame, Map};
use crate::operators::activation::{apply, gelu, relu};
use crate::operators::convolution::{Window, channels_last, dense, depthwise, tap_major};
use crate::operators::linear::linear;
use crate::operators::normalise::{ScaleShift, layer_norm};
use crate::operators::resize::nearest;

impl Scope<'_> {
    /// 1x1 convolution or linear layer with bias.
    pub(super) fn linear(&self, name: &str, x: &Map) -> Map {
        linear(x, self.get(&format!("{name}.weight")), self.get(&format!("{name}.bias")))
    }

    /// 1x1 convolution without bias, `cout` channels out.
    pub(super) fn pointwise(&self, name: &str, x: &Map, cout: usize) -> Map {
        linear(x, self.get(&format!("{name}.weight")), &vec![0.0; cout])
    }

    /// Dense convolution with a given bias.
    pub(super) fn convolution(&self, name: &str, x: &Map, bias: &[f32], window: Window) -> Map {
        dense(x, &channels_last(self.get(&format!("{name}.weight")), x.channels, window.kernel), bias, window)
    }

    /// Depthwise convolution with bias.
    pub(super) fn depthwise(&self, name: &str, x: &Map, window: Window) -> Map {
        depthwise(x, &tap_major(self.get(&format!("{name}.weight")), window.kernel), self.get(&format!("{name}.bias")), window)
    }

    pub(super) fn layer_norm(&self, name: &str, x: &Map) -> Map {
        layer_norm(x, self.get(&format!("{name}.weight")), self.get(&format!("{name}.bias")))
    }

    /// BatchNorm in place.
    pub(super) fn batch_norm(&self, name: &str, x: &mut Map) {
        self.scale_shift(name).apply(x);
    }

    /// The BatchNorm `name` as scale and shift.
    pub(crate) fn scale_shift(&self, name: &str) -> ScaleShift {
        let [gamma, beta, mean, variance] = ["weight", "bias", "running_mean", "running_var"].map(|part| self.get(&format!("{name}.{part}")));
        ScaleShift::new(gamma, beta, mean, variance)
    }
}

/// `conv1 · bn1 · ReLU · conv2 · bn2 · ReLU` of the normalised frame.
pub(super) fn stem(scope: &Scope<'_>, frame: &Frame) -> Map {
    let mut x = frame.to_map();
    let Preprocess { mean, deviation, order, .. } = scope.checkpoint.preprocess();
    for pixel in x.data.as_chunks_mut::<3>().0 {
        for ((value, mean), deviation) in pixel.iter_mut().zip(mean).zip(deviation) {
            *value = (*value - mean) / deviation;
        }
        *pixel = order.swap(*pixel);
    }
    for layer in 1..=2 {
        x = scope.convolution(&format!("conv{layer}"), &x, scope.get(&format!("conv{layer}.bias")), Window { kernel: 3, stride: 2 });
        scope.batch_norm(&format!("bn{layer}"), &mut x);
        apply(&mut x, relu);
    }
    x
}

/// `out_i = GELU(Σ_j blocks.i.j(x_j))` for every output branch, over the inputs that it has.
pub(super) fn fusion(scope: &Scope<'_>, spec: &Spec, module: usize, inputs: &[Map]) -> Vec<Map> {
    let output = |branch| {
        let sources = spec.fusion_sources(module, branch);
        let terms = sources.map(|source| term(&scope.child(&format!("blocks.{branch}.{source}")), branch, source, &inputs[source]));
        let sum = terms.reduce(|mut sum, term| {
            sum.add(&term);
            sum
        });
        sum.expect("a fusion has at least one input").map(gelu)
    };
    (0..spec.branches(module)).map(output).collect()
}

/// Contribution of input `source` to output `branch`.
fn term(scope: &Scope<'_>, branch: usize, source: usize, x: &Map) -> Map {
    if source == branch {
        return x.clone();
    }
    if source < branch {
        let stride = 1 << (branch - source);
        let window = Window { kernel: stride + 1, stride };
        let mut y = depthwise(x, &tap_major(scope.get("0.weight"), window.kernel), &vec![0.0; x.channels], window);
        scope.batch_norm("1", &mut y);
        let mut y = scope.linear("2", &y);
        scope.batch_norm("3", &mut y);
        y
    } else {
        let mut y = scope.linear("0", x);
        scope.batch_norm("1", &mut y);
        nearest(&y, 1 << (source - branch))
    }
}

/// Patch embedding, blocks and norm of every branch.
pub(super) fn stage(scope: &Scope<'_>, spec: &Spec, module: usize, inputs: &[Map], name: &str, tap: NamedTap<'_>) -> Vec<Map> {
    let mut outputs = Vec::with_capacity(inputs.len());
    for (branch, input) in inputs.iter().enumerate() {
        let embed = scope.child(&format!("patch_embed.{branch}"));
        let window = Window { kernel: 3, stride: 1 };
        let x = if spec.ablation().dense_embedding {
            embed.convolution("proj", input, embed.get("proj.bias"), window)
        } else {
            embed.depthwise("proj.1", &embed.linear("proj.0", input), window)
        };
        let mut x = embed.layer_norm("norm", &x);
        tap(&format!("{name}.patch_embed.{branch}"), &x);
        for n in 0..spec.block_count(module, branch) {
            let part = format!("branches.{branch}.{n}");
            x = block(&scope.child(&part), spec, branch, x, &format!("{name}.{part}"), tap);
        }
        outputs.push(scope.layer_norm(&format!("norm.{branch}"), &x));
    }
    outputs
}
