//! Stem: two 3x3 stride-2 convolutions, the first module's GELU and its patch embedding, streamed
//! from pixels to the residual stream of branch 0.

use core::ops::Range;

use hrvit_format::OpKind;

use crate::{
    arena::ArenaSlicer,
    arithmetic::{Arithmetic, Out, Part},
    blocks::patch_embed::{self, PatchEmbed},
    fault::Fault,
    geometry::Geometry,
    operator::{Operator, StepContext},
    ring::Ring,
    rows::{Block, RowBlocks, RowJobs, rewrite},
    schedule::Executor,
    slices::{Slices, copy_run},
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
    /// All pixels, in memory.
    Whole(&'f [u8]),
    /// Rows that are requested one by one, in order, each once.
    Rows(&'f mut Fetch<'f>),
}

/// Row buffers of one job.
struct Buffers<'a, A: Arithmetic> {
    /// A row of the frame.
    row: &'a mut [u8],
    /// Rows of pixels as codes.
    pixels: &'a mut [A::Code],
    /// Patches of a row of the first convolution.
    patches1: &'a mut [A::Code],
    /// Rows of the first convolution's output.
    lines: &'a mut [A::Code],
    /// Patches of a row of the second convolution.
    patches2: &'a mut [A::Code],
    embed: patch_embed::Buffers<'a, A>,
}

impl<'a, A: Arithmetic> Buffers<'a, A> {
    fn cut(geometry: &Geometry<'_>, slicer: &mut ArenaSlicer<'a>) -> Result<Self, Fault> {
        let (width, stem) = (usize::from(geometry.size.width), usize::from(geometry.network.spec.stem));
        Ok(Self {
            row: slicer.take([width, RGB])?,
            pixels: slicer.take([ROWS, width, RGB])?,
            patches1: slicer.take([width / 2, TAPS, RGB])?,
            lines: slicer.take([ROWS, width / 2, stem / 2])?,
            patches2: slicer.take([width / 4, TAPS, stem / 2])?,
            embed: patch_embed::Buffers::cut(geometry, 0, stem, slicer)?,
        })
    }
}

fn jobs(geometry: &Geometry<'_>) -> RowJobs {
    RowJobs { blocks: RowBlocks::new(geometry.map(0).rows, geometry.workers, 1), row_len: geometry.row_len(0), reach: 0 }
}

/// Bytes of scratch.
pub fn scratch<A: Arithmetic>(geometry: &Geometry<'_>) -> usize {
    let job = ArenaSlicer::measure(|slicer| Buffers::<A>::cut(geometry, slicer));
    jobs(geometry).scratch::<A::Wide>(geometry.workers, job)
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
        // Padding is the mean colour, which no code stands for. Outputs at the border therefore
        // have separate biases.
        let (first, rest) = self.patches.split_front(TAPS * RGB)?;
        let (out_first, out_rest) = out.split_front(self.operator.cout())?;
        let top = if y == 0 { 2 } else { 0 };
        A::product(&self.operator, first, Part::Variant(top + 1), Out::Code(out_first))?;
        A::product(&self.operator, rest, Part::Variant(top), Out::Code(out_rest))
    }
}

/// Rows `range` of the residual stream into `block`.
fn rows<A: Arithmetic>(
    context: &StepContext<'_>,
    range: Range<usize>,
    block: &mut Block<'_, A::Wide>,
    fetch: &mut Fetch<'_>,
    scratch: &mut [u8],
) -> Result<(), Fault> {
    let geometry = &context.geometry;
    let (height, width) = (usize::from(geometry.size.height), usize::from(geometry.size.width));
    let (first, second) = (context.only(OpKind::StemConv1)?, context.only(OpKind::StemConv2)?);
    let half = first.cout();
    // The first row that each convolution is asked for.
    let second_row = range.start.saturating_sub(patch_embed::REACH);
    let first_row = (2 * second_row).saturating_sub(1);
    let mut slicer = ArenaSlicer::new(scratch);
    let Buffers { row, pixels, patches1, lines, patches2, embed } = Buffers::<A>::cut(geometry, &mut slicer)?;
    let pixels = Ring::new(pixels, width * RGB, (2 * first_row).saturating_sub(1));
    let mut conv1 = Conv1::<A> { operator: first, height, pixels, row, patches: patches1 };
    let mut lines = Ring::new(lines, width / 2 * half, first_row);
    let embed = PatchEmbed::new(context, geometry.map(0), range.start, embed)?;
    embed.run(block, range, &mut |_, y, stem_row| {
        while let Some((at, out)) = lines.next_up_to(2 * y + 1) {
            conv1.make(at, fetch, out)?;
            context.tap_rows(&first, at, width / 2, out);
        }
        let window = lines.window(2 * y, ROWS, height / 2)?;
        A::patches(second.kernels, *window.first_chunk().ok_or(Fault)?, half, 2, second.pad(), patches2)?;
        A::product(&second, patches2, Part::All, Out::Active(stem_row, &second))?;
        context.tap_rows(&second, y, width / 4, stem_row);
        Ok(())
    })
}

/// Turns a frame into the residual stream `x`, `[height / 4, width / 4, channels(0)]`. Only the
/// caller's thread works on rows that are requested, since they come in order.
#[inline(never)] // its locals would lie on the stack of every other step
pub fn run<A: Arithmetic>(context: &StepContext<'_>, executor: &dyn Executor, frame: &mut Frame<'_>, x: &mut [A::Wide], work: &mut [u8]) -> Result<(), Fault> {
    let (map, jobs) = (context.geometry.map(0), jobs(&context.geometry));
    match frame {
        Frame::Whole(pixels) => {
            let pixels: &[u8] = pixels;
            let pixel_row = RGB * usize::from(context.geometry.size.width);
            rewrite(executor, x, jobs, work, &|range, mut block, scratch| {
                let mut fetch = |y: usize, row: &mut [u8]| {
                    copy_run(pixels.row(y, pixel_row)?, row);
                    Ok(())
                };
                rows::<A>(context, range, &mut block, &mut fetch, scratch)
            })?;
        }
        Frame::Rows(fetch) => {
            rows::<A>(context, 0..map.rows, &mut Block::whole(x, jobs.row_len), fetch, work)?;
        }
    }
    context.output(x, jobs.row_len, map.columns);
    Ok(())
}
