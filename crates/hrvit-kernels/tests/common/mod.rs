//! Random operands and the rounding rule in 128-bit arithmetic, written apart from the crate under
//! test.
#![allow(dead_code, reason = "every test file uses its own part")]

use hrvit_kernels::{Range8, Requant, TensorRequant};

/// Channels of every variant's branches.
pub const CHANNELS: [usize; 10] = [16, 32, 48, 64, 96, 128, 240, 256, 384, 512];

/// A byte that no kernel under test may write outside its output.
pub const CANARY: i8 = 0x5a;

/// A small generator (SplitMix64): the same operands in every run.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `lo..=hi`.
    pub fn range(&mut self, lo: i64, hi: i64) -> i64 {
        lo + (self.next() % (hi - lo + 1) as u64) as i64
    }

    /// Uniform in (0, 1).
    pub fn unit(&mut self) -> f64 {
        ((self.next() >> 12) as f64 + 0.5) / (1u64 << 52) as f64
    }

    /// Standard normal.
    pub fn normal(&mut self) -> f64 {
        (-2.0 * self.unit().ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Codes in -128..=127, the extremes more often than by chance.
    pub fn codes(&mut self, len: usize) -> Vec<i8> {
        (0..len)
            .map(|_| match self.range(0, 9) {
                0 => -128,
                1 => 127,
                _ => self.range(-128, 127) as i8,
            })
            .collect()
    }

    /// Weights in -127..=127.
    pub fn weights(&mut self, len: usize) -> Vec<i8> {
        self.codes(len).iter().map(|code| (*code).max(-127)).collect()
    }

    /// s16 values, the extremes more often than by chance.
    pub fn words(&mut self, len: usize) -> Vec<i16> {
        (0..len)
            .map(|_| match self.range(0, 9) {
                0 => -32768,
                1 => 32767,
                _ => self.range(-32768, 32767) as i16,
            })
            .collect()
    }

    /// i32 values in `-bound..=bound`.
    pub fn ints(&mut self, len: usize, bound: i64) -> Vec<i32> {
        (0..len).map(|_| self.range(-bound, bound) as i32).collect()
    }

    /// Multipliers and shifts for `channels` whose accumulators reach `2^acc_bits` and whose
    /// results should reach about `2^out_bits`.
    pub fn rates(&mut self, channels: usize, acc_bits: i64, out_bits: i64) -> Rates {
        let mult = (0..channels).map(|_| self.range(1 << 30, (1 << 31) - 1) as i32).collect();
        let shift = (0..channels).map(|_| (31 + acc_bits - out_bits + self.range(-1, 1)).clamp(32, 62) as u8).collect();
        Rates { mult, shift, pre_shift: 0 }
    }
}

/// Owned multipliers and shifts.
pub struct Rates {
    pub mult: Vec<i32>,
    pub shift: Vec<u8>,
    pub pre_shift: u8,
}

impl Rates {
    pub fn view(&self) -> Requant<'_> {
        Requant { mult: &self.mult, shift: &self.shift, pre_shift: self.pre_shift }
    }

    pub fn scalar(&self) -> TensorRequant {
        TensorRequant { mult: self.mult[0], shift: self.shift[0], pre_shift: self.pre_shift }
    }

    /// The requantised accumulator of channel `c`.
    pub fn rq(&self, acc: i64, c: usize) -> i64 {
        rq(acc, self.pre_shift, self.mult[c], self.shift[c])
    }
}

/// `floor((acc * 2^pre * mult + 2^(shift - 1)) / 2^shift)` in 128-bit arithmetic.
pub fn rq(acc: i64, pre_shift: u8, mult: i32, shift: u8) -> i64 {
    let product = i128::from(acc) * (1i128 << pre_shift) * i128::from(mult);
    let unit = 1i128 << shift;
    i64::try_from((product + unit / 2).div_euclid(unit)).expect("a requantised accumulator fits 64 bits")
}

pub fn clamp8(value: i64, range: Range8) -> i8 {
    (value + i64::from(range.zero)).clamp(range.lo.into(), range.hi.into()) as i8
}

pub fn clamp16(value: i64) -> i16 {
    value.clamp(-32768, 32767) as i16
}

pub fn index<T: Copy>(table: &[T], zero: i32, value: i64) -> T {
    table[(value + i64::from(zero)).clamp(0, table.len() as i64 - 1) as usize]
}
