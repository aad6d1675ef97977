//! Random operands inside the ranges of the contract, extremes more often than by chance.

/// A small generator (xorshift64*): the same operands in every run.
#[derive(Clone)]
pub(super) struct Rng(u64);

impl Rng {
    pub(super) fn new(seed: u64) -> Self {
        Self((seed.wrapping_add(1)).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn next(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }

    /// Uniform in `lo..=hi`, whose difference is below 2^31.
    pub(super) fn range(&mut self, lo: i32, hi: i32) -> i32 {
        let span = u64::from(hi.wrapping_sub(lo) as u32) + 1;
        lo.wrapping_add(((u64::from(self.next()) * span) >> 32) as i32)
    }

    /// Uniform in `lo..=hi`.
    pub(super) fn size(&mut self, lo: usize, hi: usize) -> usize {
        self.range(lo as i32, hi as i32) as usize
    }

    /// One of `all`.
    pub(super) fn pick<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        let last = all.len().checked_sub(1)?;
        all.get(self.size(0, last)).copied()
    }

    /// In `lo..=hi`, one in four times a limit.
    pub(super) fn extreme(&mut self, lo: i32, hi: i32) -> i32 {
        match self.next() & 7 {
            0 => lo,
            1 => hi,
            _ => self.range(lo, hi),
        }
    }

    /// A code in -128..=127.
    pub(super) fn code(&mut self) -> i8 {
        self.extreme(-128, 127) as i8
    }

    /// A weight in -127..=127.
    pub(super) fn weight(&mut self) -> i8 {
        self.extreme(-127, 127) as i8
    }

    /// A value in -32768..=32767.
    pub(super) fn word(&mut self) -> i16 {
        self.extreme(-32768, 32767) as i16
    }

    /// A multiplier in `2^30..2^31`.
    pub(super) fn mult(&mut self) -> i32 {
        self.extreme(1 << 30, i32::MAX)
    }

    /// A shift that brings accumulators of `acc_bits` to about `out_bits`; now and then any in
    /// 32..=62.
    pub(super) fn shift(&mut self, acc_bits: u32, out_bits: u32) -> u8 {
        match self.next() & 15 {
            0 => self.extreme(32, 62) as u8,
            _ => (31 + acc_bits as i32 - out_bits as i32 + self.range(-2, 2)).clamp(32, 62) as u8,
        }
    }
}
