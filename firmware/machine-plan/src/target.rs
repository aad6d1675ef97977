//! Target that a program is planned for: network, size and frames, from environment variables.

use std::fmt;

use hrvit_format::{Head, Network, Parts, Size, Spec, VARIANTS, WideParts, record};

use crate::{
    Machine, ablation,
    environment::{feature, variable},
    precision::{Features, Precision},
};

/// A network at a size.
#[derive(Clone, Debug)]
pub struct Target {
    /// Name of the variant.
    pub variant: String,
    /// The network.
    pub network: Network,
    /// Input size.
    pub size: Size,
    /// Its parts in half precision and in 16-bit activations.
    pub wide: WideParts,
}

impl Target {
    /// From `HRVIT_VARIANT`, `HRVIT_CLASSES`, `HRVIT_SIZE`, `HRVIT_HEAD`, `HRVIT_ABLATION` and
    /// `HRVIT_PRECISION`.
    pub fn from_environment() -> Result<Self, String> {
        let mut target = Self::parse(
            &variable("HRVIT_VARIANT", "nano"),
            &variable("HRVIT_CLASSES", "11"),
            &variable("HRVIT_SIZE", "192x256"),
            &variable("HRVIT_HEAD", "segformer"),
        )?;
        target.network.spec.ablation = ablation::parse_for(&variable("HRVIT_ABLATION", ""), feature("ABLATIONS"))?;
        let features = Features::of_build();
        let embedded = if features.any() && feature("EMBEDDED_MODEL") { variable("HRVIT_MODEL", "") } else { String::new() };
        let precision = Precision::parse(&variable("HRVIT_PRECISION", &embedded), features)?;
        Ok(Self { wide: precision.wide_parts(&target, features)?, ..target })
    }

    /// From the four texts, in 8 bits. The error names the variable at fault.
    pub fn parse(variant: &str, classes: &str, size: &str, head: &str) -> Result<Self, String> {
        let spec = Spec::variant(variant).ok_or_else(|| format!("HRVIT_VARIANT={variant}: expected one of {}", VARIANTS.join(", ")))?;
        let head: Head = head.parse().map_err(|error| format!("HRVIT_HEAD={head}: {error}"))?;
        let classes = classes.parse().map_err(|_| format!("HRVIT_CLASSES={classes}: expected a number"))?;
        let size: Size = size.parse().map_err(|error| format!("HRVIT_SIZE={size}: {error}"))?;
        let network = Network { spec, head, classes };
        network.validate().map_err(|error| format!("HRVIT_CLASSES={classes}: {error}"))?;
        Ok(Self { variant: variant.to_owned(), network, size, wide: WideParts::NONE })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = self.network.head;
        let wide = match [record::Precision::Fp16, record::Precision::Int16x8].map(|precision| self.wide.of(precision) != Parts::NONE) {
            [false, false] => "",
            [true, false] => " in half precision, or parts of it",
            [false, true] => " in 16-bit activations, or parts of it",
            [true, true] => " in half precision and 16-bit activations, or parts of it",
        };
        write!(f, "{} ({head}, {} classes) at {}{wide}", self.variant, self.network.classes, self.size)
    }
}

/// Frames that `profile` measures, from `HRVIT_FRAMES`.
pub fn frames() -> Result<u32, String> {
    let text = variable("HRVIT_FRAMES", "1");
    text.parse().ok().filter(|&frames| frames > 0).ok_or_else(|| format!("HRVIT_FRAMES={text}: expected a number from 1"))
}

/// The error's lines where no memory of `machine` holds all the `parts`.
pub fn too_large(machine: &Machine, target: &Target, parts: &[(&str, usize)]) -> Vec<String> {
    let available: Vec<String> = machine.arena.iter().map(|memory| format!("{} bytes in {}", memory.bytes, memory.region)).collect();
    let needed: usize = parts.iter().map(|(_, bytes)| bytes).sum();
    let parts: Vec<String> = parts.iter().filter(|(_, bytes)| *bytes > 0).map(|(name, bytes)| format!("{name} {bytes}")).collect();
    let smaller = if target.wide == WideParts::NONE { "" } else { ", 8 bits (HRVIT_PRECISION=int8, an image of `hrvit quantize --precision int8`)" };
    vec![
        format!("memory does not suffice: {target} needs {needed} bytes ({})", parts.join(", ")),
        format!("{} has {}", machine.name, available.join(", or ")),
        format!("choose a smaller HRVIT_SIZE or HRVIT_VARIANT{smaller}, or a machine with more memory; `hrvit plan` shows what takes how much"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_variable() {
        let error = |variant, classes, size, head| Target::parse(variant, classes, size, head).unwrap_err();
        assert!(error("b9", "11", "192x256", "segformer").contains("HRVIT_VARIANT=b9: expected one of nano, b1"));
        assert!(error("b1", "many", "192x256", "segformer").starts_with("HRVIT_CLASSES=many"));
        assert!(error("b1", "300", "192x256", "segformer").starts_with("HRVIT_CLASSES=300"));
        assert!(error("b1", "11", "192", "segformer").starts_with("HRVIT_SIZE=192:"));
        assert!(error("b1", "11", "190x256", "segformer").starts_with("HRVIT_SIZE=190x256:"));
        assert!(error("b1", "11", "192x256", "fcn").starts_with("HRVIT_HEAD=fcn"));
    }

    #[test]
    fn a_classifier_may_have_a_thousand_classes() {
        assert_eq!(Target::parse("b1", "1000", "224x224", "classifier").unwrap().to_string(), "b1 (classifier, 1000 classes) at 224x224");
    }
}
