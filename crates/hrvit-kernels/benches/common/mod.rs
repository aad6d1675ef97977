//! Operands for benches: the numbers do not change a kernel's time, only their shapes do.
#![allow(dead_code, reason = "every bench file uses its own part")]

use hrvit_kernels::{Isa, Kernels, Range8, Requant, Scalar};

/// Kernels of every instruction set of this machine.
pub fn all_kernels() -> impl Iterator<Item = Kernels> {
    Isa::available().filter_map(|isa| Kernels::new(isa).ok())
}

/// Codes in -127..=127.
pub fn codes(len: usize) -> Vec<i8> {
    (0..len).map(|i| ((i * 7919 + i / 251) % 255) as u8 as i8).map(|code| code.max(-127)).collect()
}

/// 16-bit values.
pub fn words(len: usize) -> Vec<i16> {
    codes(len).into_iter().zip(0i16..).map(|(code, i)| i16::from(code) * 200 + i % 97).collect()
}

/// 32-bit accumulators of about 20 bits.
pub fn sums(len: usize) -> Vec<i32> {
    words(len).into_iter().map(|word| i32::from(word) * 37).collect()
}

/// Codes from -128 to 127 around 0.
pub const RANGE: Range8 = Range8 { zero: 3, lo: -128, hi: 127 };

/// One multiplier of about 2^-14.
pub const SCALAR: Scalar = Scalar { mult: 1_500_000_000, shift: 45, pre_shift: 0 };

/// Multipliers per channel.
pub struct Rates {
    mult: Vec<i32>,
    shift: Vec<u8>,
}

impl Rates {
    /// About 2^-12 for each of `channels`.
    pub fn new(channels: usize) -> Self {
        Self { mult: (0..channels as i32).map(|c| (1 << 30) + 12_345 * c).collect(), shift: vec![43; channels] }
    }

    /// As kernels take them.
    pub fn view(&self) -> Requant<'_> {
        Requant { mult: &self.mult, shift: &self.shift, pre_shift: 0 }
    }
}
