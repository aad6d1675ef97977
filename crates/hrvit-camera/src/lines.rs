//! Lines of samples: each value the weighted sum of the camera's rows that a row of cells sees.

use hrvit_kernels::resample::{Cells, WeightedRows};
use hrvit_kernels::{Kernels, ShapeError};

use crate::filter::Window;
use crate::format::Format;
use crate::frame::Frame;

/// A line in the scratch, in the width that its sums have.
pub(crate) enum Line<'l> {
    Narrow(&'l mut [u16]),
    Wide(&'l mut [u32]),
}

/// Rows of one plane, from a byte on.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'f, 'a> {
    pub(crate) frame: &'f Frame<'a>,
    pub(crate) plane: usize,
    /// First byte of each row.
    pub(crate) first: usize,
}

impl<'l> Line<'l> {
    /// The first `values`, and the rest; none if there are fewer.
    pub(crate) fn split(self, values: usize) -> Option<(Self, Self)> {
        match self {
            Self::Narrow(line) => line.split_at_mut_checked(values).map(|(line, rest)| (Self::Narrow(line), Self::Narrow(rest))),
            Self::Wide(line) => line.split_at_mut_checked(values).map(|(line, rest)| (Self::Wide(line), Self::Wide(rest))),
        }
    }

    /// `self[i] = sum over rows of weight * byte i`; of [`Format::Rgb565`] three values a pixel.
    /// `whole` is the weight of an inner row.
    pub(crate) fn sum_rows(&mut self, kernels: Kernels, rows: Rows<'_, '_>, window: Window, whole: u32) -> Result<(), ShapeError> {
        let (bytes, stride) = rows.frame.rows_from(rows.plane, window.first, rows.first);
        let weighted = WeightedRows { bytes, stride, inner: window.inner, head: window.head, whole, tail: window.tail };
        match (self, rows.frame.format()) {
            (Self::Narrow(line), Format::Rgb565) => kernels.sum_rows_565_u16(&weighted, line),
            (Self::Wide(line), Format::Rgb565) => kernels.sum_rows_565_u32(&weighted, line),
            (Self::Narrow(line), _) => kernels.sum_rows_u16(&weighted, line),
            (Self::Wide(line), _) => kernels.sum_rows_u32(&weighted, line),
        }
    }

    /// The means of adjoining cells; the first sample is value `start`.
    pub(crate) fn area_means(&self, kernels: Kernels, start: usize, cells: Cells, sums: &mut [u32], out: &mut [u16]) -> Result<(), ShapeError> {
        match self {
            Self::Narrow(line) => kernels.area_means_u16(line.get(start..).unwrap_or_default(), cells, sums, out),
            Self::Wide(line) => kernels.area_means_u32(line.get(start..).unwrap_or_default(), cells, sums, out),
        }
    }

    /// Value `at`; 0 behind the last.
    #[inline]
    pub(crate) fn value(&self, at: usize) -> u32 {
        match self {
            Self::Narrow(line) => line.get(at).map_or(0, |value| u32::from(*value)),
            Self::Wide(line) => line.get(at).map_or(0, |value| *value),
        }
    }
}
