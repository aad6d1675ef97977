//! Stem: two 3x3 stride-2 convolutions, the first module's GELU and its patch embedding, streamed from pixels to the residual stream of branch 0.

use hrvit_format::{Network, OpKind, Size};
use hrvit_kernels::{Epilogue, Gemm, gemm_s8, im2row_s8, pixels_s8};

use crate::{
    arena::{Cutter, region},
    blocks::patch_embed::{self, PatchEmbed},
    error::Fault,
    observe::TileData,
    operator::{Operator, StepContext},
    ring::Ring,
};

/// Rows that a 3x3 convolution looks at.
const ROWS: usize = 3;
/// Elements of a patch per input channel.
const TAPS: usize = 9;
/// Colour channels.
const RGB: usize = 3;

/// Bytes of line buffers.
pub fn scratch(network: &Network, size: Size) -> usize {
    let width = usize::from(size.width);
    let (stem, half) = (usize::from(network.spec.stem), usize::from(network.spec.stem) / 2);
    region::<i8>(ROWS * width * RGB)
        + region::<i8>(width / 2 * TAPS * RGB)
        + region::<i8>(ROWS * width / 2 * half)
        + region::<i8>(width / 4 * TAPS * half)
        + region::<i8>(width / 4 * stem)
        + patch_embed::scratch(network, size, 0)
}

/// Rows of the first convolution, made on demand from rows of pixels.
struct Conv1<'a, 'c> {
    operator: Operator<'c>,
    frame: &'a [u8],
    height: usize,
    width: usize,
    pixels: Ring<'a, i8>,
    patches: &'a mut [i8],
}

impl Conv1<'_, '_> {
    /// Output row `y`, `[width / 2, C / 2]`.
    fn row(&mut self, y: usize, out: &mut [i8]) -> Result<(), Fault> {
        let row_len = RGB * self.width;
        while let Some((at, row)) = self.pixels.next_up_to((2 * y + 1).min(self.height - 1)) {
            pixels_s8(self.frame.get(at * row_len..(at + 1) * row_len).ok_or(Fault)?, row)?;
        }
        let window = self.pixels.window(2 * y, ROWS, self.height)?;
        let rows = *window.first_chunk().ok_or(Fault)?;
        im2row_s8(rows, RGB, 2, 0, self.patches)?;
        // Padding is the mean colour, which no code stands for: outputs that touch the border have a bias of their own.
        let (first, rest) = self.patches.split_at_checked(TAPS * RGB).ok_or(Fault)?;
        let (out_first, out_rest) = out.split_at_mut_checked(self.operator.cout()).ok_or(Fault)?;
        let top = if y == 0 { 2 } else { 0 };
        gemm_s8(&self.gemm(first, top + 1)?, self.operator.store8(out_first))?;
        gemm_s8(&self.gemm(rest, top)?, self.operator.store8(out_rest))?;
        Ok(())
    }

    fn gemm<'k>(&self, patches: &'k [i8], variant: usize) -> Result<Gemm<'k>, Fault>
    where
        Self: 'k,
    {
        let channels = self.operator.cout();
        let bias = self.operator.params.bias.get(variant * channels..(variant + 1) * channels).ok_or(Fault)?;
        Ok(Gemm { a: patches, depth: self.operator.shape.depth(), weights: self.operator.params.weights, bias, requant: self.operator.requant() })
    }
}

/// Segments' beginning: `frame` `[height, width, 3]` RGB to `x` `[height / 4, width / 4, channels(0)]`.
pub fn run(context: &StepContext<'_>, size: Size, frame: &[u8], x: &mut [i16], work: &mut [u8]) -> Result<(), Fault> {
    let (height, width) = (usize::from(size.height), usize::from(size.width));
    let mut cutter = Cutter::new(work);
    let (first, second) = (context.only(OpKind::StemConv1)?, context.only(OpKind::StemConv2)?);
    let half = first.cout();
    let mut conv1 = Conv1 {
        operator: first,
        frame,
        height,
        width,
        pixels: Ring::new(cutter.take(ROWS * width * RGB)?, width * RGB),
        patches: cutter.take(width / 2 * TAPS * RGB)?,
    };
    let mut lines = Ring::new(cutter.take(ROWS * width / 2 * half)?, width / 2 * half);
    let patches = cutter.take::<i8>(width / 4 * TAPS * half)?;
    let stem_row = cutter.take::<i8>(width / 4 * second.cout())?;
    let embed = PatchEmbed::new(context, size.map(0), &mut cutter)?;
    embed.run(x, |y, make| {
        while let Some((at, out)) = lines.next_up_to(2 * y + 1) {
            conv1.row(at, out)?;
            context.tap(&first, (at, 0, width / 2), TileData::S8(out));
        }
        let window = lines.window(2 * y, ROWS, height / 2)?;
        im2row_s8(*window.first_chunk().ok_or(Fault)?, half, 2, second.pad(), patches)?;
        gemm_s8(&second.gemm(patches), Epilogue::Table8 { out: stem_row, table: second.params.table, zero: second.zero() })?;
        context.tap(&second, (y, 0, width / 4), TileData::S8(stem_row));
        make(stem_row)
    })
}
