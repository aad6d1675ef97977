//! Stage norms as the head reads them: narrowed to s8 and packed, which frees half of their memory for the head.

use hrvit_format::{BRANCHES, Network, Size};

use crate::{
    arena::region,
    error::Fault,
    observe::TileData,
    operator::{Operator, StepContext},
};

/// Bytes of the narrowed maps.
pub fn maps(network: &Network, size: Size) -> usize {
    (0..BRANCHES).map(|branch| region::<i8>(network.spec.map_len(size, branch))).sum()
}

/// Bytes of the row that is in hand, behind the stage norms.
pub fn scratch(network: &Network, size: Size) -> usize {
    let row = |branch: usize| region::<i8>(size.map(branch).1 * usize::from(network.spec.channels(branch)));
    (0..BRANCHES).map(row).max().unwrap_or(0)
}

/// Narrows the four stage norms at the front of `arena`, each to the next place from the front. A place never lies behind what it is made from, so that nothing
/// is overwritten before it was read. `operator(branch)` is the narrowing of that branch, with the context of its step.
pub fn run<'s>(
    (network, size): (&Network, Size),
    arena: &mut [u8],
    operator: &dyn Fn(usize) -> Result<(Operator<'s>, &'s StepContext<'s>), Fault>,
) -> Result<(), Fault> {
    let streams = (0..BRANCHES).map(|branch| region::<i16>(network.spec.map_len(size, branch))).sum();
    let (maps, behind) = arena.split_at_mut_checked(streams).ok_or(Fault)?;
    let (mut from, mut to) = (0, 0);
    for branch in 0..BRANCHES {
        let (narrow, context) = operator(branch)?;
        let (rows, columns) = size.map(branch);
        let row_len = columns * narrow.cout();
        let codes: &mut [i8] = bytemuck::cast_slice_mut(behind.get_mut(..row_len).ok_or(Fault)?);
        for y in 0..rows {
            let row = maps.get(from + 2 * y * row_len..from + 2 * (y + 1) * row_len).ok_or(Fault)?;
            context.kernels.narrow_s16(bytemuck::try_cast_slice(row).map_err(|_| Fault)?, narrow.requant(), narrow.range(), codes)?;
            context.tap(&narrow, (y, 0, columns), TileData::S8(codes));
            let place = maps.get_mut(to + y * row_len..to + (y + 1) * row_len).ok_or(Fault)?;
            place.iter_mut().zip(&*codes).for_each(|(to, from)| *to = *from as u8);
        }
        from += region::<i16>(rows * row_len);
        to += region::<i8>(rows * row_len);
    }
    Ok(())
}

/// The narrowed maps at the front of `arena`, and the rest.
pub fn split<'m>((network, size): (&Network, Size), arena: &'m mut [u8]) -> Result<([&'m [i8]; BRANCHES], &'m mut [u8]), Fault> {
    let mut rest = arena;
    let mut maps: [&[i8]; BRANCHES] = Default::default();
    for (branch, map) in maps.iter_mut().enumerate() {
        let len = network.spec.map_len(size, branch);
        let (front, behind) = core::mem::take(&mut rest).split_at_mut_checked(region::<i8>(len)).ok_or(Fault)?;
        *map = bytemuck::cast_slice(front.get(..len).ok_or(Fault)?);
        rest = behind;
    }
    Ok((maps, rest))
}
