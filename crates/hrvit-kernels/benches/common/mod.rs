//! Operands for benches: the numbers do not change a kernel's time, only their shapes do.
#![allow(dead_code, reason = "every bench file uses its own part")]

use hrvit_kernels::{Isa, Kernels, Range8, Requant, TensorRequant, f16};

/// Rows, depth, output channels: q or v and fc1, fc2 of the four branches a row of the map at a
/// time, stem, head, classifier.
pub const PRODUCTS: [(usize, usize, usize); 13] = [
    (128, 32, 16),
    (128, 32, 128),
    (128, 128, 32),
    (64, 64, 256),
    (64, 256, 64),
    (32, 128, 512),
    (32, 512, 128),
    (16, 256, 1024),
    (16, 1024, 256),
    (256, 27, 32),
    (128, 288, 64),
    (16, 256, 256),
    (7, 4608, 512),
];

/// Kernel, stride, columns, channels of a row of depthwise convolutions.
pub const CONVOLUTIONS: [(usize, usize, usize, usize); 8] =
    [(3, 1, 128, 16), (3, 1, 128, 64), (5, 1, 128, 64), (3, 1, 32, 256), (5, 1, 32, 256), (3, 2, 128, 32), (5, 4, 128, 32), (9, 8, 128, 32)];

/// Keys (and queries) and elements of a head.
pub const STRIPS: [(usize, usize); 5] = [(128, 16), (128, 32), (224, 32), (112, 32), (448, 32)];

/// Tokens, and rows and columns of each one's view, of a row of diversity-enhancing shortcuts.
pub const VIEWS: [(usize, usize, usize); 4] = [(128, 4, 8), (64, 8, 8), (32, 8, 16), (16, 16, 16)];

/// Kernels of every instruction set of this machine.
pub fn all_kernels() -> impl Iterator<Item = Kernels> {
    Isa::available().filter_map(|isa| Kernels::new(isa).ok())
}

/// Codes in -127..=127.
pub fn codes(len: usize) -> Vec<i8> {
    (0..len).map(|i| ((i * 7919 + i / 251) % 255) as u8 as i8).map(|code| code.max(-127)).collect()
}

/// 16-bit values.
pub fn s16s(len: usize) -> Vec<i16> {
    codes(len).into_iter().zip(0i16..).map(|(code, i)| i16::from(code) * 200 + i % 97).collect()
}

/// 32-bit accumulators of about 20 bits.
pub fn sums(len: usize) -> Vec<i32> {
    s16s(len).into_iter().map(|word| i32::from(word) * 37).collect()
}

/// 16-bit floats between -1 and 1.
pub fn halves(len: usize) -> Vec<f16> {
    codes(len).into_iter().map(|code| f16::from_f32(f32::from(code) / 128.0)).collect()
}

/// Codes from -128 to 127 around 0.
pub const RANGE: Range8 = Range8 { zero: 3, lo: -128, hi: 127 };

/// One multiplier of about 2^-14.
pub const SCALAR: TensorRequant = TensorRequant { mult: 1_500_000_000, shift: 45, pre_shift: 0 };

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
