//! Bilinear resizing, and the label map with and without margins.

use super::products::short;
use super::{Arena, Failure, GUARD, Label, Rng, Same, Suite};
use crate::error::ShapeError;
use crate::family::Family;
use crate::kernels::Kernels;
use crate::resize::phase;

const CHANNELS: [usize; 14] = [1, 2, 3, 7, 8, 9, 11, 16, 17, 19, 24, 33, 64, 150];

/// Shifts of margins: both ends, and such that all, some or no margins of 16-bit operands are
/// clipped.
pub(super) const SHIFTS: [u8; 6] = [0, 7, 12, 14, 17, 31];

/// All rows of a round.
pub(super) fn run(suite: &mut Suite<'_>, scratch: &mut [u8]) {
    for channels in CHANNELS {
        for factor in [1, 2, 4, 8] {
            let done = row(suite, &mut Arena::new(scratch), channels, factor);
            short(suite, done, Family::Bilinear);
        }
    }
}

fn row(suite: &mut Suite<'_>, arena: &mut Arena<'_>, channels: usize, factor: usize) -> Option<()> {
    let rng = &mut suite.rng;
    let columns = rng.size(1, 9);
    let at = phase(rng.size(0, 4 * factor - 1), factor, 4);
    // Few values make ties between classes.
    let few = rng.next() & 1 == 0;
    let upper = arena.make(columns * channels, |_| if few { rng.range(-1, 1) as i16 } else { rng.word() })?;
    let lower = arena.make(columns * channels, |_| if few { rng.range(-1, 1) as i16 } else { rng.word() })?;
    // The limits alone: the largest differences.
    let extremes = |rng: &mut Rng| if rng.next() & 1 == 0 { i16::MIN } else { i16::MAX };
    let [widest_upper, widest_lower] = [arena.make(columns * channels, |_| extremes(rng))?, arena.make(columns * channels, |_| extremes(rng))?];
    let scale = 256 / (4 * factor * factor) as i32;
    let first = rng.size(0, columns * factor);
    let tokens = rng.size(0, columns * factor - first);
    let sizes = [columns, channels, factor, first];
    let label = Label { family: Family::Bilinear, name: "bilinear_add_s16", sizes };
    suite.check(
        label,
        arena,
        tokens * channels,
        |rng| rng.range(-(1 << 29), 1 << 29),
        |kernels, acc| kernels.bilinear_add_s16(upper, lower, at.near_weight, at.far_weight, channels, factor, scale, first, acc),
    );
    let label = Label { family: Family::Argmax, name: "argmax_s16", sizes };
    suite.check(
        label,
        arena,
        columns * factor,
        |rng| rng.next() as u8,
        |kernels, labels| kernels.argmax_s16(upper, lower, at.near_weight, at.far_weight, channels, factor, labels),
    );
    for k in SHIFTS {
        for (upper, lower) in [(upper, lower), (widest_upper, widest_lower)] {
            let label = Label { family: Family::Argmax, name: "argmax_margin_s16", sizes: [columns, channels, factor, k.into()] };
            margins(suite, label, arena, columns * factor, |kernels, labels, margins| {
                kernels.argmax_margin_s16(upper, lower, at.near_weight, at.far_weight, channels, factor, labels, k, margins)
            });
        }
    }
    Some(())
}

/// Checks a kernel of `len` labels and as many margins, all in one output with a guard between.
pub(super) fn margins(
    suite: &mut Suite<'_>,
    label: Label,
    arena: &mut Arena<'_>,
    len: usize,
    call: impl Fn(Kernels, &mut [u8], &mut [u8]) -> Result<(), ShapeError>,
) {
    let outcome = compare_margins(suite, arena, len, &|_, want, got| want == got, call);
    suite.report(label, outcome);
}

/// [`margins`] with another comparison, by number in labels, guard and margins.
pub(super) fn compare_margins(
    suite: &mut Suite<'_>,
    arena: &mut Arena<'_>,
    len: usize,
    same: &Same<'_, u8>,
    call: impl Fn(Kernels, &mut [u8], &mut [u8]) -> Result<(), ShapeError>,
) -> Result<(), Failure> {
    suite.compare(arena, 2 * len + GUARD, &mut |rng| rng.next() as u8, same, &|kernels, out| {
        let (labels, rest) = out.split_at_mut_checked(len).ok_or(ShapeError::Scratch)?;
        call(kernels, labels, rest.get_mut(GUARD..).ok_or(ShapeError::Scratch)?)
    })
}
