//! Camera frames: labels straight from a camera's buffer.

use hrvit_camera::{Filter, Fit, Format, Frame, Geometry, Matrix, Plane, Range, Region, Rotation, Rows, Size, View};

use crate::answer::answer;
use crate::camera_error::CameraError;
use crate::camera_structs::*;
use crate::engine::take;
use crate::failure::{Failure, RowFailed};
use crate::frame::{Outputs, steps};
use crate::lent;
use crate::memory::{Apart, Place, put, shared, unique};
use crate::sized;
use crate::status::*;
use crate::structs::*;

/// Writes to `scratch_count` how many words of 32 bits `hrvit_engine_segment_camera` needs to make
/// the rows of such frames for this engine: `format`, `width`, `height`, the view and the filter
/// count.
///
/// Errors: `HRVIT_ERROR_HANDLE`, `_BUSY` (the engine runs a frame), `_NULL`, `_STRUCT_SIZE`,
/// `_ARGUMENT` (format, sides, region, rotation, fit, filter; or sides whose sums have more than 32
/// bits).
///
/// Thread-safety: any thread, any time; not from interrupts.
///
/// ```c
/// size_t words;
/// if (hrvit_camera_scratch(engine, &frame, &words, &error) == HRVIT_OK)
///     scratch = malloc(words * sizeof *scratch);
/// ```
///
/// # Safety
/// Pointers are NULL or lead to what is described.
// SAFETY: no other function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hrvit_camera_scratch(
    engine: *const hrvit_engine,
    frame: *const hrvit_camera_frame,
    scratch_count: *mut usize,
    error: *mut hrvit_error,
) -> hrvit_status {
    let call = || {
        let mut held = take(engine)?;
        let size = held.get()?.engine.plan().size();
        // SAFETY: the caller vouches for the pointers.
        let described = Described::of(&unsafe { sized::read(frame)? })?;
        let words = Rows::scratch_words(described.format, &described.geometry(size)?, described.filter).map_err(CameraError::Rows)?;
        // SAFETY: as above.
        unsafe { put("scratch_count", scratch_count, words) }
    };
    // SAFETY: the caller vouches for `error`.
    unsafe { answer(error, call) }
}

/// Segments a frame as a camera left it: its rows are cropped, turned, mirrored, resized and
/// converted to RGB in integers, one by one, as the engine asks for them. Labels are the same on
/// every processor.
///
/// `scratch` has at least `hrvit_camera_scratch` words, which need not be kept between frames. NULL
/// and 0: the library allocates it for the call, which needs `HRVIT_FEATURE_STD`. `options` may be
/// NULL. The planes are read only.
///
/// Errors: those of `hrvit_engine_segment` and `hrvit_camera_scratch`; `HRVIT_ERROR_SIZE` if a
/// stride, a plane or the scratch is too short; `_UNSUPPORTED` (no scratch, without
/// `HRVIT_FEATURE_STD`).
///
/// Thread-safety: as `hrvit_engine_segment`.
///
/// ```c
/// hrvit_camera_frame frame = HRVIT_INIT(hrvit_camera_frame);
/// frame.format = HRVIT_CAMERA_NV12;
/// frame.width = 1280;
/// frame.height = 720;
/// frame.planes[0] = buffer;
/// frame.plane_bytes[0] = 1280 * 720;
/// frame.planes[1] = buffer + 1280 * 720;
/// frame.plane_bytes[1] = 1280 * 360;
/// status = hrvit_engine_segment_camera(engine, &frame, scratch, words, &results, NULL, &error);
/// ```
///
/// # Safety
/// Pointers are NULL or lead to what is described.
// SAFETY: no other function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hrvit_engine_segment_camera(
    engine: *mut hrvit_engine,
    frame: *const hrvit_camera_frame,
    scratch: *mut u32,
    scratch_count: usize,
    results: *const hrvit_segmentation,
    options: *const hrvit_run_options,
    error: *mut hrvit_error,
) -> hrvit_status {
    let call = || {
        let mut held = take(engine)?;
        let open = held.get()?;
        let mut apart = Apart::default();
        // SAFETY: the caller vouches for the pointers, here and in the structures.
        let (steps, frame, outputs) = unsafe {
            let (steps, frame) = (steps(open, options)?, sized::read(frame)?);
            read_planes(&frame, &mut apart)?;
            (steps, frame, Outputs::of(open, results, &mut apart)?)
        };
        let described = Described::of(&frame)?;
        let geometry = described.geometry(open.engine.plan().size())?;
        let needed = Rows::scratch_words(described.format, &geometry, described.filter).map_err(CameraError::Rows)?;
        // SAFETY: the caller vouches for the planes.
        let frame = unsafe { described.frame(&frame)? };
        #[cfg(feature = "std")]
        let mut own = vec![0; if scratch.is_null() && scratch_count == 0 { needed } else { 0 }];
        #[cfg(not(feature = "std"))]
        let mut own = [0u32; 0];
        let scratch = if !scratch.is_null() {
            lent::register()?.check(apart.add("scratch", scratch, scratch_count)?, true)?;
            // SAFETY: the caller vouches for it; it overlaps nothing of this call, and nothing that
            // is lent.
            unsafe { unique("scratch", scratch, scratch_count)? }
        } else if scratch_count != 0 {
            return Err(Failure::text(HRVIT_ERROR_NULL, "the scratch is NULL, but scratch_count is not 0"));
        } else if cfg!(feature = "std") {
            own.as_mut_slice()
        } else {
            return Err(Failure::number(HRVIT_ERROR_UNSUPPORTED, "this build of the library has no memory of its own: words of scratch", 0, needed));
        };
        let mut rows = Rows::new(open.engine.kernels(), frame, geometry, described.filter, scratch).map_err(CameraError::Rows)?;
        // Sizes are those of the plan: only a defect makes a row fail.
        let mut ask = |y: usize, pixels: &mut [u8]| rows.read(y, pixels).map_err(|_| RowFailed(-1));
        Ok(open.engine.segment_rows(&mut ask, outputs.segmentation(), &steps)?)
    };
    // SAFETY: the caller vouches for `error`.
    unsafe { answer(error, call) }
}

/// Lays the colours of labels over a camera's frame, in its own orientation: the only function that
/// writes to the frame. Formats: NV12, NV21, RGB, BGR, RGBA, BGRA.
///
/// `labels` are the `label_height * label_width` bytes that `hrvit_engine_segment_camera` wrote for
/// such a frame. `palette` has an ink for each class; labels from `palette_count` on, and pixels
/// that the network did not see, stay as they are.
///
/// Errors: `HRVIT_ERROR_NULL`, `_ALIGNMENT`, `_STRUCT_SIZE`, `_ARGUMENT` (format, sides, view),
/// `_SIZE` (labels, a stride or a plane), `_OVERLAP`.
///
/// Thread-safety: any thread, any time.
///
/// ```c
/// hrvit_ink palette[3] = {{0, 0, 0, 0}, {128, 64, 128, 160}, {0, 255, 0, 160}};
/// status = hrvit_camera_overlay(&frame, labels, info.label_bytes, info.height, info.width,
/// palette, 3, &error);
/// ```
///
/// # Safety
/// Pointers are NULL or lead to what is described.
// SAFETY: no other function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hrvit_camera_overlay(
    frame: *const hrvit_camera_frame,
    labels: *const u8,
    labels_bytes: usize,
    label_height: u32,
    label_width: u32,
    palette: *const hrvit_ink,
    palette_count: usize,
    error: *mut hrvit_error,
) -> hrvit_status {
    let call = || {
        // SAFETY: the caller vouches for the pointers.
        let frame = unsafe { sized::read(frame)? };
        let described = Described::of(&frame)?;
        let geometry = described.geometry(size_of_labels(label_height, label_width)?)?;
        let mut apart = Apart::default();
        for (plane, bytes) in frame.planes.iter().zip(frame.plane_bytes).take(described.format.planes()) {
            lent::register()?.check(apart.add("planes", *plane, bytes)?, true)?;
        }
        lent::register()?.check(apart.add("labels", labels, labels_bytes)?, false)?;
        lent::register()?.check(apart.add("palette", palette, palette_count)?, false)?;
        // SAFETY: the caller vouches for the buffers, which do not overlap.
        unsafe {
            let (labels, palette) = (shared("labels", labels, labels_bytes)?, shared("palette", palette, palette_count)?);
            described.overlay(&frame, &geometry, labels, palette)
        }
    };
    // SAFETY: the caller vouches for `error`.
    unsafe { answer(error, call) }
}

/// Brings a map of `label_height * label_width` bytes (labels or margins) to the pixels of a
/// camera's frame, in its own orientation: `width * height` bytes at `pixels`. Each pixel has the
/// value of the label in which its middle lies, or `outside` (0 to 255) where the network did not
/// see it. The planes of the frame may be NULL.
///
/// Errors: as `hrvit_camera_overlay`; `HRVIT_ERROR_SIZE` unless `pixels_bytes` is `width * height`.
///
/// Thread-safety: any thread, any time.
///
/// ```c
/// status = hrvit_camera_labels(&frame, labels, info.label_bytes, info.height, info.width, 255,
/// map, 1280 * 720, &error);
/// ```
///
/// # Safety
/// Pointers are NULL or lead to what is described.
// SAFETY: no other function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hrvit_camera_labels(
    frame: *const hrvit_camera_frame,
    labels: *const u8,
    labels_bytes: usize,
    label_height: u32,
    label_width: u32,
    outside: u32,
    pixels: *mut u8,
    pixels_bytes: usize,
    error: *mut hrvit_error,
) -> hrvit_status {
    let call = || {
        // SAFETY: the caller vouches for the pointers.
        let described = Described::of(&unsafe { sized::read(frame)? })?;
        let geometry = described.geometry(size_of_labels(label_height, label_width)?)?;
        let outside = u8::try_from(outside).map_err(|_| Failure::number(HRVIT_ERROR_ARGUMENT, "outside, at most", outside as usize, 255))?;
        let needed = described.width.saturating_mul(described.height);
        if pixels_bytes != needed {
            return Err(Failure::number(HRVIT_ERROR_SIZE, "bytes of the frame's map", pixels_bytes, needed));
        }
        let mut apart = Apart::default();
        lent::register()?.check(apart.add("labels", labels, labels_bytes)?, false)?;
        lent::register()?.check(apart.add("pixels", pixels, pixels_bytes)?, true)?;
        // SAFETY: the caller vouches for the buffers, which do not overlap.
        let (labels, pixels) = unsafe { (shared("labels", labels, labels_bytes)?, unique("pixels", pixels, pixels_bytes)?) };
        for (y, row) in pixels.chunks_mut(described.width.max(1)).enumerate() {
            geometry.frame_row(labels, y, outside, row).map_err(CameraError::Labels)?;
        }
        Ok(())
    };
    // SAFETY: the caller vouches for `error`.
    unsafe { answer(error, call) }
}

/// The planes of a frame that is only read: nothing of this call may be written there.
///
/// # Safety
/// The planes are as described.
unsafe fn read_planes(frame: &hrvit_camera_frame, apart: &mut Apart) -> Result<(), Failure> {
    let planes = format_of(frame.format)?.planes();
    for (plane, bytes) in frame.planes.iter().zip(frame.plane_bytes).take(planes) {
        // SAFETY: the caller vouches for the plane.
        let place = Place::of("planes", unsafe { shared::<u8>("planes", *plane, bytes)? });
        lent::register()?.check(place, false)?;
        apart.read(place)?;
    }
    Ok(())
}

fn size_of_labels(height: u32, width: u32) -> Result<Size, Failure> {
    match (u16::try_from(height), u16::try_from(width)) {
        (Ok(height), Ok(width)) => Ok(Size { height, width }),
        _ => Err(Failure::number(HRVIT_ERROR_ARGUMENT, "side of the labels, at most", height.max(width) as usize, 4096)),
    }
}

fn format_of(number: u32) -> Result<Format, Failure> {
    Ok(match number {
        HRVIT_CAMERA_NV12 => Format::Nv12,
        HRVIT_CAMERA_NV21 => Format::Nv21,
        HRVIT_CAMERA_I420 => Format::I420,
        HRVIT_CAMERA_I422 => Format::I422,
        HRVIT_CAMERA_I411 => Format::I411,
        HRVIT_CAMERA_I444 => Format::I444,
        HRVIT_CAMERA_YUYV => Format::Yuyv,
        HRVIT_CAMERA_UYVY => Format::Uyvy,
        HRVIT_CAMERA_RGB565 => Format::Rgb565,
        HRVIT_CAMERA_RGB => Format::Rgb,
        HRVIT_CAMERA_BGR => Format::Bgr,
        HRVIT_CAMERA_RGBA => Format::Rgba,
        HRVIT_CAMERA_BGRA => Format::Bgra,
        HRVIT_CAMERA_GRAY => Format::Gray8,
        _ => return Err(Failure::text(HRVIT_ERROR_ARGUMENT, "camera format: expected one of HRVIT_CAMERA_NV12 to HRVIT_CAMERA_GRAY")),
    })
}

/// A frame's numbers, checked; its planes are not.
struct Described {
    format: Format,
    width: usize,
    height: usize,
    matrix: Matrix,
    range: Range,
    view: View,
    filter: Filter,
}

impl Described {
    fn of(frame: &hrvit_camera_frame) -> Result<Self, Failure> {
        let wrong = |text| Err(Failure::text(HRVIT_ERROR_ARGUMENT, text));
        let matrix = match frame.matrix {
            HRVIT_CAMERA_BT601 => Matrix::Bt601,
            HRVIT_CAMERA_BT709 => Matrix::Bt709,
            _ => return wrong("matrix: expected HRVIT_CAMERA_BT601 or HRVIT_CAMERA_BT709"),
        };
        let range = match frame.range {
            HRVIT_CAMERA_LIMITED => Range::Limited,
            HRVIT_CAMERA_FULL => Range::Full,
            _ => return wrong("range: expected HRVIT_CAMERA_LIMITED or HRVIT_CAMERA_FULL"),
        };
        let filter = match frame.filter {
            HRVIT_CAMERA_AREA => Filter::Area,
            HRVIT_CAMERA_BILINEAR => Filter::Bilinear,
            _ => return wrong("filter: expected HRVIT_CAMERA_AREA or HRVIT_CAMERA_BILINEAR"),
        };
        let [red, green, blue, _] = frame.bars;
        let fit = match frame.fit {
            HRVIT_FIT_STRETCH => Fit::Stretch,
            HRVIT_FIT_CROP => Fit::Crop,
            HRVIT_FIT_LETTERBOX => Fit::Letterbox { bars: [red, green, blue] },
            _ => return wrong("fit: expected HRVIT_FIT_STRETCH, HRVIT_FIT_CROP or HRVIT_FIT_LETTERBOX"),
        };
        let rotation = u16::try_from(frame.rotation).ok().and_then(Rotation::from_degrees);
        let Some(rotation) = rotation else { return wrong("rotation: expected 0, 90, 180 or 270 degrees") };
        if frame.mirror > 1 || frame.reserved != 0 {
            return wrong("mirror: expected 0 or 1; reserved fields are 0");
        }
        let [x, y, width, height] = [frame.region_x, frame.region_y, frame.region_width, frame.region_height].map(|number| number as usize);
        let region = ([x, y, width, height] != [0; 4]).then_some(Region { y, x, height, width });
        let view = View { region, rotation, mirror: frame.mirror == 1, fit };
        Ok(Self { format: format_of(frame.format)?, width: frame.width as usize, height: frame.height as usize, matrix, range, view, filter })
    }

    fn geometry(&self, size: Size) -> Result<Geometry, Failure> {
        Ok(Geometry::new(self.width, self.height, self.view, size).map_err(CameraError::Geometry)?)
    }

    /// Bytes from row to row of a plane.
    fn stride(&self, frame: &hrvit_camera_frame, plane: usize) -> usize {
        match frame.row_bytes.get(plane) {
            Some(0) | None => self.format.row_bytes(plane, self.width),
            Some(stride) => *stride,
        }
    }

    /// # Safety
    /// The planes are as described.
    unsafe fn frame<'f>(&self, frame: &hrvit_camera_frame) -> Result<Frame<'f>, Failure> {
        let mut planes = [Plane { bytes: &[][..], stride: 0 }; HRVIT_CAMERA_PLANES];
        let count = self.format.planes();
        for (number, (own, (plane, bytes))) in planes.iter_mut().zip(frame.planes.iter().zip(frame.plane_bytes)).enumerate().take(count) {
            // SAFETY: as the caller says.
            *own = Plane { bytes: unsafe { shared("planes", *plane, bytes)? }, stride: self.stride(frame, number) };
        }
        let planes = planes.get(..count).unwrap_or_default();
        Ok(Frame::new(self.format, self.width, self.height, planes).map_err(CameraError::Frame)?.with_colour(self.matrix, self.range))
    }

    /// # Safety
    /// The planes are as described, and overlap nothing.
    unsafe fn overlay(&self, frame: &hrvit_camera_frame, geometry: &Geometry, labels: &[u8], palette: &[hrvit_ink]) -> Result<(), Failure> {
        use hrvit_camera::{FrameMut, Ink, PlaneMut};
        let plane = |number: usize| {
            let (Some(pointer), Some(bytes)) = (frame.planes.get(number), frame.plane_bytes.get(number)) else { return Err(Failure::of(HRVIT_ERROR_INTERNAL)) };
            // SAFETY: as the caller says.
            Ok(PlaneMut { bytes: unsafe { unique("planes", *pointer, *bytes)? }, stride: self.stride(frame, number) })
        };
        let mut inks = [Ink::default(); 256];
        for (own, ink) in inks.iter_mut().zip(palette) {
            *own = Ink { colour: [ink.red, ink.green, ink.blue], alpha: ink.alpha };
        }
        let chroma = if self.format.planes() == 2 { Some(plane(1)?) } else { None };
        let drawn = FrameMut::new(self.format, self.width, self.height, plane(0)?, chroma).map_err(CameraError::Overlay)?;
        Ok(drawn.with_colour(self.matrix, self.range).overlay(geometry, labels, &inks).map_err(CameraError::Overlay)?)
    }
}
