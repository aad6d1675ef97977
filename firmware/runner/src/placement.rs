//! How the weights are reached.

/// How the weights are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// The image lies at an address of its own.
    Mapped,
    /// The image is part of the firmware.
    Embedded,
    /// The image lies on a flash that cannot be addressed; groups are paged in.
    Streamed,
}

impl Placement {
    /// As in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mapped => "mapped",
            Self::Embedded => "embedded",
            Self::Streamed => "streamed",
        }
    }
}
