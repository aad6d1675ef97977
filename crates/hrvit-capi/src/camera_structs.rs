//! The structures of camera frames in the header.
#![allow(non_camel_case_types, reason = "names in the header")]

use crate::sized::SizedStruct;

/// The most planes of a camera frame.
pub const HRVIT_CAMERA_PLANES: usize = 3;

/// For `hrvit_camera_frame.format`: luma; U and V in turn for every 2x2 pixels.
pub const HRVIT_CAMERA_NV12: u32 = 0;
/// For `hrvit_camera_frame.format`: as NV12, V first.
pub const HRVIT_CAMERA_NV21: u32 = 1;
/// For `hrvit_camera_frame.format`: luma; U for every 2x2 pixels; V for every 2x2 pixels.
pub const HRVIT_CAMERA_I420: u32 = 2;
/// For `hrvit_camera_frame.format`: luma; U for every two pixels of a row; V.
pub const HRVIT_CAMERA_I422: u32 = 3;
/// For `hrvit_camera_frame.format`: luma; U for every four pixels of a row; V.
pub const HRVIT_CAMERA_I411: u32 = 4;
/// For `hrvit_camera_frame.format`: luma, U and V of every pixel.
pub const HRVIT_CAMERA_I444: u32 = 5;
/// For `hrvit_camera_frame.format`: Y U Y V for every two pixels of a row.
pub const HRVIT_CAMERA_YUYV: u32 = 6;
/// For `hrvit_camera_frame.format`: U Y V Y for every two pixels of a row.
pub const HRVIT_CAMERA_UYVY: u32 = 7;
/// For `hrvit_camera_frame.format`: two bytes a pixel, the lower first; red from bit 11, green from
/// 5.
pub const HRVIT_CAMERA_RGB565: u32 = 8;
/// For `hrvit_camera_frame.format`: three bytes a pixel.
pub const HRVIT_CAMERA_RGB: u32 = 9;
/// For `hrvit_camera_frame.format`: three bytes a pixel, blue first.
pub const HRVIT_CAMERA_BGR: u32 = 10;
/// For `hrvit_camera_frame.format`: four bytes a pixel; the fourth is left out.
pub const HRVIT_CAMERA_RGBA: u32 = 11;
/// For `hrvit_camera_frame.format`: four bytes a pixel, blue first; the fourth is left out.
pub const HRVIT_CAMERA_BGRA: u32 = 12;
/// For `hrvit_camera_frame.format`: one byte a pixel, 0 is black and 255 white.
pub const HRVIT_CAMERA_GRAY: u32 = 13;

/// For `hrvit_camera_frame.matrix`: ITU-R BT.601, cameras and standard definition.
pub const HRVIT_CAMERA_BT601: u32 = 0;
/// For `hrvit_camera_frame.matrix`: ITU-R BT.709, high definition.
pub const HRVIT_CAMERA_BT709: u32 = 1;

/// For `hrvit_camera_frame.range`: luma from 16 to 235, chroma from 16 to 240.
pub const HRVIT_CAMERA_LIMITED: u32 = 0;
/// For `hrvit_camera_frame.range`: luma and chroma from 0 to 255.
pub const HRVIT_CAMERA_FULL: u32 = 1;

/// For `hrvit_camera_frame.filter`: the mean of all that a pixel of the input covers.
pub const HRVIT_CAMERA_AREA: u32 = 0;
/// For `hrvit_camera_frame.filter`: the line between the two nearest pixels, in each direction.
pub const HRVIT_CAMERA_BILINEAR: u32 = 1;

/// A frame as a camera left it, and which part of it the network sees. Zeros are the defaults, but
/// for sides and planes. `docs/camera.md` has the formulas.
///
/// A view is made in this order: the region, the rotation, the mirror, the fit.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct hrvit_camera_frame {
    /// `sizeof(hrvit_camera_frame)`, set by the caller.
    pub struct_size: u32,
    /// `HRVIT_CAMERA_NV12` to `HRVIT_CAMERA_GRAY`.
    pub format: u32,
    /// Pixels of a row, 1 to 65535; even with `HRVIT_CAMERA_YUYV` and `HRVIT_CAMERA_UYVY`.
    pub width: u32,
    /// Rows, 1 to 65535.
    pub height: u32,
    /// `HRVIT_CAMERA_BT601` or `HRVIT_CAMERA_BT709`.
    pub matrix: u32,
    /// `HRVIT_CAMERA_LIMITED` or `HRVIT_CAMERA_FULL`.
    pub range: u32,
    /// First column of the region; all four of the region 0: the whole frame.
    pub region_x: u32,
    /// First row of the region.
    pub region_y: u32,
    /// Columns of the region.
    pub region_width: u32,
    /// Rows of the region.
    pub region_height: u32,
    /// Degrees by which the frame is turned to stand upright, clockwise: 0, 90, 180 or 270.
    pub rotation: u32,
    /// 1: left and right then change places; else 0.
    pub mirror: u32,
    /// `HRVIT_FIT_STRETCH`, `HRVIT_FIT_CROP` or `HRVIT_FIT_LETTERBOX`; `hrvit_model_info.fit` has
    /// the model's.
    pub fit: u32,
    /// `HRVIT_CAMERA_AREA` or `HRVIT_CAMERA_BILINEAR`.
    pub filter: u32,
    /// Red, green and blue of the bars of a letterbox; the fourth byte is left out.
    pub bars: [u8; 4],
    /// 0.
    pub reserved: u32,
    /// First byte of each plane, in the format's order. Only `hrvit_camera_overlay` writes to them.
    pub planes: [*mut u8; HRVIT_CAMERA_PLANES],
    /// Bytes of each plane; the last row may end with its pixels.
    pub plane_bytes: [usize; HRVIT_CAMERA_PLANES],
    /// Bytes from one row of a plane to the next; 0: rows have no padding.
    pub row_bytes: [usize; HRVIT_CAMERA_PLANES],
}

/// Colour of a class.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct hrvit_ink {
    /// Red, 0 to 255.
    pub red: u8,
    /// Green, 0 to 255.
    pub green: u8,
    /// Blue, 0 to 255.
    pub blue: u8,
    /// How much of it: 0 leaves the frame as it is, 255 covers it.
    pub alpha: u8,
}

/// Consecutive labels of chosen classes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct hrvit_label_run {
    /// Number of the first one; rows follow each other.
    pub start: usize,
    /// How many there are.
    pub length: usize,
}

/// Area and bounding box of a class; the box is 0 without a pixel.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct hrvit_extent {
    /// Pixels of the class.
    pub pixels: usize,
    /// First column of the box.
    pub x: u32,
    /// First row of the box.
    pub y: u32,
    /// Columns of the box.
    pub width: u32,
    /// Rows of the box.
    pub height: u32,
}

// SAFETY: `repr(C)`, a `u32` first, then integers, arrays of them and raw pointers: any bytes will
// do.
unsafe impl SizedStruct for hrvit_camera_frame {
    const FIRST: usize = size_of::<Self>();
    const NAME: &'static str = "hrvit_camera_frame";
    const SIZE_NAME: &'static str = "hrvit_camera_frame.struct_size";
}
