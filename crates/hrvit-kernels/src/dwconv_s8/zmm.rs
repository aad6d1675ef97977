//! Depthwise convolution on AVX-512, 16 channels at a time: a column of the window is brought into
//! vectors of four kernel rows side by side, so that `vpdpbusd` adds the products of all four; four
//! output tokens share the columns of their windows, which stay in registers.
//!
//! Codes become unsigned by 128 more; 128 times the sum of its weights is taken from every
//! channel's bias.

use core::arch::x86_64::*;

use super::{Depthwise, avx2};
use crate::epilogue::Epilogue;
use crate::isa::Avx512;
use crate::slices::window;
use crate::x86::rates::Rates;
use crate::x86::sink::{Kernel, Sink, drive};
use crate::x86::{BLOCK as LANES, Place, first_channels, load_i8, load_i32, side_by_side};

/// Output tokens of a turn.
const TOKENS: usize = 4;

/// See [`Kernels::depthwise_s8`](crate::Kernels::depthwise_s8). Kernels other than 3 and 5, strides
/// above 2 and fewer than 16 channels are left to `avx2`.
pub(super) fn run(token: Avx512, args: &Depthwise<'_>, epilogue: Epilogue<'_>, out_stride: usize) {
    if args.bias.len() < LANES {
        return avx2::run(token.into(), args, epilogue, out_stride);
    }
    match (args.kernel, args.stride) {
        (3, 1) => drive(epilogue, Row::<3, 1, 1, 6> { token, args, out_stride }),
        (3, 2) => drive(epilogue, Row::<3, 1, 2, 9> { token, args, out_stride }),
        (5, 1) => drive(epilogue, Row::<5, 2, 1, 8> { token, args, out_stride }),
        (5, 2) => drive(epilogue, Row::<5, 2, 2, 11> { token, args, out_stride }),
        _ => avx2::run(token.into(), args, epilogue, out_stride),
    }
}

/// One column of 16 channels: four kernel rows in every 32-bit lane, as many vectors as they take.
type Column<const QUADS: usize> = [__m512i; QUADS];

/// One output row. `QUADS` is a quarter of `KERNEL`, rounded up, `COLUMNS` are those of the windows
/// of a turn: `KERNEL + 3 * STRIDE`.
struct Row<'a, const KERNEL: usize, const QUADS: usize, const STRIDE: usize, const COLUMNS: usize> {
    token: Avx512,
    args: &'a Depthwise<'a>,
    out_stride: usize,
}

impl<const KERNEL: usize, const QUADS: usize, const STRIDE: usize, const COLUMNS: usize> Kernel for Row<'_, KERNEL, QUADS, STRIDE, COLUMNS> {
    #[inline(always)]
    fn run<S: Sink>(self, sink: S, out: &mut [S::Out]) {
        // SAFETY: the token proves AVX-512.
        unsafe { self.blocks(sink, out) }
    }

    fn otherwise(self, epilogue: Epilogue<'_>) {
        avx2::run(self.token.into(), self.args, epilogue, self.out_stride);
    }
}

impl<const KERNEL: usize, const QUADS: usize, const STRIDE: usize, const COLUMNS: usize> Row<'_, KERNEL, QUADS, STRIDE, COLUMNS> {
    /// All blocks of 16 channels. The last one ends with the channels and stores those that no
    /// other has stored.
    #[inline(never)]
    #[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
    fn blocks<S: Sink>(&self, sink: S, out: &mut [S::Out]) {
        let channels = self.args.bias.len();
        let tokens = self.args.columns_out();
        for begin in (0..channels).step_by(LANES) {
            let first = begin.min(channels - LANES);
            let stored = !first_channels(begin - first);
            let (weights, start) = self.weights(first);
            let rates = Rates::new(self.token, self.args.requant, first);
            let source = Source::<KERNEL>::new(self.args, first);
            let mut columns = [[_mm512_setzero_si512(); QUADS]; COLUMNS];
            for (i, column) in columns.iter_mut().enumerate().skip(TOKENS * STRIDE) {
                *column = source.any_column((i - TOKENS * STRIDE).wrapping_sub(KERNEL / 2));
            }
            for x in (0..tokens).step_by(TOKENS) {
                // Columns that this turn shares with the one before it, then new ones.
                let shared = COLUMNS - TOKENS * STRIDE;
                for i in 0..shared {
                    columns[i] = columns[i + TOKENS * STRIDE];
                }
                let new = x * STRIDE + shared - KERNEL / 2;
                if new + TOKENS * STRIDE <= source.columns {
                    for i in 0..TOKENS * STRIDE {
                        // SAFETY: the column is one of the map's; AVX-512 by this function's
                        // attribute.
                        columns[shared + i] = unsafe { source.column(new + i) };
                    }
                } else {
                    for i in 0..TOKENS * STRIDE {
                        columns[shared + i] = source.any_column(new + i);
                    }
                }
                let mut acc = [start; TOKENS];
                for kx in 0..KERNEL {
                    for quad in 0..QUADS {
                        for (t, acc) in acc.iter_mut().enumerate() {
                            *acc = _mm512_dpbusd_epi32(*acc, columns[t * STRIDE + kx][quad], weights[kx][quad]);
                        }
                    }
                }
                let runs = TOKENS.min(tokens - x);
                let Some(out) = out.get_mut(x * self.out_stride + first..) else { continue };
                let place = Place { out: out.as_mut_ptr(), stride: self.out_stride, runs, channels: stored };
                // SAFETY: by the entry's checks every token has all channels, of which `first + 16`
                // exist.
                unsafe { sink.four(self.token, place, rates.four(self.token, [[acc[0]], [acc[1]], [acc[2]], [acc[3]]])) };
            }
        }
    }

    /// Weights of 16 channels from `first` on: per kernel column, four kernel rows in every lane,
    /// zeros where there is no row. And what the sums start from.
    #[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
    fn weights(&self, first: usize) -> ([Column<QUADS>; KERNEL], __m512i) {
        let mut start = load_i32(self.args.bias, first);
        let mut all = [[_mm512_setzero_si512(); QUADS]; KERNEL];
        let (minus_128, pad) = (_mm512_set1_epi32(-128), _mm512_set1_epi32(self.args.pad.into()));
        for (kx, column) in all.iter_mut().enumerate() {
            for (quad, vector) in column.iter_mut().enumerate() {
                let mut taps = [[0; LANES]; 4];
                for (ky, taps) in (4 * quad..KERNEL).zip(&mut taps) {
                    let at = (ky * KERNEL + kx) * self.args.weight_stride + first;
                    let weights = window(self.args.weights, at).copied().unwrap_or_default();
                    let inside = self.args.rows.get(ky).is_some_and(|row| row.is_some());
                    // Rows outside the map are not read: their products are known.
                    let factor = if inside { minus_128 } else { pad };
                    start = _mm512_add_epi32(start, _mm512_mullo_epi32(_mm512_cvtepi8_epi32(load_i8(&weights, 0)), factor));
                    if inside {
                        *taps = weights;
                    }
                }
                *vector = side_by_side([load_i8(&taps[0], 0), load_i8(&taps[1], 0), load_i8(&taps[2], 0), load_i8(&taps[3], 0)]);
            }
        }
        (all, start)
    }
}

/// Places of the input rows of 16 channels.
struct Source<const KERNEL: usize> {
    /// Start of each row; in place of a row outside the map, whose weights are 0, another one.
    rows: [*const i8; KERNEL],
    stride: usize,
    columns: usize,
    /// A column outside the map.
    pad: __m512i,
}

impl<const KERNEL: usize> Source<KERNEL> {
    #[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
    fn new(args: &Depthwise<'_>, first: usize) -> Self {
        let any = args.rows.iter().flatten().next();
        let mut rows = [core::ptr::null(); KERNEL];
        for (to, row) in rows.iter_mut().zip(args.rows) {
            *to = row.as_ref().or(any).map_or(core::ptr::null(), |row| row.as_ptr().wrapping_add(first));
        }
        // Without any row there is no column either.
        let columns = if any.is_some() { args.columns } else { 0 };
        Self { rows, stride: args.in_stride, columns, pad: _mm512_set1_epi8((args.pad as u8 ^ 0x80) as i8) }
    }

    /// Column `x`, 128 more, or padding.
    #[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
    fn any_column<const QUADS: usize>(&self, x: usize) -> Column<QUADS> {
        // SAFETY: the column is one of the map's; AVX-512 by this function's attribute.
        if x < self.columns { unsafe { self.column(x) } } else { [self.pad; QUADS] }
    }

    /// Column `x` of the map, 128 more.
    ///
    /// # Safety
    /// The processor has AVX-512, and `x` is below the number of columns.
    #[inline(always)]
    unsafe fn column<const QUADS: usize>(&self, x: usize) -> Column<QUADS> {
        let row = |ky: usize| self.rows[ky].wrapping_add(x * self.stride).cast::<__m128i>();
        // SAFETY: by the entry's checks 16 channels of column `x` exist in every row of the map;
        // the loads need no alignment.
        unsafe {
            let mut column = [_mm512_setzero_si512(); QUADS];
            for (quad, vector) in column.iter_mut().enumerate() {
                let ky = 4 * quad;
                let codes = if KERNEL - ky == 1 {
                    _mm512_cvtepu8_epi32(_mm_loadu_si128(row(ky)))
                } else {
                    let load = |i: usize| if ky + i < KERNEL { _mm_loadu_si128(row(ky + i)) } else { _mm_setzero_si128() };
                    side_by_side([load(0), load(1), load(2), load(3)])
                };
                *vector = _mm512_xor_si512(codes, _mm512_set1_epi8(i8::MIN));
            }
            column
        }
    }
}
