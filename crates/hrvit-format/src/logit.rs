//! Logits as the engine returns them, and their real values.

use bytemuck::{Pod, Zeroable};

use crate::fp16;

/// A logit as an image's last step leaves it: a 16-bit code, or the bits of an f16. The image's
/// [`LogitFormat`] is needed to find its value or to compare it.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Pod, Zeroable)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Logit(i16);

impl Logit {
    /// The logit of these bits.
    pub const fn from_bits(bits: i16) -> Self {
        Self(bits)
    }

    /// Its bits.
    pub const fn bits(self) -> i16 {
        self.0
    }
}

/// How the logits of an image are stored.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum LogitFormat {
    /// 16-bit codes.
    S16 {
        /// Real value of one code.
        scale: f32,
    },
    /// Half precision.
    F16,
}

impl LogitFormat {
    /// Real value of a logit.
    pub fn value(self, logit: Logit) -> f32 {
        match self {
            Self::S16 { scale } => f32::from(logit.0) * scale,
            Self::F16 => fp16::to_f32(logit.0 as u16),
        }
    }

    /// Real values of logits.
    pub fn values(self, logits: &[Logit]) -> impl Iterator<Item = f32> + use<'_> {
        logits.iter().map(move |&logit| self.value(logit))
    }

    /// An integer with the same order as the logits' values. In half precision -0 comes before 0.
    pub const fn key(self, logit: Logit) -> i16 {
        match self {
            Self::S16 { .. } => logit.0,
            Self::F16 => fp16::ordered(logit.0),
        }
    }

    /// The smallest shift at which the largest margin, 255, stands for `range` or more in real
    /// logits. At most 31.
    pub fn margin_shift(self, range: f32) -> u8 {
        (0..31).find(|&shift| 255.0 * self.margin_unit(shift) >= range).unwrap_or(31)
    }

    /// Real value of one unit of a margin at the shift `k`. It is 2^k / 64 codes of the logits, or
    /// 2^k / 4096 in half precision. A margin is the distance between the two largest logits.
    pub fn margin_unit(self, k: u8) -> f32 {
        // From an exponent of 128 on the power is infinite.
        let power = f32::from_bits((127 + u32::from(k).min(128)) << 23);
        match self {
            Self::S16 { scale } => scale * power / 64.0,
            Self::F16 => power / 4096.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_order_of_values() {
        let bits = [0xfbffu16, 0xc000, 0xbc01, 0xbc00, 0x8001, 0x0001, 0x3c00, 0x3c01, 0x4000, 0x7bff];
        let logits = bits.map(|bits| Logit::from_bits(bits as i16));
        assert!(logits.is_sorted_by(|&a, &b| LogitFormat::F16.value(a) < LogitFormat::F16.value(b)));
        assert!(logits.is_sorted_by_key(|&logit| LogitFormat::F16.key(logit)));
        let codes = [i16::MIN, -1, 0, 1, i16::MAX].map(Logit::from_bits);
        let format = LogitFormat::S16 { scale: 0.5 };
        assert!(codes.is_sorted_by_key(|&logit| format.key(logit)) && format.values(&codes).eq([-16384.0, -0.5, 0.0, 0.5, 16383.5]));
    }

    #[test]
    fn a_range_of_margins_takes_the_smallest_shift() {
        for scale in [0.0003, 0.01, 0.4] {
            let format = LogitFormat::S16 { scale };
            let shift = format.margin_shift(8.0);
            assert!(255.0 * format.margin_unit(shift) >= 8.0 && (shift == 0 || 255.0 * format.margin_unit(shift - 1) < 8.0), "{scale}");
        }
        assert_eq!((LogitFormat::F16.margin_shift(8.0), LogitFormat::F16.margin_shift(f32::INFINITY)), (8, 31));
    }

    #[test]
    fn margins_are_fractions_of_a_code() {
        let format = LogitFormat::S16 { scale: 0.5 };
        assert_eq!([0, 6, 9].map(|k| format.margin_unit(k)), [0.5 / 64.0, 0.5, 4.0]);
        assert_eq!([0, 12, 200].map(|k| LogitFormat::F16.margin_unit(k)), [1.0 / 4096.0, 1.0, f32::INFINITY]);
    }
}
