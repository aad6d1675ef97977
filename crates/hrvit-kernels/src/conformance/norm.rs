//! LayerNorm.

use super::products::short;
use super::{Arena, Label, Rng, Suite};
use crate::contract::{MAX_FRACTION, MIN_FRACTION};
use crate::family::Family;
use crate::layernorm_s16::Norm;

const CHANNELS: [usize; 18] = [1, 2, 3, 7, 8, 9, 15, 16, 17, 24, 31, 32, 48, 64, 96, 240, 256, 512];

/// All normalisations of a round.
pub(super) fn run(suite: &mut Suite<'_>, scratch: &mut [u8]) {
    for channels in CHANNELS {
        for kind in 0..4 {
            let done = tokens(suite, &mut Arena::new(scratch), channels, kind);
            short(suite, done, Family::LayerNorm);
        }
    }
    let done = tokens(suite, &mut Arena::new(scratch), 16_384, 3);
    short(suite, done, Family::LayerNorm);
}

fn tokens(suite: &mut Suite<'_>, arena: &mut Arena<'_>, channels: usize, kind: usize) -> Option<()> {
    let rng = &mut suite.rng;
    let tokens = if channels > 512 { 1 } else { rng.size(0, 4) };
    // Constant tokens, small numbers, extremes only, anything.
    let constant = rng.word();
    let x = arena.make(tokens * channels, |_| match kind {
        0 => constant,
        1 => rng.range(-3, 3) as i16,
        2 => [i16::MIN, i16::MAX][rng.next() as usize & 1],
        _ => rng.word(),
    })?;
    let gain = arena.make(channels, |_| rng.extreme(-32767, 32767))?;
    let offset = arena.make(channels, |_| rng.extreme(-(1 << 30) + 1, (1 << 30) - 1))?;
    let eps = match rng.next() & 3 {
        0 => 1,
        1 => 1 << rng.range(0, 62),
        _ => u64::from(rng.next() >> 12) + 1,
    };
    let shift = rng.extreme(1, 30) as u8;
    // Mostly few bits, as networks without outliers have.
    let fraction = if rng.next() & 1 == 0 { MIN_FRACTION } else { rng.range(MIN_FRACTION.into(), MAX_FRACTION.into()) as u8 };
    let norm = Norm { gain, offset, eps, shift, fraction };
    let lo = rng.extreme(-128, 127);
    let hi = rng.range(lo, 127);
    let sizes = [tokens, channels, shift.into(), fraction.into()];
    let label = |name| Label { family: Family::LayerNorm, name, sizes };
    suite.check(label("s8"), arena, x.len(), Rng::code, |kernels, out| kernels.layernorm_s8(x, &norm, lo, hi, out));
    suite.check(label("s16"), arena, x.len(), Rng::word, |kernels, out| kernels.layernorm_s16(x, &norm, out));
    suite.check(label("in place"), arena, x.len(), Rng::word, |kernels, out| kernels.layernorm_s16_in_place(out, &norm));
    Some(())
}
