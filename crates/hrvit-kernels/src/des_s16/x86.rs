//! The shortcut on vectors: blocks are 16 neighbouring elements of a token's view. Both products
//! take two steps of depth at a time: the first one over the columns of each row, the second one
//! over pairs of rows.

use core::mem::MaybeUninit;

use super::{Des, scalar};
use crate::isa::Avx2;
use crate::requant::Requant;
use crate::slices::{rows as each_row, rows_mut};
use crate::x86::rates::Rates;
use crate::x86::{BLOCK, Lanes, Task, block, parts};

/// Largest `k` and `p`.
const MAX: usize = 32;
/// Most registers of a row, and of a token.
const MAX_COLUMNS: usize = MAX / 8;
const MAX_REGISTERS: usize = MAX * MAX_COLUMNS;

/// See [`Kernels::des_s16`](crate::Kernels::des_s16). Larger views, those that are no whole blocks,
/// a `p` that is no multiple of 8 and tables of one entry are left to `scalar`.
#[inline(always)]
pub(super) fn run<V: Lanes + Into<Avx2>>(v: V, args: &Des<'_>, hidden: &mut [i16], out: &mut [i32]) {
    let (k, p) = (args.k, args.p);
    let fits = k <= MAX && p <= MAX && p.is_multiple_of(8) && (k * p).is_multiple_of(BLOCK) && args.table.len() >= 2;
    match (k, p) {
        _ if !fits => scalar::run(args, hidden, out),
        (4, 8) => v.apart(View::<4, 8> { args, out }),
        (6, 8) => v.apart(View::<6, 8> { args, out }),
        (8, 8) => v.apart(View::<8, 8> { args, out }),
        (12, 8) => v.apart(View::<12, 8> { args, out }),
        (8, 16) => v.apart(View::<8, 16> { args, out }),
        (15, 16) => v.apart(View::<15, 16> { args, out }),
        (16, 16) => v.apart(View::<16, 16> { args, out }),
        (24, 16) => v.apart(View::<24, 16> { args, out }),
        (16, 32) => v.apart(View::<16, 32> { args, out }),
        _ => tokens::<Avx2>(v.into(), args, k, p, out),
    }
}

/// The shortcut of a view that built-in networks have.
struct View<'a, 'd, 'o, const K: usize, const P: usize> {
    args: &'a Des<'d>,
    out: &'o mut [i32],
}

impl<const K: usize, const P: usize> Task for View<'_, '_, '_, K, P> {
    #[inline(always)]
    fn run<V: Lanes>(self, v: V) {
        tokens(v, self.args, K, P, self.out);
    }
}

/// The first `$count` of `$buffer`, written with what `$value` is for the number `$i` of each.
macro_rules! written {
    ($buffer:ident, $count:expr, |$i:ident| $value:expr) => {{
        let buffer = $buffer.get_mut(..$count).unwrap_or_default();
        for ($i, to) in buffer.iter_mut().enumerate() {
            to.write($value);
        }
        // SAFETY: the loop above has written them.
        let written: &[_] = unsafe { buffer.assume_init_ref() };
        written
    }};
}

/// All tokens.
#[inline(always)]
fn tokens<V: Lanes>(v: V, args: &Des<'_>, k: usize, p: usize, out: &mut [i32]) {
    let zero = v.splat(0);
    let (depth, pairs) = (p / 2, k.div_ceil(2));
    // Registers of a row; a register of two rows counts as one.
    let (columns, rows) = if p < V::LANES { (1, k / 2) } else { (p / V::LANES, k) };
    let row_len = V::LANES.max(p);
    // Blocks until columns come again.
    let period = (p / 8) / (1 + usize::from((p / 8).is_multiple_of(2)));
    let mut right = [const { MaybeUninit::uninit() }; MAX_COLUMNS * MAX / 2];
    let right = written!(right, columns * depth, |i| {
        let mut pairs = [0; BLOCK];
        for (lane, to) in pairs.iter_mut().enumerate().take(V::LANES) {
            *to = pair(args.right, p, (i / depth * V::LANES + lane) % p, i % depth);
        }
        register(v, &pairs, 0)
    });
    let mut right_outputs = [const { MaybeUninit::uninit() }; 3];
    let right_outputs = written!(right_outputs, period, |t| Outputs::new(v, args.right_bias, args.right_requant, t, p, true));
    let mut left = [const { MaybeUninit::uninit() }; MAX * MAX / 2];
    let left = written!(left, rows * pairs, |i| {
        let (row, i) = (i / pairs, i % pairs);
        if row_len == p { v.splat(pair(args.left, k, row, i)) } else { v.two(pair(args.left, k, 2 * row, i), pair(args.left, k, 2 * row + 1, i)) }
    });
    let mut left_outputs = [const { MaybeUninit::uninit() }; MAX * MAX / BLOCK];
    let left_outputs = written!(left_outputs, k * p / BLOCK, |t| Outputs::new(v, args.left_bias, args.left_requant, t, p, false));
    let (first, last) = (v.splat(args.zero), v.splat(args.table.len() as i32 - 1));
    let (mut hidden, mut merged) = ([zero; MAX_REGISTERS], [zero; MAX_REGISTERS / 2]);
    for (x, out) in each_row(args.x, k * p).zip(rows_mut(out, k * p)) {
        // The register that comes next: its row (or its two), and its place in it.
        let (mut row, mut column) = (0, 0);
        let mut registers = hidden.iter_mut();
        for outputs in right_outputs.iter().cycle().take(k * p / BLOCK) {
            let mut acc = outputs.bias;
            for i in 0..parts(v) {
                let x = x.get(row * row_len..).unwrap_or_default();
                for (j, weights) in right.get(column * depth..(column + 1) * depth).unwrap_or_default().iter().enumerate() {
                    // SAFETY: the row, or the two of a register, lie in the token.
                    acc[i] = v.dot(acc[i], unsafe { v.pair_of_each_row(x.as_ptr(), p, j) }, *weights);
                }
                (row, column) = if column + 1 == columns { (row + 1, 0) } else { (row, column + 1) };
            }
            let rq = outputs.rates.apply(v, acc);
            for (i, register) in registers.by_ref().take(parts(v)).enumerate() {
                let index = v.max(v.min(v.add(rq[i], first), last), zero);
                // SAFETY: `0 <= index <= table.len() - 1`, of two entries or more.
                *register = unsafe { v.entries(args.table, index) };
            }
        }
        // Two rows of the view side by side: where a register has two, both of its halves.
        for (i, merged) in rows_mut(&mut merged, columns).enumerate().take(pairs) {
            for (column, merged) in merged.iter_mut().enumerate() {
                let of = |row: usize| if row < k { hidden[(row * columns + column) % MAX_REGISTERS] } else { zero };
                let [upper, lower] = if p < V::LANES { v.halves(hidden[i % MAX_REGISTERS]) } else { [of(2 * i), of(2 * i + 1)] };
                *merged = v.merged(upper, lower);
            }
        }
        let (mut row, mut column) = (0, 0);
        for (outputs, out) in left_outputs.iter().zip(out.as_chunks_mut::<BLOCK>().0) {
            let mut acc = outputs.bias;
            for i in 0..parts(v) {
                let weights = left.get(row * pairs..(row + 1) * pairs).unwrap_or_default();
                for (weights, merged) in weights.iter().zip(merged.iter().skip(column).step_by(columns)) {
                    acc[i] = v.dot(acc[i], *merged, *weights);
                }
                (row, column) = if column + 1 == columns { (row + 1, 0) } else { (row, column + 1) };
            }
            let rq = outputs.rates.apply(v, acc);
            for i in 0..parts(v) {
                let to = out.as_mut_ptr().wrapping_add(i * V::LANES);
                // SAFETY: a register of the 16 elements.
                unsafe { v.store_lanes(to, V::LANES, v.add(rq[i], v.load_lanes(to, V::LANES))) };
            }
        }
    }
}

/// Weights `2 i` and `2 i + 1` of row `row` of `len` as the pair that products read, 0 beyond its
/// end.
#[inline(always)]
fn pair(weights: &[i8], len: usize, row: usize, i: usize) -> i32 {
    let at = row * len + 2 * i;
    let low = weights.get(at).copied().unwrap_or_default();
    let high = if 2 * i + 1 < len { weights.get(at + 1).copied().unwrap_or_default() } else { 0 };
    (i32::from(low) & 0xffff) | i32::from(high) << 16
}

/// Biases and multipliers of a block.
struct Outputs<V: Lanes> {
    bias: V::Block,
    rates: Rates<V>,
}

impl<V: Lanes> Outputs<V> {
    /// Of block `t` of a view with rows of `p`: its columns, or its rows.
    #[inline(always)]
    fn new(v: V, biases: &[i32], requant: Requant<'_>, t: usize, p: usize, columns: bool) -> Self {
        let (mut bias, mut mult, mut shift) = ([0; BLOCK], [0; BLOCK], [32; BLOCK]);
        for (i, ((bias, mult), shift)) in bias.iter_mut().zip(&mut mult).zip(&mut shift).enumerate() {
            let element = t * BLOCK + i;
            let o = if columns { element % p } else { element / p };
            if let (Some(b), Some(m), Some(s)) = (biases.get(o), requant.mult.get(o), requant.shift.get(o)) {
                (*bias, *mult, *shift) = (*b, *m, i32::from(*s));
            }
        }
        let (mult, shift) = (block!(v, |i| register(v, &mult, i)), block!(v, |i| register(v, &shift, i)));
        Self { bias: block!(v, |i| register(v, &bias, i)), rates: Rates::of(v, mult, shift, requant.pre_shift) }
    }
}

/// Register `i` of a block in its natural order.
#[inline(always)]
fn register<V: Lanes>(v: V, block: &[i32; BLOCK], i: usize) -> V::Vec {
    // SAFETY: a register of the array.
    unsafe { v.load_lanes(block.as_ptr().wrapping_add(i * V::LANES), V::LANES) }
}
