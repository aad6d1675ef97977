//! Techniques of the quantiser beyond rounding to the nearest code, each by a name under which it
//! can be left out.

use clap::ValueEnum;

/// One technique of the quantiser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Technique {
    /// Ranges are cut where that makes the squared error smaller; without: the range seen
    RangeClip,
    /// A normalised tensor's scales lie between one for all and one per channel; without: one for
    /// all
    Smoothing,
    /// Tensors that the next layer rescales for free have a scale per channel; without: one for all
    ChannelScales,
    /// Scales of weights are cut where that makes the squared error smaller; without: the largest
    /// weight
    WeightClip,
    /// Biases take back the shift of the mean that rounding causes; without: as trained
    BiasCorrection,
    /// Activation tables have 2048 or 4096 entries; without: only 256 different ones
    WideTables,
    /// Exponent codes have 15 bits where 8 lose more than allowed; without: 8 bits everywhere
    WideCodes,
    /// Exponent codes have 8 bits where that loses no more than allowed; without: 15 bits wherever
    /// strips are short enough
    NarrowCodes,
}

/// The techniques in use; all of them by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Techniques {
    left_out: u32,
}

impl Techniques {
    /// All of them.
    pub const ALL: Self = Self { left_out: 0 };

    /// All but those of `left_out`.
    pub fn without(left_out: &[Technique]) -> Self {
        Self { left_out: left_out.iter().fold(0, |set, &technique| set | 1 << technique as u32) }
    }

    /// Whether `technique` is in use.
    pub fn uses(self, technique: Technique) -> bool {
        self.left_out & (1 << technique as u32) == 0
    }

    /// Names of those left out, as the command line has them.
    pub fn names_left_out(self) -> Vec<String> {
        let left_out = Technique::value_variants().iter().filter(|technique| !self.uses(**technique));
        left_out.filter_map(|technique| technique.to_possible_value()).map(|value| value.get_name().to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_is_left_out() {
        let techniques = Techniques::without(&[Technique::Smoothing, Technique::NarrowCodes]);
        assert_eq!(techniques.names_left_out(), ["smoothing", "narrow-codes"]);
        assert!(techniques.uses(Technique::RangeClip) && !techniques.uses(Technique::Smoothing));
        assert!(Techniques::default().names_left_out().is_empty());
    }
}
