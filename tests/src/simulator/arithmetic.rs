//! Sections 1 and 5 of the contract: the one rounding rule, saturation, the reciprocal square root.

/// `floor((numerator + 2^(shift-1)) / 2^shift)`: rounding to the nearest, ties towards plus
/// infinity; `shift` of 1 or more.
pub fn round_shift(numerator: i64, shift: u32) -> i64 {
    let unit = 1i64 << shift;
    (numerator + unit / 2).div_euclid(unit)
}

/// `rq(acc; pre, M, s)`. Panics outside the ranges that the contract proves.
pub fn requantise(acc: i64, pre: u8, mult: i32, shift: u8) -> i64 {
    let shifted = acc * (1i64 << pre);
    assert!(shifted.abs() < 1 << 31, "|acc| << pre reaches 2^31: {acc} << {pre}");
    assert!(mult >= 1 << 30 && (32..=62).contains(&shift), "multiplier {mult} >> {shift} outside the contract");
    round_shift(shifted * i64::from(mult), shift.into())
}

/// `clamp(value, -32768, 32767)`.
pub fn saturate16(value: i64) -> i64 {
    value.clamp(-32768, 32767)
}

/// `(r, k)` with `r / 2^k` close to `2^10 / sqrt(var)`: an even normalising shift, a seed of 16
/// bits out of 96, one Newton step `y (3 - m y^2) / 2`.
pub fn rsqrt(var: u64) -> (i64, u32) {
    assert!(var > 0, "a variance with eps is positive");
    // n = var * 4^j in [2^62, 2^64).
    let mut n = u128::from(var);
    let mut j = 0;
    while n < 1 << 62 {
        n *= 4;
        j += 1;
    }
    // m = n / 2^62 in [1, 4): its 32nds from 1 on choose the seed, taken in the middle of the step.
    let step = n / (1 << 57) - 32;
    let middle = (step as f64 + 32.5) / 32.0;
    let seed = (65536.0 / middle.sqrt()).round() as u128;
    // 62 fractional bits: m has 30, seed^2 has 32.
    let m = n / (1 << 32);
    let three_minus = (3u128 << 62) - m * seed * seed;
    // 16 + 46 fractional bits, halved: r = y * (3 - m y^2) / 2 with 31.
    let r = seed * (three_minus / (1 << 16)) / (1 << 32);
    (r.min((1 << 31) - 1) as i64, 52 - j)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_ties_towards_plus_infinity() {
        assert_eq!([-3, -2, -1, 0, 1, 2, 3].map(|n| round_shift(n, 1)), [-1, -1, 0, 0, 1, 1, 2]);
    }

    #[test]
    fn rsqrt_is_close_to_the_real_one() {
        for var in (0..63).flat_map(|bit| [1u64 << bit, (1 << bit) + 1, 3 << bit >> 1]).filter(|&var| var > 0) {
            let (r, k) = rsqrt(var);
            let exact = 1024.0 / (var as f64).sqrt();
            let error = (r as f64 / f64::from(k).exp2() - exact) / exact;
            assert!((-9.2e-5..=1e-9).contains(&error), "{var}: relative error {error}");
        }
    }
}
