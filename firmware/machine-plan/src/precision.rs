//! Which parts of the network the program must have room for in half precision.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
};

use hrvit_format::{ModelBuf, WideParts};

use crate::Target;

const NO_CODE: &str = "the program has no code for half precision, build it with --features fp16";

/// What `HRVIT_PRECISION` says; where it says nothing, everything is in half precision with feature `fp16`, and nothing without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precision {
    /// `int8`: nothing.
    Int8,
    /// `fp16`: everything.
    Fp16,
    /// Anything else: the parts that this model image has in half precision.
    Image(PathBuf),
}

impl Precision {
    /// From the variable's text, which may be empty, and whether the program has feature `fp16`.
    pub fn parse(text: &str, fp16: bool) -> Result<Self, String> {
        match (text, fp16) {
            ("", false) | ("int8", _) => Ok(Self::Int8),
            ("" | "fp16", true) => Ok(Self::Fp16),
            ("fp16", false) => Err(format!("HRVIT_PRECISION=fp16: {NO_CODE}")),
            (path, _) if Path::new(path).is_absolute() => Ok(Self::Image(path.into())),
            (other, _) => Err(format!("HRVIT_PRECISION={other}: expected int8, fp16 or the absolute path of a model image")),
        }
    }

    /// The parts of `target`'s network. An image must be of that network at that size, and in 8 bits where the program has no feature `fp16`.
    pub fn wide_parts(&self, target: &Target, fp16: bool) -> Result<WideParts, String> {
        match self {
            Self::Int8 => Ok(WideParts::NONE),
            Self::Fp16 => Ok(WideParts::ALL),
            Self::Image(path) => {
                println!("cargo::rerun-if-changed={}", path.display());
                let at = |error: &dyn Display| format!("HRVIT_PRECISION={}: {error}", path.display());
                let image = ModelBuf::read(path).map_err(|error| at(&error.cause))?;
                match of_image(&image, target).map_err(|error| at(&error))? {
                    half if half != WideParts::NONE && !fp16 => Err(at(&NO_CODE)),
                    half => Ok(half),
                }
            }
        }
    }
}

/// The parts in half precision of `image`, which must be one of `target`.
fn of_image(image: &ModelBuf, target: &Target) -> Result<WideParts, String> {
    let model = image.model();
    let meta = model.meta();
    if (&meta.network, meta.size) != (&target.network, target.size) {
        let found = Target { variant: "a network".to_owned(), network: meta.network.clone(), size: meta.size, half: model.wide_parts() };
        return Err(format!(
            "the image holds {found}, the program is planned for {target}: HRVIT_VARIANT, HRVIT_CLASSES, HRVIT_SIZE and HRVIT_HEAD must be the image's"
        ));
    }
    Ok(model.wide_parts())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feature_fp16_decides_where_nothing_is_said() {
        assert_eq!(Precision::parse("", false), Ok(Precision::Int8));
        assert_eq!(Precision::parse("", true), Ok(Precision::Fp16));
    }

    #[test]
    fn half_precision_without_its_code_is_refused_and_8_bits_with_it_are_not() {
        assert!(Precision::parse("fp16", false).unwrap_err().contains("--features fp16"));
        assert_eq!(Precision::parse("int8", true), Ok(Precision::Int8));
    }

    #[test]
    fn anything_else_is_an_absolute_path() {
        assert_eq!(Precision::parse("/nano.hrvit", false), Ok(Precision::Image("/nano.hrvit".into())));
        assert!(Precision::parse("nano.hrvit", true).unwrap_err().starts_with("HRVIT_PRECISION=nano.hrvit: expected"));
    }

    #[test]
    fn an_image_that_cannot_be_read_is_named() {
        let target = Target::parse("nano", "11", "64x64", "segformer").unwrap();
        let error = Precision::Image("/no/such/image".into()).wide_parts(&target, true).unwrap_err();
        assert!(error.starts_with("HRVIT_PRECISION=/no/such/image: "), "{error}");
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let error = Precision::Image(manifest.into()).wide_parts(&target, true).unwrap_err();
        assert!(error.contains("not a model image"), "{error}");
    }
}
