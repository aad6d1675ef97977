//! Activations by table: the index is the accumulator, rounded once to more bits than the output has.

use crate::error::{ShapeError, require};
use crate::requant::{Scalar, check_table, look_up};

/// `out = table[clamp(rq(acc) + zero, 0, table.len() - 1)]`; `acc` and `out` have the same length, `zero` is the index of the real value 0.
///
/// # Errors
/// [`ShapeError`] if the lengths differ or the table is empty.
pub fn table_s8(acc: &[i32], requant: Scalar, zero: i32, table: &[i8], out: &mut [i8]) -> Result<(), ShapeError> {
    requant.check()?;
    check_table(table)?;
    require(acc.len() == out.len(), ShapeError::Output)?;
    for (acc, out) in acc.iter().zip(out) {
        *out = look_up(table, zero, requant.apply(*acc));
    }
    Ok(())
}
