//! HRNetV2's classification head: bottlenecks per branch, summed from high to low resolution, then mean and linear classifier.

use hrvit_format::{BRANCHES, Network, OpKind, Size, spec};
use hrvit_kernels::{Epilogue, GemmS16, add_s32, gemm_s8, gemm_s16, im2row_s8, mean_finish, mean_s8, narrow_s16, relu_s32, store_s8};

use crate::{
    arena::{Cutter, region},
    error::Fault,
    observe::TileData,
    operator::{Operator, StepContext},
    ring::Ring,
};

/// Rows that a 3x3 convolution looks at.
const ROWS: usize = 3;
/// Elements of a patch per input channel.
const TAPS: usize = 9;

fn width(branch: usize) -> usize {
    spec::CLASSIFIER_WIDTHS.get(branch).map_or(0, |&width| usize::from(width))
}

fn out_channels(branch: usize) -> usize {
    usize::from(spec::BOTTLENECK_EXPANSION) * width(branch)
}

/// Elements of the head's map of `branch`.
fn map_len(size: Size, branch: usize) -> usize {
    size.tokens(branch) * out_channels(branch)
}

/// Lengths of the two maps that take turns: those of branches 0 and 2, and of branches 1 and 3.
fn turn_lens(size: Size) -> [usize; 2] {
    [map_len(size, 0).max(map_len(size, 2)), map_len(size, 1).max(map_len(size, 3))]
}

/// Bytes of the maps.
pub fn maps(size: Size) -> usize {
    turn_lens(size).into_iter().map(region::<i8>).sum()
}

/// The two maps, cut from the front of `memory`: the one that `branch` writes, then the one of the branch before.
pub fn turns<'a>(cutter: &mut Cutter<'a>, size: Size, branch: usize) -> Result<(&'a mut [i8], &'a mut [i8]), Fault> {
    let [even, odd] = turn_lens(size);
    let (even, odd) = (cutter.take::<i8>(even)?, cutter.take::<i8>(odd)?);
    let (ours, before) = if branch.is_multiple_of(2) { (even, odd) } else { (odd, even) };
    let before_len = branch.checked_sub(1).map_or(0, |before| map_len(size, before));
    Ok((ours.get_mut(..map_len(size, branch)).ok_or(Fault)?, before.get_mut(..before_len).ok_or(Fault)?))
}

/// Bytes of line buffers of the hungriest step.
pub fn scratch(network: &Network, size: Size) -> usize {
    let increase = (0..BRANCHES).map(|branch| {
        let (columns, channels) = (size.map(branch).1, usize::from(network.spec.channels(branch)));
        let (width, out) = (width(branch), out_channels(branch));
        let down = branch.checked_sub(1).map_or(0, |before| region::<i8>(columns * TAPS * out_channels(before)) + region::<i32>(columns * out));
        region::<i8>(columns * channels)
            + region::<i8>(ROWS * columns * width)
            + region::<i8>(columns * TAPS * width)
            + region::<i8>(columns * width)
            + region::<i32>(columns * out)
            + down
    });
    let features = usize::from(spec::CLASSIFIER_FINAL);
    let classify = region::<i8>(features) + region::<i32>(features) + region::<i16>(features) + region::<i16>(usize::from(network.classes));
    increase.max().unwrap_or(0).max(classify)
}

/// One branch's bottleneck on its stage norm `x`, plus the downsampled map of the branch before, to `out`, s8.
pub fn increase(context: &StepContext<'_>, size: Size, branch: usize, x: &[i16], (before, out): (&[i8], &mut [i8]), work: &mut [u8]) -> Result<(), Fault> {
    let (rows, columns) = size.map(branch);
    let (narrow, act) = (context.only(OpKind::IncreaseNarrow)?, context.only(OpKind::IncreaseAct)?);
    let (conv1, conv2) = (context.only(OpKind::IncreaseConv1)?, context.only(OpKind::IncreaseConv2)?);
    let (conv3, shortcut) = (context.only(OpKind::IncreaseConv3)?, context.only(OpKind::IncreaseShortcut)?);
    let (width, out_channels) = (conv1.cout(), conv3.cout());
    let mut cutter = Cutter::new(work);
    let codes = cutter.take::<i8>(columns * narrow.cout())?;
    let mut lines = Ring::new(cutter.take::<i8>(ROWS * columns * width)?, columns * width);
    let patches = cutter.take::<i8>(columns * TAPS * width)?;
    let middle = cutter.take::<i8>(columns * width)?;
    let acc = cutter.take::<i32>(columns * out_channels)?;
    let mut downsample = if branch > 0 { Some(Downsample::new(context, size, branch, before, &mut cutter)?) } else { None };

    let narrow_row = |y: usize, codes: &mut [i8]| -> Result<(), Fault> {
        let row_len = columns * narrow.cout();
        Ok(narrow_s16(x.get(y * row_len..(y + 1) * row_len).ok_or(Fault)?, narrow.requant(), narrow.range(), codes)?)
    };
    for (y, out) in out.chunks_exact_mut(columns * out_channels).enumerate() {
        while let Some((at, line)) = lines.next_up_to((y + 1).min(rows - 1)) {
            narrow_row(at, codes)?;
            context.tap(&narrow, (at, 0, columns), TileData::S8(codes));
            gemm_s8(&conv1.gemm(codes), conv1.store8(line))?;
            context.tap(&conv1, (at, 0, columns), TileData::S8(line));
        }
        let window = lines.window(y, ROWS, rows)?;
        im2row_s8(*window.first_chunk().ok_or(Fault)?, width, 1, conv2.pad(), patches)?;
        gemm_s8(&conv2.gemm(patches), conv2.store8(middle))?;
        context.tap(&conv2, (y, 0, columns), TileData::S8(middle));
        acc.fill(0);
        gemm_s8(&conv3.gemm(middle), Epilogue::Add32 { out: acc })?;
        narrow_row(y, codes)?;
        gemm_s8(&shortcut.gemm(codes), Epilogue::Add32 { out: acc })?;
        relu_s32(acc);
        if let Some(downsample) = &mut downsample {
            downsample.add_row(y, acc)?;
        }
        store_s8(acc, act.scalar(0)?, act.range(), out)?;
        context.tap(&act, (y, 0, columns), TileData::S8(out));
        context.output_row(y, columns, TileData::S8(out));
    }
    Ok(())
}

/// The 3x3 stride-2 convolution of the branch before.
struct Downsample<'a, 'c> {
    operator: Operator<'c>,
    map: &'a [i8],
    rows: usize,
    row_len: usize,
    channels: usize,
    patches: &'a mut [i8],
    acc: &'a mut [i32],
}

impl<'a, 'c> Downsample<'a, 'c> {
    fn new(context: &StepContext<'c>, size: Size, branch: usize, map: &'a [i8], cutter: &mut Cutter<'a>) -> Result<Self, Fault> {
        let operator = context.only(OpKind::IncreaseDownsample)?;
        let (rows, columns) = size.map(branch - 1);
        let channels = usize::from(operator.shape.cin);
        let out_columns = size.map(branch).1;
        let patches = cutter.take(out_columns * TAPS * channels)?;
        let acc = cutter.take(out_columns * operator.cout())?;
        Ok(Self { operator, map, rows, row_len: columns * channels, channels, patches, acc })
    }

    fn add_row(&mut self, y: usize, sum: &mut [i32]) -> Result<(), Fault> {
        let mut window = [None; ROWS];
        for (tap, entry) in window.iter_mut().enumerate() {
            if let Some(at) = (2 * y + tap).checked_sub(1).filter(|&at| at < self.rows) {
                *entry = Some(self.map.get(at * self.row_len..(at + 1) * self.row_len).ok_or(Fault)?);
            }
        }
        im2row_s8(window, self.channels, 2, self.operator.pad(), self.patches)?;
        self.acc.fill(0);
        gemm_s8(&self.operator.gemm(self.patches), Epilogue::Add32 { out: self.acc })?;
        relu_s32(self.acc);
        Ok(add_s32(sum, self.acc)?)
    }
}

/// Last convolution, mean and classifier on the map of the last branch; calls `done` with the logits.
pub fn classify(context: &StepContext<'_>, map: &[i8], work: &mut [u8], done: &mut dyn FnMut(&[i16])) -> Result<(), Fault> {
    let (conv, linear) = (context.only(OpKind::FinalConv)?, context.only(OpKind::FinalLinear)?);
    let mut cutter = Cutter::new(work);
    let features = cutter.take::<i8>(conv.cout())?;
    let sums = cutter.take::<i32>(conv.cout())?;
    let mean = cutter.take::<i16>(conv.cout())?;
    let logits = cutter.take::<i16>(linear.cout())?;
    sums.fill(0);
    let mut tokens = 0;
    for token in map.chunks_exact(usize::from(conv.shape.cin)) {
        gemm_s8(&conv.gemm(token), conv.store8(features))?;
        mean_s8(sums, features, conv.zero())?;
        tokens += 1;
    }
    mean_finish(sums, tokens, mean)?;
    context.tap(&conv, (0, 0, 1), TileData::S16(mean));
    let args = GemmS16 { a: mean, depth: linear.shape.depth(), weights: linear.params.weights, bias: linear.params.bias, requant: linear.requant() };
    gemm_s16(&args, Epilogue::Store16 { out: logits })?;
    context.output_row(0, 1, TileData::S16(logits));
    done(logits);
    Ok(())
}
