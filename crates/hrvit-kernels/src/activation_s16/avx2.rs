//! The elementwise operators on 16-bit codes on AVX2: the definitions, compiled for it.

use super::{ENTRIES, scalar};
use crate::avx2::compiled;
use crate::isa::Avx2;
use crate::requant::{Requant, TensorRequant};

compiled! {
    limit_s16(x: &mut [i16], lo: i16, hi: i16);
    interpolate_s16(x: &mut [i16], table: &[i16; ENTRIES]);
    hardswish_per_channel_s16(v: &[i16], three: &[i32], requant: Requant<'_>, out: &mut [i16]);
    hardswish_to_s16(x: &[i16], three: i32, requant: TensorRequant, out: &mut [i16]);
    store_s16(acc: &[i32], requant: TensorRequant, out: &mut [i16]);
    mean_s16(sums: &mut [i32], codes: &[i16]);
}
