//! Subject of a drawn picture, written into it, so that it is not shown beside another network.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result, ensure};
use hrvit_core::step_macs;
use hrvit_format::{Network, Size, WideParts, crc32};

/// The network of a picture, at a size, and its precision where the picture depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    size: Size,
    steps: usize,
    macs: u64,
    precision: Option<String>,
}

impl Mark {
    /// Of a network at a size.
    pub fn of(network: &Network, size: Size) -> Self {
        let macs = network.steps().map(|step| step_macs(network, size, step));
        Self { size, steps: network.steps().count(), macs: macs.sum(), precision: None }
    }

    /// Of figures that are known otherwise.
    pub fn new(size: Size, steps: usize, macs: u64) -> Self {
        Self { size, steps, macs, precision: None }
    }

    /// With the precision of every part.
    pub fn in_precision(self, parts: WideParts) -> Self {
        Self { precision: Some(format!("{:08x}", crc32(format!("{parts:?}").as_bytes()))), ..self }
    }

    /// An SVG file with the mark.
    pub fn signed(&self, svg: &str, kind: &str) -> String {
        format!("{}\n<!-- hrvit {kind}: {self} -->\n", svg.trim_end())
    }

    /// Reads a picture that `hrvit KIND --svg` drew, and checks that it is of this network.
    ///
    /// # Errors
    /// If it cannot be read, was drawn otherwise, or is of another network or size; says which.
    pub fn check(&self, path: &Path, kind: &str) -> Result<Vec<u8>> {
        let bytes = std::fs::read(path).with_context(|| format!("reading picture {}", path.display()))?;
        let text = String::from_utf8_lossy(&bytes);
        let marked = text.rsplit_once(&format!("<!-- hrvit {kind}: ")).and_then(|(_, rest)| rest.split_once(" -->"));
        let (mark, _) = marked.with_context(|| format!("{}: expected a picture that `hrvit {kind} --svg` of this version draws", path.display()))?;
        let found: Self = mark.parse().with_context(|| format!("{}: its mark {mark:?}", path.display()))?;
        ensure!(
            Self { precision: None, ..found.clone() } == Self { precision: None, ..self.clone() },
            "{} is of another network: {found}; the model has {self}",
            path.display()
        );
        ensure!(
            found.precision == self.precision,
            "{} is of the same network in other precisions: draw it with the options --half or --int16x8 of the model's",
            path.display()
        );
        Ok(bytes)
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} steps, {} MACs", self.size, self.steps, self.macs)?;
        self.precision.as_ref().map_or(Ok(()), |precision| write!(f, ", parts {precision}"))
    }
}

impl FromStr for Mark {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split(", ").collect();
        let (size, steps, macs, precision) = match parts[..] {
            [size, steps, macs] => (size, steps, macs, None),
            [size, steps, macs, precision] => (size, steps, macs, precision.strip_prefix("parts ").map(str::to_owned)),
            _ => anyhow::bail!("expected a size, steps and MACs"),
        };
        let number = |text: &str, unit: &str| text.strip_suffix(unit).with_context(|| format!("expected a number and{unit}")).map(str::to_owned);
        Ok(Self { size: size.parse()?, steps: number(steps, " steps")?.parse()?, macs: number(macs, " MACs")?.parse()?, precision })
    }
}

#[cfg(test)]
mod tests {
    use hrvit_format::{Head, Spec};

    use super::*;

    #[test]
    fn a_picture_is_taken_beside_its_own_network_alone() {
        let network = |variant: &str| Network { spec: Spec::variant(variant).unwrap(), head: Head::Segformer, classes: 11 };
        let size = Size::new(64, 96).unwrap();
        let (own, folder) = (Mark::of(&network("nano"), size), tempfile::tempdir().unwrap());
        assert_eq!(own.to_string().parse::<Mark>().unwrap(), own);
        let path = folder.path().join("plan.svg");
        std::fs::write(&path, own.signed("<svg></svg>\n", "plan")).unwrap();
        assert!(own.check(&path, "plan").unwrap().starts_with(b"<svg>"));
        let half = own.clone().in_precision(WideParts::ALL);
        assert_eq!(half.to_string().parse::<Mark>().unwrap(), half);
        let error = |mark: Mark, kind: &str| format!("{:#}", mark.check(&path, kind).unwrap_err());
        assert!(error(Mark::of(&network("b1"), size), "plan").contains("another network"));
        assert!(error(Mark::of(&network("nano"), Size::new(64, 64).unwrap()), "plan").contains("64x64"));
        assert!(error(half, "plan").contains("other precisions"));
        assert!(error(own.clone(), "profile").contains("hrvit profile --svg"));
        std::fs::write(&path, b"\xff\xd8\xff").unwrap();
        assert!(error(own, "plan").contains("plan.svg: expected a picture"));
    }
}
