//! The structures and callbacks of the header.
#![allow(non_camel_case_types, reason = "names in the header")]

use core::ffi::{c_char, c_void};

use crate::sized::SizedStruct;

/// A checked model image. Opaque: use it by pointer only. A closed handle is recognised.
pub struct hrvit_model {
    _private: [u8; 0],
}

/// A model, a plan and an arena, ready to run frames. Opaque: use it by pointer only. A closed
/// handle is recognised.
pub struct hrvit_engine {
    _private: [u8; 0],
}

/// Bytes of the text in `hrvit_error`, its NUL included.
pub const HRVIT_ERROR_TEXT_BYTES: usize = 248;

/// The end of a call, in words. Every function that returns `hrvit_status` fills one in if it
/// is given one; NULL is fine where the code is enough.
///
/// ```c
/// hrvit_error error = HRVIT_INIT(hrvit_error);
/// if (hrvit_model_open_file("b1.hrvit", NULL, &model, &error) != HRVIT_OK)
///     fprintf(stderr, "%s\n", error.text);
/// ```
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hrvit_error {
    /// `sizeof(hrvit_error)`, set by the caller.
    pub struct_size: u32,
    /// The code that the function returned, an `hrvit_status`.
    pub status: i32,
    /// One sentence in English, in UTF-8, that ends with a NUL: the thing that is wrong, and what
    /// was expected or what to do. A longer one is cut after a whole character. Empty after
    /// `HRVIT_OK`.
    pub text: [c_char; HRVIT_ERROR_TEXT_BYTES],
}

/// For `hrvit_model_options.flags`: copy the image to memory of the library's own. A buffer may
/// lie anywhere; the caller may change or free buffer or file when the function returns. Needs
/// `HRVIT_FEATURE_STD`.
pub const HRVIT_MODEL_COPY: u32 = 1;

/// How to open a model. Zeros are the defaults.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct hrvit_model_options {
    /// `sizeof(hrvit_model_options)`, set by the caller.
    pub struct_size: u32,
    /// 0, or `HRVIT_MODEL_COPY`.
    pub flags: u32,
}

/// For `hrvit_model_info.head`: a label for every pixel.
pub const HRVIT_HEAD_SEGFORMER: u32 = 0;
/// For `hrvit_model_info.head`: a class for the whole frame.
pub const HRVIT_HEAD_CLASSIFIER: u32 = 1;

/// For `hrvit_model_info.logit_format`: 16-bit codes, `logit_scale` each.
pub const HRVIT_LOGIT_S16: u32 = 0;
/// For `hrvit_model_info.logit_format`: IEEE 754 half precision.
pub const HRVIT_LOGIT_F16: u32 = 1;

/// For `hrvit_model_info.fit`: a picture is resized in each direction on its own.
pub const HRVIT_FIT_STRETCH: u32 = 0;
/// For `hrvit_model_info.fit`: the largest part in its middle that has the input's shape.
pub const HRVIT_FIT_CROP: u32 = 1;
/// For `hrvit_model_info.fit`: all of it, in the middle between bars of the mean colour
/// (`hrvit_model_info.mean`).
pub const HRVIT_FIT_LETTERBOX: u32 = 2;
/// For `hrvit_model_info.fit`: resized with its shape kept until it just covers the input. Windows
/// of the input's size slide over it: for one input a frame take the middle.
pub const HRVIT_FIT_KEEP_RATIO: u32 = 3;

/// For `hrvit_model_info.contents`: the image names its classes.
pub const HRVIT_HAS_NAMES: u32 = 1;
/// For `hrvit_model_info.contents`: the image has a colour for every class.
pub const HRVIT_HAS_COLOURS: u32 = 2;
/// For `hrvit_model_info.contents`: the image has a golden frame.
pub const HRVIT_HAS_GOLDEN: u32 = 4;
/// For `hrvit_model_info.contents`: some steps have 16-bit activations.
pub const HRVIT_HAS_INT16X8: u32 = 8;
/// For `hrvit_model_info.contents`: some steps are in half precision. Their results may differ
/// between processors in the last bits; those of all other images never do.
pub const HRVIT_HAS_FP16: u32 = 16;

/// Facts about an image, as it says them itself.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct hrvit_model_info {
    /// `sizeof(hrvit_model_info)`, set by the caller.
    pub struct_size: u32,
    /// `HRVIT_HEAD_SEGFORMER` or `HRVIT_HEAD_CLASSIFIER`.
    pub head: u32,
    /// Classes: labels are below it. At most 256 for segmentation, 32767 for classification.
    pub classes: u32,
    /// Rows of pixels of the input that the image was made for, a multiple of 32.
    pub height: u32,
    /// Columns of pixels of that input, a multiple of 32.
    pub width: u32,
    /// How pictures of another shape were fitted when the image was made: `HRVIT_FIT_...`. A
    /// program fits RGB frames in the same way, with a triangle as wide as the scale (Pillow's
    /// `BILINEAR`), and gives the value to `hrvit_camera_frame.fit`. See docs/inputs.md.
    pub fit: u32,
    /// Steps of a frame.
    pub steps: u32,
    /// `HRVIT_LOGIT_S16` or `HRVIT_LOGIT_F16`.
    pub logit_format: u32,
    /// Real value of one code of a logit; 1 in half precision.
    pub logit_scale: f32,
    /// Sum of `HRVIT_HAS_...`.
    pub contents: u32,
    /// Number that the image was made with (`hrvit quantize --sequence N`): of two valid images the
    /// one with the greater serial number is newer. It may wrap: `(int32_t)(a - b) > 0` says that
    /// `a` is newer than `b` (RFC 1982).
    pub sequence: u32,
    /// Mean colour that frames are normalised by, rounded: red, green, blue, 0 to 255, then 0. Bars
    /// beside a letterboxed picture have it (`HRVIT_FIT_LETTERBOX`).
    pub mean: [u8; 4],
    /// Bytes of the image, without what lies behind it in its slot of flash.
    pub image_bytes: usize,
}

/// How to plan an engine, and its arena. Zeros are the defaults.
///
/// The same structure goes to `hrvit_plan`, which says how many bytes the arena must have, and to
/// `hrvit_engine_open`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct hrvit_engine_options {
    /// `sizeof(hrvit_engine_options)`, set by the caller.
    pub struct_size: u32,
    /// Threads that share the work of a frame: 1 to 8 (2 where pointers have 32 bits), without
    /// `HRVIT_FEATURE_THREADS` 1; 0 is 1. No number of them changes a byte of a result. From 2 on
    /// they are threads of the library's own, started with the engine; the calling thread waits for
    /// them. Whole frames without a callback and without padding use them best. They do not survive
    /// `fork`. They keep their cores busy while a frame runs; between frames they sleep. On Linux
    /// they take over affinity, scheduling policy and signal mask of the thread that opens the
    /// engine.
    pub workers: u32,
    /// Rows of a frame, a multiple of 32 from 32 to 4096; 0: the image's own. A size much larger
    /// than that is refused where an attention would be longer than the image's codes allow
    /// (`HRVIT_ERROR_PLAN`: quantise for that size). The golden frame has the image's own size.
    pub height: u32,
    /// Columns of a frame, as `height`.
    pub width: u32,
    /// Memory for the engine, at a multiple of `HRVIT_ALIGNMENT` bytes, in use until the engine is
    /// closed. It is the busiest of all buffers: choose the fastest memory that has room. NULL: the
    /// library allocates it, which needs `HRVIT_FEATURE_STD`.
    pub arena: *mut c_void,
    /// Bytes of `arena`, at least those that the plan asks for; 0 where `arena` is NULL. Those
    /// beyond the plan are not used: `arena_limit` lets the plan use them.
    pub arena_bytes: usize,
    /// Plan for an arena of at most this many bytes: a larger one may save instructions. Too small
    /// a limit is `HRVIT_ERROR_PLAN`. 0: the smallest arena. With a static arena:
    /// `options.arena_limit = options.arena_bytes = sizeof arena`.
    pub arena_limit: usize,
    /// Kernels to run on, by the name of an instruction set: `scalar`, `dsp`, `mve`, `neon`,
    /// `neon_dotprod`, `neon_i8mm`, `avx2`, `avx_vnni` or `avx512`. NULL: the fastest that this
    /// processor has. A library for Cortex-M has one set only. Read during the call only. The plan
    /// does not depend on it.
    pub kernels: *const c_char,
}

/// Memory and buffer sizes of an engine.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct hrvit_engine_info {
    /// `sizeof(hrvit_engine_info)`, set by the caller.
    pub struct_size: u32,
    /// Threads that share the work of a frame.
    pub workers: u32,
    /// Rows of a frame.
    pub height: u32,
    /// Columns of a frame.
    pub width: u32,
    /// Multiply-accumulates of a frame.
    pub macs: u64,
    /// Bytes of the arena.
    pub arena_bytes: usize,
    /// Bytes of a frame without padding between rows: `height * width * 3`.
    pub frame_bytes: usize,
    /// Bytes of a label map, and of a map of margins: `height * width`; 0 of a classifier.
    pub label_bytes: usize,
    /// Elements of the logits: `height / 4 * width / 4 * classes`, or `classes` of a classifier.
    pub logit_count: usize,
    /// Instruction set of the kernels, with a NUL.
    pub kernels: [c_char; 16],
}

/// For `hrvit_frame.format`: 3 bytes a pixel, red, green, blue, 0 to 255, as a JPEG decoder gives
/// them. Mean and deviation are part of the image: do not normalise.
pub const HRVIT_FRAME_RGB8: u32 = 0;

/// A frame in the caller's memory, row by row from the top, of exactly the engine's height and
/// width: the library does not resize. It is only read, and only during the call; it may lie in the
/// image (a golden frame), but not in an arena.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct hrvit_frame {
    /// `sizeof(hrvit_frame)`, set by the caller.
    pub struct_size: u32,
    /// `HRVIT_FRAME_RGB8`.
    pub format: u32,
    /// The first pixel.
    pub pixels: *const u8,
    /// Bytes from the first pixel on: exactly `frame_bytes` of the plan where `row_bytes` is 0,
    /// else at least `(height - 1) * row_bytes + width * 3`.
    pub bytes: usize,
    /// Bytes from one row to the next, at least `width * 3`; 0: rows have no padding. Padded rows
    /// are for `hrvit_engine_segment` alone.
    pub row_bytes: usize,
}

/// Buffers for the results of a frame, row by row from the top, without padding. Sizes must be
/// exactly `label_bytes` and `logit_count` of the plan. No two buffers may overlap, nor any of them
/// the frame, an arena or an image.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct hrvit_segmentation {
    /// `sizeof(hrvit_segmentation)`, set by the caller.
    pub struct_size: u32,
    /// Shift of the margins, 0 to 31: a margin is `min(255, distance >> shift)`. `distance` is the
    /// best logit of a pixel minus the second best, in 1/64 of a code (half precision: in 1/4096 of
    /// a logit). `hrvit_model_margin_shift` gives a shift, `hrvit_model_margin_unit` what it stands
    /// for.
    pub margin_shift: u32,
    /// `height * width` bytes: the class of every pixel, the one with the largest logit. Logits are
    /// interpolated (bilinear) between their positions; the lower index wins among equals. Not
    /// NULL.
    pub labels: *mut u8,
    /// Bytes of `labels`.
    pub labels_bytes: usize,
    /// `height * width` bytes: how far the label of every pixel is ahead of the second best class;
    /// 255 everywhere if there is one class. NULL: not asked for.
    pub margins: *mut u8,
    /// Bytes of `margins`; 0 where it is NULL.
    pub margins_bytes: usize,
    /// `height / 4` rows of `width / 4` positions of `classes` logits, what the labels are made
    /// from. NULL: not asked for.
    pub logits: *mut i16,
    /// Elements of `logits`; 0 where it is NULL.
    pub logits_count: usize,
}

/// The most classes that `hrvit_engine_classify` ranks.
pub const HRVIT_MOST_RANKED: usize = 32;

/// A class and its logit. It has no size of its own and never grows.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct hrvit_ranked {
    /// Class index.
    pub class_index: u32,
    /// Its logit, as a real value.
    pub logit: f32,
}

/// For `hrvit_step.event`: the step begins.
pub const HRVIT_STEP_BEGINS: u32 = 0;
/// For `hrvit_step.event`: the step has ended.
pub const HRVIT_STEP_ENDED: u32 = 1;

/// A step of a frame, as the step callback sees it. Later versions may append fields.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct hrvit_step {
    /// Bytes of this structure, set by the library.
    pub struct_size: u32,
    /// `HRVIT_STEP_BEGINS` or `HRVIT_STEP_ENDED`.
    pub event: u32,
    /// Number of the step; `hrvit_model_step_name` names it.
    pub index: u32,
    /// Steps of a frame.
    pub count: u32,
    /// Multiply-accumulates of the step.
    pub macs: u64,
}

/// Called when a step begins and when it has ended, on the calling thread. `step` is valid
/// until it returns. Every step begins and ends once in a frame that is not stopped. But
/// `hrvit_engine_logits` of a segmentor makes no label map and leaves that step out. Steps may
/// enclose others: the label map lies within the step that makes the logits. The steps of a
/// classifier's head all begin, then all end in reverse.
///
/// Returns 0 to go on. Anything else ends the frame before the next step begins, with
/// `HRVIT_ERROR_STOPPED`; steps that have begun may still report their end. After the last step
/// there is nothing to stop: the frame is `HRVIT_OK`. The engine is ready for another frame.
///
/// A frame that is to be stopped still ends the step that it is in: the longest step is the longest
/// wait (`hrvit profile --steps`). A watchdog can be fed here.
///
/// It may call functions on models and on other engines. It must return: no `longjmp`, no
/// exception.
#[cfg(feature = "std")]
pub type hrvit_step_fn = Option<unsafe extern "C-unwind" fn(context: *mut c_void, step: *const hrvit_step) -> i32>;

/// The same where nothing unwinds.
///
/// cbindgen:ignore
#[cfg(not(feature = "std"))]
pub type hrvit_step_fn = Option<unsafe extern "C" fn(context: *mut c_void, step: *const hrvit_step) -> i32>;

/// Asks for row `y` of a frame: `row_bytes` (`width * 3`) bytes of RGB, to be written to `row`.
/// `row` is memory of the engine, valid until the function returns; its bytes mean nothing before.
/// Called on the calling thread, for every row once, in order, within the first step: its time
/// counts as the step's. Returns 0; anything else ends the frame with `HRVIT_ERROR_ROW`. The engine
/// is ready for another frame.
///
/// It may call functions on models and on other engines. It must return: no `longjmp`, no
/// exception.
#[cfg(feature = "std")]
pub type hrvit_row_fn = Option<unsafe extern "C-unwind" fn(context: *mut c_void, y: u32, row: *mut u8, row_bytes: usize) -> i32>;

/// The same where nothing unwinds.
///
/// cbindgen:ignore
#[cfg(not(feature = "std"))]
pub type hrvit_row_fn = Option<unsafe extern "C" fn(context: *mut c_void, y: u32, row: *mut u8, row_bytes: usize) -> i32>;

/// How to run a frame. Zeros are the defaults.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct hrvit_run_options {
    /// `sizeof(hrvit_run_options)`, set by the caller.
    pub struct_size: u32,
    /// 0.
    pub flags: u32,
    /// Called at every step; NULL: not called.
    pub step: hrvit_step_fn,
    /// Handed to `step`.
    pub step_context: *mut c_void,
}

/// Types that callers hand over by pointer.
macro_rules! sized {
    ($($type:ty: $first:expr),* $(,)?) => {$(
        // SAFETY: `repr(C)`, a `u32` first, then integers, floats, raw pointers, arrays of integers
        // and options of function pointers: any bytes will do.
        unsafe impl SizedStruct for $type {
            const FIRST: usize = $first;
            const NAME: &'static str = stringify!($type);
            const SIZE_NAME: &'static str = concat!(stringify!($type), ".struct_size");
        }
    )*};
}

// The sizes of version 1 of the ABI: structures that grow keep these numbers.
sized!(
    hrvit_error: size_of::<hrvit_error>(),
    hrvit_model_options: size_of::<hrvit_model_options>(),
    hrvit_model_info: size_of::<hrvit_model_info>(),
    hrvit_engine_options: size_of::<hrvit_engine_options>(),
    hrvit_engine_info: size_of::<hrvit_engine_info>(),
    hrvit_frame: size_of::<hrvit_frame>(),
    hrvit_segmentation: size_of::<hrvit_segmentation>(),
    hrvit_run_options: size_of::<hrvit_run_options>(),
    hrvit_step: size_of::<hrvit_step>(),
);
