//! Which parts of the network the program must have room for in half precision or in 16-bit
//! activations.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
};

use hrvit_format::{ModelBuf, Parts, WideParts, record};

use crate::{Target, environment::feature};

/// Precisions that the program has code for besides 8 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Half precision.
    pub fp16: bool,
    /// 16-bit activations.
    pub int16x8: bool,
}

impl Features {
    /// Precisions of the program that is built.
    pub fn of_build() -> Self {
        Self { fp16: feature("FP16"), int16x8: feature("INT16X8") }
    }

    /// Whether there is code for more than 8 bits.
    pub fn any(self) -> bool {
        self.fp16 || self.int16x8
    }

    /// Why a program without code for `wide` is not built.
    fn refuse(self, wide: WideParts) -> Result<(), String> {
        let lacks = |precision, built: bool| wide.of(precision) != Parts::NONE && !built;
        if lacks(record::Precision::Fp16, self.fp16) {
            return Err("the program has no code for half precision, build it with --features fp16".to_owned());
        }
        if lacks(record::Precision::Int16x8, self.int16x8) {
            return Err("the program has no code for 16-bit activations, build it with --features int16x8".to_owned());
        }
        Ok(())
    }
}

/// Precision by `HRVIT_PRECISION`. Unset, everything is in half precision with feature `fp16`, else
/// in 16-bit activations with feature `int16x8`, else in 8 bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precision {
    /// `int8`: nothing.
    Int8,
    /// `fp16`: everything.
    Fp16,
    /// `int16x8`: everything.
    Int16x8,
    /// Anything else: the parts that this model image has in half precision or in 16-bit
    /// activations.
    Image(PathBuf),
}

impl Precision {
    /// From the variable's text, which may be empty, and what the program has code for.
    pub fn parse(text: &str, features: Features) -> Result<Self, String> {
        let one = |precision, wide| features.refuse(wide).map(|()| precision).map_err(|error| format!("HRVIT_PRECISION={text}: {error}"));
        match text {
            "" if features.fp16 => Ok(Self::Fp16),
            "" if features.int16x8 => Ok(Self::Int16x8),
            "" | "int8" => Ok(Self::Int8),
            "fp16" => one(Self::Fp16, WideParts::ALL),
            "int16x8" => one(Self::Int16x8, WideParts::ALL_INT16X8),
            path if Path::new(path).is_absolute() => Ok(Self::Image(path.into())),
            other => Err(format!("HRVIT_PRECISION={other}: expected int8, int16x8, fp16 or the absolute path of a model image")),
        }
    }

    /// The parts of `target`'s network. An image must be of that network at that size, and in 8
    /// bits but for what the program has code for.
    pub fn wide_parts(&self, target: &Target, features: Features) -> Result<WideParts, String> {
        match self {
            Self::Int8 => Ok(WideParts::NONE),
            Self::Fp16 => Ok(WideParts::ALL),
            Self::Int16x8 => Ok(WideParts::ALL_INT16X8),
            Self::Image(path) => {
                println!("cargo::rerun-if-changed={}", path.display());
                let at = |error: &dyn Display| format!("HRVIT_PRECISION={}: {error}", path.display());
                let image = ModelBuf::read(path).map_err(|error| at(&error.cause))?;
                let wide = of_image(&image, target).map_err(|error| at(&error))?;
                features.refuse(wide).map_err(|error| at(&error))?;
                Ok(wide)
            }
        }
    }
}

/// The parts of `image` that are not in 8 bits, which must be one of `target`.
fn of_image(image: &ModelBuf, target: &Target) -> Result<WideParts, String> {
    let model = image.model();
    let meta = model.meta();
    if (&meta.network, meta.size) != (&target.network, target.size) {
        let found = Target { variant: "a network".to_owned(), network: meta.network.clone(), size: meta.size, wide: model.wide_parts() };
        return Err(format!(
            "the image holds {found}, the program is planned for {target}: HRVIT_VARIANT, HRVIT_CLASSES, HRVIT_SIZE, HRVIT_HEAD and HRVIT_ABLATION must be the image's"
        ));
    }
    Ok(model.wide_parts())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEITHER: Features = Features { fp16: false, int16x8: false };
    const FP16: Features = Features { fp16: true, int16x8: false };
    const INT16X8: Features = Features { fp16: false, int16x8: true };

    #[test]
    fn features_decide_where_nothing_is_said() {
        let said_nothing = |features| Precision::parse("", features).unwrap();
        assert_eq!([NEITHER, FP16, INT16X8].map(said_nothing), [Precision::Int8, Precision::Fp16, Precision::Int16x8]);
        assert_eq!(said_nothing(Features { fp16: true, int16x8: true }), Precision::Fp16);
    }

    #[test]
    fn a_precision_without_its_code_is_refused_and_8_bits_with_it_are_not() {
        for features in [NEITHER, INT16X8] {
            assert!(Precision::parse("fp16", features).unwrap_err().contains("--features fp16"));
        }
        for features in [NEITHER, FP16] {
            assert!(Precision::parse("int16x8", features).unwrap_err().contains("--features int16x8"));
        }
        assert_eq!(Precision::parse("int8", FP16), Ok(Precision::Int8));
        assert_eq!(Precision::parse("int16x8", INT16X8), Ok(Precision::Int16x8));
    }

    #[test]
    fn anything_else_is_an_absolute_path() {
        assert_eq!(Precision::parse("/nano.hrvit", NEITHER), Ok(Precision::Image("/nano.hrvit".into())));
        assert!(Precision::parse("nano.hrvit", FP16).unwrap_err().starts_with("HRVIT_PRECISION=nano.hrvit: expected"));
    }

    #[test]
    fn an_image_that_cannot_be_read_is_named() {
        let target = Target::parse("nano", "11", "64x64", "segformer").unwrap();
        let error = Precision::Image("/no/such/image".into()).wide_parts(&target, FP16).unwrap_err();
        assert!(error.starts_with("HRVIT_PRECISION=/no/such/image: "), "{error}");
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let error = Precision::Image(manifest.into()).wide_parts(&target, FP16).unwrap_err();
        assert!(error.contains("not a model image"), "{error}");
    }
}
