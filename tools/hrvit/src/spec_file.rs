//! Which network a command is about: a built-in variant or a TOML file, a head and a class count.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use hrvit_format::{Head, Network, Size, Spec, VARIANTS};

/// Options that say which network.
#[derive(Args, Clone, Debug, Default)]
pub struct NetworkArgs {
    /// Built-in backbone
    #[arg(long, value_parser = PossibleValuesParser::new(VARIANTS), conflicts_with = "spec")]
    pub variant: Option<String>,
    /// Backbone of your own, a TOML file (`hrvit inspect --variant b1 --emit-spec` writes one to
    /// start from)
    #[arg(long, value_name = "FILE")]
    pub spec: Option<PathBuf>,
    /// Head on top of the backbone
    #[arg(long, value_enum, default_value_t = HeadName::Segformer)]
    pub head: HeadName,
    /// Number of classes
    #[arg(long, value_name = "N")]
    pub classes: Option<u16>,
}

/// The input's size.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct SizeArg {
    /// Input height and width, multiples of 32, for example 192x256
    #[arg(long, value_name = "HxW")]
    pub size: Option<Size>,
}

/// [`Head`] on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum HeadName {
    /// SegFormer's segmentation head
    #[default]
    Segformer,
    /// HRNetV2's classification head
    Classifier,
}

impl From<HeadName> for Head {
    fn from(name: HeadName) -> Self {
        match name {
            HeadName::Segformer => Self::Segformer,
            HeadName::Classifier => Self::Classifier,
        }
    }
}

impl NetworkArgs {
    /// Whether any option that says which network was given.
    pub fn is_given(&self) -> bool {
        self.variant.is_some() || self.spec.is_some() || self.classes.is_some()
    }

    /// The backbone asked for.
    ///
    /// # Errors
    /// If neither `--variant` nor `--spec` was given, or the file describes no backbone.
    pub fn backbone(&self) -> Result<Spec> {
        match (&self.variant, &self.spec) {
            (Some(name), None) => Spec::variant(name).with_context(|| format!("variant {name}: expected one of {}", VARIANTS.join(", "))),
            (None, Some(path)) => read_spec(path),
            (Some(_), Some(_)) => bail!("--variant and --spec: give one of them"),
            (None, None) => bail!("which network? give --variant ({}) or --spec FILE", VARIANTS.join(", ")),
        }
    }

    /// The whole network asked for.
    ///
    /// # Errors
    /// As [`Self::backbone`], or if `--classes` is missing or out of range.
    pub fn network(&self) -> Result<Network> {
        let spec = self.backbone()?;
        let classes = self.classes.context("--classes N is missing: how many classes does the head tell apart?")?;
        let network = Network { spec, head: self.head.into(), classes };
        network.validate()?;
        Ok(network)
    }
}

/// Reads and checks a backbone from a TOML file.
///
/// # Errors
/// If the file cannot be read, lacks or misspells a field, or its fields do not fit each other;
/// names the file.
pub fn read_spec(path: &Path) -> Result<Spec> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading spec {}", path.display()))?;
    parse_spec(&text).with_context(|| format!("spec {}", path.display()))
}

/// A checked backbone from the TOML that [`spec_to_toml`] writes.
///
/// # Errors
/// As [`read_spec`], without the file's name.
pub fn parse_spec(text: &str) -> Result<Spec> {
    let spec: Spec = toml::from_str(text)?;
    spec.validate()?;
    Ok(spec)
}

/// A backbone as TOML, ready for [`read_spec`].
///
/// # Errors
/// None for a backbone that [`Spec::validate`] accepts.
pub fn spec_to_toml(spec: &Spec) -> Result<String> {
    toml::to_string(spec).context("spec as TOML")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_survives_toml() {
        for name in VARIANTS {
            let spec = Spec::variant(name).unwrap();
            let text = spec_to_toml(&spec).unwrap();
            assert_eq!(parse_spec(&text).unwrap(), spec, "{text}");
        }
    }

    #[test]
    fn toml_has_the_documented_keys() {
        let text = spec_to_toml(&Spec::variant("b3").unwrap()).unwrap();
        for key in ["stem", "channels", "blocks", "head_dim", "windows", "ratios", "head_width", "des_activation"] {
            assert!(text.lines().any(|line| line.starts_with(&format!("{key} = "))), "{key} in\n{text}");
        }
    }

    #[test]
    fn misspelt_field_is_named() {
        let text = spec_to_toml(&Spec::variant("b1").unwrap()).unwrap().replace("windows", "window");
        assert!(format!("{:#}", parse_spec(&text).unwrap_err()).contains("window"));
    }

    #[test]
    fn fields_that_do_not_fit_are_refused() {
        let text = spec_to_toml(&Spec::variant("b1").unwrap()).unwrap().replace("stem = 64", "stem = 63");
        assert!(parse_spec(&text).unwrap_err().to_string().contains("stem = 63"));
    }

    #[test]
    fn network_without_classes_asks_for_them() {
        let args = NetworkArgs { variant: Some("b1".into()), ..NetworkArgs::default() };
        assert!(args.network().unwrap_err().to_string().contains("--classes"));
        assert!(NetworkArgs::default().backbone().unwrap_err().to_string().contains("--variant"));
    }
}
