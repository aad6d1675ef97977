//! Edits that make another network, one that is hard to quantise.

use hrvit_reference::parameters::core_prefix;
use hrvit_tests::rng::Rng;

use super::exact::{blocks, streams};
use super::{Case, Kind, pick, pick_several};
use crate::tensors::Tensors;

/// Edits by `kind`; says what was done, or that there is no site.
pub fn edit(case: &mut Case, kind: Kind, rng: &mut Rng) -> Option<String> {
    case.bits = false;
    let tensors = &mut case.edited;
    Some(match kind {
        Kind::Stream100 => stream(tensors, 1, 100.0, rng),
        Kind::Stream => {
            let (count, constant) = (rng.int(1, 3) as usize, pick(&[100.0, 1000.0, 10_000.0], rng));
            stream(tensors, count, constant, rng)
        }
        Kind::StreamMean => stream_mean(tensors, rng),
        Kind::EmbeddingScale => {
            let (stage, branch, _) = stream_site(tensors, rng);
            let factor = pick(&[1e-6, 1e-3, 1e3, 1e6], rng);
            let layers = [0, 1].map(|layer| format!("{stage}.patch_embed.{branch}.proj.{layer}"));
            for layer in &layers {
                ["weight", "bias"].iter().for_each(|part| times(tensors.get_mut(&format!("{layer}.{part}")), factor));
            }
            format!("{} and {} times {factor:e}", layers[0], layers[1])
        }
        Kind::DeadBranch => {
            let (stage, branch, _) = stream_site(tensors, rng);
            let norm = format!("{stage}.patch_embed.{branch}.norm");
            ["weight", "bias"].iter().for_each(|part| tensors.get_mut(&format!("{norm}.{part}")).fill(0.0));
            format!("{norm} is zero")
        }
        Kind::DeadRow => dead_row(tensors, rng),
        Kind::SharpAttention | Kind::DeadValues | Kind::DeadShortcut | Kind::DeadHardswish | Kind::DeadGelu => {
            let all: Vec<(usize, String)> = blocks(tensors.network()).collect();
            if all.is_empty() {
                return None;
            }
            let (branch, block) = pick(&all, rng);
            in_block(tensors, kind, &block, tensors.network().spec.channels(branch).into(), rng)
        }
        _ => return None,
    })
}

fn times(values: &mut [f32], factor: f32) {
    values.iter_mut().for_each(|value| *value *= factor);
}

fn in_block(tensors: &mut Tensors, kind: Kind, block: &str, channels: usize, rng: &mut Rng) -> String {
    let qkv = ["weight", "bias"].map(|part| format!("{block}.attn.to_qkv.{part}"));
    let halves = |tensors: &Tensors| qkv.each_ref().map(|name| tensors.get(name).len() / 2);
    match kind {
        Kind::SharpAttention => {
            let factor = pick(&[10.0, 100.0], rng);
            for (name, half) in qkv.iter().zip(halves(tensors)) {
                times(&mut tensors.get_mut(name)[..half], factor);
            }
            format!("{block} q times {factor}")
        }
        Kind::DeadValues => {
            for (name, half) in qkv.iter().zip(halves(tensors)) {
                tensors.get_mut(name)[half..].fill(0.0);
            }
            format!("{block} v is zero")
        }
        Kind::DeadShortcut => {
            for side in ["left", "right"] {
                ["weight", "bias"].iter().for_each(|part| tensors.get_mut(&format!("{block}.des.proj_{side}.{part}")).fill(0.0));
            }
            format!("{block}.des is zero")
        }
        Kind::DeadHardswish => {
            let channel = rng.int(0, channels as i64 - 1) as usize;
            times(tensors.row_mut(&qkv[0], channels + channel), 0.1);
            tensors.get_mut(&qkv[1])[channels + channel] = -6.0;
            format!("{block} v channel {channel} near -6")
        }
        _ => {
            ["conv_3", "conv_5"].iter().for_each(|conv| tensors.get_mut(&format!("{block}.ffn.conv.{conv}.bias")).fill(-30.0));
            format!("{block} GELUs near -30")
        }
    }
}

/// A row of any layer is zero, its bias too.
fn dead_row(tensors: &mut Tensors, rng: &mut Rng) -> String {
    let all: Vec<String> = hrvit_reference::parameters(tensors.network())
        .into_iter()
        .filter(|parameter| parameter.shape.len() > 1 && parameter.name.ends_with(".weight"))
        .map(|parameter| parameter.name.trim_end_matches(".weight").to_owned())
        .collect();
    let layer = pick(&all, rng);
    let [weight, bias] = ["weight", "bias"].map(|part| format!("{layer}.{part}"));
    let row = rng.int(0, tensors.shape(&weight)[0] as i64 - 1) as usize;
    tensors.row_mut(&weight, row).fill(0.0);
    if tensors.has(&bias) {
        tensors.get_mut(&bias)[row] = 0.0;
    }
    format!("{layer} row {row} is zero")
}

/// The name of a stage, a branch of it and that branch's channels.
fn stream_site(tensors: &Tensors, rng: &mut Rng) -> (String, usize, usize) {
    let network = tensors.network();
    let (module, branch) = pick(&streams(network), rng);
    (format!("{}features.{}", core_prefix(network.head), 2 * module + 1), branch, network.spec.channels(branch).into())
}

/// Every LayerNorm of a residual stream.
fn norms(tensors: &Tensors, stage: &str, branch: usize) -> Vec<String> {
    let all = hrvit_reference::parameters(tensors.network()).into_iter().map(|parameter| parameter.name);
    let stream = format!("{stage}.branches.{branch}.");
    let own = |name: &String| (name.starts_with(&stream) && name.ends_with("_norm.weight")) || *name == format!("{stage}.norm.{branch}.weight");
    all.filter(own).map(|name| name.trim_end_matches(".weight").to_owned()).collect()
}

/// The projections along p of a residual stream's shortcuts.
fn shortcuts(tensors: &Tensors, stage: &str, branch: usize) -> Vec<String> {
    let stream = format!("{stage}.branches.{branch}.");
    let all = blocks(tensors.network()).map(|(_, block)| block);
    all.filter(|block| block.starts_with(&stream)).map(|block| format!("{block}.des.proj_right")).collect()
}

/// Adds `constant` to `count` channels of a stream of variance 1. Its LayerNorms multiply by the
/// deviation that this makes and subtract the rest of the constants. Its shortcuts do not read the
/// channels' columns.
fn stream(tensors: &mut Tensors, count: usize, constant: f32, rng: &mut Rng) -> String {
    let (stage, branch, channels) = stream_site(tensors, rng);
    let chosen = pick_several(channels, count, rng);
    let share = chosen.len() as f64 / channels as f64;
    let constant = f64::from(constant);
    let deviation = (constant * constant * share * (1.0 - share) + 1.0).sqrt();
    let embed = format!("{stage}.patch_embed.{branch}.norm.bias");
    chosen.iter().for_each(|&channel| tensors.get_mut(&embed)[channel] += constant as f32);
    for norm in norms(tensors, &stage, branch) {
        let gamma: Vec<f64> = tensors.get(&format!("{norm}.weight")).iter().map(|&value| f64::from(value)).collect();
        for (channel, &old) in gamma.iter().enumerate() {
            let own = if chosen.contains(&channel) { 1.0 } else { 0.0 };
            tensors.get_mut(&format!("{norm}.weight"))[channel] = (old * deviation) as f32;
            tensors.get_mut(&format!("{norm}.bias"))[channel] += (old * constant * (share - own)) as f32;
        }
    }
    for layer in shortcuts(tensors, &stage, branch) {
        let weight = format!("{layer}.weight");
        let columns = tensors.shape(&weight)[1];
        chosen.iter().for_each(|channel| tensors.change_column(&weight, channel % columns, |_| 0.0));
    }
    format!("{stage} branch {branch} channels {chosen:?} plus {constant}")
}

/// Adds one constant to all channels of a stream, which its LayerNorms do not see; its shortcuts
/// take it off their biases.
fn stream_mean(tensors: &mut Tensors, rng: &mut Rng) -> String {
    let (stage, branch, _) = stream_site(tensors, rng);
    let constant = pick(&[-30.0f32, 30.0, 300.0], rng);
    let embed = format!("{stage}.patch_embed.{branch}.norm.bias");
    tensors.get_mut(&embed).iter_mut().for_each(|value| *value += constant);
    for layer in shortcuts(tensors, &stage, branch) {
        let [weight, bias] = ["weight", "bias"].map(|part| format!("{layer}.{part}"));
        let columns = tensors.shape(&weight)[1];
        let sums: Vec<f32> = tensors.get(&weight).chunks_exact(columns).map(|row| row.iter().sum()).collect();
        tensors.get_mut(&bias).iter_mut().zip(sums).for_each(|(value, sum)| *value -= constant * sum);
    }
    format!("{stage} branch {branch} plus {constant} on all channels")
}
