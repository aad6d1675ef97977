//! Stage norms as the head reads them. With 8-bit codes they are narrowed and packed at the front,
//! which frees the rest of their memory for the head.

use hrvit_format::BRANCHES;

use crate::{
    arena::ArenaSlicer,
    arithmetic::Arithmetic,
    fault::Fault,
    geometry::{Geometry, MapSize},
    operator::{Operator, StepContext},
    slices::{Slices, cast, cast_mut, copy_run},
};

/// The narrowed maps, from the front of an arena.
struct Maps<'a, A: Arithmetic>([&'a mut [A::Code]; BRANCHES]);

impl<'a, A: Arithmetic> Maps<'a, A> {
    fn cut(geometry: &Geometry<'_>, slicer: &mut ArenaSlicer<'a>) -> Result<Self, Fault> {
        let mut map = |branch: usize| map::<A>(geometry, branch, slicer);
        Ok(Self([map(0)?, map(1)?, map(2)?, map(3)?]))
    }
}

/// The narrowed map of `branch`.
fn map<'a, A: Arithmetic>(geometry: &Geometry<'_>, branch: usize, slicer: &mut ArenaSlicer<'a>) -> Result<&'a mut [A::Code], Fault> {
    slicer.take([geometry.map(branch).rows, geometry.row_len(branch)])
}

/// The row that is being narrowed, behind the stage norms.
fn row<'a, A: Arithmetic>(geometry: &Geometry<'_>, branch: usize, slicer: &mut ArenaSlicer<'a>) -> Result<&'a mut [A::Code], Fault> {
    slicer.take([geometry.row_len(branch)])
}

/// Bytes of the narrowed maps.
pub fn maps<A: Arithmetic>(geometry: &Geometry<'_>) -> usize {
    ArenaSlicer::measure(|slicer| Maps::<A>::cut(geometry, slicer))
}

/// Bytes of the row that is being narrowed.
pub fn scratch<A: Arithmetic>(geometry: &Geometry<'_>) -> usize {
    (0..BRANCHES).map(|branch| ArenaSlicer::measure(|slicer| row::<A>(geometry, branch, slicer))).max().unwrap_or(0)
}

/// Narrows the four stage norms at the front of `arena`, which lie in regions of `regions` bytes,
/// and packs the results at the front. A result never lies behind its stage norm, so that nothing
/// is overwritten before it is read. `operator(branch)` is the narrowing of that branch, with the
/// context of its step.
pub fn run<'s, A: Arithmetic>(
    geometry: &Geometry<'_>,
    regions: &[usize; BRANCHES],
    arena: &mut [u8],
    operator: &dyn Fn(usize) -> Result<(Operator<'s>, &'s StepContext<'s>), Fault>,
) -> Result<(), Fault> {
    let (maps, behind) = arena.split_front(regions.iter().sum())?;
    let (mut from, mut to) = (0, 0);
    for (branch, region_bytes) in regions.iter().enumerate() {
        let (narrow, context) = operator(branch)?;
        let MapSize { rows, columns } = geometry.map(branch);
        let mut slicer = ArenaSlicer::new(&mut *behind);
        let codes = row::<A>(geometry, branch, &mut slicer)?;
        let (wide, narrowed) = (size_of::<A::Wide>() * codes.len(), size_of_val(codes));
        for y in 0..rows {
            A::narrow(&narrow, cast(maps.part(from..)?.row(y, wide)?)?, codes)?;
            context.tap_rows(&narrow, y, columns, codes);
            copy_run(codes, cast_mut(maps.part_mut(to..)?.row_mut(y, narrowed)?)?);
        }
        from += region_bytes;
        to += ArenaSlicer::measure(|slicer| map::<A>(geometry, branch, slicer));
    }
    Ok(())
}

/// The narrowed maps at the front of an arena, and the rest.
pub struct Narrowed<'m, A: Arithmetic> {
    /// One map per branch.
    pub maps: [&'m [A::Code]; BRANCHES],
    /// Memory behind them.
    pub rest: &'m mut [u8],
}

/// Splits the narrowed maps off the front of `arena`.
pub fn split<'m, A: Arithmetic>(geometry: &Geometry<'_>, arena: &'m mut [u8]) -> Result<Narrowed<'m, A>, Fault> {
    let mut slicer = ArenaSlicer::new(arena);
    let Maps([a, b, c, d]) = Maps::<A>::cut(geometry, &mut slicer)?;
    Ok(Narrowed { maps: [a, b, c, d], rest: slicer.rest() })
}
