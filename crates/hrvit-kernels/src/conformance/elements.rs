//! Elementwise operators.

use super::products::{range8, requant, short};
use super::{Arena, Label, Rng, Suite};
use crate::family::Family;
use crate::requant::TensorRequant;

const CHANNELS: [usize; 12] = [1, 2, 3, 7, 8, 9, 16, 17, 24, 32, 40, 100];

/// All elementwise operators of a round.
pub(super) fn run(suite: &mut Suite<'_>, scratch: &mut [u8]) {
    for channels in CHANNELS {
        let tokens = suite.rng.size(0, 9);
        let done = per_channel(suite, &mut Arena::new(scratch), tokens, channels);
        short(suite, done, Family::Rescale);
        let done = per_tensor(suite, &mut Arena::new(scratch), tokens * channels);
        short(suite, done, Family::Table);
        let done = mean(suite, &mut Arena::new(scratch), tokens, channels);
        short(suite, done, Family::Mean);
    }
}

fn per_channel(suite: &mut Suite<'_>, arena: &mut Arena<'_>, tokens: usize, channels: usize) -> Option<()> {
    let rng = &mut suite.rng;
    let len = tokens * channels;
    let x = arena.make(len, |_| rng.word())?;
    let v = arena.make(len, |_| rng.code())?;
    let three = arena.make(channels, |_| rng.extreme(1, 1 << 22))?;
    let range = range8(rng);
    let pre_shift = rng.pick(&[0, 0, 7])?;
    let (wide, narrow) = (requant(rng, arena, channels, 15, 15, pre_shift)?, requant(rng, arena, channels, 15, 8, 0)?);
    let product = requant(rng, arena, channels, 28, 8, 0)?;
    let sizes = [tokens, channels, 0, 0];
    let label = |family, name| Label { family, name, sizes };
    suite.check(label(Family::Rescale, "narrow_s16"), arena, len, Rng::code, |kernels, out| kernels.narrow_s16(x, narrow, range, out));
    suite.check(label(Family::Rescale, "rescale_s16"), arena, len, Rng::word, |kernels, out| kernels.rescale_s16(x, wide, out));
    suite.check(
        label(Family::Rescale, "rescale_add32"),
        arena,
        len,
        |rng| rng.extreme(-(1 << 29), 1 << 29),
        |kernels, out| kernels.rescale_add32(x, wide, out),
    );
    suite.check(label(Family::Hardswish, "hardswish_s8"), arena, len, Rng::code, |kernels, out| kernels.hardswish_s8(v, three, product, range, out));
    Some(())
}

fn per_tensor(suite: &mut Suite<'_>, arena: &mut Arena<'_>, len: usize) -> Option<()> {
    let rng = &mut suite.rng;
    let acc = arena.make(len, |_| rng.extreme(-i32::MAX, i32::MAX >> 1))?;
    let small = arena.make(len, |_| rng.extreme(-(1 << 20), 1 << 20))?;
    let x = arena.make(len, |_| rng.word())?;
    let range = range8(rng);
    let scalar = |rng: &mut Rng, bits| TensorRequant { mult: rng.mult(), shift: rng.shift(bits, 8), pre_shift: 0 };
    let (of_sum, of_small, of_product) = (scalar(rng, 31), TensorRequant { pre_shift: 2, ..scalar(rng, 22) }, scalar(rng, 30));
    let entries = rng.pick(&[1, 2, 3, 4, 100, 1024])?;
    let table = arena.make(entries, |_| rng.code())?;
    let zero = rng.range(0, entries as i32);
    let three = rng.extreme(1, 32767);
    let label = |family, name| Label { family, name, sizes: [len, entries, 0, 0] };
    suite.check(label(Family::Rescale, "store_s8"), arena, len, Rng::code, |kernels, out| kernels.store_s8(acc, of_sum, range, out));
    suite.check(label(Family::Rescale, "store_s8 shifted"), arena, len, Rng::code, |kernels, out| kernels.store_s8(small, of_small, range, out));
    suite.check(label(Family::Table, "table_s8"), arena, len, Rng::code, |kernels, out| kernels.table_s8(small, of_small, zero, table, out));
    suite.check(label(Family::Hardswish, "hardswish_s16"), arena, len, Rng::code, |kernels, out| kernels.hardswish_s16(x, three, of_product, range, out));
    suite.check(label(Family::Sum, "add_s16"), arena, len, Rng::word, |kernels, out| kernels.add_s16(out, acc));
    suite.check(label(Family::Sum, "add_s32"), arena, len, |rng| rng.range(-(1 << 29), 1 << 29), |kernels, out| kernels.add_s32(out, small));
    suite.check(
        label(Family::Sum, "relu_s32"),
        arena,
        len,
        |rng| rng.extreme(i32::MIN, -1) ^ -((rng.next() & 1) as i32),
        |kernels, out| {
            kernels.relu_s32(out);
            Ok(())
        },
    );
    Some(())
}

fn mean(suite: &mut Suite<'_>, arena: &mut Arena<'_>, tokens: usize, channels: usize) -> Option<()> {
    let codes = arena.make(tokens * channels, |_| suite.rng.code())?;
    let zero = suite.rng.extreme(-128, 127);
    let label = Label { family: Family::Mean, name: "mean_s8", sizes: [tokens, channels, 0, 0] };
    suite.check(label, arena, channels, |rng| rng.range(-(1 << 29), 1 << 29), |kernels, out| kernels.mean_s8(out, codes, zero));
    Some(())
}
