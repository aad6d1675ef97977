//! Depthwise convolution, patches and pixels, on 8 and 16 bits.

use hrvit_kernels::{Depthwise, Epilogue, Kernels, ShapeError};

use super::Entry;
use super::operands::{Block, Integer, Operands};
use crate::Verdict;

pub(super) const ENTRIES: &[Entry] = &[
    ("depthwise_s8", depthwise_s8),
    ("depthwise_s16", depthwise_s16),
    ("im2row_s8", im2row_s8),
    ("im2row_s16", im2row_s16),
    ("pixels_s8", pixels_s8),
    ("pixels_s16", pixels_s16),
];

/// Multiplications of one call, mostly.
const WORK: usize = 16_000;

/// Sizes of one output row.
pub(super) struct Sizes {
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) channels: usize,
    pub(super) columns: usize,
    pub(super) in_stride: usize,
    pub(super) out_stride: usize,
    pub(super) weight_stride: usize,
}

impl Sizes {
    /// Tokens apart by what lies between the channels of other heads, or by nothing.
    pub(super) fn draw(operands: &mut Operands<'_>) -> Self {
        let kernel = operands.choices.pick(&[3, 5, 3, 5, 9, 1, 7, 11]);
        let stride = operands.choices.pick(&[1, 1, 2, 4, 8, 3, 7, 100]);
        let channels = operands.size(70);
        let columns = operands.repeats(50 * stride.min(4), (kernel * kernel * channels).div_ceil(stride), WORK);
        let [in_stride, out_stride, weight_stride] = [0; 3].map(|_| match operands.choices.u8() {
            gap @ 0..20 => channels + usize::from(gap),
            _ => channels,
        });
        Self { kernel, stride, channels, columns, in_stride, out_stride, weight_stride }
    }

    /// Elements that `tokens` cover, `stride` apart.
    pub(super) fn span(&self, tokens: usize, stride: usize) -> usize {
        tokens.checked_sub(1).map_or(0, |gaps| gaps * stride + self.channels)
    }

    /// Elements of an output, a few more than needed now and then.
    pub(super) fn outputs(&self, operands: &mut Operands<'_>) -> usize {
        let more = operands.choices.pick(&[0, 0, 0, 1, 9]);
        operands.len(self.span(self.columns.div_ceil(self.stride), self.out_stride) + more)
    }

    /// Input rows, those above or below the map missing; now and then any.
    pub(super) fn rows<T>(&self, operands: &mut Operands<'_>, mut row: impl FnMut(&mut Operands<'_>, usize) -> Block<T>) -> Vec<Option<Block<T>>> {
        let missing = match operands.choices.u8() % 4 {
            0 | 1 => 0,
            2 => u16::from(operands.choices.u8()),
            _ => !(u16::MAX << (self.kernel / 2)),
        };
        let len = self.span(self.columns, self.in_stride);
        (0..self.kernel)
            .map(|ky| {
                let len = operands.len(len);
                (missing >> ky & 1 == 0).then(|| row(operands, len))
            })
            .collect()
    }
}

/// Rows as kernels take them.
pub(super) fn borrowed<T>(rows: &[Option<Block<T>>]) -> Vec<Option<&[T]>> {
    rows.iter().map(|row| row.as_deref()).collect()
}

fn depthwise<T: Integer>(
    operands: &mut Operands<'_>,
    most_code: i64,
    run: impl Fn(Kernels, &Depthwise<'_, T>, Epilogue<'_>, usize) -> Result<(), ShapeError>,
) -> Verdict {
    let sizes = Sizes::draw(operands);
    let taps = sizes.kernel * sizes.kernel;
    let most = taps as i64 * most_code * operands.weight();
    let pre_shift = operands.pre_shift(most);
    let rows = sizes.rows(operands, |operands, len| operands.integers(len, -most_code, most_code - 1));
    let (weights, channels) = (operands.len(sizes.span(taps, sizes.weight_stride)), operands.len(sizes.channels));
    let weights = operands.weights(weights);
    let room = operands.room(most, pre_shift);
    let bias = operands.integers(channels, -room, room);
    let rates = operands.rates(sizes.channels, pre_shift, 8 + taps.ilog2() as u8 / 2);
    let args = Depthwise {
        rows: &borrowed(&rows),
        in_stride: operands.count(sizes.in_stride),
        columns: operands.count(sizes.columns),
        kernel: operands.count(sizes.kernel),
        stride: operands.count(sizes.stride),
        pad: T::of(operands.int(-most_code, most_code - 1)),
        weights: &weights,
        weight_stride: operands.count(sizes.weight_stride),
        bias: &bias,
        requant: rates.view(),
    };
    let (outputs, out_stride) = (sizes.outputs(operands), operands.count(sizes.out_stride));
    operands.agree_stored(outputs, |kernels, epilogue| run(kernels, &args, epilogue, out_stride))
}

fn depthwise_s8(operands: &mut Operands<'_>) -> Verdict {
    depthwise::<i8>(operands, 1 << 7, |kernels, args, epilogue, out_stride| kernels.depthwise_s8(args, epilogue, out_stride))
}

fn depthwise_s16(operands: &mut Operands<'_>) -> Verdict {
    depthwise::<i16>(operands, 1 << 15, |kernels, args, epilogue, out_stride| kernels.depthwise_s16(args, epilogue, out_stride))
}

/// Rows of a dense 3x3 convolution, their channels and stride, and the elements of its patches.
pub(super) struct Patches<T> {
    rows: [Option<Block<T>>; 3],
    pub(super) channels: usize,
    pub(super) stride: usize,
    pub(super) outputs: usize,
}

impl<T> Patches<T> {
    pub(super) fn draw(operands: &mut Operands<'_>, mut row: impl FnMut(&mut Operands<'_>, usize) -> Block<T>) -> Self {
        let (channels, stride) = (operands.size(40), operands.choices.pick(&[1, 2, 3, 50]));
        let columns = operands.repeats(30, 9 * channels, WORK);
        let missing = operands.choices.u8() % 16;
        let rows = [0, 1, 2].map(|ky| {
            let len = operands.len(columns * channels);
            (missing != ky && missing != 7).then(|| row(operands, len))
        });
        let outputs = operands.len(columns.div_ceil(stride) * 9 * channels);
        Self { rows, channels: operands.count(channels), stride: operands.count(stride), outputs }
    }

    pub(super) fn rows(&self) -> [Option<&[T]>; 3] {
        self.rows.each_ref().map(|row| row.as_deref())
    }
}

fn im2row_s8(operands: &mut Operands<'_>) -> Verdict {
    let patches = Patches::draw(operands, |operands, len| operands.codes(len));
    let (start, pad) = (operands.codes(patches.outputs), operands.bits() as i8);
    operands.agree(&start, |kernels, out| kernels.im2row_s8(patches.rows(), patches.channels, patches.stride, pad, out))
}

fn im2row_s16(operands: &mut Operands<'_>) -> Verdict {
    let patches = Patches::draw(operands, |operands, len| operands.words(len));
    let start = operands.words(patches.outputs);
    operands.agree(&start, |kernels, out| kernels.im2row_s16(patches.rows(), patches.channels, patches.stride, out))
}

/// Pixels, and the elements of their codes.
pub(super) fn pixels(operands: &mut Operands<'_>) -> (Block<u8>, usize) {
    let len = operands.repeats(300, 1, 300);
    (operands.integers(len, 0, 255), operands.len(len))
}

fn pixels_s8(operands: &mut Operands<'_>) -> Verdict {
    let (pixels, outputs) = pixels(operands);
    let start = operands.codes(outputs);
    operands.agree(&start, |kernels, out| kernels.pixels_s8(&pixels, out))
}

fn pixels_s16(operands: &mut Operands<'_>) -> Verdict {
    let (pixels, outputs) = pixels(operands);
    let start = operands.words(outputs);
    operands.agree(&start, |kernels, out| kernels.pixels_s16(&pixels, out))
}
