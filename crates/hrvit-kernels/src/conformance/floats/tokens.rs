//! Attention, LayerNorm and the diversity-enhancing shortcut.

use core::cell::RefCell;

use half::f16;

use super::{Kind, RELATIVE};
use crate::attention_f16::{self, StripF16};
use crate::conformance::products::short;
use crate::conformance::{Arena, Label, Suite};
use crate::des_f16::DesF16;
use crate::epilogue_f16::ActivationF16;
use crate::family::Family;
use crate::gemm_f16::{blocks_f16_index, blocks_f16_len};
use crate::layernorm_f16::NormF16;
use crate::math_f32::{rsqrt, widen};

const DIMS: [usize; 10] = [1, 4, 5, 8, 16, 17, 24, 32, 33, 64];
const KEYS: [usize; 14] = [1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 49, 112];
const CHANNELS: [usize; 18] = [1, 2, 3, 7, 8, 9, 15, 16, 17, 24, 31, 32, 48, 64, 96, 240, 256, 512];
/// `(k, p)` of every width of the network, and odd ones.
const SHAPES: [(usize, usize); 14] =
    [(4, 4), (4, 8), (8, 8), (8, 16), (16, 16), (6, 8), (12, 8), (15, 16), (24, 16), (16, 32), (1, 1), (3, 5), (5, 3), (31, 7)];

/// All kernels over tokens of a round.
pub(super) fn run(suite: &mut Suite<'_>, scratch: &mut [u8]) {
    for dim in DIMS {
        for keys in KEYS {
            let queries = suite.rng.size(0, 9);
            let done = strip(suite, &mut Arena::new(scratch), (queries, keys, dim));
            short(suite, done, Family::AttentionF16);
        }
    }
    for shape in [(5, 448, 32), (2, 1152, 16), (3, 700, 32)] {
        let done = strip(suite, &mut Arena::new(scratch), shape);
        short(suite, done, Family::AttentionF16);
    }
    for channels in CHANNELS {
        for kind in 0..4 {
            let done = tokens(suite, &mut Arena::new(scratch), channels, kind);
            short(suite, done, Family::LayerNormF16);
        }
    }
    let done = tokens(suite, &mut Arena::new(scratch), crate::contract::MAX_NORM_CHANNELS_F16, 0);
    short(suite, done, Family::LayerNormF16);
    for (i, (k, p)) in SHAPES.into_iter().enumerate() {
        for j in 0..2 {
            let done = shortcut(suite, &mut Arena::new(scratch), (k, p), i + j + suite.round as usize);
            short(suite, done, Family::DesF16);
        }
    }
}

/// A logit off by d makes a power off by less than d of itself. An output is off by as much of the
/// largest value, over all logits, and by `2^-16` for the powers.
fn strip(suite: &mut Suite<'_>, arena: &mut Arena<'_>, (queries, keys, dim): (usize, usize, usize)) -> Option<()> {
    let rng = &mut suite.rng;
    let kind = Kind::pick(rng);
    let q = arena.make(queries * dim, |_| kind.value(rng))?;
    let v = arena.make(keys * dim, |_| kind.value(rng))?;
    let args = StripF16 { q, v, dim };
    let largest = v.iter().fold(0.0f32, |largest, v| largest.max(widen(*v).abs()));
    let slack = |at: usize| {
        let q = q.get(at / dim * dim..).unwrap_or_default();
        let logits = v.chunks(dim).map(|v| v.iter().zip(q).fold(0.0, |sum, (v, q)| sum + (widen(*q) * widen(*v)).abs()));
        // No average is beyond the values.
        (largest * (1.0 / 65_536.0 + 4.0 * RELATIVE * logits.fold(0.0, f32::max))).min(2.0 * largest)
    };
    // Both calls use the same scratch; what it holds in between must not matter.
    let scratch = RefCell::new(arena.take::<f32>(attention_f16::scratch(keys, dim))?);
    scratch.borrow_mut().fill(f32::NAN);
    let label = Label { family: Family::AttentionF16, name: "strip", sizes: [queries, keys, dim, kind as usize] };
    suite.check_f16(label, arena, queries * dim, slack, |kernels, out| kernels.attention_f16(&args, &mut scratch.borrow_mut(), out));
    Some(())
}

/// The mean is off by a part of the largest value, which the reciprocal root and the gain multiply.
fn tokens(suite: &mut Suite<'_>, arena: &mut Arena<'_>, channels: usize, kind: usize) -> Option<()> {
    let rng = &mut suite.rng;
    let tokens = if channels > 512 { 1 } else { rng.size(0, 4) };
    let constant = Kind::Any.value(rng);
    let x = arena.make(tokens * channels, |_| match kind {
        0 => Kind::Usual.value(rng),
        1 => constant,
        2 => Kind::Extreme.value(rng),
        _ => Kind::Any.value(rng),
    })?;
    let params = Kind::pick(rng);
    let gain = arena.make(channels, |_| params.wide(rng))?;
    let offset = arena.make(channels, |_| params.wide(rng))?;
    let eps = rng.pick(&[1e-5, 1e-5, 1.0, f32::MIN_POSITIVE, 1e12])?;
    let norm = NormF16 { gain, offset, eps };
    let at = |x: &[f16], at: usize| {
        let (token, channel) = (x.chunks(channels).nth(at / channels).unwrap_or_default(), at % channels);
        let count = channels as f32;
        let mean = token.iter().fold(0.0, |sum, x| sum + widen(*x)) / count;
        let squares = token.iter().fold(0.0, |sum, x| sum + (widen(*x) - mean) * (widen(*x) - mean));
        let largest = token.iter().fold(0.0f32, |largest, x| largest.max(widen(*x).abs()));
        let terms = 2.0 * largest * rsqrt(squares / count + eps) * gain.get(channel).map_or(0.0, |gain| gain.abs());
        4.0 * RELATIVE * (terms + offset.get(channel).map_or(0.0, |offset| offset.abs()))
    };
    let label = |name| Label { family: Family::LayerNormF16, name, sizes: [tokens, channels, kind, params as usize] };
    suite.check_f16(label("out"), arena, x.len(), |index| at(x, index), |kernels, out| kernels.layernorm_f16(x, &norm, out));
    let in_place = |kernels: crate::Kernels, out: &mut [f16]| {
        out.copy_from_slice(x);
        kernels.layernorm_f16_in_place(out, &norm)
    };
    suite.check_f16(label("in place"), arena, x.len(), |index| at(x, index), in_place);
    Some(())
}

/// A hidden value is off by a part of its sum's magnitude, which the left factor multiplies.
fn shortcut(suite: &mut Suite<'_>, arena: &mut Arena<'_>, (k, p): (usize, usize), way: usize) -> Option<()> {
    let rng = &mut suite.rng;
    let tokens = rng.size(0, 5);
    let kind = Kind::pick(rng);
    let x = arena.make(tokens * k * p, |_| kind.value(rng))?;
    let right = arena.make(blocks_f16_len(p, p), |at| if at / (8 * p) * 8 + at % 8 < p { kind.value(rng) } else { f16::ZERO })?;
    let left = arena.make(k * k, |_| kind.value(rng))?;
    let (right_bias, left_bias) = (arena.make(p, |_| kind.wide(rng))?, arena.make(k, |_| kind.wide(rng))?);
    let act = ActivationF16::ALL.get(way % ActivationF16::ALL.len()).copied()?;
    let args = DesF16 { x, k, p, right, right_bias, act, left, left_bias };
    let magnitude = |at: usize| {
        let (token, o, q) = (at / (k * p), at % (k * p) / p, at % p);
        let hidden = |i: usize| {
            let row = x.iter().skip((token * k + i) * p).take(p).enumerate();
            let sum = row.fold(0.0, |sum, (j, x)| sum + (widen(*x) * right.get(blocks_f16_index(p, q, j)).map_or(0.0, |weight| widen(*weight))).abs());
            sum + right_bias.get(q).map_or(0.0, |bias| bias.abs())
        };
        let terms = left.iter().skip(o * k).take(k).enumerate().fold(0.0, |sum, (i, weight)| sum + 4.0 * hidden(i) * widen(*weight).abs());
        terms + left_bias.get(o).map_or(0.0, |bias| bias.abs())
    };
    let hidden = RefCell::new(arena.take::<f32>(k * p)?);
    hidden.borrow_mut().fill(f32::NAN);
    let label = Label { family: Family::DesF16, name: "des", sizes: [tokens, k, p, kind as usize] };
    suite.check_f32(label, arena, x.len(), magnitude, |kernels, out| kernels.des_f16(&args, &mut hidden.borrow_mut(), out));
    Some(())
}
