//! Scalar mathematics against real numbers.

use hrvit_kernels::math_f32::{MAX, exp2, gelu, hardswish, narrow, rsqrt as rsqrt_f32, widen};
use hrvit_kernels::{Range8, TensorRequant, f16, requant, rsqrt};

use super::Entry;
use super::operands::Operands;
use crate::Verdict;

pub(super) const ENTRIES: &[Entry] = &[("requant", requants), ("rsqrt", roots), ("math_f32", floats)];

/// Numbers of one call.
const NUMBERS: usize = 32;

fn requants(operands: &mut Operands<'_>) -> Verdict {
    for _ in 0..NUMBERS {
        let bits = operands.bits();
        let pre_shift = (bits % 31) as u8;
        let acc = (operands.bits() as i32).max(-i32::MAX) >> pre_shift >> ((bits >> 32) % 31);
        let (mult, shift) = (operands.int(1 << 30, i32::MAX.into()) as i32, operands.int(32, 62) as u8);
        let exact = ((i128::from(acc) << pre_shift) * i128::from(mult) + (1i128 << (shift - 1))) >> shift;
        let value = requant(acc, pre_shift, mult, shift);
        // The least accumulator shifted to `-2^31` is not one of the rule.
        if i64::from(acc).abs() << pre_shift < 1 << 31 {
            assert!(exact == i128::from(value) && value.abs() <= 1 << 30, "{acc} << {pre_shift}, {mult}, {shift}: {value}");
        }
        assert_eq!(value, TensorRequant { mult, shift, pre_shift }.apply(acc));
        let [a, b] = [0; 2].map(|_| i32::from(operands.bits() as i8));
        let range = Range8 { zero: i32::from(operands.bits() as i8), lo: a.min(b), hi: a.max(b) };
        assert_eq!(i64::from(range.store(value)), (i64::from(value) + i64::from(range.zero)).clamp(range.lo.into(), range.hi.into()));
        // Any numbers have a result.
        let [acc, mult, any] = [0; 3].map(|_| operands.bits());
        requant(acc as i32, any as u8, mult as i32, (any >> 8) as u8);
        Range8 { zero: any as i32, lo: acc as i32, hi: mult as i32 }.store((any >> 32) as i32);
    }
    Verdict::Accepted
}

fn roots(operands: &mut Operands<'_>) -> Verdict {
    for _ in 0..NUMBERS {
        let var = operands.bits() >> (operands.bits() % 64);
        let (r, k) = rsqrt(var);
        assert!((21..=52).contains(&k), "of {var}: {k}");
        let relative = f64::from(r) / 2f64.powi(k as i32) / 1024.0 * (var.max(1) as f64).sqrt() - 1.0;
        assert!((-8.93e-5..=1e-9).contains(&relative), "of {var}: {r} / 2^{k}, off by {relative}");
    }
    Verdict::Accepted
}

fn floats(operands: &mut Operands<'_>) -> Verdict {
    for _ in 0..NUMBERS {
        let (half, bits) = (f16::from_bits(operands.bits() as u16), operands.bits() as u32);
        let any = f32::from_bits(bits);
        let narrowed = narrow(any);
        assert!(narrowed.is_finite(), "{any} became {narrowed}");
        if !any.is_nan() {
            assert_eq!(narrowed.to_bits(), f16::from_f32(any.clamp(-MAX, MAX)).to_bits(), "{any}");
        }
        if half.is_finite() {
            let x = widen(half);
            assert_eq!(x.to_bits(), half.to_f32().to_bits());
            let swish = f64::from(x) * (f64::from(x) + 3.0).clamp(0.0, 6.0) / 6.0;
            assert!((f64::from(hardswish(x)) - swish).abs() <= 1e-6 * swish.abs().max(1e-6), "hardswish of {x}");
            assert!(gelu(x) <= x.max(0.0) && (x > 0.0 || gelu(x) <= 0.0) && (x.max(0.0) - gelu(x)) <= 0.17, "gelu of {x}");
        }
        let below = -(f32::from_bits(bits % 0x7f00_0000));
        let power = 2f64.powf(f64::from(below.max(-125.0)));
        assert!((f64::from(exp2(below)) / power - 1.0).abs() <= 3.2e-6, "2^{below}");
        let positive = f32::from_bits(0x80_0000 + bits % (0x7f00_0000 - 0x80_0000));
        assert!((f64::from(rsqrt_f32(positive)) * f64::from(positive).sqrt() - 1.0).abs() <= 2e-7, "1 / sqrt({positive})");
    }
    Verdict::Accepted
}
