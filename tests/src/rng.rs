//! Random numbers that are the same on every machine.

/// SplitMix64.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// An integer in `least..=most`.
    pub fn int(&mut self, least: i64, most: i64) -> i64 {
        least + ((u128::from(self.bits()) * (most - least + 1) as u128) >> 64) as i64
    }

    /// A real number in `least..most`, uniform.
    pub fn real(&mut self, least: f64, most: f64) -> f64 {
        least + (most - least) * (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A bell-shaped real number of mean 0 and deviation 1, within +-3.5: twelve uniform ones.
    pub fn bell(&mut self) -> f64 {
        let sum: f64 = (0..12).map(|_| self.real(-0.5, 0.5)).sum();
        sum.clamp(-3.5, 3.5)
    }
}
