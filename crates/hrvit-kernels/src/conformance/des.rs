//! The diversity-enhancing shortcut.

use super::products::{requant, short};
use super::{Arena, Label, Suite};
use crate::des_s16::Des;
use crate::family::Family;

/// `(k, p)` of every width of the network, and odd ones.
const SHAPES: [(usize, usize); 18] = [
    (4, 4),
    (8, 4),
    (16, 4),
    (6, 4),
    (32, 4),
    (4, 8),
    (8, 8),
    (8, 16),
    (16, 16),
    (6, 8),
    (12, 8),
    (15, 16),
    (24, 16),
    (16, 32),
    (1, 1),
    (3, 5),
    (5, 3),
    (31, 7),
];

/// All shortcuts of a round.
pub(super) fn run(suite: &mut Suite<'_>, scratch: &mut [u8]) {
    for (k, p) in SHAPES {
        for _ in 0..2 {
            let done = shortcut(suite, &mut Arena::new(scratch), k, p);
            short(suite, done, Family::Des);
        }
    }
}

fn shortcut(suite: &mut Suite<'_>, arena: &mut Arena<'_>, k: usize, p: usize) -> Option<()> {
    let rng = &mut suite.rng;
    let tokens = rng.size(0, 5);
    let x = arena.make(tokens * k * p, |_| rng.word())?;
    let (right, left) = (arena.make(p * p, |_| rng.weight())?, arena.make(k * k, |_| rng.weight())?);
    let (right_bias, left_bias) = (arena.make(p, |_| rng.extreme(-(1 << 24), 1 << 24))?, arena.make(k, |_| rng.extreme(-(1 << 24), 1 << 24))?);
    let (right_requant, left_requant) = (requant(rng, arena, p, 25, 10, 0)?, requant(rng, arena, k, 25, 16, 0)?);
    let entries = rng.pick(&[1, 2, 3, 255, 1024])?;
    let table = arena.make(entries, |_| rng.word())?;
    let zero = rng.range(0, entries as i32);
    let args = Des { x, k, p, right, right_bias, right_requant, zero, table, left, left_bias, left_requant };
    let hidden = core::cell::RefCell::new(arena.take::<i16>(k * p)?);
    let label = Label { family: Family::Des, name: "des", sizes: [tokens, k, p, entries] };
    suite.check(label, arena, x.len(), |rng| rng.extreme(-(1 << 29), 1 << 29), |kernels, out| kernels.des_s16(&args, &mut hidden.borrow_mut(), out));
    Some(())
}
