//! How a program ended, as the exit code that reaches the host.

use defmt::Format;
use hrvit_format::LoadError;
use hrvit_log::DeviceError;

/// Exit codes. 0 is success, 1 a panic or a fault of the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// A CRC of the model image does not match.
    ImageCorrupt = 2,
    /// The image was written for another version of the format.
    ImageVersion = 3,
    /// The image's weights are packed for another target.
    ImagePacking = 4,
    /// There is no image, or its fields contradict each other.
    ImageInvalid = 5,
    /// The image's network needs a larger arena or label map than this program was planned for.
    ArenaTooSmall = 6,
    /// No engine for this image: half precision without feature `fp16`, 16-bit activations without
    /// feature `int16x8`, strips too long for codes, more than [`crate::MAX_STEPS`] steps, no plan.
    Setup = 7,
    /// The image has no golden frame.
    NoGoldenFrame = 8,
    /// A frame was not processed.
    Run = 9,
    /// A step's CRC differs from the host's, or a kernel's output from its definition.
    Differs = 10,
    /// A frame took more stack than [`crate::STACK_BOUND`].
    Stack = 11,
    /// The flash that weights are streamed from failed, or delivered wrong bytes.
    Stream = 12,
    /// The board did not come up: supply, clocks or flash.
    Board = 13,
}

impl Code {
    /// Logs the error and returns the code itself.
    pub fn because(self, text: impl Format) -> Self {
        defmt::error!("{}", DeviceError { code: self as u8, text });
        self
    }

    /// The code of an image that does not load.
    pub fn of_load(error: LoadError) -> Self {
        match error {
            LoadError::PrologueCrc | LoadError::ImageCrc | LoadError::SectionCrc(_) | LoadError::StepCrc(_) => Self::ImageCorrupt,
            LoadError::UnsupportedVersion(_) => Self::ImageVersion,
            LoadError::UnsupportedPacking(_) => Self::ImagePacking,
            LoadError::UnsupportedPrecision(_) | LoadError::UnsupportedAblations(_) => Self::Setup,
            _ => Self::ImageInvalid,
        }
    }
}
