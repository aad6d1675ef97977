//! Depthwise convolution with `sdot`, 8 channels at a time, for 3x3 and 5x5 windows that move by
//! one column; others are those of [`super::neon`].
//!
//! The codes of 4 kernel rows of a column are brought side by side once, as the columns of the
//! window are used by as many outputs; `sdot` then multiplies 4 taps of 4 channels. The fifth row
//! of a 5x5 window is brought side by side along the row instead. Sums of some tokens wait in a
//! buffer before they are stored, so that neither loop has more values than there are registers.

use core::arch::aarch64::*;
use core::arch::asm;
use core::mem::MaybeUninit;

use super::Depthwise;
use super::neon::{BLOCK, Row, Writer, drive};
use crate::epilogue::Epilogue;
use crate::isa::{Neon, NeonDotprod};
use crate::neon::sink::Sink;
use crate::neon::{load_part, load_s32x4, store_s8x8};

/// See [`Kernels::depthwise_s8`](crate::Kernels::depthwise_s8).
pub(super) fn run(token: NeonDotprod, args: &Depthwise<'_>, epilogue: Epilogue<'_>, out_stride: usize) {
    // SAFETY: the token proves `sdot`; each window is as large as the kernel.
    unsafe {
        match (args.kernel, args.stride) {
            (3, 1) => drive::<Windows<3, 3>>(args, epilogue, out_stride),
            (5, 1) => drive::<Windows<5, 7>>(args, epilogue, out_stride),
            _ => super::neon::run(Neon::from(token), args, epilogue, out_stride),
        }
    }
}

/// Channels that are summed at a time.
const HALF: usize = 8;
/// Tokens whose sums wait.
const RUN: usize = 32;

/// 4 codes of each of 8 channels: 4 channels to a vector.
type Quads = [int8x16_t; 2];
/// Accumulators of 8 channels.
type Half = [int32x4_t; 2];

/// Codes of 8 channels at 2 places, brought side by side.
#[inline]
#[target_feature(enable = "neon")]
fn pairs(a: int8x16_t, b: int8x16_t) -> int16x8_t {
    vreinterpretq_s16_s8(vzip1q_s8(a, b))
}

/// Pairs of 8 channels at 2 times 2 places.
#[inline]
#[target_feature(enable = "neon")]
fn side_by_side(a: int16x8_t, b: int16x8_t) -> Quads {
    [vreinterpretq_s8_s16(vzip1q_s16(a, b)), vreinterpretq_s8_s16(vzip2q_s16(a, b))]
}

/// Codes of 8 channels at 4 places, brought side by side.
#[inline]
#[target_feature(enable = "neon")]
fn quads(a: int8x16_t, b: int8x16_t, c: int8x16_t, d: int8x16_t) -> Quads {
    side_by_side(pairs(a, b), pairs(c, d))
}

/// Adds the products of 4 taps.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn dot(mut sums: Half, codes: Quads, weights: Quads) -> Half {
    for ((sum, codes), weights) in sums.iter_mut().zip(codes).zip(weights) {
        // SAFETY: `sdot` on registers, by this function's attribute.
        unsafe {
            asm!("sdot {0:v}.4s, {1:v}.16b, {2:v}.16b", inout(vreg) *sum, in(vreg) codes, in(vreg) weights, options(pure, nomem, nostack, preserves_flags));
        }
    }
    sums
}

/// 8 codes; the pointer goes on by `step`.
///
/// # Safety
/// 8 codes may be read.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn take(from: &mut *const i8, step: usize) -> int8x16_t {
    let codes;
    // SAFETY: the caller vouches for the codes; the pointer is not read from behind them.
    unsafe { asm!("ld1 {{{0:v}.8b}}, [{1}], {2}", out(vreg) codes, inout(reg) *from, in(reg) step, options(pure, readonly, nostack, preserves_flags)) }
    codes
}

/// Operands of 8 channels, or of those of them that exist.
struct Operands<const KERNEL: usize, const WEIGHTS: usize> {
    weights: [Quads; WEIGHTS],
    /// The biases.
    start: Half,
    /// The kernel's rows.
    rows: [*const i8; KERNEL],
    /// Elements from a column to the next: none where a row is padding.
    steps: [usize; KERNEL],
    columns: usize,
    pad: int8x16_t,
}

impl<const KERNEL: usize, const WEIGHTS: usize> Operands<KERNEL, WEIGHTS> {
    /// Weights and biases of the channels from `first` on, still without rows; weights by tap are
    /// brought side by side as the codes will be.
    ///
    /// # Safety
    /// The processor has NEON; the lengths of `args` were checked, and `width` channels exist from
    /// `first` on; `KERNEL` is its kernel.
    #[inline(always)]
    unsafe fn new<const TAPS: usize>(args: &Depthwise<'_>, first: usize, width: usize, arranged: impl FnOnce(&[int8x16_t; TAPS]) -> [Quads; WEIGHTS]) -> Self {
        let (mut start, mut weights) = (MaybeUninit::uninit(), MaybeUninit::uninit());
        // SAFETY: the caller vouches for the operands; what is not written yet is written here.
        unsafe {
            if width >= HALF {
                taps::<TAPS, true>(args, first, HALF, &mut start, &mut weights);
            } else {
                taps::<TAPS, false>(args, first, width, &mut start, &mut weights);
            }
            let (start, weights) = (start.assume_init(), weights.assume_init_ref());
            Self { weights: arranged(weights), start, rows: [core::ptr::null(); KERNEL], steps: [0; KERNEL], columns: args.columns, pad: vdupq_n_s8(args.pad) }
        }
    }

    /// Takes the rows of one output row, from channel `first` on; 16 codes of `padding` stand for
    /// those outside the map.
    #[inline(always)]
    fn line(&mut self, args: &Depthwise<'_>, first: usize, padding: &[i8; BLOCK]) {
        for ((row, step), given) in self.rows.iter_mut().zip(&mut self.steps).zip(args.rows) {
            (*row, *step) = given.map_or((padding.as_ptr(), 0), |given| (given.as_ptr().wrapping_add(first), args.in_stride));
        }
    }

    /// The biases, from memory: vectors that live on in registers would have to be moved.
    #[inline(always)]
    fn start(&self) -> Half {
        let (low, high);
        // SAFETY: reads the 32 bytes of this reference. Not `pure`, or it would be read once and
        // moved.
        unsafe { asm!("ldp {0:q}, {1:q}, [{2}]", out(vreg) low, out(vreg) high, in(reg) self.start.as_ptr(), options(readonly, nostack, preserves_flags)) }
        [low, high]
    }

    /// The place of column `x` in every row.
    #[inline(always)]
    fn at(&self, x: usize) -> [*const i8; KERNEL] {
        core::array::from_fn(|row| self.rows[row].wrapping_add(x.wrapping_mul(self.steps[row])))
    }

    /// The codes of column `x` of every row, those outside the map as well.
    ///
    /// # Safety
    /// The processor has NEON, and the rows hold 8 codes of every column.
    #[inline(always)]
    unsafe fn column(&self, x: usize) -> [int8x16_t; KERNEL] {
        if x >= self.columns {
            return [self.pad; KERNEL];
        }
        // SAFETY: the column is inside the map.
        self.at(x).map(|mut from| unsafe { take(&mut from, 0) })
    }
}

/// Writes weights by tap and biases. `WHOLE` says that `width` is 8.
///
/// # Safety
/// As [`Operands::new`].
#[inline(always)]
unsafe fn taps<const TAPS: usize, const WHOLE: bool>(
    args: &Depthwise<'_>,
    first: usize,
    width: usize,
    start: &mut MaybeUninit<Half>,
    weights: &mut MaybeUninit<[int8x16_t; TAPS]>,
) {
    // SAFETY: the checked biases and the weights of every tap hold `width` channels from `first`
    // on; `TAPS` are written.
    unsafe {
        let mut bias = args.bias.as_ptr().add(first);
        let mut copy = [0; HALF];
        if !WHOLE {
            copy.iter_mut().enumerate().take(width).for_each(|(c, to)| *to = *bias.add(c));
            bias = copy.as_ptr();
        }
        start.write([load_s32x4(bias), load_s32x4(bias.add(4))]);
        let mut from = args.weights.as_ptr().add(first);
        let to = weights.as_mut_ptr().cast::<int8x16_t>();
        for tap in 0..TAPS {
            to.add(tap).write(if WHOLE { take(&mut from, args.weight_stride) } else { load_part(from.wrapping_add(tap * args.weight_stride), width) });
        }
    }
}

/// Windows of `KERNEL` rows and columns, whose weights fill so many [`Quads`].
struct Windows<const KERNEL: usize, const WEIGHTS: usize>;

/// The operands and sums of [`Windows`].
trait Window<const KERNEL: usize, const WEIGHTS: usize> {
    /// Operands of the channels from `first` on.
    ///
    /// # Safety
    /// As [`Operands::new`].
    unsafe fn operands(args: &Depthwise<'_>, first: usize, width: usize) -> Operands<KERNEL, WEIGHTS>;

    /// Writes the accumulators of `count` tokens from `from` on, 16 behind one another.
    ///
    /// # Safety
    /// The processor has `sdot`, the rows hold 8 codes of every column, the tokens exist, and their
    /// accumulators may be written.
    unsafe fn sums(operands: &Operands<KERNEL, WEIGHTS>, from: usize, count: usize, to: *mut Half);
}

/// [`Window::sums`] of fewer than 8 channels, whose codes are copied.
///
/// # Safety
/// As there, but that the rows hold `width` codes of every column; at most [`RUN`] tokens.
#[inline(never)]
unsafe fn staged<const KERNEL: usize, const WEIGHTS: usize, W: Window<KERNEL, WEIGHTS>>(
    operands: &Operands<KERNEL, WEIGHTS>,
    width: usize,
    from: usize,
    count: usize,
    to: *mut Half,
) {
    let mut codes = [[[0; HALF]; RUN + 8]; KERNEL];
    let columns = count + KERNEL - 1;
    for ((row, step), codes) in operands.rows.iter().zip(operands.steps).zip(codes.iter_mut()) {
        for (x, codes) in codes.iter_mut().enumerate().take(columns) {
            let x = (from + x).wrapping_sub(KERNEL / 2);
            // SAFETY: the column is inside the map, and the caller vouches for its codes.
            unsafe {
                let part = if x < operands.columns { load_part(row.add(x * step), width) } else { operands.pad };
                store_s8x8(codes.as_mut_ptr(), vget_low_s8(part));
            }
        }
    }
    let rows = core::array::from_fn(|row| codes[row].as_ptr().cast());
    // SAFETY: the columns of these tokens, and those at their sides, are there.
    unsafe { W::sums(&Operands { rows, steps: [HALF; KERNEL], columns, ..*operands }, KERNEL / 2, count, to) }
}

/// [`Window::operands`], not expanded for every way of storing.
///
/// # Safety
/// As there.
#[inline(never)]
unsafe fn prepare<'a, const KERNEL: usize, const WEIGHTS: usize, W: Window<KERNEL, WEIGHTS>>(
    operands: &'a mut MaybeUninit<Operands<KERNEL, WEIGHTS>>,
    args: &Depthwise<'_>,
    first: usize,
    width: usize,
) -> &'a mut Operands<KERNEL, WEIGHTS> {
    // SAFETY: the caller vouches for the operands.
    operands.write(unsafe { W::operands(args, first, width) })
}

impl<const KERNEL: usize, const WEIGHTS: usize> Row for Windows<KERNEL, WEIGHTS>
where
    Self: Window<KERNEL, WEIGHTS>,
{
    #[inline(always)]
    unsafe fn tokens<const WHOLE: bool, S: Sink>(args: &Depthwise<'_>, first: usize, writer: &Writer<S>) {
        let width = if WHOLE { BLOCK } else { writer.width };
        let mut waiting = [MaybeUninit::<[Half; 2]>::uninit(); RUN];
        let [mut low, mut high] = [const { MaybeUninit::<Operands<KERNEL, WEIGHTS>>::uninit() }; 2];
        let padding = [args.pad; BLOCK];
        // SAFETY: the caller vouches for the instructions and the operands.
        let (low, high) = unsafe { (prepare::<KERNEL, WEIGHTS, Self>(&mut low, args, first, width), &mut high) };
        if width > HALF {
            // SAFETY: as above.
            unsafe { prepare::<KERNEL, WEIGHTS, Self>(high, args, first + HALF, width - HALF) };
        }
        for line in 0..args.lines() {
            let (args, before) = (args.line(line), line * args.columns);
            low.line(&args, first, &padding);
            // SAFETY: as above; the second half was written where there is one, and so were the
            // accumulators that are read.
            unsafe {
                if width > HALF {
                    high.assume_init_mut().line(&args, first + HALF, &padding);
                }
                let sum = |operands: &Operands<KERNEL, WEIGHTS>, width, from, count, to| match width < HALF {
                    true => staged::<KERNEL, WEIGHTS, Self>(operands, width, from, count, to),
                    false => Self::sums(operands, from, count, to),
                };
                for from in (0..args.columns).step_by(RUN) {
                    let count = RUN.min(args.columns - from);
                    let to: *mut Half = waiting.as_mut_ptr().cast();
                    sum(low, width, from, count, to);
                    if width > HALF {
                        sum(high.assume_init_ref(), width - HALF, from, count, to.add(1));
                    }
                    let sums = |x: usize| {
                        let of: *const Half = to.add(2 * x);
                        let (low, high) = (*of, *of.add(usize::from(WHOLE || width > HALF)));
                        [low[0], low[1], high[0], high[1]]
                    };
                    for x in (0..count / 2 * 2).step_by(2) {
                        writer.put::<WHOLE>(before + from + x, sums(x), Some(sums(x + 1)));
                    }
                    if count % 2 != 0 {
                        writer.put::<WHOLE>(before + from + count - 1, sums(count - 1), None);
                    }
                }
            }
        }
    }
}

impl Window<3, 3> for Windows<3, 3> {
    #[inline(always)]
    unsafe fn operands(args: &Depthwise<'_>, first: usize, width: usize) -> Operands<3, 3> {
        // SAFETY: the caller vouches for the operands.
        unsafe { Operands::new(args, first, width, |of: &[_; 9]| core::array::from_fn(|kx| quads(of[kx], of[3 + kx], of[6 + kx], vdupq_n_s8(0)))) }
    }

    #[inline(always)]
    unsafe fn sums(operands: &Operands<3, 3>, from: usize, count: usize, to: *mut Half) {
        // SAFETY: the caller vouches for all of it.
        unsafe { three(operands, from, count, to) }
    }
}

/// See [`Window::sums`].
///
/// # Safety
/// As there.
#[inline(never)]
#[target_feature(enable = "neon,dotprod")]
unsafe fn three(operands: &Operands<3, 3>, from: usize, count: usize, mut to: *mut Half) {
    let [left, middle, right] = operands.weights;
    let inside = count.min(operands.columns - 1 - from);
    // The last row twice: the second time its weights are zero.
    let column = |[a, b, c]: [int8x16_t; 3]| quads(a, b, c, c);
    let mut next = operands.at(from + 1);
    // SAFETY: the caller vouches for the columns inside the map and for the accumulators.
    unsafe {
        let mut put = |a: Quads, b: Quads, c: Quads| {
            *to = dot(dot(dot(operands.start(), a, left), b, middle), c, right);
            to = to.add(2);
        };
        let steps = operands.steps;
        let mut step = || column(core::array::from_fn(|row| take(&mut next[row], steps[row])));
        let (mut a, mut b) = (column(operands.column(from.wrapping_sub(1))), column(operands.column(from)));
        // In turn, so that no column is moved.
        for _ in 0..inside / 3 {
            let c = step();
            put(a, b, c);
            a = step();
            put(b, c, a);
            b = step();
            put(c, a, b);
        }
        for _ in 0..inside % 3 {
            let c = step();
            put(a, b, c);
            (a, b) = (b, c);
        }
        if inside < count {
            put(a, b, [operands.pad; 2]);
        }
    }
}

impl Window<5, 7> for Windows<5, 7> {
    /// By column those of 4 rows; of the fifth row those of 4 columns, then the last.
    #[inline(always)]
    unsafe fn operands(args: &Depthwise<'_>, first: usize, width: usize) -> Operands<5, 7> {
        let arranged = |of: &[int8x16_t; 25]| {
            // SAFETY: the caller vouches for NEON.
            core::array::from_fn(|i| unsafe {
                match i {
                    5 => quads(of[20], of[21], of[22], of[23]),
                    6 => quads(vdupq_n_s8(0), vdupq_n_s8(0), vdupq_n_s8(0), of[24]),
                    kx => quads(of[kx], of[5 + kx], of[10 + kx], of[15 + kx]),
                }
            })
        };
        // SAFETY: the caller vouches for the operands.
        unsafe { Operands::new(args, first, width, arranged) }
    }

    #[inline(always)]
    unsafe fn sums(operands: &Operands<5, 7>, from: usize, count: usize, to: *mut Half) {
        // SAFETY: the caller vouches for all of it.
        unsafe { five(operands, from, count, to) }
    }
}

/// See [`Window::sums`].
///
/// # Safety
/// As there.
#[inline(never)]
#[target_feature(enable = "neon,dotprod")]
unsafe fn five(operands: &Operands<5, 7>, from: usize, count: usize, mut to: *mut Half) {
    let column = |[a, b, c, d, e]: [int8x16_t; 5]| (quads(a, b, c, d), e);
    // SAFETY: the caller vouches for the columns inside the map and for the accumulators.
    unsafe {
        let first = from.wrapping_sub(2);
        let [(a, a_last), (b, b_last), (c, c_last), (d, d_last)] = core::array::from_fn(|i| column(operands.column(first.wrapping_add(i))));
        let pairs = [pairs(a_last, b_last), pairs(b_last, c_last), pairs(c_last, d_last)];
        let mut seen = Seen { window: [a, b, c, d], four: side_by_side(pairs[0], pairs[2]), pairs: [pairs[1], pairs[2]], last: d_last };
        // Behind the last column there is padding, again and again.
        let inside = count.min(operands.columns.saturating_sub(from + 2));
        let segments = [(operands.at(from + 2), operands.steps, inside), ([(&raw const operands.pad).cast(); 5], [0; 5], count - inside)];
        for (mut next, steps, tokens) in segments {
            // In turn, so that few columns are moved.
            for _ in 0..tokens / 4 {
                for token in 0..4 {
                    seen = seen.token(operands, &mut next, steps, to.add(2 * token));
                }
                to = to.add(8);
            }
            for _ in 0..tokens % 4 {
                seen = seen.token(operands, &mut next, steps, to);
                to = to.add(2);
            }
        }
    }
}

/// The columns of a 5x5 window but for its last, which is still to come.
#[derive(Clone, Copy)]
struct Seen {
    /// 4 kernel rows side by side, of the first 4 columns.
    window: [Quads; 4],
    /// The fifth row of these columns.
    four: Quads,
    /// The fifth row's second and third column, its third and fourth.
    pairs: [int16x8_t; 2],
    /// The fifth row's fourth column.
    last: int8x16_t,
}

impl Seen {
    /// The accumulators of a token, whose last column `next` points to; then what is seen of the
    /// token after it.
    ///
    /// # Safety
    /// The processor has `sdot`; 8 codes may be read behind each pointer, and the accumulators
    /// written.
    #[inline]
    #[target_feature(enable = "neon,dotprod")]
    unsafe fn token(self, operands: &Operands<5, 7>, next: &mut [*const i8; 5], steps: [usize; 5], to: *mut Half) -> Self {
        let Self { window: [a, b, c, d], four, pairs: [second, third], last } = self;
        let w = &operands.weights;
        let (e0, e1, f0, f1, pair, after, s0, s1): (int8x16_t, int8x16_t, int8x16_t, int8x16_t, int8x16_t, int8x16_t, int32x4_t, int32x4_t);
        // SAFETY: the caller vouches for the codes; `sdot` by this function's attribute. All else
        // is in registers: 30 vectors, which a compiler keeps there only where it cannot put the
        // loads in front.
        unsafe {
            asm!(
                "ldp {s0:q}, {s1:q}, [{start}]",
                "sdot {s0:v}.4s, {a0:v}.16b, {u0:v}.16b",
                "sdot {s1:v}.4s, {a1:v}.16b, {v0:v}.16b",
                "ld1 {{{a0:v}.8b}}, [{n0}], {t0}",
                "ld1 {{{e0:v}.8b}}, [{n1}], {t1}",
                "sdot {s0:v}.4s, {b0:v}.16b, {u1:v}.16b",
                "sdot {s1:v}.4s, {b1:v}.16b, {v1:v}.16b",
                "ld1 {{{a1:v}.8b}}, [{n2}], {t2}",
                "zip1 {a0:v}.16b, {a0:v}.16b, {e0:v}.16b",
                "ld1 {{{e0:v}.8b}}, [{n3}], {t3}",
                "sdot {s0:v}.4s, {c0:v}.16b, {u2:v}.16b",
                "sdot {s1:v}.4s, {c1:v}.16b, {v2:v}.16b",
                "zip1 {a1:v}.16b, {a1:v}.16b, {e0:v}.16b",
                "sdot {s0:v}.4s, {d0:v}.16b, {u3:v}.16b",
                "sdot {s1:v}.4s, {d1:v}.16b, {v3:v}.16b",
                "zip1 {e0:v}.8h, {a0:v}.8h, {a1:v}.8h",
                "zip2 {a1:v}.8h, {a0:v}.8h, {a1:v}.8h",
                "ld1 {{{a0:v}.8b}}, [{n4}], {t4}",
                "sdot {s0:v}.4s, {f0:v}.16b, {u5:v}.16b",
                "sdot {s1:v}.4s, {f1:v}.16b, {v5:v}.16b",
                "zip1 {last:v}.16b, {last:v}.16b, {a0:v}.16b",
                "sdot {s0:v}.4s, {e0:v}.16b, {u4:v}.16b",
                "sdot {s1:v}.4s, {a1:v}.16b, {v4:v}.16b",
                "zip1 {f0:v}.8h, {second:v}.8h, {last:v}.8h",
                "zip2 {f1:v}.8h, {second:v}.8h, {last:v}.8h",
                "sdot {s0:v}.4s, {f0:v}.16b, {u6:v}.16b",
                "sdot {s1:v}.4s, {f1:v}.16b, {v6:v}.16b",
                s0 = out(vreg) s0, s1 = out(vreg) s1,
                a0 = inout(vreg) a[0] => after, a1 = inout(vreg) a[1] => e1, e0 = out(vreg) e0,
                b0 = in(vreg) b[0], b1 = in(vreg) b[1], c0 = in(vreg) c[0], c1 = in(vreg) c[1], d0 = in(vreg) d[0], d1 = in(vreg) d[1],
                f0 = inout(vreg) four[0] => f0, f1 = inout(vreg) four[1] => f1, second = in(vreg) second, last = inout(vreg) last => pair,
                u0 = in(vreg) w[0][0], v0 = in(vreg) w[0][1], u1 = in(vreg) w[1][0], v1 = in(vreg) w[1][1], u2 = in(vreg) w[2][0], v2 = in(vreg) w[2][1],
                u3 = in(vreg) w[3][0], v3 = in(vreg) w[3][1], u4 = in(vreg) w[4][0], v4 = in(vreg) w[4][1], u5 = in(vreg) w[5][0], v5 = in(vreg) w[5][1],
                u6 = in(vreg) w[6][0], v6 = in(vreg) w[6][1],
                n0 = inout(reg) next[0], n1 = inout(reg) next[1], n2 = inout(reg) next[2], n3 = inout(reg) next[3], n4 = inout(reg) next[4],
                t0 = in(reg) steps[0], t1 = in(reg) steps[1], t2 = in(reg) steps[2], t3 = in(reg) steps[3], t4 = in(reg) steps[4], start = in(reg) operands.start.as_ptr(),
                options(readonly, nostack, preserves_flags)
            );
            *to = [s0, s1];
        }
        Self { window: [b, c, d, [e0, e1]], four: [f0, f1], pairs: [third, vreinterpretq_s16_s8(pair)], last: after }
    }
}
