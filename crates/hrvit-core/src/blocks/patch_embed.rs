//! Patch embedding: `LN(DW3x3(PW(f)))`, the residual stream's first value (paper, section 3.1).

use hrvit_format::{Network, OpKind, Size};
use hrvit_kernels::{Epilogue, depthwise_s8, gemm_s8, layernorm_s16_in_place};

use crate::{
    arena::{Cutter, region},
    error::Fault,
    observe::TileData,
    operator::{Operator, StepContext},
    ring::Ring,
};

/// Rows of the 1x1 convolution's output that the depthwise 3x3 looks at.
const ROWS: usize = 3;

/// Bytes of line buffers on `branch`.
pub fn scratch(network: &Network, size: Size, branch: usize) -> usize {
    region::<i8>(ROWS * size.map(branch).1 * usize::from(network.spec.channels(branch)))
}

/// The three operators with their line buffer; fed row by row, so that the stem can hand over rows that are never a whole map.
pub struct PatchEmbed<'a, 'c> {
    context: &'a StepContext<'c>,
    pointwise: Operator<'c>,
    depthwise: Operator<'c>,
    norm: Operator<'c>,
    ring: Ring<'a, i8>,
    rows: usize,
    columns: usize,
}

impl<'a, 'c> PatchEmbed<'a, 'c> {
    /// Takes its line buffer from `cutter`.
    pub fn new(context: &'a StepContext<'c>, (rows, columns): (usize, usize), cutter: &mut Cutter<'a>) -> Result<Self, Fault> {
        let pointwise = context.only(OpKind::EmbedPointwise)?;
        let row_len = columns * pointwise.cout();
        let ring = Ring::new(cutter.take(ROWS * row_len)?, row_len);
        Ok(Self { context, pointwise, depthwise: context.only(OpKind::EmbedDepthwise)?, norm: context.only(OpKind::EmbedNorm)?, ring, rows, columns })
    }

    /// Writes the whole of `x`, `[rows, columns, channels]`; `input(y, make)` must call `make` with row `y` of the input, rows in order.
    pub fn run(mut self, x: &mut [i16], mut input: impl FnMut(usize, &mut dyn FnMut(&[i8]) -> Result<(), Fault>) -> Result<(), Fault>) -> Result<(), Fault> {
        let row_len = self.columns * self.pointwise.cout();
        for (y, x) in x.chunks_exact_mut(row_len).enumerate() {
            while let Some((at, out)) = self.ring.next_up_to((y + 1).min(self.rows - 1)) {
                input(at, &mut |row| Ok(gemm_s8(&self.pointwise.gemm(row), self.pointwise.store8(out))?))?;
                self.context.tap(&self.pointwise, (at, 0, self.columns), TileData::S8(out));
            }
            let window = self.ring.window(y, ROWS, self.rows)?;
            let taps = window.get(..ROWS).ok_or(Fault)?;
            depthwise_s8(&self.depthwise.depthwise(taps, self.pointwise.cout(), self.columns), Epilogue::Store16 { out: x }, self.pointwise.cout())?;
            self.context.tap(&self.depthwise, (y, 0, self.columns), TileData::S16(x));
            layernorm_s16_in_place(x, &self.norm.norm())?;
            self.context.tap(&self.norm, (y, 0, self.columns), TileData::S16(x));
            self.context.output_row(y, self.columns, TileData::S16(x));
        }
        Ok(())
    }
}

/// Patch embedding of a fusion output `[rows, columns, cin]` into the residual stream.
pub fn run(context: &StepContext<'_>, map: (usize, usize), fused: &[i8], x: &mut [i16], work: &mut [u8]) -> Result<(), Fault> {
    let embed = PatchEmbed::new(context, map, &mut Cutter::new(work))?;
    let row_len = map.1 * usize::from(embed.pointwise.shape.cin);
    embed.run(x, |y, make| make(fused.get(y * row_len..(y + 1) * row_len).ok_or(Fault)?))
}
