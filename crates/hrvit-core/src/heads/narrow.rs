//! Stage norms as the head reads them: in integers narrowed to s8, and packed, which frees the rest of their memory for the head.

use hrvit_format::{BRANCHES, Network, Size};

use crate::{
    arena::{ArenaSlicer, padded_bytes},
    arithmetic::{Arithmetic, Element},
    error::Fault,
    operator::{Operator, StepContext},
    rows::copy_run,
};

/// Bytes of the narrowed maps.
pub fn maps<A: Arithmetic>(network: &Network, size: Size) -> usize {
    (0..BRANCHES).map(|branch| padded_bytes::<A::Code>(network.spec.map_len(size, branch))).sum()
}

/// Bytes of the row that is in hand, behind the stage norms.
pub fn scratch<A: Arithmetic>(network: &Network, size: Size) -> usize {
    let row = |branch: usize| padded_bytes::<A::Code>(size.map(branch).1 * usize::from(network.spec.channels(branch)));
    (0..BRANCHES).map(row).max().unwrap_or(0)
}

/// Narrows the four stage norms at the front of `arena`, which lie in regions of `regions` bytes, each to the next place from the front. A place never lies behind what it is made from, so that nothing
/// is overwritten before it was read. `operator(branch)` is the narrowing of that branch, with the context of its step.
pub fn run<'s, A: Arithmetic>(
    size: Size,
    regions: &[usize; BRANCHES],
    arena: &mut [u8],
    operator: &dyn Fn(usize) -> Result<(Operator<'s>, &'s StepContext<'s>), Fault>,
) -> Result<(), Fault> {
    let (maps, behind) = arena.split_at_mut_checked(regions.iter().sum()).ok_or(Fault)?;
    let (mut from, mut to) = (0, 0);
    for (branch, region_bytes) in regions.iter().enumerate() {
        let (narrow, context) = operator(branch)?;
        let (rows, columns) = size.map(branch);
        let row_len = columns * narrow.cout();
        let codes = ArenaSlicer::new(&mut *behind).take::<A::Code>(row_len)?;
        let (wide, narrowed) = (row_len * size_of::<A::Wide>(), row_len * size_of::<A::Code>());
        for y in 0..rows {
            let row = maps.get(from + y * wide..from + (y + 1) * wide).ok_or(Fault)?;
            A::narrow(&narrow, bytemuck::try_cast_slice(row).map_err(|_| Fault)?, codes)?;
            context.tap(&narrow, (y, 0, columns), A::Code::tile(codes));
            let place = maps.get_mut(to + y * narrowed..to + (y + 1) * narrowed).ok_or(Fault)?;
            copy_run(codes, bytemuck::try_cast_slice_mut(place).map_err(|_| Fault)?);
        }
        from += region_bytes;
        to += padded_bytes::<A::Code>(rows * row_len);
    }
    Ok(())
}

/// The narrowed maps at the front of an arena, and the rest.
pub struct Narrowed<'m, A: Arithmetic> {
    /// One map per branch.
    pub maps: [&'m [A::Code]; BRANCHES],
    /// What lies behind them.
    pub rest: &'m mut [u8],
}

/// Splits the narrowed maps off the front of `arena`.
pub fn split<'m, A: Arithmetic>((network, size): (&Network, Size), arena: &'m mut [u8]) -> Result<Narrowed<'m, A>, Fault> {
    let mut rest = arena;
    let mut maps: [&[A::Code]; BRANCHES] = Default::default();
    for (branch, map) in maps.iter_mut().enumerate() {
        let len = network.spec.map_len(size, branch);
        let (front, behind) = core::mem::take(&mut rest).split_at_mut_checked(padded_bytes::<A::Code>(len)).ok_or(Fault)?;
        let bytes = front.get(..len * size_of::<A::Code>()).ok_or(Fault)?;
        *map = bytemuck::try_cast_slice(bytes).map_err(|_| Fault)?;
        rest = behind;
    }
    Ok(Narrowed { maps, rest })
}
