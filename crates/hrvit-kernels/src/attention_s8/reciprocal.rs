//! Reciprocal of a sum of codes, by divisions of 32 bits.

/// `(r, k)` of the attention's formula: `r = min(2^62 / (sum << z), 2^31 - 1)`, `k = 54 - z`,
/// `z = clz(sum)`. 0 counts as 1.
///
/// A sum of 16 bits takes two divisions of 32 bits, which every Cortex-M has.
#[inline(always)]
pub(super) fn reciprocal(sum: u32) -> (i32, u32) {
    let sum = sum.max(1);
    let zeros = sum.leading_zeros();
    if sum > 0xffff {
        return reciprocal_of_32(sum, zeros);
    }
    let divisor = sum << zeros >> 16;
    let high = (1u32 << 31).checked_div(divisor).unwrap_or(0);
    let rest = (1u32 << 31).wrapping_sub(high.wrapping_mul(divisor));
    let quotient = (high << 15).wrapping_add((rest << 15).checked_div(divisor).unwrap_or(0));
    (quotient.min(0x7fff_ffff) as i32, 54 - zeros)
}

/// [`reciprocal`] of a sum with this many leading zeros.
///
/// A long division in base 2^16: the divisor is normalised, so an estimated digit is at most 2 too
/// large.
#[inline(never)]
fn reciprocal_of_32(sum: u32, zeros: u32) -> (i32, u32) {
    let divisor = sum << zeros;
    let (high, rest) = digit(1 << 30, divisor);
    let (low, _) = digit(rest, divisor);
    let quotient = (high << 16).wrapping_add(low);
    (quotient.min(0x7fff_ffff) as i32, 54 - zeros)
}

/// `(q, r)` with `rest * 2^16 = q * divisor + r`, for `rest < divisor` and a divisor of 2^31 or
/// more.
#[inline(always)]
fn digit(rest: u32, divisor: u32) -> (u32, u32) {
    let mut q = rest.checked_div(divisor >> 16).unwrap_or(0);
    let mut r = (i64::from(rest) << 16).wrapping_sub((u64::from(q) * u64::from(divisor)) as i64);
    if r < 0 {
        q = q.wrapping_sub(1);
        r = r.wrapping_add(i64::from(divisor));
    }
    if r < 0 {
        q = q.wrapping_sub(1);
        r = r.wrapping_add(i64::from(divisor));
    }
    (q, r as u32)
}

#[cfg(test)]
mod tests {
    use super::reciprocal;

    #[test]
    fn equals_the_division_of_64_bits() {
        let sums = (1..70_000u32).chain((0..u32::BITS).flat_map(|bit| [1 << bit, (1u32 << bit).wrapping_sub(1).max(1), 1 << bit | 1]));
        let scattered = (0..2_000_000u32).map(|i| i.wrapping_mul(0x9e37_79b9) | 1);
        for sum in sums.chain(scattered) {
            let zeros = sum.leading_zeros();
            let want = ((1u64 << 62) / (u64::from(sum) << zeros)).min(0x7fff_ffff) as i32;
            assert_eq!(reciprocal(sum), (want, 54 - zeros), "{sum}");
        }
    }
}
