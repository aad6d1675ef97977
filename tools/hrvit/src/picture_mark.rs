//! What a drawn picture is of, written into it, so that it is not shown beside another network.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result, ensure};
use hrvit_core::step_macs;
use hrvit_format::{Network, Size};

/// The network of a picture, at a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    size: Size,
    steps: usize,
    macs: u64,
}

impl Mark {
    /// Of a network at a size.
    pub fn of(network: &Network, size: Size) -> Self {
        let macs = network.steps().map(|step| step_macs(network, size, step));
        Self { size, steps: network.steps().count(), macs: macs.sum() }
    }

    /// Of figures that are known otherwise.
    pub fn new(size: Size, steps: usize, macs: u64) -> Self {
        Self { size, steps, macs }
    }

    /// An SVG file with the mark.
    pub fn signed(self, svg: &str, kind: &str) -> String {
        format!("{}\n<!-- hrvit {kind}: {self} -->\n", svg.trim_end())
    }

    /// Reads a picture that `hrvit KIND --svg` drew, and checks that it is of this network.
    ///
    /// # Errors
    /// If it cannot be read, was drawn otherwise, or is of another network or size; says which.
    pub fn check(self, path: &Path, kind: &str) -> Result<Vec<u8>> {
        let bytes = std::fs::read(path).with_context(|| format!("reading picture {}", path.display()))?;
        let text = String::from_utf8_lossy(&bytes);
        let marked = text.rsplit_once(&format!("<!-- hrvit {kind}: ")).and_then(|(_, rest)| rest.split_once(" -->"));
        let (mark, _) = marked.with_context(|| format!("{}: expected a picture that `hrvit {kind} --svg` of this version draws", path.display()))?;
        let found: Self = mark.parse().with_context(|| format!("{}: its mark {mark:?}", path.display()))?;
        ensure!(found == self, "{} is of another network: {found}; the model has {self}", path.display());
        Ok(bytes)
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} steps, {} MACs", self.size, self.steps, self.macs)
    }
}

impl FromStr for Mark {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split(", ").collect();
        let [size, steps, macs] = parts[..] else { anyhow::bail!("expected a size, steps and MACs") };
        let number = |text: &str, unit: &str| text.strip_suffix(unit).with_context(|| format!("expected a number and{unit}")).map(str::to_owned);
        Ok(Self { size: size.parse()?, steps: number(steps, " steps")?.parse()?, macs: number(macs, " MACs")?.parse()? })
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
        let error = |mark: Mark, kind: &str| format!("{:#}", mark.check(&path, kind).unwrap_err());
        assert!(error(Mark::of(&network("b1"), size), "plan").contains("another network"));
        assert!(error(Mark::of(&network("nano"), Size::new(64, 64).unwrap()), "plan").contains("64x64"));
        assert!(error(own, "profile").contains("hrvit profile --svg"));
        std::fs::write(&path, b"\xff\xd8\xff").unwrap();
        assert!(error(own, "plan").contains("plan.svg: expected a picture"));
    }
}
