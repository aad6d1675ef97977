//! Operators on 16-bit codes.

use super::products::{WAYS, requant, short, store};
use super::{Arena, Label, Rng, Suite};
use crate::activation_s16::ENTRIES;
use crate::attention_s8::exp_table;
use crate::attention_s16::StripS16;
use crate::contract::{LOGITS_S16, MAX_QV_S16, MAX_THREE_S16};
use crate::dwconv_s8::Depthwise;
use crate::family::Family;
use crate::requant::TensorRequant;

const KERNELS: [(usize, usize); 6] = [(3, 1), (5, 1), (3, 2), (5, 4), (9, 8), (1, 1)];
const CHANNELS: [usize; 11] = [1, 3, 7, 8, 9, 15, 16, 17, 24, 32, 66];
const DIMS: [usize; 9] = [1, 4, 5, 8, 16, 17, 24, 32, 64];
const KEYS: [usize; 13] = [1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 33, 63, 112];

/// All of a round.
pub(super) fn run(suite: &mut Suite<'_>, scratch: &mut [u8]) {
    for (i, shape) in KERNELS.into_iter().enumerate() {
        for (j, channels) in CHANNELS.into_iter().enumerate() {
            let columns = suite.rng.size(1, 40);
            let way = i + j + suite.round as usize;
            let done = depthwise(suite, &mut Arena::new(scratch), shape, channels, columns, way);
            short(suite, done, Family::DepthwiseS16);
        }
    }
    for dim in DIMS {
        for keys in KEYS {
            let queries = suite.rng.size(0, 6);
            let done = strip(suite, &mut Arena::new(scratch), (queries, keys, dim));
            short(suite, done, Family::AttentionS16);
        }
    }
    for shape in [(3, 518, 32), (5, 448, 32), (2, 1152, 16), (1, 2500, 8)] {
        let done = strip(suite, &mut Arena::new(scratch), shape);
        short(suite, done, Family::AttentionS16);
    }
    for channels in CHANNELS {
        let tokens = suite.rng.size(0, 9);
        let done = elements(suite, &mut Arena::new(scratch), tokens, channels);
        short(suite, done, Family::ActivationS16);
        let done = patches(suite, &mut Arena::new(scratch), channels, tokens % 3 + 1);
        short(suite, done, Family::Im2rowS16);
    }
}

fn depthwise(suite: &mut Suite<'_>, arena: &mut Arena<'_>, (kernel, stride): (usize, usize), channels: usize, columns: usize, way: usize) -> Option<()> {
    let rng = &mut suite.rng;
    let gaps = |rng: &mut Rng| if rng.next() & 1 == 0 { 0 } else { rng.size(1, 20) };
    let (in_stride, weight_stride, out_stride) = (channels + gaps(rng), channels + gaps(rng), channels + gaps(rng));
    let span = |tokens: usize, stride: usize| tokens.checked_sub(1).map_or(0, |gaps| gaps * stride + channels);
    let constant = (rng.next() & 3 == 0).then(|| (if rng.next() & 1 == 0 { -32768 } else { 32767 }, if rng.next() & 1 == 0 { -127 } else { 127 }));
    let mut rows: [Option<&[i16]>; 9] = [None; 9];
    let (first, last) = (rng.size(0, kernel / 2), rng.size(kernel / 2, kernel - 1));
    for (ky, row) in rows.iter_mut().enumerate().take(kernel) {
        if (first..=last).contains(&ky) {
            *row = Some(arena.make(span(columns, in_stride), |_| constant.map_or_else(|| rng.word(), |(a, _)| a))?);
        }
    }
    let weights = arena.make(span(kernel * kernel, weight_stride), |_| constant.map_or_else(|| rng.weight(), |(_, w)| w))?;
    let limit = if rng.next() & 3 == 0 { i32::MAX - 81 * 32768 * 127 } else { 20_000 };
    let bias = arena.make(channels, |_| rng.extreme(-limit, limit))?;
    let acc_bits = 22 + (kernel * kernel).ilog2() / 2;
    let requant = requant(rng, arena, channels, acc_bits, if way.is_multiple_of(WAYS.len()) { 8 } else { 15 }, 0)?;
    let args = Depthwise { rows: rows.get(..kernel)?, in_stride, columns, kernel, stride, pad: 0, weights, weight_stride, bias, requant };
    let len = span(columns.div_ceil(stride), out_stride) + rng.size(0, 3);
    store(suite, (Family::DepthwiseS16, [kernel, stride, columns, channels]), way, arena, len, |kernels, epilogue| {
        kernels.depthwise_s16(&args, epilogue, out_stride)
    })
}

fn strip(suite: &mut Suite<'_>, arena: &mut Arena<'_>, (queries, keys, dim): (usize, usize, usize)) -> Option<()> {
    let rng = &mut suite.rng;
    // Small codes make flat rows; the largest ones reach the limits of logits and weighted sums.
    let largest = rng.pick(&[1, 40, 1000, MAX_QV_S16 as i16])?;
    let most = i32::try_from((LOGITS_S16 - 1) / dim as i64 / i64::from(largest)).unwrap_or(i32::MAX).min(32767);
    let constant = rng.next() & 7 == 0;
    let q = arena.make(queries * dim, |_| if constant { most as i16 } else { rng.extreme(-most, most) as i16 })?;
    let v = arena.make(keys * dim, |_| if constant { largest } else { rng.extreme(-i32::from(largest), largest.into()) as i16 })?;
    let shift = match rng.next() & 7 {
        0 => rng.extreme(32, 62) as u8,
        _ => rng.range(38, 52) as u8,
    };
    let (mult, exp) = (rng.mult(), exp_table());
    let args = StripS16 { q, v, dim, mult, shift, exp: &exp };
    let label = Label { family: Family::AttentionS16, name: "strip", sizes: [queries, keys, dim, shift.into()] };
    // Both calls use the same scratch; what it holds in between must not matter.
    let scores = core::cell::RefCell::new(arena.take::<i32>(keys)?);
    suite.check(label, arena, queries * dim, Rng::word, |kernels, out| kernels.attention_s16(&args, &mut scores.borrow_mut(), out));
    Some(())
}

fn elements(suite: &mut Suite<'_>, arena: &mut Arena<'_>, tokens: usize, channels: usize) -> Option<()> {
    let rng = &mut suite.rng;
    let len = tokens * channels;
    let x = arena.make(len, |_| rng.word())?;
    let v = arena.make(len, |_| rng.extreme(-(MAX_QV_S16 as i32), MAX_QV_S16 as i32) as i16)?;
    let acc = arena.make(len, |_| rng.extreme(-(1 << 29), 1 << 29))?;
    let threes = arena.make(channels, |_| rng.extreme(1, MAX_THREE_S16))?;
    let product = requant(rng, arena, channels, 30, 15, 0)?;
    let scalar = TensorRequant { mult: rng.mult(), shift: rng.shift(29, 15), pre_shift: 0 };
    let three = rng.extreme(1, 32767);
    let label = |name| Label { family: Family::ActivationS16, name, sizes: [tokens, channels, 0, 0] };
    suite.check(label("hardswish per channel"), arena, len, Rng::word, |kernels, out| kernels.hardswish_per_channel_s16(v, threes, product, out));
    suite.check(label("hardswish"), arena, len, Rng::word, |kernels, out| kernels.hardswish_to_s16(x, three, scalar, out));
    suite.check(label("store"), arena, len, Rng::word, |kernels, out| kernels.store_s16(acc, scalar, out));
    let (lo, hi) = (suite.rng.extreme(-32768, 0) as i16, suite.rng.extreme(0, 32767) as i16);
    suite.check(label("limit"), arena, len, Rng::word, |kernels, out| kernels.limit_s16(out, lo, hi));
    suite.check(label("mean"), arena, channels, |rng| rng.range(-(1 << 29), 1 << 29), |kernels, out| kernels.mean_s16(out, x));
    let rng = &mut suite.rng;
    let table = arena.make(ENTRIES, |_| rng.word())?;
    suite.check(label("interpolated table"), arena, len, Rng::word, |kernels, out| kernels.interpolate_s16(out, table));
    Some(())
}

fn patches(suite: &mut Suite<'_>, arena: &mut Arena<'_>, channels: usize, stride: usize) -> Option<()> {
    let rng = &mut suite.rng;
    let columns = rng.size(1, 12);
    let missing = rng.size(0, 3);
    let mut rows: [Option<&[i16]>; 3] = [None; 3];
    for (ky, row) in rows.iter_mut().enumerate() {
        if ky != missing {
            *row = Some(arena.make(columns * channels, |_| rng.word())?);
        }
    }
    let pixels = arena.make(columns * channels, |_| rng.next() as u8)?;
    let label = |name| Label { family: Family::Im2rowS16, name, sizes: [columns, channels, stride, missing] };
    suite.check(label("patches"), arena, columns.div_ceil(stride) * 9 * channels, Rng::word, |kernels, out| kernels.im2row_s16(rows, channels, stride, out));
    suite.check(label("pixels"), arena, columns * channels, Rng::word, |kernels, out| kernels.pixels_s16(pixels, out));
    Some(())
}
