//! Order of the bytes of a frame.

/// Most planes of a format.
pub(crate) const MAX_PLANES: usize = 3;

/// Order of the bytes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Format {
    /// Two planes: luma of every pixel, then U and V in turn for every 2x2 pixels.
    Nv12,
    /// As NV12, with V before U.
    Nv21,
    /// Three planes: luma, then U and V for every 2x2 pixels.
    I420,
    /// Three planes: luma, then U and V for every two pixels of a row.
    I422,
    /// Three planes: luma, then U and V for every four pixels of a row.
    I411,
    /// Three planes: luma, U and V of every pixel.
    I444,
    /// Y U Y V for every two pixels of a row.
    Yuyv,
    /// U Y V Y for every two pixels of a row.
    Uyvy,
    /// Two bytes a pixel, the lower byte first. From the highest bit down: 5 bits of red, 6 of
    /// green, 5 of blue.
    Rgb565,
    /// Three bytes a pixel: red, green, blue.
    Rgb,
    /// Three bytes a pixel: blue, green, red.
    Bgr,
    /// Four bytes a pixel: red, green, blue, and a fourth that is ignored.
    Rgba,
    /// Four bytes a pixel: blue, green, red, and a fourth that is ignored.
    Bgra,
    /// One byte a pixel: 0 is black, 255 is white.
    Gray8,
}

/// How one plane's bytes lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlaneLayout {
    /// Bytes of a group of pixels.
    pub(crate) bytes: usize,
    /// Values that a group holds.
    pub(crate) values: usize,
    /// Logarithm of the columns that a group stands for.
    pub(crate) columns: u32,
    /// Logarithm of the rows that a group stands for.
    pub(crate) rows: u32,
}

/// Place of one component's values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Component {
    /// Number of the plane.
    pub(crate) plane: usize,
    /// Values from one of the component to the next.
    pub(crate) step: usize,
    /// Values in front of the first.
    pub(crate) first: usize,
    /// Logarithm of the columns that a value stands for.
    pub(crate) columns: u32,
}

/// The kinds of components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colours {
    Yuv,
    Rgb,
    Gray,
}

const fn plane(bytes: usize, columns: u32, rows: u32) -> PlaneLayout {
    PlaneLayout { bytes, values: bytes, columns, rows }
}

/// How many groups of `1 << shift` hold so many pixels.
const fn groups(pixels: usize, shift: u32) -> usize {
    pixels.saturating_add((1 << shift) - 1) >> shift
}

const fn component(plane: usize, step: usize, first: usize, columns: u32) -> Component {
    Component { plane, step, first, columns }
}

const NV_PLANES: [PlaneLayout; 2] = [plane(1, 0, 0), plane(2, 1, 1)];

impl Format {
    /// Every format.
    pub const ALL: [Self; 14] = [
        Self::Nv12,
        Self::Nv21,
        Self::I420,
        Self::I422,
        Self::I411,
        Self::I444,
        Self::Yuyv,
        Self::Uyvy,
        Self::Rgb565,
        Self::Rgb,
        Self::Bgr,
        Self::Rgba,
        Self::Bgra,
        Self::Gray8,
    ];

    /// The name in lower case, such as `nv12`, `yuyv`, `rgb565` or `gray`. `str::parse` reads it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nv12 => "nv12",
            Self::Nv21 => "nv21",
            Self::I420 => "i420",
            Self::I422 => "i422",
            Self::I411 => "i411",
            Self::I444 => "i444",
            Self::Yuyv => "yuyv",
            Self::Uyvy => "uyvy",
            Self::Rgb565 => "rgb565",
            Self::Rgb => "rgb",
            Self::Bgr => "bgr",
            Self::Rgba => "rgba",
            Self::Bgra => "bgra",
            Self::Gray8 => "gray",
        }
    }

    /// Number of planes of a frame.
    pub const fn planes(self) -> usize {
        self.plane_layouts().len()
    }

    /// Bytes of the pixels of a plane's row, without a stride's gap. 0 for a plane that the format
    /// does not have.
    pub fn row_bytes(self, plane: usize, width: usize) -> usize {
        self.plane_layouts().get(plane).map_or(0, |plane| groups(width, plane.columns).saturating_mul(plane.bytes))
    }

    /// Rows of a plane. 0 for a plane that the format does not have.
    pub fn rows(self, plane: usize, height: usize) -> usize {
        self.plane_layouts().get(plane).map_or(0, |plane| groups(height, plane.rows))
    }

    /// Bytes of a frame without gaps. `usize::MAX` if they exceed the address space.
    pub fn frame_bytes(self, width: usize, height: usize) -> usize {
        (0..self.planes()).fold(0, |sum: usize, plane| sum.saturating_add(self.row_bytes(plane, width).saturating_mul(self.rows(plane, height))))
    }

    /// Whether two pixels of a row share bytes that a row without the second would lack.
    pub(crate) const fn shares_pairs(self) -> bool {
        matches!(self, Self::Yuyv | Self::Uyvy)
    }

    pub(crate) const fn plane_layouts(self) -> &'static [PlaneLayout] {
        match self {
            Self::Nv12 | Self::Nv21 => &NV_PLANES,
            Self::I420 => &const { [plane(1, 0, 0), plane(1, 1, 1), plane(1, 1, 1)] },
            Self::I422 => &const { [plane(1, 0, 0), plane(1, 1, 0), plane(1, 1, 0)] },
            Self::I411 => &const { [plane(1, 0, 0), plane(1, 2, 0), plane(1, 2, 0)] },
            Self::I444 => &const { [plane(1, 0, 0); 3] },
            Self::Yuyv | Self::Uyvy => &const { [plane(4, 1, 0)] },
            Self::Rgb565 => &const { [PlaneLayout { bytes: 2, values: 3, columns: 0, rows: 0 }] },
            Self::Rgb | Self::Bgr => &const { [plane(3, 0, 0)] },
            Self::Rgba | Self::Bgra => &const { [plane(4, 0, 0)] },
            Self::Gray8 => &const { [plane(1, 0, 0)] },
        }
    }

    /// Y, U, V or R, G, B or grey.
    pub(crate) const fn components(self) -> &'static [Component] {
        match self {
            Self::Nv12 => &const { [component(0, 1, 0, 0), component(1, 2, 0, 1), component(1, 2, 1, 1)] },
            Self::Nv21 => &const { [component(0, 1, 0, 0), component(1, 2, 1, 1), component(1, 2, 0, 1)] },
            Self::I420 => &const { [component(0, 1, 0, 0), component(1, 1, 0, 1), component(2, 1, 0, 1)] },
            Self::I422 => &const { [component(0, 1, 0, 0), component(1, 1, 0, 1), component(2, 1, 0, 1)] },
            Self::I411 => &const { [component(0, 1, 0, 0), component(1, 1, 0, 2), component(2, 1, 0, 2)] },
            Self::I444 => &const { [component(0, 1, 0, 0), component(1, 1, 0, 0), component(2, 1, 0, 0)] },
            Self::Yuyv => &const { [component(0, 2, 0, 0), component(0, 4, 1, 1), component(0, 4, 3, 1)] },
            Self::Uyvy => &const { [component(0, 2, 1, 0), component(0, 4, 0, 1), component(0, 4, 2, 1)] },
            Self::Rgb | Self::Rgb565 => &const { [component(0, 3, 0, 0), component(0, 3, 1, 0), component(0, 3, 2, 0)] },
            Self::Bgr => &const { [component(0, 3, 2, 0), component(0, 3, 1, 0), component(0, 3, 0, 0)] },
            Self::Rgba => &const { [component(0, 4, 0, 0), component(0, 4, 1, 0), component(0, 4, 2, 0)] },
            Self::Bgra => &const { [component(0, 4, 2, 0), component(0, 4, 1, 0), component(0, 4, 0, 0)] },
            Self::Gray8 => &const { [component(0, 1, 0, 0)] },
        }
    }

    pub(crate) const fn colours(self) -> Colours {
        match self {
            Self::Nv12 | Self::Nv21 | Self::I420 | Self::I422 | Self::I411 | Self::I444 | Self::Yuyv | Self::Uyvy => Colours::Yuv,
            Self::Rgb565 | Self::Rgb | Self::Bgr | Self::Rgba | Self::Bgra => Colours::Rgb,
            Self::Gray8 => Colours::Gray,
        }
    }
}

impl core::fmt::Display for Format {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

/// No [`Format`] has this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct UnknownFormat;

impl core::fmt::Display for UnknownFormat {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("not a camera format; expected one of")?;
        Format::ALL.iter().try_for_each(|format| write!(f, " {format}"))
    }
}

impl core::error::Error for UnknownFormat {}

impl core::str::FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        Self::ALL.into_iter().find(|format| format.name().eq_ignore_ascii_case(name)).ok_or(UnknownFormat)
    }
}
