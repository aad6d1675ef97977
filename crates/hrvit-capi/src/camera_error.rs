//! Why a camera's frame is refused.

use core::fmt;

use hrvit_camera::{FrameError, GeometryError, LabelsError, OverlayError, RowsError};

use crate::status::*;

/// Why a camera's frame is refused.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CameraError {
    Frame(FrameError),
    Geometry(GeometryError),
    Rows(RowsError),
    Overlay(OverlayError),
    Labels(LabelsError),
}

impl fmt::Display for CameraError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(error) => error.fmt(f),
            Self::Geometry(error) => error.fmt(f),
            Self::Rows(error) => error.fmt(f),
            Self::Overlay(error) => error.fmt(f),
            Self::Labels(error) => error.fmt(f),
        }
    }
}

impl CameraError {
    pub fn status(&self) -> hrvit_status {
        match self {
            Self::Frame(FrameError::Stride { .. } | FrameError::Short { .. })
            | Self::Overlay(OverlayError::Frame(FrameError::Stride { .. } | FrameError::Short { .. }))
            | Self::Rows(RowsError::Scratch { .. })
            | Self::Labels(_)
            | Self::Overlay(OverlayError::Labels(_)) => HRVIT_ERROR_SIZE,
            Self::Rows(RowsError::Internal(_)) => HRVIT_ERROR_INTERNAL,
            _ => HRVIT_ERROR_ARGUMENT,
        }
    }
}
