//! Depthwise convolution on NEON, 16 channels at a time. `smull` and `smlal` put the products of
//! two taps into each 16-bit lane, at most `2 * 128 * 127 = 32512`: exact, as weights lie in
//! -127..=127. Codes are read where they lie; only windows that leave the map are copied together.

use core::arch::aarch64::*;
use core::mem::MaybeUninit;

use super::{Depthwise, scalar};
use crate::epilogue::Epilogue;
use crate::isa::Neon;
use crate::neon::rates::Rates;
use crate::neon::sink::{Add16, Add32, Sink, Store8, Store16, Table8};
use crate::neon::{load_part, load_s8x8, load_s8x16, load_s32x4, store_s8x16, store_s32x4};

/// Channels of a block.
pub(super) const BLOCK: usize = 16;
/// Accumulators of a block.
pub(super) type Sums = [int32x4_t; 4];

/// See [`Kernels::depthwise_s8`](crate::Kernels::depthwise_s8). Kernels other than 1, 3, 5, 7 and
/// 9, and rows that are padding altogether, are left to `scalar`.
pub(super) fn run(_: Neon, args: &Depthwise<'_>, epilogue: Epilogue<'_>, out_stride: usize) {
    // SAFETY: the token proves NEON.
    unsafe {
        match args.kernel {
            1 => drive::<Pairs<1, 1>>(args, epilogue, out_stride),
            3 => drive::<Pairs<3, 9>>(args, epilogue, out_stride),
            5 => drive::<Pairs<5, 25>>(args, epilogue, out_stride),
            7 => drive::<Pairs<7, 49>>(args, epilogue, out_stride),
            9 => drive::<Pairs<9, 81>>(args, epilogue, out_stride),
            _ => scalar::run(args, epilogue, out_stride),
        }
    }
}

/// How the tokens of a row are summed.
pub(super) trait Row {
    /// Gives `writer` the accumulators of all output tokens, of the channels from `first` on.
    ///
    /// # Safety
    /// The processor has the instructions; the lengths of `args` were checked, and each output row
    /// has an input row inside the map; its kernel is the one that this is for. `WHOLE` says that
    /// 16 channels exist.
    unsafe fn tokens<const WHOLE: bool, S: Sink>(args: &Depthwise<'_>, first: usize, writer: &Writer<S>);
}

/// Chooses the way of storing; what the vectors cannot do exactly is left to `scalar`.
///
/// # Safety
/// As [`Row::tokens`].
#[inline(always)]
pub(super) unsafe fn drive<R: Row>(args: &Depthwise<'_>, epilogue: Epilogue<'_>, out_stride: usize) {
    // Rows that are padding stand for others.
    if (0..args.lines()).any(|line| args.line(line).rows.iter().flatten().next().is_none()) {
        return scalar::run(args, epilogue, out_stride);
    }
    // SAFETY: the caller vouches for the instructions, which imply NEON.
    unsafe {
        match epilogue {
            Epilogue::Store8 { out, range } => match Store8::new(range) {
                Some(sink) => row::<R, _>(args, sink, out, out_stride),
                None => scalar::run(args, Epilogue::Store8 { out, range }, out_stride),
            },
            Epilogue::Store16 { out } => row::<R, _>(args, Store16, out, out_stride),
            Epilogue::Add16 { out } => row::<R, _>(args, Add16, out, out_stride),
            Epilogue::Add32 { out } => row::<R, _>(args, Add32, out, out_stride),
            Epilogue::Table8 { out, table, zero } => match Table8::new(table, zero) {
                Some(sink) => row::<R, _>(args, sink, out, out_stride),
                None => scalar::run(args, Epilogue::Table8 { out, table, zero }, out_stride),
            },
        }
    }
}

/// All blocks of channels.
#[inline(always)]
unsafe fn row<R: Row, S: Sink>(args: &Depthwise<'_>, sink: S, out: &mut [S::Out], out_stride: usize) {
    let channels = args.bias.len();
    for first in (0..channels).step_by(BLOCK) {
        let width = BLOCK.min(channels - first);
        // SAFETY: the caller vouches for the instructions and the operands; the checked output has
        // `channels` elements for every token.
        unsafe {
            let rates = [Rates::new(args.requant, first), Rates::new(args.requant, first + BLOCK / 2)];
            let writer = Writer { sink, rates, to: out.as_mut_ptr().wrapping_add(first), out_stride, width };
            match width {
                BLOCK => R::tokens::<true, _>(args, first, &writer),
                _ => R::tokens::<false, _>(args, first, &writer),
            }
        }
    }
}

/// Writer of a block of channels.
pub(super) struct Writer<S: Sink> {
    sink: S,
    rates: [Rates; 2],
    to: *mut S::Out,
    out_stride: usize,
    /// Channels that exist.
    pub(super) width: usize,
}

impl<S: Sink> Writer<S> {
    /// Stores token `x` and, where there are sums, the next one.
    ///
    /// # Safety
    /// The processor has NEON, and the tokens exist. `WHOLE` says that 16 channels do.
    #[inline(always)]
    pub(super) unsafe fn put<const WHOLE: bool>(&self, x: usize, sums: Sums, next: Option<Sums>) {
        // SAFETY: the caller vouches for the tokens, of which whole blocks are written at once,
        // others through one of their own.
        unsafe {
            let after = next.unwrap_or(sums);
            let [low, low_after] = self.rates[0].apply([[sums[0], sums[1]], [after[0], after[1]]]);
            let [high, high_after] = self.rates[1].apply([[sums[2], sums[3]], [after[2], after[3]]]);
            let to = self.to.add(x * self.out_stride);
            self.one::<WHOLE>(to, [low, high]);
            if next.is_some() {
                self.one::<WHOLE>(to.add(self.out_stride), [low_after, high_after]);
            }
        }
    }

    #[inline(always)]
    unsafe fn one<const WHOLE: bool>(&self, to: *mut S::Out, rq: [[int32x4_t; 2]; 2]) {
        // SAFETY: as above.
        unsafe {
            if WHOLE {
                return self.sink.pair(to, BLOCK / 2, rq);
            }
            if self.width == BLOCK / 2 {
                return self.sink.row(to, rq[0]);
            }
            let mut block = [S::Out::default(); BLOCK];
            core::ptr::copy_nonoverlapping(to, block.as_mut_ptr(), self.width);
            self.sink.pair(block.as_mut_ptr(), BLOCK / 2, rq);
            core::ptr::copy_nonoverlapping(block.as_ptr(), to, self.width);
        }
    }
}

/// Weights of a block of channels by tap, zeros for rows that are padding, and the biases with what
/// those rows add.
struct Block<const TAPS: usize> {
    weights: [[i8; BLOCK]; TAPS],
    bias: [i32; BLOCK],
}

impl<const TAPS: usize> Block<TAPS> {
    /// Writes that of the channels from `first` on.
    ///
    /// # Safety
    /// The lengths of `args`, of one output row, were checked; `TAPS` is its kernel's square, and
    /// `width` of its channels exist from `first` on; `WHOLE` says that these are 16.
    #[inline(always)]
    unsafe fn write<const WHOLE: bool>(block: &mut MaybeUninit<Self>, args: &Depthwise<'_>, first: usize, width: usize) {
        // SAFETY: the checked biases hold `width` channels from `first` on, and the weights as many
        // of each tap. Biases are cleared here, and every tap is written: there are as many rows as
        // taps in one (checked), so that nothing is left as it was.
        unsafe {
            // One pointer for both fields: asking for it again would end what the first may write.
            let start = block.as_mut_ptr();
            let (weights, biases) = (&raw mut (*start).weights, &mut *(&raw mut (*start).bias).cast::<MaybeUninit<[i32; BLOCK]>>());
            let biases = biases.write([0; BLOCK]);
            let bias = args.bias.as_ptr().add(first);
            for c in (0..width).step_by(4) {
                let to = biases.as_mut_ptr().add(c);
                if WHOLE || c + 4 <= width {
                    store_s32x4(to, load_s32x4(bias.add(c)));
                } else {
                    core::ptr::copy_nonoverlapping(bias.add(c), to, width - c);
                }
            }
            let mut from = args.weights.as_ptr().wrapping_add(first);
            let mut to = weights.cast::<i8>();
            for row in args.rows {
                for _ in 0..args.kernel {
                    let taps = if WHOLE { load_s8x16(from) } else { load_part(from, width) };
                    store_s8x16(to, if row.is_some() { taps } else { vdupq_n_s8(0) });
                    if row.is_none() {
                        let mut codes = [0i8; BLOCK];
                        store_s8x16(codes.as_mut_ptr(), taps);
                        for (bias, weight) in biases.iter_mut().zip(codes) {
                            *bias = bias.wrapping_add(i32::from(args.pad) * i32::from(weight));
                        }
                    }
                    (from, to) = (from.wrapping_add(args.weight_stride), to.wrapping_add(BLOCK));
                }
            }
        }
    }

    /// The biases.
    #[inline(always)]
    fn start(&self) -> Sums {
        // SAFETY: reads the 64 bytes of the biases; NEON is in every AArch64 processor.
        core::array::from_fn(|i| unsafe { load_s32x4(self.bias.as_ptr().add(4 * i)) })
    }
}

/// The rows of a map from channel `first` on; one that is padding, whose weights are zero, reads as
/// another.
#[inline(always)]
fn inputs<const KERNEL: usize>(args: &Depthwise<'_>, first: usize) -> [*const i8; KERNEL] {
    let any = args.rows.iter().flatten().next().copied().unwrap_or_default();
    core::array::from_fn(|ky| args.rows.get(ky).copied().flatten().unwrap_or(any).as_ptr().wrapping_add(first))
}

/// Two taps at a time.
struct Pairs<const KERNEL: usize, const TAPS: usize>;

impl<const KERNEL: usize, const TAPS: usize> Row for Pairs<KERNEL, TAPS> {
    #[inline(always)]
    unsafe fn tokens<const WHOLE: bool, S: Sink>(args: &Depthwise<'_>, first: usize, writer: &Writer<S>) {
        let (mut block, mut reusable) = (MaybeUninit::uninit(), false);
        for line in 0..args.lines() {
            let (args, before) = (args.line(line), line * args.columns_out());
            // SAFETY: the caller vouches for the operands; a block that is used again was written.
            unsafe {
                // Weights of rows that are padding are zeros.
                let inside = args.rows.iter().all(Option::is_some);
                if !(inside && reusable) {
                    Block::<TAPS>::write::<WHOLE>(&mut block, &args, first, writer.width);
                }
                reusable = inside;
                line_of::<KERNEL, TAPS, WHOLE, S>(&args, first, block.assume_init_ref(), writer, before);
            }
        }
    }
}

/// The tokens of one output row, `before` tokens behind the first.
///
/// # Safety
/// As [`Row::tokens`]; the block is that of the channels from `first` on.
#[inline(always)]
unsafe fn line_of<const KERNEL: usize, const TAPS: usize, const WHOLE: bool, S: Sink>(
    args: &Depthwise<'_>,
    first: usize,
    block: &Block<TAPS>,
    writer: &Writer<S>,
    before: usize,
) {
    let width = writer.width;
    let Depthwise { in_stride, columns, stride, pad, .. } = *args;
    let start = block.start();
    let rows = inputs::<KERNEL>(args, first);
    let taps: [*const i8; TAPS] = core::array::from_fn(|tap| rows[tap / KERNEL].wrapping_add(tap % KERNEL * in_stride));
    let padding = [pad; BLOCK];
    if !WHOLE && width == BLOCK / 2 {
        // SAFETY: as below, of 8 channels.
        return unsafe { half(args, &rows, block, writer, before) };
    }
    for x in 0..args.columns_out() {
        let column = (x * stride).wrapping_sub(KERNEL / 2);
        // SAFETY: the checked rows hold `columns` tokens of `width` channels from `first` on; whole
        // blocks are read where they lie, others tap by tap into a window of their own, and what
        // lies outside the map from the padding.
        let sums = unsafe {
            if WHOLE && column < columns && column + KERNEL <= columns {
                sum(&taps, column * in_stride, &block.weights, start)
            } else {
                let mut copies = [[pad; BLOCK]; TAPS];
                let mut window = [padding.as_ptr(); TAPS];
                for (tap, to) in window.iter_mut().enumerate() {
                    let column = column.wrapping_add(tap % KERNEL);
                    if column < columns {
                        let from = rows[tap / KERNEL].add(column * in_stride);
                        *to = match WHOLE {
                            true => from,
                            false => {
                                store_s8x16(copies[tap].as_mut_ptr(), load_part(from, width));
                                copies[tap].as_ptr()
                            }
                        };
                    }
                }
                sum(&window, 0, &block.weights, start)
            }
        };
        // SAFETY: the token exists.
        unsafe { writer.put::<WHOLE>(before + x, sums, None) };
    }
}

/// As [`line_of`], of a block of which 8 channels exist.
///
/// # Safety
/// The processor has NEON; as [`Row::tokens`].
#[inline(always)]
unsafe fn half<const KERNEL: usize, const TAPS: usize, S: Sink>(
    args: &Depthwise<'_>,
    rows: &[*const i8; KERNEL],
    block: &Block<TAPS>,
    writer: &Writer<S>,
    before: usize,
) {
    let Depthwise { in_stride, columns, stride, pad, .. } = *args;
    let [low, high, ..] = block.start();
    for x in 0..args.columns_out() {
        let column = (x * stride).wrapping_sub(KERNEL / 2);
        let mut sums = [low, high];
        // SAFETY: the checked rows hold 8 channels of every column that is read; others are
        // padding.
        unsafe {
            for (row, weights) in rows.iter().zip(block.weights.as_chunks::<KERNEL>().0) {
                for (kx, weights) in weights.iter().enumerate() {
                    let column = column.wrapping_add(kx);
                    let codes = if column < columns { load_s8x8(row.add(column * in_stride)) } else { vdup_n_s8(pad) };
                    let products = vmull_s8(codes, load_s8x8(weights.as_ptr()));
                    sums = [vaddw_s16(sums[0], vget_low_s16(products)), vaddw_high_s16(sums[1], products)];
                }
            }
            writer.put::<false>(before + x, [sums[0], sums[1], low, high], None);
        }
    }
}

/// `start` plus the products of all taps, each `offset` codes behind its pointer.
///
/// # Safety
/// The processor has NEON, and 16 codes may be read there.
#[inline(always)]
unsafe fn sum<const TAPS: usize>(taps: &[*const i8; TAPS], offset: usize, weights: &[[i8; BLOCK]; TAPS], mut sums: Sums) -> Sums {
    let (tap_pairs, last_tap) = taps.as_chunks::<2>();
    let (weight_pairs, last_weights) = weights.as_chunks::<2>();
    // SAFETY: the caller vouches for the codes.
    unsafe {
        for (taps, weights) in tap_pairs.iter().zip(weight_pairs) {
            let (a, b) = (load_s8x16(taps[0].add(offset)), load_s8x16(taps[1].add(offset)));
            let (v, w) = (load_s8x16(weights[0].as_ptr()), load_s8x16(weights[1].as_ptr()));
            let low = vmlal_s8(vmull_s8(vget_low_s8(a), vget_low_s8(v)), vget_low_s8(b), vget_low_s8(w));
            let high = vmlal_high_s8(vmull_high_s8(a, v), b, w);
            sums = add(sums, low, high);
        }
        for (tap, weights) in last_tap.iter().zip(last_weights) {
            let (a, v) = (load_s8x16(tap.add(offset)), load_s8x16(weights.as_ptr()));
            sums = add(sums, vmull_s8(vget_low_s8(a), vget_low_s8(v)), vmull_high_s8(a, v));
        }
    }
    sums
}

/// Adds 16 values of 16 bits.
#[inline]
#[target_feature(enable = "neon")]
fn add([a, b, c, d]: Sums, low: int16x8_t, high: int16x8_t) -> Sums {
    [vaddw_s16(a, vget_low_s16(low)), vaddw_high_s16(b, low), vaddw_s16(c, vget_low_s16(high)), vaddw_high_s16(d, high)]
}
