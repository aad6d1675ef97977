//! Activations by table: the index is the accumulator, rounded once to more bits than the output
//! has.

#[cfg(hrvit_dsp)]
use super::dsp;
#[cfg(hrvit_mve)]
use super::mve;
#[cfg(target_arch = "aarch64")]
use super::neon;
use super::scalar;
#[cfg(target_arch = "x86_64")]
use super::x86;
use crate::error::{ShapeError, require};
use crate::kernels::{Kernels, backends};
use crate::requant::{TensorRequant, check_table};

impl Kernels {
    /// `out = table[clamp(rq(acc) + zero, 0, table.len() - 1)]`; `acc` and `out` have the same
    /// length, `zero` is the index of the real value 0.
    ///
    /// # Errors
    /// [`ShapeError`] if the lengths differ or the table is empty.
    pub fn table_s8(self, acc: &[i32], requant: TensorRequant, zero: i32, table: &[i8], out: &mut [i8]) -> Result<(), ShapeError> {
        requant.check()?;
        check_table(table)?;
        require(acc.len() == out.len(), ShapeError::Output)?;
        table_s8_on(self.tier, acc, requant, zero, table, out);
        Ok(())
    }
}

backends! {
    { Avx2.. => x86, Dsp => dsp, Mve => mve, Neon.. => neon }
    chosen;
    fn table_s8_on as table_s8(acc: &[i32], requant: TensorRequant, zero: i32, table: &[i8], out: &mut [i8]);
}
