//! Attention over strips.

use super::products::short;
use super::{Arena, Label, Rng, Suite};
use crate::attention_s8::{Strip, exp_table};
use crate::family::Family;

const DIMS: [usize; 10] = [1, 4, 5, 8, 16, 17, 24, 32, 33, 64];
const KEYS: [usize; 16] = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 49, 63, 112];

/// All strips of a round.
pub(super) fn run(suite: &mut Suite<'_>, scratch: &mut [u8]) {
    for dim in DIMS {
        for keys in KEYS {
            let queries = suite.rng.size(0, 6);
            let done = strip(suite, &mut Arena::new(scratch), (queries, keys, dim), None);
            short(suite, done, Family::Attention);
        }
    }
    // As many keys as 15 bits allow, more, and many more than a strip of the network has.
    for (queries, keys, dim, bits) in [(3, 518, 32, 15), (5, 448, 32, 8), (2, 519, 16, 8), (3, 1152, 16, 8), (1, 2500, 8, 8)] {
        let done = strip(suite, &mut Arena::new(scratch), (queries, keys, dim), Some(bits));
        short(suite, done, Family::Attention);
    }
}

fn strip(suite: &mut Suite<'_>, arena: &mut Arena<'_>, (queries, keys, dim): (usize, usize, usize), bits: Option<u8>) -> Option<()> {
    let rng = &mut suite.rng;
    // Small codes make flat rows, one constant key in many makes peaks.
    let largest = rng.pick(&[1, 8, 40, 127])?;
    let constant = rng.next() & 15 == 0;
    let q = arena.make(queries * dim, |_| if constant { -128 } else { rng.extreme(-largest - 1, largest) as i8 })?;
    let v = arena.make(keys * dim, |_| if constant { 127 } else { rng.extreme(-largest, largest) as i8 })?;
    let bits = match bits {
        Some(bits) => bits,
        None => rng.pick(&[8, 15])?,
    };
    let shift = match rng.next() & 7 {
        0 => rng.extreme(32, 62) as u8,
        _ => rng.range(34, 44) as u8,
    };
    let mult = rng.mult();
    let exp = exp_table();
    let args = Strip { q, v, dim, mult, shift, exp: &exp, bits };
    let name = if bits == 8 { "8 bits" } else { "15 bits" };
    let label = Label { family: Family::Attention, name, sizes: [queries, keys, dim, shift.into()] };
    // Both calls use the same scratch; what it holds in between must not matter.
    let scores = core::cell::RefCell::new(arena.take::<i32>(keys)?);
    suite.check(label, arena, queries * dim, Rng::word, |kernels, out| kernels.attention_s8(&args, &mut scores.borrow_mut(), out));
    Some(())
}
