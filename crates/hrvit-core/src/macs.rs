//! Multiply-accumulates per step, after the exact rewrites.

use hrvit_format::{Network, Op, OpKind, Size, Step};

/// Multiply-accumulates of `step` at `size`. Convolutions, linear operators, the
/// diversity-enhancing shortcut, q·v and p·v over real keys count. Biases, norms, activations and
/// resizing do not.
pub fn step_macs(network: &Network, size: Size, step: Step) -> u64 {
    network.ops(step).iter().map(|op| op_macs(network, size, step, op)).sum()
}

fn op_macs(network: &Network, size: Size, step: Step, op: &Op) -> u64 {
    let branch = match step {
        Step::Fusion { branch, .. } | Step::PatchEmbed { branch, .. } | Step::Attention { branch, .. } | Step::MixCfn { branch, .. } => usize::from(branch),
        Step::Increase { branch } => usize::from(branch),
        _ => 0,
    };
    let source = usize::from(op.source);
    let tokens = match op.kind {
        OpKind::StemConv1 => size.pixels() / 4,
        // A term of lower resolution is computed at its own resolution. Downsampling, in the
        // classifier or a fusion, gives the resolution of the step.
        OpKind::FusionPointwise => size.tokens(source.max(branch)),
        OpKind::FusionDepthwise | OpKind::IncreaseDownsample => size.tokens(branch),
        OpKind::FinalLinear => 1,
        _ => size.tokens(source),
    } as u64;
    let each = match op.kind {
        OpKind::Scores => return 2 * attention_pairs(network, size, branch) * u64::from(network.spec.channels(branch) / 2),
        OpKind::DesRight | OpKind::DesLeft => u64::from(network.spec.channels(branch)) * u64::from(op.cin),
        _ => op.weight_count() as u64,
    };
    tokens * each
}

/// Query-key pairs over the horizontal and vertical strips of one branch. Each pair costs one
/// multiplication per channel of its half, for q·v and again for p·v.
fn attention_pairs(network: &Network, size: Size, branch: usize) -> u64 {
    let (rows, columns) = size.map(branch);
    let window = network.spec.window(branch).max(1);
    let half = |along: usize, across: usize| -> u64 {
        let strip = |height: usize| ((height * across) as u64).pow(2);
        (along / window) as u64 * strip(window) + strip(along % window)
    };
    half(rows, columns) + half(columns, rows)
}
