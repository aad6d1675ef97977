//! Values in lines.

use core::str::FromStr;

use crate::declare::texts;

/// A value that can be read from a line.
pub trait Value: FromStr {
    /// Its kind, for an error: "expected ...".
    const WHAT: &'static str;
}

macro_rules! numbers {
    ($($type:ident: $what:literal),+) => {
        $(impl Value for $type {
            const WHAT: &'static str = $what;
        })+
    };
}

numbers!(
    u8: "a decimal number up to 255",
    u16: "a decimal number up to 65535",
    u32: "a decimal number below 2^32",
    u64: "a decimal number below 2^64",
    usize: "a decimal number of the host's size"
);

#[cfg(feature = "std")]
impl Value for String {
    const WHAT: &'static str = "text";
}

/// A text is none of what a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// A CRC32; eight hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct Crc(pub u32);

texts!(Crc {
    Self(crc) => ("{:08x}", crc),
});

impl FromStr for Crc {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let digits = text.len() == 8 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        u32::from_str_radix(text, 16).ok().filter(|_| digits).map(Self).ok_or(Refused)
    }
}

impl Value for Crc {
    const WHAT: &'static str = "a CRC of 8 hexadecimal digits";
}

/// The largest difference of logits in millionths of the largest logit, `-` where they were not
/// compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct LogitsPpm(pub Option<u32>);

texts!(LogitsPpm {
    Self(Some(ppm)) => ("{}", ppm),
    Self(None) => ("-"),
});

impl FromStr for LogitsPpm {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        if text == "-" { Ok(Self(None)) } else { text.parse().map(|ppm| Self(Some(ppm))).map_err(|_| Refused) }
    }
}

impl Value for LogitsPpm {
    const WHAT: &'static str = "a decimal number below 2^32 or -";
}

/// Height and width of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize), serde(into = "String", try_from = "String"))]
pub struct Size {
    /// Rows.
    pub height: u16,
    /// Pixels of a row.
    pub width: u16,
}

texts!(Size {
    Self { height, width } => ("{}x{}", height, width),
});

impl FromStr for Size {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let (height, width) = text.split_once('x').ok_or(Refused)?;
        Ok(Self { height: height.parse().map_err(|_| Refused)?, width: width.parse().map_err(|_| Refused)? })
    }
}

impl Value for Size {
    const WHAT: &'static str = "HEIGHTxWIDTH";
}

#[cfg(feature = "std")]
impl From<Size> for String {
    fn from(size: Size) -> Self {
        size.to_string()
    }
}

#[cfg(feature = "std")]
impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|Refused| format!("{text:?} is not {}", Self::WHAT))
    }
}

/// Unit of a device's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Unit {
    /// Executed instructions, exact.
    Instructions,
    /// Clock cycles of the processor.
    Cycles,
    /// Ticks of a clock of constant frequency: time.
    Ticks,
}

texts!(Unit {
    Self::Instructions => ("instructions"),
    Self::Cycles => ("cycles"),
    Self::Ticks => ("ticks"),
});

impl FromStr for Unit {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        match text {
            "instructions" => Ok(Self::Instructions),
            "cycles" => Ok(Self::Cycles),
            "ticks" => Ok(Self::Ticks),
            _ => Err(Refused),
        }
    }
}

impl Value for Unit {
    const WHAT: &'static str = "instructions, cycles or ticks";
}
