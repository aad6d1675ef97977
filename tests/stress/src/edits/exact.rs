//! Edits that keep the function.

use hrvit_format::{BRANCHES, Step};
use hrvit_reference::operators::normalise::EPSILON;
use hrvit_reference::parameters::{core_prefix, parameters};
use hrvit_tests::rng::Rng;

use super::paths::{Path, Through, batch_norms, paths};
use super::{Case, Kind, pick, pick_several};
use crate::tensors::Tensors;

/// Edits by `kind`; says what was done, or that there is no site.
pub fn edit(case: &mut Case, kind: Kind, rng: &mut Rng) -> Option<String> {
    match kind {
        Kind::Relu => scale(case, Through::Relu, rng),
        Kind::Linear => scale(case, Through::Linear, rng),
        Kind::Norm => scale(case, Through::Norm, rng),
        Kind::Shift => shift(case, rng),
        Kind::Whole => whole(case, rng),
        Kind::Statistics => statistics(case, rng),
        Kind::BeforeBatchNorm => before_batch_norm(case, rng),
        Kind::BiasExchange => bias_exchange(case, rng),
        Kind::Unread => unread(case, rng),
        Kind::Loud => loud(case, rng),
        _ => None,
    }
}

/// A path of the network that `fits`.
fn site(case: &Case, fits: impl Fn(&Path) -> bool, rng: &mut Rng) -> Option<Path> {
    let all: Vec<Path> = paths(case.edited.network()).into_iter().filter(fits).collect();
    (!all.is_empty()).then(|| pick(&all, rng))
}

/// One channel, a few or all.
fn some(channels: usize, rng: &mut Rng) -> Vec<usize> {
    let count = pick(&[1, 1, channels.div_ceil(8), channels], rng);
    pick_several(channels, count, rng)
}

/// How factors are drawn.
#[derive(Clone, Copy)]
struct Factors {
    powers_of_two: bool,
    signed: bool,
}

impl Factors {
    fn draw(signed: bool, rng: &mut Rng) -> Self {
        Self { powers_of_two: rng.int(0, 2) == 0, signed: signed && rng.int(0, 3) == 0 }
    }

    /// The next factor.
    fn next(self, rng: &mut Rng) -> f32 {
        let size = if self.powers_of_two { 2f32.powi((rng.int(1, 10) * pick(&[-1, 1], rng)) as i32) } else { 10f64.powf(rng.real(-3.0, 3.0)) as f32 };
        if self.signed && rng.int(0, 1) == 0 { -size } else { size }
    }
}

/// Text of an edit and its channels.
fn note(path: &str, channels: &[usize], what: &str) -> String {
    match channels {
        [one] => format!("{path} channel {one} {what}"),
        several => format!("{path} {} channels {what}", several.len()),
    }
}

/// Multiplies what writes `channel` and divides what reads it.
fn move_factor(tensors: &mut Tensors, path: &Path, channel: usize, factor: f32) {
    for writer in &path.writers {
        tensors.row_mut(&writer.tensor, channel + writer.offset).iter_mut().for_each(|value| *value *= factor);
    }
    change_readers(tensors, path, channel, |value| value / factor);
}

fn change_readers(tensors: &mut Tensors, path: &Path, channel: usize, change: impl Fn(f32) -> f32) {
    for reader in &path.readers {
        if reader.rows {
            tensors.row_mut(&reader.tensor, channel + reader.offset).iter_mut().for_each(|value| *value = change(*value));
        } else {
            tensors.change_column(&reader.tensor, channel + reader.offset, &change);
        }
    }
}

fn scale(case: &mut Case, through: Through, rng: &mut Rng) -> Option<String> {
    let path = site(case, |path| path.through == through, rng)?;
    let (channels, factors) = (some(path.channels, rng), Factors::draw(through != Through::Relu, rng));
    let mut last = 1.0;
    for &channel in &channels {
        last = factors.next(rng);
        move_factor(&mut case.edited, &path, channel, last);
    }
    case.bits &= factors.powers_of_two;
    let what = if channels.len() == 1 { format!("times {last:.3e}") } else { "times factors between 1e-3 and 1e3".to_owned() };
    Some(note(&path.name, &channels, &what))
}

fn whole(case: &mut Case, rng: &mut Rng) -> Option<String> {
    let path = site(case, |path| path.through != Through::Other, rng)?;
    let factor = pick(&[1e6, 1e-6], rng);
    (0..path.channels).for_each(|channel| move_factor(&mut case.edited, &path, channel, factor));
    case.bits = false;
    Some(format!("{} times {factor:e}", path.name))
}

fn shift(case: &mut Case, rng: &mut Rng) -> Option<String> {
    let absorbed = |path: &Path| path.through != Through::Relu && path.readers.iter().all(|reader| reader.absorber.is_some());
    let path = site(case, absorbed, rng)?;
    let channels = some(path.channels, rng);
    let tensors = &mut case.edited;
    for &channel in &channels {
        let constant = 10f64.powf(rng.real(-1.0, 1.0)) * pick(&[-1.0, 1.0], rng);
        for bias in path.writers.iter().filter(|writer| writer.tensor.ends_with(".bias")) {
            tensors.row_mut(&bias.tensor, channel + bias.offset)[0] += constant as f32;
        }
        for reader in &path.readers {
            let Some((absorber, sign)) = &reader.absorber else { continue };
            let sums = tensors.column_sums(&reader.tensor, channel + reader.offset);
            for (value, sum) in tensors.get_mut(absorber).iter_mut().zip(sums) {
                *value = (f64::from(*value) + sign * constant * sum) as f32;
            }
        }
    }
    case.bits = false;
    Some(note(&path.name, &channels, "plus constants of up to 10"))
}

/// A BatchNorm and the layer before it.
fn batch_norm(case: &Case, rng: &mut Rng) -> (String, String) {
    let all = parameters(case.edited.network());
    pick(&batch_norms(all.iter().map(|parameter| parameter.name.as_str())), rng)
}

fn statistics(case: &mut Case, rng: &mut Rng) -> Option<String> {
    let (norm, _) = batch_norm(case, rng);
    let [gamma, beta, mean, variance] = ["weight", "bias", "running_mean", "running_var"].map(|part| format!("{norm}.{part}"));
    let tensors = &mut case.edited;
    let channels = some(tensors.get(&gamma).len(), rng);
    let kind = rng.int(0, 3);
    for &channel in &channels {
        let other = match kind {
            0 => 1e-12,
            1 => 1e12,
            2 => 0.0,
            _ => 10f64.powf(rng.real(-6.0, 6.0)),
        };
        let at = |name: &str| f64::from(tensors.get(name)[channel]);
        let scale = at(&gamma) / (at(&variance) + EPSILON).sqrt();
        let moved = rng.real(-3.0, 3.0);
        let values = [(scale * (f64::from(other as f32) + EPSILON).sqrt()), at(&beta) + moved * scale, at(&mean) + moved, other];
        for (name, value) in [&gamma, &beta, &mean, &variance].into_iter().zip(values) {
            tensors.get_mut(name)[channel] = value as f32;
        }
    }
    case.bits = false;
    let variance = ["variance 1e-12", "variance 1e12", "variance 0", "variances between 1e-6 and 1e6"][kind as usize];
    Some(note(&norm, &channels, variance))
}

fn before_batch_norm(case: &mut Case, rng: &mut Rng) -> Option<String> {
    let (norm, layer) = batch_norm(case, rng);
    let tensors = &mut case.edited;
    let [weight, bias, gamma, mean] = [format!("{layer}.weight"), format!("{layer}.bias"), format!("{norm}.weight"), format!("{norm}.running_mean")];
    let (channels, factors) = (some(tensors.get(&gamma).len(), rng), Factors::draw(true, rng));
    for &channel in &channels {
        let factor = factors.next(rng);
        for name in [&weight, &bias, &mean] {
            if tensors.has(name) {
                tensors.row_mut(name, channel).iter_mut().for_each(|value| *value *= factor);
            }
        }
        tensors.get_mut(&gamma)[channel] /= factor;
    }
    case.bits &= factors.powers_of_two;
    Some(note(&layer, &channels, "times factors between 1e-3 and 1e3"))
}

fn bias_exchange(case: &mut Case, rng: &mut Rng) -> Option<String> {
    let network = case.edited.network().clone();
    let blocks: Vec<(usize, String)> = blocks(&network).collect();
    if blocks.is_empty() {
        return None;
    }
    let (branch, block) = pick(&blocks, rng);
    let (k, p) = network.spec.des_shape(branch);
    let rows = some(k.into(), rng);
    for &row in &rows {
        let constant = 10f64.powf(rng.real(-1.0, 1.0)) as f32 * pick(&[-1.0, 1.0], rng);
        case.edited.get_mut(&format!("{block}.des.proj_left.bias"))[row] -= constant;
        let own = row * usize::from(p)..(row + 1) * usize::from(p);
        case.edited.get_mut(&format!("{block}.attn.attn_bn.bias"))[own].iter_mut().for_each(|value| *value += constant);
    }
    case.bits = false;
    Some(note(&format!("{block}.attn"), &rows, "constants of up to 10 moved from the shortcut"))
}

/// Every block of `network`: its branch and name.
pub fn blocks(network: &hrvit_format::Network) -> impl Iterator<Item = (usize, String)> + '_ {
    let core = core_prefix(network.head);
    network.steps().filter_map(move |step| match step {
        Step::Attention { module, branch, block } => {
            Some((usize::from(branch), format!("{core}features.{}.branches.{branch}.{block}", 2 * usize::from(module) + 1)))
        }
        _ => None,
    })
}

/// Every patch embedding, as module and branch.
pub fn streams(network: &hrvit_format::Network) -> Vec<(usize, usize)> {
    let spec = &network.spec;
    (0..spec.modules()).flat_map(|module| (0..spec.branches(module).min(BRANCHES)).map(move |branch| (module, branch))).collect()
}

fn unread(case: &mut Case, rng: &mut Rng) -> Option<String> {
    let path = site(case, |_| true, rng)?;
    // Not all: a layer without any reader would say nothing about its other channels.
    let count = pick(&[1, 2, path.channels.div_ceil(8)], rng);
    let channels = pick_several(path.channels, count, rng);
    let size = 10f64.powf(rng.real(0.0, 4.0));
    for &channel in &channels {
        for tensors in [&mut case.base, &mut case.edited] {
            change_readers(tensors, &path, channel, |_| 0.0);
            for other in &path.others {
                tensors.row_mut(&other.tensor, channel + other.offset).fill(0.0);
            }
        }
        for writer in &path.writers {
            let largest = size * case.edited.rms(&writer.tensor).max(0.01);
            let row = case.edited.row_mut(&writer.tensor, channel + writer.offset);
            row.iter_mut().for_each(|value| *value = (largest * rng.bell()) as f32);
        }
    }
    case.rebased = true;
    Some(note(&path.name, &channels, &format!("unread, weights {size:.1e} times larger")))
}

fn loud(case: &mut Case, rng: &mut Rng) -> Option<String> {
    let path = site(case, |path| path.through == Through::Relu || path.name.contains(".ffn.conv."), rng)?;
    let count = pick(&[1, 2, path.channels.div_ceil(8)], rng);
    let channels = pick_several(path.channels, count, rng);
    let factor = 10f64.powf(rng.real(1.0, 4.0)) as f32;
    for &channel in &channels {
        for tensors in [&mut case.base, &mut case.edited] {
            for writer in &path.writers {
                // ReLU and GELU leave nothing of -30.
                let value = if writer.tensor.ends_with(".bias") { -30.0 } else { 0.0 };
                tensors.row_mut(&writer.tensor, channel + writer.offset).fill(value);
            }
        }
        change_readers(&mut case.edited, &path, channel, |value| value * factor);
    }
    case.rebased = true;
    Some(note(&path.name, &channels, &format!("zero, what reads it times {factor:.1e}")))
}
