//! The residual stream between integers and half precision.

use hrvit_format::CodeScale;
use hrvit_kernels::{Kernels, f16};

use crate::{
    fault::Fault,
    slices::{Slices, cast},
};

/// Elements that are converted at a time.
const RUN: usize = 64;

/// Half-precision numbers in `x` to integers of which one has the real value `scale`.
pub fn to_codes(kernels: Kernels, x: &mut [i16], CodeScale(scale): CodeScale) -> Result<(), Fault> {
    for run in x.chunks_mut(RUN) {
        let mut values = [f16::ZERO; RUN];
        let values = values.part_mut(..run.len())?;
        values.copy_from_slice(cast(run)?);
        kernels.f16_to_s16(values, scale, run)?;
    }
    Ok(())
}

/// Integers in `x` of which one has the real value `scale` to half-precision numbers.
pub fn to_halves(kernels: Kernels, x: &mut [f16], CodeScale(scale): CodeScale) -> Result<(), Fault> {
    for run in x.chunks_mut(RUN) {
        let mut codes = [0i16; RUN];
        let codes = codes.part_mut(..run.len())?;
        codes.copy_from_slice(cast(run)?);
        kernels.s16_to_f16(codes, scale, run)?;
    }
    Ok(())
}
