//! Bilinear resizing and the label map.

use super::products::short;
use super::{Arena, Label, Suite};
use crate::kernels::Family;
use crate::resize::phase;

const CHANNELS: [usize; 14] = [1, 2, 3, 7, 8, 9, 11, 16, 17, 19, 24, 33, 64, 150];

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
    Some(())
}
