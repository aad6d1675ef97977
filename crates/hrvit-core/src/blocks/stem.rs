//! Stem: two 3x3 stride-2 convolutions, the first module's GELU and its patch embedding, streamed from pixels to the residual stream of branch 0.

use hrvit_format::{Network, OpKind, Size};

use crate::{
    arena::{ArenaSlicer, padded_bytes},
    arithmetic::{Arithmetic, Element, Out, Part},
    blocks::patch_embed::{self, PatchEmbed},
    error::Fault,
    operator::{Operator, StepContext},
    ring::Ring,
    rows::{Block, RowBlocks, copy_run, rewrite},
    schedule::Executor,
};

/// Rows that a 3x3 convolution looks at.
const ROWS: usize = 3;
/// Elements of a patch per input channel.
const TAPS: usize = 9;
/// Colour channels.
const RGB: usize = 3;

/// Writes row `y` of a frame, `[width, 3]` RGB, or fails.
pub type Fetch<'f> = dyn FnMut(usize, &mut [u8]) -> Result<(), Fault> + 'f;

/// Pixels of a frame, `[height, width, 3]` RGB.
pub enum Frame<'f> {
    /// All of them, in memory.
    Whole(&'f [u8]),
    /// Asked for row by row, in order, each row once.
    Rows(&'f mut Fetch<'f>),
}

/// Bytes of line buffers of one job that makes tiles of `tile` rows.
fn job_scratch<A: Arithmetic>(network: &Network, size: Size, tile: usize) -> usize {
    let width = usize::from(size.width);
    let (stem, half) = (usize::from(network.spec.stem), usize::from(network.spec.stem) / 2);
    padded_bytes::<u8>(width * RGB)
        + padded_bytes::<A::Code>(ROWS * width * RGB)
        + padded_bytes::<A::Code>(width / 2 * TAPS * RGB)
        + padded_bytes::<A::Code>(ROWS * width / 2 * half)
        + padded_bytes::<A::Code>(width / 4 * TAPS * half)
        + patch_embed::job_scratch::<A>(network, size, 0, stem, tile)
}

/// Bytes of line buffers for tiles of `tile` rows of the embedding.
pub fn scratch<A: Arithmetic>(network: &Network, size: Size, workers: usize, tile: usize) -> usize {
    RowBlocks::new(size.map(0).0, workers, 1).at_once(workers) * job_scratch::<A>(network, size, tile)
}

/// Rows of the first convolution, made on demand from rows of pixels.
struct Conv1<'a, 'c, A: Arithmetic> {
    operator: Operator<'c>,
    height: usize,
    pixels: Ring<'a, A::Code>,
    row: &'a mut [u8],
    patches: &'a mut [A::Code],
}

impl<A: Arithmetic> Conv1<'_, '_, A> {
    /// Output row `y`, `[width / 2, C / 2]`; `fetch` writes a row of pixels.
    fn make(&mut self, y: usize, fetch: &mut Fetch<'_>, out: &mut [A::Code]) -> Result<(), Fault> {
        while let Some((at, codes)) = self.pixels.next_up_to((2 * y + 1).min(self.height - 1)) {
            fetch(at, self.row)?;
            A::pixels(self.operator.kernels, self.row, codes)?;
        }
        let window = self.pixels.window(2 * y, ROWS, self.height)?;
        A::patches(self.operator.kernels, *window.first_chunk().ok_or(Fault)?, RGB, 2, 0, self.patches)?;
        // Padding is the mean colour, which no code stands for: outputs that touch the border have a bias of their own.
        let (first, rest) = self.patches.split_at_checked(TAPS * RGB).ok_or(Fault)?;
        let (out_first, out_rest) = out.split_at_mut_checked(self.operator.cout()).ok_or(Fault)?;
        let top = if y == 0 { 2 } else { 0 };
        A::product(&self.operator, first, Part::Variant(top + 1), Out::Code(out_first))?;
        A::product(&self.operator, rest, Part::Variant(top), Out::Code(out_rest))
    }
}

/// Rows `range` of the residual stream into `block`.
fn rows<A: Arithmetic>(
    context: &StepContext<'_>,
    size: Size,
    range: core::ops::Range<usize>,
    block: &mut Block<'_, A::Wide>,
    fetch: &mut Fetch<'_>,
    scratch: &mut [u8],
) -> Result<(), Fault> {
    let (height, width) = (usize::from(size.height), usize::from(size.width));
    let mut slicer = ArenaSlicer::new(scratch);
    let (first, second) = (context.only(OpKind::StemConv1)?, context.only(OpKind::StemConv2)?);
    let half = first.cout();
    // The first row that each convolution is asked for.
    let second_row = range.start.saturating_sub(patch_embed::REACH);
    let first_row = (2 * second_row).saturating_sub(1);
    let row = slicer.take(width * RGB)?;
    let pixels = Ring::new(slicer.take(ROWS * width * RGB)?, width * RGB, (2 * first_row).saturating_sub(1));
    let mut conv1 = Conv1::<A> { operator: first, height, pixels, row, patches: slicer.take(width / 2 * TAPS * RGB)? };
    let mut lines = Ring::new(slicer.take(ROWS * width / 2 * half)?, width / 2 * half, first_row);
    let patches = slicer.take::<A::Code>(width / 4 * TAPS * half)?;
    let embed = PatchEmbed::<A>::new(context, size.map(0), range.start, &mut slicer)?;
    embed.run(block, range, &mut |_, y, stem_row| {
        while let Some((at, out)) = lines.next_up_to(2 * y + 1) {
            conv1.make(at, fetch, out)?;
            context.tap(&first, (at, 0, width / 2), A::Code::tile(out));
        }
        let window = lines.window(2 * y, ROWS, height / 2)?;
        A::patches(second.kernels, *window.first_chunk().ok_or(Fault)?, half, 2, second.pad(), patches)?;
        A::product(&second, patches, Part::All, Out::Active(stem_row, &second))?;
        context.tap(&second, (y, 0, width / 4), A::Code::tile(stem_row));
        Ok(())
    })
}

/// A frame to `x`, `[height / 4, width / 4, channels(0)]`. Pulled rows are worked on by the caller alone, since they come in order.
#[inline(never)] // its locals would lie on the stack of every other step
pub fn run<A: Arithmetic>(
    context: &StepContext<'_>,
    executor: &dyn Executor,
    size: Size,
    frame: &mut Frame<'_>,
    x: &mut [A::Wide],
    work: &mut [u8],
) -> Result<(), Fault> {
    let (map_rows, columns) = size.map(0);
    let row_len = columns * context.only(OpKind::EmbedNorm)?.cout();
    match frame {
        Frame::Whole(pixels) => {
            let pixels: &[u8] = pixels;
            let pixel_row = RGB * usize::from(size.width);
            let blocks = RowBlocks::new(map_rows, executor.workers(), 1);
            rewrite(executor, x, blocks, (row_len, 0), work, &|range, mut block, scratch| {
                let mut fetch = |y: usize, row: &mut [u8]| {
                    let from = pixels.get(y * pixel_row..(y + 1) * pixel_row).ok_or(Fault)?;
                    copy_run(from, row);
                    Ok(())
                };
                rows::<A>(context, size, range, &mut block, &mut fetch, scratch)
            })?;
        }
        Frame::Rows(fetch) => {
            rows::<A>(context, size, 0..map_rows, &mut Block::whole(x, row_len), fetch, work)?;
        }
    }
    context.output(x, row_len, columns);
    Ok(())
}
