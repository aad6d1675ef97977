//! Depthwise convolution and patches.

use super::products::{WAYS, requant, short, store};
use super::{Arena, Label, Rng, Suite};
use crate::dwconv_s8::Depthwise;
use crate::family::Family;

/// Kernel and stride of every depthwise convolution of the network, and some others.
const KERNELS: [(usize, usize); 8] = [(3, 1), (5, 1), (3, 2), (5, 4), (9, 8), (1, 1), (7, 1), (9, 1)];
const CHANNELS: [usize; 13] = [1, 3, 4, 7, 8, 9, 15, 16, 17, 24, 32, 40, 66];

/// All convolutions of a round.
pub(super) fn run(suite: &mut Suite<'_>, scratch: &mut [u8]) {
    for (i, (kernel, stride)) in KERNELS.into_iter().enumerate() {
        for (j, channels) in CHANNELS.into_iter().enumerate() {
            let columns = match suite.rng.next() & 3 {
                0 => suite.rng.size(0, 3),
                _ => suite.rng.size(1, 40),
            };
            let way = i + j + suite.round as usize;
            let done = depthwise(suite, &mut Arena::new(scratch), (kernel, stride), channels, columns, way);
            short(suite, done, Family::Depthwise);
        }
    }
    for (kernel, stride, columns, channels) in [(3, 1, 300, 16), (9, 8, 200, 16), (5, 4, 180, 8)] {
        let way = suite.round as usize;
        let done = depthwise(suite, &mut Arena::new(scratch), (kernel, stride), channels, columns, way);
        short(suite, done, Family::Depthwise);
    }
    for channels in [1, 2, 3, 5, 8, 16, 32, 33] {
        for stride in [1, 2, 3] {
            let done = patches(suite, &mut Arena::new(scratch), channels, stride);
            short(suite, done, Family::Im2row);
        }
    }
    let mut arena = Arena::new(scratch);
    let len = suite.rng.size(0, 200);
    if let Some(pixels) = arena.make(len, |_| suite.rng.next() as u8) {
        let label = Label { family: Family::Im2row, name: "pixels", sizes: [len, 0, 0, 0] };
        suite.check(label, &mut arena, len, Rng::code, |kernels, out| kernels.pixels_s8(pixels, out));
    }
}

fn depthwise(suite: &mut Suite<'_>, arena: &mut Arena<'_>, (kernel, stride): (usize, usize), channels: usize, columns: usize, way: usize) -> Option<()> {
    let rng = &mut suite.rng;
    let gaps = |rng: &mut Rng| if rng.next() & 1 == 0 { 0 } else { rng.size(1, 20) };
    let (in_stride, weight_stride, out_stride) = (channels + gaps(rng), channels + gaps(rng), channels + gaps(rng));
    let span = |tokens: usize, stride: usize| tokens.checked_sub(1).map_or(0, |gaps| gaps * stride + channels);
    let constant = (rng.next() & 3 == 0).then(|| (if rng.next() & 1 == 0 { -128 } else { 127 }, if rng.next() & 1 == 0 { -127 } else { 127 }));
    let mut rows: [Option<&[i8]>; 9] = [None; 9];
    let (first, last) = (rng.size(0, kernel / 2), rng.size(kernel / 2, kernel - 1));
    for (ky, row) in rows.iter_mut().enumerate().take(kernel) {
        if (first..=last).contains(&ky) {
            *row = Some(arena.make(span(columns, in_stride), |_| constant.map_or_else(|| rng.code(), |(a, _)| a))?);
        }
    }
    let weights = arena.make(span(kernel * kernel, weight_stride), |_| constant.map_or_else(|| rng.weight(), |(_, w)| w))?;
    let limit = if rng.next() & 3 == 0 { i32::MAX - 81 * 128 * 127 } else { 20_000 };
    let bias = arena.make(channels, |_| rng.extreme(-limit, limit))?;
    let acc_bits = 14 + (kernel * kernel).ilog2() / 2;
    let requant = requant(rng, arena, channels, acc_bits, if way.is_multiple_of(WAYS.len()) { 8 } else { 12 }, 0)?;
    let pad = rng.code();
    let args = Depthwise { rows: rows.get(..kernel)?, in_stride, columns, kernel, stride, pad, weights, weight_stride, bias, requant };
    let len = span(columns.div_ceil(stride), out_stride) + rng.size(0, 3);
    store(suite, (Family::Depthwise, [kernel, stride, columns, channels]), way, arena, len, |kernels, epilogue| {
        kernels.depthwise_s8(&args, epilogue, out_stride)
    })
}

fn patches(suite: &mut Suite<'_>, arena: &mut Arena<'_>, channels: usize, stride: usize) -> Option<()> {
    let rng = &mut suite.rng;
    let columns = rng.size(1, 12);
    let missing = rng.size(0, 3);
    let mut rows: [Option<&[i8]>; 3] = [None; 3];
    for (ky, row) in rows.iter_mut().enumerate() {
        if ky != missing {
            *row = Some(arena.make(columns * channels, |_| rng.code())?);
        }
    }
    let pad = rng.code();
    let label = Label { family: Family::Im2row, name: "patches", sizes: [columns, channels, stride, missing] };
    suite.check(label, arena, columns.div_ceil(stride) * 9 * channels, Rng::code, |kernels, out| kernels.im2row_s8(rows, channels, stride, pad, out));
    Some(())
}
