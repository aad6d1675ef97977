//! The product with the DSP extension: up to 16 rows at a time, widened, with up to 32 channels.

use core::mem::MaybeUninit;

use super::Gemm;
use crate::dsp::pairs::{self, Four, Group, Pairs, STEPS};
use crate::dsp::sink::Store;
use crate::dsp::tile::{PART, ROWS};
use crate::epilogue::Epilogue;
use crate::isa::Dsp;
use crate::runs::copy_strided;

/// Most fours of rows that meet weights which are widened once.
const FOURS: usize = 4;

/// Groups of 4 steps of depth that are widened at once, of all fours.
const GROUPS: usize = 48;

/// Room for them and for sums, in groups.
const ROOM: usize = 80;

/// The fewest steps of depth that the inner loop takes.
const STEP: usize = 8;

/// Sums of a channel for a four.
type RowSums = [i32; ROWS];

/// Weights in [`Packing::Rows`](crate::packing::Packing::Rows).
#[inline(never)] // its buffers would lie on the stack of every instruction set
pub(super) fn rows(dsp: Dsp, args: &Gemm<'_>, epilogue: Epilogue<'_>) {
    run(dsp, args, epilogue, pairs::widen_four);
}

/// Widens so many groups of four rows, which are not none.
type Widen<A> = unsafe extern "C" fn(&Four<A>, *mut Group, usize);

/// The product over activations that `widen` makes groups of: whole ones of as many rows as are
/// readable, and as many writable.
#[inline(always)] // one for each type, beside its own buffers
pub(crate) fn run<A: Copy + Default>(dsp: Dsp, args: &Gemm<'_, A>, mut epilogue: Epilogue<'_>, widen: Widen<A>) {
    let Gemm { a, depth, weights, bias, requant } = *args;
    let cout = bias.len();
    let whole = depth / STEP * STEP;
    let mut store = Store::of(dsp, requant, &mut epilogue);
    let mut room = MaybeUninit::<[Group; ROOM]>::uninit();
    let wide = room.as_mut_ptr().cast::<Group>();
    // Groups of a four. The sums lie behind those of all fours.
    let groups = whole.clamp(STEP, STEPS) / 4;
    let most = FOURS.min(GROUPS / groups);
    let sums = wide.wrapping_add(most * groups).cast::<RowSums>();
    // Channels whose sums fit, an even number.
    let part = PART.min((ROOM - most * groups) / most * 2);
    let rows = a.len().checked_div(depth).unwrap_or(0);
    for first_row in (0..rows).step_by(most * ROWS) {
        let a = a.get(first_row * depth..).unwrap_or_default();
        let count = (most * ROWS).min(rows - first_row);
        let fours = count.div_ceil(ROWS);
        let products = Products { a: wide, sums, part, fours };
        // The part of the depth that `wide` holds.
        let mut widened = depth;
        for first in (0..cout).step_by(part) {
            let len = part.min(cout - first);
            let Some(bias) = bias.get(first..first + len) else { return };
            let weights = weights.get(first * depth..).unwrap_or_default();
            for start in (0..whole).step_by(STEPS) {
                let steps = STEPS.min(whole - start);
                if widened != start {
                    for four in 0..fours {
                        let from = a.as_ptr().wrapping_add(four * ROWS * depth + start);
                        let rows = Four { first: from, stride: depth * size_of::<A>(), rows: count - four * ROWS };
                        // SAFETY: the token proves the DSP extension. There are 2 to 16 groups of
                        // rows of `depth` elements, and `wide` has room for those of `fours`.
                        unsafe { widen(&rows, wide.wrapping_add(four * steps / 4), steps / 4) };
                    }
                    widened = start;
                }
                // SAFETY: the token proves the DSP extension; there are 8 to `STEPS` steps, a
                // multiple of 8, of which the fours are widened, and weights of `len` channels.
                unsafe { products.add(steps, weights.as_ptr().wrapping_add(start), depth, bias, start != 0) };
            }
            if whole != depth {
                // SAFETY: the token proves the DSP extension. There are `count` rows of `a` and
                // weights of `len` channels. `wide` has room for 2 groups of each four.
                unsafe { add_rest(&products, a, depth, weights, bias, widen) };
                widened = depth;
            }
            for four in 0..fours {
                let row = first_row + ROWS * four;
                // SAFETY: the entry has checked that there are as many multipliers and shifts as
                // biases, and an output for each of them and every row; the sums of `len` channels,
                // 1 to `PART`, are made.
                unsafe { store.four(sums.wrapping_add(four * part).cast(), first, len, [row * cout + first, cout], ROWS.min(rows - row)) };
            }
        }
    }
}

/// Adds what [`STEP`] leaves of the depth, with zeros behind it. Sums start from the biases if
/// there is nothing else.
///
/// # Safety
/// As for [`Products::add`]. `a` and `weights` have elements for all rows and channels.
#[inline(never)] // few products have a rest, and its buffers would lie on the stack of all
unsafe fn add_rest<A: Copy + Default>(products: &Products, a: &[A], depth: usize, weights: &[i8], bias: &[i32], widen: Widen<A>) {
    let mut rest = [[0i8; STEP]; PART];
    copy_rest(weights, depth, &mut rest);
    for four in 0..products.fours {
        let mut rest = [[A::default(); STEP]; ROWS];
        copy_rest(a.get(four * ROWS * depth..).unwrap_or_default(), depth, &mut rest);
        let rows = Four { first: rest.as_ptr().cast(), stride: STEP * size_of::<A>(), rows: ROWS };
        // SAFETY: by the contract.
        unsafe { widen(&rows, products.a.wrapping_add(four * STEP / 4), STEP / 4) };
    }
    // SAFETY: by the contract; 8 steps of the fours are widened, and as many weights lie in `rest`
    // for each channel.
    unsafe { products.add(STEP, rest.as_ptr().cast(), STEP, bias, depth >= STEP) };
}

/// Copies what [`STEP`] leaves of the depth, of as many rows as there are on both sides.
fn copy_rest<A: Copy>(from: &[A], depth: usize, to: &mut [[A; STEP]]) {
    let (size, rest) = (size_of::<A>(), depth % STEP);
    let from = from.get(depth - rest..).unwrap_or_default();
    // SAFETY: elements are integers, whose bytes may be read and written; the lengths stay.
    let (from, to) = unsafe {
        (
            core::slice::from_raw_parts(from.as_ptr().cast::<u8>(), size_of_val(from)),
            core::slice::from_raw_parts_mut(to.as_mut_ptr().cast::<u8>(), size_of_val(to)),
        )
    };
    copy_strided(from, depth * size, to, STEP * size, rest * size);
}

/// Fours of rows and their sums.
struct Products {
    /// Some steps of depth of each, widened.
    a: *mut Group,
    sums: *mut RowSums,
    /// Sums from a four to the next: an even number.
    part: usize,
    fours: usize,
}

impl Products {
    /// Sums of all fours with the channels of `bias`, whose weights lie `depth` bytes apart: from
    /// the biases on, or with `add` from those that are there.
    ///
    /// # Safety
    /// The processor has the DSP extension. There are 1 to `part` channels, at least one four, and 8
    /// to [`STEPS`] steps, a multiple of 8, of the fours and of each channel's weights. There is
    /// room for `part` sums of every four.
    #[inline(never)] // one for all types
    unsafe fn add(&self, steps: usize, weights: *const i8, depth: usize, bias: &[i32], add: bool) {
        let stride = self.part * size_of::<RowSums>();
        let span = self.fours * stride;
        let (even, odd) = bias.as_chunks::<2>();
        let alone = odd.first().map(|bias| [*bias; 2]);
        for (channel, second, bias) in [(0, depth, even.as_flattened()), (bias.len().saturating_sub(1), 0, alone.as_ref().map_or(&[][..], |bias| bias))] {
            if bias.is_empty() {
                continue;
            }
            let sums = self.sums.wrapping_add(channel);
            let biases = bias.as_ptr_range();
            let pairs = Pairs {
                a: self.a,
                sums,
                sums_end: sums.wrapping_byte_add(span),
                wide: 4 * steps,
                weights: weights.wrapping_add(channel * depth),
                second,
                next: 2 * depth,
                bias: biases.start,
                bias_end: biases.end,
                add: add.into(),
                span,
                stride,
            };
            // SAFETY: by the contract. The channels of `bias`, not none and an even number, have
            // sums in every four, as has the one behind a last one whose number is odd.
            unsafe { pairs::products(&pairs) };
        }
    }
}
