//! The depthwise convolution on MVE for kernels of 3x3 and 5x5 that move by 1: a window is made
//! contiguous, so that it is a dot product with the weights of its channel.
//!
//! The input stays token-major: [`LANES`] channels of at most [`TOKENS`] tokens are interleaved
//! here, and the weights in the same way.

use core::mem::MaybeUninit;

use super::Depthwise;
use crate::epilogue::Epilogue;
use crate::isa::Mve;
use crate::mve::bytes::clear;
use crate::mve::planar::{self, LANES, Lanes, Rows, WEIGHTS, WINDOWS};

/// Output tokens that are computed at once, a multiple of 8.
const TOKENS: usize = 32;

/// Interleaved windows of [`LANES`] channels.
#[repr(C, align(8))]
struct Windows([MaybeUninit<[i8; WINDOWS]>; LANES]);

/// Interleaved weights of [`LANES`] channels: 0 in every slot that is no tap.
#[repr(C, align(8))]
struct Weights([[MaybeUninit<i8>; WEIGHTS]; LANES]);

/// A function that multiplies windows and stores.
type Multiply = unsafe extern "C" fn(&mut Lanes);

/// How the sums of a row are stored.
struct Way {
    multiply: Multiply,
    out: *mut u8,
    /// Bytes of an output.
    size: usize,
    zero: i32,
    hi: u32,
    lo: i32,
    table: *const i8,
}

/// How [`run`] computes these, if it does.
fn way(args: &Depthwise<'_>, epilogue: &mut Epilogue<'_>, out_stride: usize) -> Option<Way> {
    let kernel = args.kernel;
    let fits = matches!(kernel, 3 | 5) && args.stride == 1 && args.bias.len() >= LANES && args.requant.pre_shift == 0 && args.rows.iter().any(Option::is_some);
    let none = Way { multiply: planar::words3, out: core::ptr::null_mut(), size: 2, zero: 0, hi: 0, lo: 0, table: core::ptr::null() };
    let way = match epilogue {
        Epilogue::Table8 { out, table, zero } => {
            let multiply = if kernel == 3 { planar::table3 } else { planar::table5 };
            let hi = u16::try_from(table.len().checked_sub(1)?).ok()?.into();
            Way { multiply, out: out.as_mut_ptr().cast(), size: 1, zero: *zero, hi, table: table.as_ptr(), ..none }
        }
        Epilogue::Store8 { out, range } if kernel == 3 => {
            Way { multiply: planar::codes3, out: out.as_mut_ptr().cast(), size: 1, zero: range.zero, hi: range.hi.cast_unsigned(), lo: range.lo, ..none }
        }
        Epilogue::Store16 { out } if kernel == 3 => Way { out: out.as_mut_ptr().cast(), ..none },
        Epilogue::Add16 { out } if kernel == 3 => Way { multiply: planar::sums3, out: out.as_mut_ptr().cast(), ..none },
        _ => return None,
    };
    // Offsets have 15 bits.
    let tokens = args.columns.min(TOKENS).next_multiple_of(8);
    (fits && out_stride.checked_mul(tokens * way.size)? < 1 << 15).then_some(way)
}

/// Computes the row if it is one of those that are made here, and says whether.
#[inline(never)] // its buffers would lie on the stack beside those of the other way
pub(super) fn run(_: Mve, args: &Depthwise<'_>, epilogue: &mut Epilogue<'_>, out_stride: usize) -> bool {
    let Depthwise { rows, in_stride, columns, kernel, pad, weights, weight_stride, bias, requant, .. } = *args;
    let (Some(way), Some(last)) = (way(args, epilogue, out_stride), bias.len().checked_sub(LANES)) else { return false };
    let interleave = if kernel == 3 { planar::interleave3 } else { planar::interleave5 };
    let (reach, slots) = (kernel / 2, kernel + 1);
    let padding = [pad; LANES];
    let mut windows = Windows([const { MaybeUninit::uninit() }; LANES]);
    let mut turned = Weights([[MaybeUninit::uninit(); WEIGHTS]; LANES]);
    // SAFETY: the token proves MVE; the bytes are those of the weights.
    unsafe { clear(turned.0.as_mut_ptr().cast(), WEIGHTS * LANES) };
    // A row outside of the map is padding again and again: it is moved by nothing.
    let mut inside = [padding.as_ptr(); 5];
    let mut moves = [0; 5];
    for ((pointer, moved), row) in inside.iter_mut().zip(&mut moves).zip(rows) {
        if let Some(row) = row {
            (*pointer, *moved) = (row.as_ptr(), usize::MAX);
        }
    }
    let to = windows.0.as_mut_ptr().cast::<i8>();
    let mut to_windows = Rows { rows: inside, steps: moves.map(|moved| moved & in_stride), count: 0, to, channel: WINDOWS };
    let mut to_edge = Rows { rows: [padding.as_ptr(); 5], steps: [0; 5], count: 0, to, channel: WINDOWS };
    let mut weights = weights.as_ptr();
    let mut to_weights = Rows { rows: [weights; 5], steps: [weight_stride; 5], count: kernel, to: turned.0.as_mut_ptr().cast(), channel: WEIGHTS };
    for row in &mut to_weights.rows {
        *row = weights;
        weights = weights.wrapping_add(kernel * weight_stride);
    }
    let mut done = 0;
    for first in (0..bias.len()).step_by(LANES) {
        // Never fewer than all lanes are interleaved; of the last ones, those that are done already
        // are left out.
        let from = first.min(last);
        let skip = first - from;
        for row in &mut to_weights.rows {
            *row = row.wrapping_add(from - done);
        }
        done = from;
        // SAFETY: the token proves MVE. The entry has checked the weights of every tap, which has
        // `LANES` channels from `from` on; `kernel * (kernel + 1) <= 32`.
        unsafe { interleave(&to_weights) };
        for x in (0..columns).step_by(TOKENS) {
            let count = TOKENS.min(columns - x);
            let (start, end) = (x.saturating_sub(reach), (x + count + reach).min(columns));
            let before = (start + reach) - x;
            let behind = count + 2 * reach - before - (end - start);
            let offset = start * in_stride + from;
            for ((row, inside), moved) in to_windows.rows.iter_mut().zip(inside).zip(moves) {
                *row = inside.wrapping_add(offset & moved);
            }
            (to_windows.count, to_windows.to) = (end - start, to.wrapping_add(before * slots));
            // SAFETY: the token proves MVE. Tokens `start..end` lie in rows that the entry has
            // checked, `LANES` channels from `from` on; the padding has as many. At most
            // `TOKENS + 4` tokens of six bytes fit each lane.
            unsafe {
                interleave(&to_windows);
                for (count, at) in [(before, 0), (behind, before + end - start)] {
                    if count != 0 {
                        (to_edge.count, to_edge.to) = (count, to.wrapping_add(at * slots));
                        interleave(&to_edge);
                    }
                }
            }
            let mut lanes = Lanes {
                windows: windows.0.as_ptr().wrapping_add(skip).cast(),
                weights: turned.0.as_ptr().wrapping_add(skip).cast(),
                bias: bias.as_ptr().wrapping_add(first),
                mult: requant.mult.as_ptr().wrapping_add(first),
                shift: requant.shift.as_ptr().wrapping_add(first),
                out: way.out.wrapping_add((x * out_stride + first) * way.size),
                stride: out_stride * way.size,
                count,
                lanes: LANES - skip,
                zero: way.zero,
                hi: way.hi,
                lo: way.lo,
                table: way.table,
            };
            // SAFETY: the token proves MVE. `skip < LANES` channels have windows of `TOKENS` tokens
            // and 32 weights before the first that is computed. The entry has checked that there
            // are as many multipliers and shifts as biases and that the output holds every token's;
            // indices are clamped to the table.
            unsafe { (way.multiply)(&mut lanes) };
        }
    }
    true
}
