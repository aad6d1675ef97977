//! Products on 8 and 16 bits, every packing and every way of storing.

use super::{Arena, Label, Rng, Suite};
use crate::epilogue::Epilogue;
use crate::error::ShapeError;
use crate::family::Family;
use crate::gemm_s8::{Gemm, PackedGemm};
use crate::gemm_s16::GemmS16;
use crate::kernels::Kernels;
use crate::packing::Packing;
use crate::requant::{Range8, Requant};

const DEPTHS: [usize; 24] = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 27, 28, 31, 32, 33, 48, 63, 64, 65, 100, 128, 255, 288];
const COUTS: [usize; 13] = [1, 2, 3, 7, 8, 9, 11, 15, 16, 17, 19, 24, 40];
const ROWS: [usize; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 20];

/// Forms that a product is stored in, in turn.
pub(super) const WAYS: [&str; 5] = ["store8", "store16", "add16", "add32", "table8"];

/// Owned shape of a requantisation in the arena.
pub(super) fn requant<'a>(rng: &mut Rng, arena: &mut Arena<'a>, channels: usize, acc_bits: u32, out_bits: u32, pre_shift: u8) -> Option<Requant<'a>> {
    let mult = arena.make(channels, |_| rng.mult())?;
    let shift = arena.make(channels, |_| rng.shift(acc_bits + u32::from(pre_shift), out_bits))?;
    Some(Requant { mult, shift, pre_shift })
}

/// A range of 8-bit codes and the code of 0.
pub(super) fn range8(rng: &mut Rng) -> Range8 {
    let lo = rng.extreme(-128, 127);
    let hi = rng.range(lo, 127);
    match rng.next() & 3 {
        0 => Range8 { zero: rng.range(-128, 127), lo, hi },
        1 => Range8 { zero: -128, lo: -128, hi: 127 },
        _ => Range8 { zero: rng.range(-20, 20), lo: -128, hi: 127 },
    }
}

/// Checks a product kernel of `len` outputs with one way of storing.
pub(super) fn store(
    suite: &mut Suite<'_>,
    (family, sizes): (Family, [usize; 4]),
    way: usize,
    arena: &mut Arena<'_>,
    len: usize,
    call: impl Fn(Kernels, Epilogue<'_>) -> Result<(), ShapeError>,
) -> Option<()> {
    let way = way % WAYS.len();
    let label = Label { family, name: WAYS.get(way)?, sizes };
    match way {
        0 => {
            let range = range8(&mut suite.rng);
            suite.check(label, arena, len, Rng::code, |kernels, out| call(kernels, Epilogue::Store8 { out, range }));
        }
        1 => suite.check(label, arena, len, Rng::word, |kernels, out| call(kernels, Epilogue::Store16 { out })),
        2 => suite.check(label, arena, len, Rng::word, |kernels, out| call(kernels, Epilogue::Add16 { out })),
        3 => suite.check(label, arena, len, |rng| rng.extreme(-(1 << 29), 1 << 29), |kernels, out| call(kernels, Epilogue::Add32 { out })),
        _ => {
            let mut arena = arena.scope();
            let entries = suite.rng.pick(&[1, 2, 3, 4, 5, 255, 256, 1023, 1024, 2048])?;
            let table = arena.make(entries, |_| suite.rng.code())?;
            let zero = suite.rng.range(0, entries as i32);
            suite.check(label, &mut arena, len, Rng::code, |kernels, out| call(kernels, Epilogue::Table8 { out, table, zero }));
        }
    }
    Some(())
}

/// All products of a round.
pub(super) fn run(suite: &mut Suite<'_>, scratch: &mut [u8]) {
    for (i, depth) in DEPTHS.into_iter().enumerate() {
        for (j, cout) in COUTS.into_iter().enumerate() {
            let rows = suite.rng.pick(&ROWS).unwrap_or(1);
            for packing in Packing::ALL {
                let done = s8(suite, &mut Arena::new(scratch), packing, (rows, depth, cout), i + j + suite.round as usize);
                short(suite, done, Family::GemmRows);
            }
            if cout <= 19 {
                let rows = suite.rng.size(0, 5);
                let done = s16(suite, &mut Arena::new(scratch), (rows, depth, cout), i + j + suite.round as usize);
                short(suite, done, Family::GemmS16);
            }
        }
    }
    // The longest depths of the network, with numbers that reach the accumulator's limits, and many
    // rows.
    for (way, (rows, depth, cout)) in [(2, 4608, 9), (5, 1152, 16), (3, 2048, 8), (300, 16, 8), (130, 64, 24), (67, 256, 8)].into_iter().enumerate() {
        for packing in Packing::ALL {
            let done = s8(suite, &mut Arena::new(scratch), packing, (rows, depth, cout), way + suite.round as usize);
            short(suite, done, Family::GemmRows);
        }
    }
    let done = s16(suite, &mut Arena::new(scratch), (1, 2048, 7), suite.round as usize);
    short(suite, done, Family::GemmS16);
}

/// Reports a case that did not fit the scratch buffer.
pub(super) fn short(suite: &mut Suite<'_>, done: Option<()>, family: Family) {
    if done.is_none() {
        suite.report(Label { family, name: "scratch", sizes: [0; 4] }, Err(super::Failure::Scratch));
    }
}

fn s8(suite: &mut Suite<'_>, arena: &mut Arena<'_>, packing: Packing, (rows, depth, cout): (usize, usize, usize), way: usize) -> Option<()> {
    let family = match packing {
        Packing::Rows => Family::GemmRows,
        Packing::K4 => Family::GemmK4,
        Packing::K8 => Family::GemmK8,
    };
    let rng = &mut suite.rng;
    // One in four products is of extremes only.
    let constant = (rng.next() & 3 == 0).then(|| (if rng.next() & 1 == 0 { -128 } else { 127 }, if rng.next() & 1 == 0 { -127 } else { 127 }));
    let a = arena.make(rows * depth, |_| constant.map_or_else(|| rng.code(), |(a, _)| a))?;
    let packed = arena.take::<i8>(packing.packed_len(cout, depth)?)?;
    {
        let mut arena = arena.scope();
        let weights = arena.make(cout * depth, |_| constant.map_or_else(|| rng.weight(), |(_, w)| w))?;
        packing.pack(weights, depth, packed).ok()?;
    }
    let room = i32::MAX - depth as i32 * 128 * 127;
    let pre_shift = if depth < 300 && rng.next() & 7 == 0 { 3 } else { 0 };
    let limit = if pre_shift == 0 && rng.next() & 1 == 0 { room } else { 100_000 };
    let bias = arena.make(cout, |_| rng.extreme(-limit, limit))?;
    let acc_bits = 14 + depth.ilog2() / 2;
    let out_bits = if way.is_multiple_of(WAYS.len()) { 8 } else { 12 };
    let requant = requant(rng, arena, cout, acc_bits, out_bits, pre_shift)?;
    let args = PackedGemm { gemm: Gemm { a, depth, weights: packed, bias, requant }, packing };
    store(suite, (family, [rows, depth, cout, 0]), way, arena, rows * cout, |kernels, epilogue| kernels.gemm_s8_packed(&args, epilogue))
}

fn s16(suite: &mut Suite<'_>, arena: &mut Arena<'_>, (rows, depth, cout): (usize, usize, usize), way: usize) -> Option<()> {
    let rng = &mut suite.rng;
    // depth * max|a| * 127 + |bias| < 2^31.
    let limit = ((i32::MAX - (1 << 24)) / 127 / depth as i32).min(32768);
    let a = arena.make(rows * depth, |_| rng.extreme(-limit, limit.min(32767)) as i16)?;
    let weights = arena.make(cout * depth, |_| rng.weight())?;
    let bias = arena.make(cout, |_| rng.extreme(-(1 << 24), 1 << 24))?;
    let requant = requant(rng, arena, cout, 27, 12, 0)?;
    let args = GemmS16 { a, depth, weights, bias, requant };
    store(suite, (Family::GemmS16, [rows, depth, cout, 0]), way, arena, rows * cout, |kernels, epilogue| kernels.gemm_s16(&args, epilogue))
}
