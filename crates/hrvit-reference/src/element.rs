//! Element types that are read.

use half::{bf16, f16};

/// Type of a tensor's elements, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    F32,
    F16,
    Bf16,
    F64,
}

impl Element {
    /// The type that safetensors calls `name`, if it is one that is read.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "F32" => Self::F32,
            "F16" => Self::F16,
            "BF16" => Self::Bf16,
            "F64" => Self::F64,
            _ => return None,
        })
    }

    /// Bytes of an element.
    pub(crate) fn size(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F64 => 8,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// All values in `bytes`, the nearest f32 of each.
    pub(crate) fn values(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::F32 => bytes.as_chunks().0.iter().map(|&element| f32::from_le_bytes(element)).collect(),
            Self::F16 => bytes.as_chunks().0.iter().map(|&element| f16::from_le_bytes(element).to_f32()).collect(),
            Self::Bf16 => bytes.as_chunks().0.iter().map(|&element| bf16::from_le_bytes(element).to_f32()).collect(),
            Self::F64 => bytes.as_chunks().0.iter().map(|&element| f64::from_le_bytes(element) as f32).collect(),
        }
    }

    /// The value that `bytes` starts with; NaN if they are too few.
    pub(crate) fn value(self, bytes: &[u8]) -> f32 {
        match self {
            Self::F32 => bytes.first_chunk().map(|&element| f32::from_le_bytes(element)),
            Self::F16 => bytes.first_chunk().map(|&element| f16::from_le_bytes(element).to_f32()),
            Self::Bf16 => bytes.first_chunk().map(|&element| bf16::from_le_bytes(element).to_f32()),
            Self::F64 => bytes.first_chunk().map(|&element| f64::from_le_bytes(element) as f32),
        }
        .unwrap_or(f32::NAN)
    }
}
